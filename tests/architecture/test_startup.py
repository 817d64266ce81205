"""What is heavy stays off the way to a prompt: looked at in a fresh interpreter, after the imports were done."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: scapy alone costs a second.
HEAVY = {"scapy", "pyroute2", "asyncssh", "genie", "ntc_templates"}

#: A console is a pipe between a terminal and a socket.
CONSOLE_NEEDS_NOT = HEAVY | {
    "asyncio",
    "prompt_toolkit",
    "pyparsing",
    "re2",
    "iosish.cli",
    "iosish.config",
    "iosish.show",
}


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "needs_not"),
    [
        ("import iosish.terminal.console", CONSOLE_NEEDS_NOT),
        ("import iosish.runtime.service", HEAVY),
        ("import iosish.lab.parent", HEAVY),
    ],
)
def test_the_way_to_a_prompt_is_light(code: str, needs_not: set[str]) -> None:
    assert not loaded_after(code) & needs_not
