"""Virtual environments for the clients that read our text: each library in its own, made once and kept in a cache.

The requirements list every package with its version and are installed without following dependencies:
Genie's own list would bring 800 MB of which its parsers use a third.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READ_CEILING_S = 100
INSTALL_CEILING_S = 600


class Unavailable(Exception):
    """The client cannot be installed here; the text says why."""


def ask(client: str, questions: list[dict[str, str]]) -> list[Any]:
    """Run `read_<client>.py` in the client's environment: one process for all questions, one answer each."""
    reader = HERE / f"read_{client}.py"
    done = subprocess.run(
        [python(client), str(reader)],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=READ_CEILING_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{reader.name} ended with {done.returncode}:\n{done.stderr}")
    answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def python(client: str) -> Path:
    """The interpreter of the client's environment, which is made when its requirements are new. Raises Unavailable."""
    requirements = HERE / "requirements" / f"{client}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iosish-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{client}-{version}-{digest}"
    ready = folder / "ready"
    with (cache / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, requirements)
            ready.touch()
    return folder / "bin" / "python"


def _install(folder: Path, requirements: Path) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-compile", "-r", str(requirements)],
        capture_output=True,
        text=True,
        timeout=INSTALL_CEILING_S,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"{requirements.stem} cannot be installed: {last}")
