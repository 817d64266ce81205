"""What travels in the wheel: the program runs from it, away from any checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)  # what builds it is fetched
def test_the_wheel_carries_its_grammar_and_the_classic_lab(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    [wheel] = wheels.glob("iosish-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        names = set(archive.namelist())
    shipped = {file.name for file in (ROOT / "grammar").glob("*.cli")}
    assert {f"iosish/grammar/{name}" for name in shipped} <= names
    assert not [name for name in names if name.startswith("tests/")]

    config = installed / "iosish" / "running-configs" / "dmvpn" / "R1.cfg"
    done = subprocess.run(
        [sys.executable, "-m", "iosish", "check", config],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0 refused" in done.stdout.splitlines()[-1]
