"""A skipped test is a failed one in CI, which runs tests in two processes, and only there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SKIPS = {
    "in its body": "def test_it(): pytest.skip('no tshark')\n",
    "by a mark": "@pytest.mark.skipif(True, reason='no tshark')\ndef test_it(): pass\n",
    "as a module": "pytest.importorskip('no_such_module', reason='no tshark')\n",
    "in a fixture": "@pytest.fixture\ndef tool(): pytest.skip('no tshark')\ndef test_it(tool): pass\n",
}
EXPECTED_TO_FAIL = "@pytest.mark.xfail\ndef test_it(): assert False\n"


def file(name: str) -> str:
    return f"test_{name.replace(' ', '_')}.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of tests for each way to skip, and one with an expected failure."""
    for name, text in {**SKIPS, "as expected": EXPECTED_TO_FAIL}.items():
        (tmp_path / file(name)).write_text(f"import pytest\n{text}")
    return tmp_path


def run(folder: Path, ci: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_in_ci_each_fails_with_its_reason(folder: Path) -> None:
    status, said = run(folder, "true", "--numprocesses", "2", "--dist", "loadfile")
    assert status == 1 and "1 failed, 1 xfailed, 3 errors" in said
    for name in SKIPS:
        assert re.search(f"{file(name)}.* must run in CI: .*no tshark", said), name


def test_elsewhere_each_is_skipped(folder: Path) -> None:
    status, said = run(folder, "")
    assert status == 0 and "4 skipped, 1 xfailed" in said
