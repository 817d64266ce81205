"""A dozen kills, and some of the rest, by a fixed seed. All of it: `python -m tests.endurance`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.laboratory import ENDS_WITH_US

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("arguments", ["--kills 12", "--full-disk 2", "--cuts 12"])
def test_all_goes_well(arguments: str) -> None:
    command = [*ENDS_WITH_US, sys.executable, "-m", "tests.endurance", "--seed", "12", *arguments.split()]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all went well\n")
