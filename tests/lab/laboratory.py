"""A lab for a test: under a random name, with a state folder of its own, gone at the end whatever happened."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IOSISH = (sys.executable, "-m", "iosish")
#: Put before a service's command: it ends with the tests, also when these are killed.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
#: No wait in a test takes longer, unless something is broken.
CEILING_S = 20.0


class Laboratory:
    """Runs `iosish` with a name and a state folder of its own."""

    def __init__(self, state: Path | None = None) -> None:
        self.name = f"t{secrets.token_hex(3)}"
        self.state = state or Path(tempfile.mkdtemp(prefix="iosish-"))  # short: sockets lie below it
        self.environment = {**os.environ, "IOSISH_STATE_DIR": str(self.state)}

    def iosish(
        self, *arguments: str, typed: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end; `typed` is its standard input."""
        return subprocess.run(
            [*IOSISH, *arguments],
            input=typed or "",
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=timeout,
        )

    def lab(self, verb: str, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a verb of this lab."""
        return self.iosish("lab", verb, "--name", self.name, *arguments, typed=typed)

    def up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Bring it up, detached; everything must answer."""
        done = self.lab("up", "--detach", *arguments)
        assert done.returncode == 0, done.stderr
        return done

    def console(self, router: str, *commands: str) -> str:
        """What commands print on a router's console, which must not refuse one."""
        done = self.iosish("console", router, "--name", self.name, typed="".join(f"{line}\n" for line in commands))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inside(self, router: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a router's namespace."""
        return self.iosish("lab", "exec", router, "--name", self.name, "--", *command)

    def record(self) -> dict[str, Any]:
        """What the lab's parent wrote down."""
        found: dict[str, Any] = json.loads((self.state / "run" / f"lab-{self.name}" / "record.json").read_text())
        return found

    def router_pid(self, router: str) -> int:
        pid: int = self.record()["processes"][router][0]
        return pid

    def remains(self) -> list[str]:
        """What is left of the lab outside of its state folder."""
        left = [str(path) for path in Path("/run/netns").glob(f"iosish-{self.name}-*")]
        left += [str(path) for path in (self.state / "run").glob("*")]
        return left + self.processes()

    def processes(self) -> list[str]:
        """All that runs with this laboratory's state folder in its environment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.state.name.encode() in path.read_bytes():
                    found.append(f"process {path.parent.name}: {(path.parent / 'cmdline').read_text()}")
            except OSError:
                continue
        return found

    def close(self) -> None:
        self.lab("down")
        shutil.rmtree(self.state, ignore_errors=True)


def eventually(true: Callable[[], bool], what: str, within_s: float = CEILING_S) -> None:
    """Wait until something is so. There is a ceiling, not a time to keep."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, f"still not: {what}"
        time.sleep(0.05)


def peers_up(table: str) -> list[str]:
    """The tunnel addresses that `show dmvpn` says are UP."""
    rows = [line.split() for line in table.splitlines()]
    return sorted(row[2] for row in rows if len(row) >= 6 and row[3] == "UP")
