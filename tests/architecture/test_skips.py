"""A skipped test is a failed one in CI, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SKIPS = {
    "in its body": "import pytest\ndef test_it(): pytest.skip('no tshark')\n",
    "by a mark": "import pytest\n@pytest.mark.skipif(True, reason='no tshark')\ndef test_it(): pass\n",
    "as a module": "import pytest\npytest.importorskip('no_such_module', reason='no tshark')\n",
    "in a fixture": ("import pytest\n@pytest.fixture\ndef tool(): pytest.skip('no tshark')\ndef test_it(tool): pass\n"),
}


def run(folder: Path, text: str, ci: str) -> tuple[int, str]:
    (folder / "test_skipping.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rs", str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip(tmp_path: Path, text: str) -> None:
    status, said = run(tmp_path, text, "true")
    assert status != 0 and "must run in CI" in said and "no tshark" in said
    status, said = run(tmp_path, text, "")
    assert status in (0, 5) and "1 skipped" in said  # 5: nothing but the skipped module was found


def test_an_expected_failure_stays_one(tmp_path: Path) -> None:
    status, said = run(tmp_path, "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n", "true")
    assert status == 0 and "1 xfailed" in said
