"""The command as a script sees it: help, refusals, exit statuses, and how little it takes to open a console."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iosish.lab.save import configuration


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "ios"


def iosish(*arguments: str, state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iosish", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "IOSISH_STATE_DIR": str(state), **environment},
        timeout=60,
    )


LAB_VERBS = ("up", "status", "down", "add", "save", "exec", "cut", "join", "capture")


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["console"], ["check"], ["lab"], *(["lab", verb] for verb in LAB_VERBS)], ids=" ".join
)
def test_help_of_every_verb(arguments: list[str], state: Path) -> None:
    done = iosish(*arguments, "--help", state=state)
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: iosish {' '.join(arguments)}".rstrip())
    assert "0 fine, 1 a command was refused, 2 could not run" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "usage: iosish"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["lab"], "usage: iosish lab"),
        (["lab", "nonsense"], "invalid choice: 'nonsense'"),
        (["console", "R1"], "iosish: no router runs: `iosish lab up` starts the classic lab"),
        (["lab", "status"], "iosish: no lab is up: `iosish lab up` starts one"),
        (["lab", "down", "--name", "two"], "iosish: no lab two is up"),
        (["lab", "exec", "R1"], "iosish: which command? iosish lab exec R1 -- CMD"),
        (["lab", "up", "/none"], "iosish: /none: no such folder"),
        (["lab", "up", "--name", "a/b"], "iosish: 'a/b' is no name for a lab"),
        (["lab", "up", "--plane", "kernel"], "iosish: the kernel data plane does not exist yet"),
        (["run", "/none.cfg"], "iosish: /none.cfg: no such file"),
        (["run", "/none.cfg", "--plane", "kernel"], "iosish: the kernel data plane does not exist yet"),
        (["run", "x.cfg", "--interface", "eth0"], "iosish: --interface eth0: an IOS interface in full and its device"),
        (["run", "x.cfg", "--interface", "Fa0/0=eth0"], "iosish: --interface Fa0/0=eth0: an IOS interface in full"),
    ],
)
def test_what_cannot_run_says_so_in_one_line(arguments: list[str], says: str, state: Path) -> None:
    done = iosish(*arguments, state=state)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if done.stderr.startswith("iosish:"):
        assert done.stderr.count("\n") == 1


def test_the_console_needs_next_to_nothing(state: Path) -> None:
    code = "import sys; from iosish.command import main; main(['console']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "IOSISH_STATE_DIR": str(state)},
        timeout=60,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "asyncio",
        "pyparsing",
        "prompt_toolkit",
        "pyroute2",
        "scapy",
        "dataclasses",
        "typing",
    }


def test_the_headings_of_a_shown_configuration_are_taken_off() -> None:
    shown = "Building configuration...\n\nCurrent configuration : 42 bytes\n!\nversion 15.9\nend\n"
    assert configuration(shown) == "!\nversion 15.9\nend\n"
