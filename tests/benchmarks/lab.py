"""The classic lab on this machine: start, consoles, `?`, a long configuration through a pipe, memory. Needs root."""

from __future__ import annotations

import os
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.commit import LINES, configuration
from tests.benchmarks.figure import Figure, taken_s

IOSISH = (sys.executable, "-m", "iosish")
CEILING_S = 60.0
MIB = 1024


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Environment variables that keep the state of labs in a folder that goes."""
    with tempfile.TemporaryDirectory(prefix="iosish-") as folder:
        yield {**os.environ, "IOSISH_STATE_DIR": folder, "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", folder)}


class Lab:
    """A lab that runs; `up_s` is what its start took."""

    def __init__(self, name: str, env: dict[str, str], folder: Path | None = None) -> None:
        self.name = name
        self._env = env
        arguments = ["up", *([str(folder)] if folder else []), "--detach"]
        self.up_s = taken_s(lambda: self.iosish("lab", *arguments))

    def iosish(self, *arguments: str, text: str | None = None) -> str:
        """Run a verb on this lab; gives what it printed. Raises CalledProcessError."""
        at = 2 if arguments[0] == "lab" else 1
        command = [*IOSISH, *arguments[:at], "--name", self.name, *arguments[at:]]
        done = subprocess.run(
            command, env=self._env, input=text or "", capture_output=True, text=True, timeout=CEILING_S, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def socket(self, router: str) -> Path:
        """Where a router listens."""
        return Path(self._env["IOSISH_STATE_DIR"]) / "run" / f"lab-{self.name}" / f"{router}.sock"

    def console(self, router: str) -> Console:
        return Console([*IOSISH, "console", router, "--name", self.name], self._env, f"{router}>")

    def pss_kib(self, router: str) -> int:
        """Proportional set size over all processes of a router: those in its network namespace."""
        namespace = self.iosish("lab", "exec", router, "--", "readlink", "/proc/self/ns/net").strip()
        total = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str((process / "ns/net").readlink()) == namespace:
                    rollup = (process / "smaps_rollup").read_text()
                    total += int(rollup.partition("Pss:")[2].split()[0])
            except (OSError, IndexError):
                continue  # it ended meanwhile
        return total


class Console:
    """A console on a pseudo-terminal; `first_prompt_s` from the start of the command to the prompt."""

    def __init__(self, command: list[str], env: dict[str, str], prompt: str) -> None:
        self._prompt = prompt.encode()
        began = time.perf_counter()
        self._terminal, other = pty.openpty()
        self._process = subprocess.Popen(command, env=env, stdin=other, stdout=other, stderr=other, close_fds=True)
        os.close(other)
        self._read()
        self.first_prompt_s = time.perf_counter() - began

    def type(self, keys: str, answer: str) -> None:
        """Type, and read until `answer` came, and the prompt after it."""
        os.write(self._terminal, keys.encode())
        self._read(answer.encode())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(CEILING_S)
        os.close(self._terminal)

    def _read(self, answer: bytes = b"") -> None:
        seen = b""
        while self._prompt not in seen.partition(answer)[2] if answer else self._prompt not in seen:
            ready, _, _ = select.select([self._terminal], [], [], CEILING_S)
            if not ready:
                raise SystemExit(f"no prompt after {seen[-500:]!r}")
            seen += os.read(self._terminal, 1 << 16)


@contextmanager
def running(name: str, env: dict[str, str], folder: Path | None = None) -> Iterator[Lab]:
    lab = Lab(name, env, folder)
    try:
        yield lab
    finally:
        lab.iosish("lab", "down")


def encrypted_s(env: dict[str, str]) -> float:
    """From `lab up` typed until the hub has three peers and three ISAKMP SAs in QM_IDLE."""
    name = f"bench{os.getpid()}c"
    began = time.perf_counter()
    with running(name, env, Path("running-configs/dmvpn-ipsec")) as lab:
        while not _is_encrypted(lab):
            if time.perf_counter() - began > CEILING_S:
                raise SystemExit("the encrypted lab does not come up")
        return time.perf_counter() - began


def _is_encrypted(lab: Lab) -> bool:
    screen = lab.iosish("console", "R1", text="show dmvpn\nshow crypto isakmp sa\n")
    return len(re.findall(r" UP .* D *$", screen, re.MULTILINE)) == len(re.findall("QM_IDLE .*ACTIVE", screen)) == 3


def measure() -> Iterator[Figure]:
    name = f"bench{os.getpid()}"
    with environment() as env, running(name, env) as lab:
        yield Figure("lab up of five routers", lab.up_s, 5.0)
        consoles = [lab.console("R1") for _ in range(5)]
        yield Figure("console to first prompt", statistics.median(one.first_prompt_s for one in consoles), 0.3)
        yield Figure("the first of these, cold", consoles[0].first_prompt_s, 0.3)
        consoles[0].type("terminal length 0\r", answer="length 0")
        yield Figure("?", 1000 * taken_s(lambda: consoles[0].type("?", answer="traceroute"), 9), 20.0, "ms")
        for console in consoles:
            console.close()
        yield Figure("one router (the hub), Pss", lab.pss_kib("R1") / MIB, 60.0, "MiB")
        yield Figure("one router (a spoke), Pss", lab.pss_kib("R2") / MIB, 60.0, "MiB")
        script = f"configure terminal\n{configuration()}end\n"
        yield Figure(
            f"{LINES} lines through a console pipe", taken_s(lambda: lab.iosish("console", "R2", text=script)), 2.0
        )
        yield Figure("encrypted lab up: three peers, three QM_IDLE", encrypted_s(env), 6.0)
