"""Lint, layout and types of everything, as tests: one summary line speaks for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "check",
    ["ruff check --no-cache iosish tests", "ruff format --check --no-cache iosish tests", "mypy"],
)
def test_style(check: str) -> None:
    done = subprocess.run([sys.executable, "-m", *check.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
