"""Some of the matrix. All of it: `python -m tests.live_changes`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.laboratory import ENDS_WITH_US

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]


def test_each_twelfth_line_changed_and_changed_back() -> None:
    command = [*ENDS_WITH_US, sys.executable, "-m", "tests.live_changes", "--part", "6/12", "--hold", "0.5"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all went well\n")
