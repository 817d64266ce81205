"""The shell and Python scripts that no other test runs can at least be read by their interpreters."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    ROOT / ".ci/run",
    ROOT / "iosish/setup",
    ROOT / "tests/run",
    *sorted(
        path for path in (ROOT / "tests/interop").rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!")
    ),
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_script(path: Path) -> None:
    first, _, _ = path.read_bytes().partition(b"\n")
    assert path.stat().st_mode & 0o111, "not executable"
    if first.endswith(b"sh"):
        shell = first.decode().removeprefix("#!").split()
        done = subprocess.run([*shell, "-n", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    else:
        assert b"python" in first
        ast.parse(path.read_bytes())
