"""What is heavy stays off the way to a prompt: looked at in a fresh interpreter, after the imports were done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: scapy alone costs a second.
HEAVY = {"scapy", "asyncssh", "genie", "ntc_templates"}

#: A console is a pipe between a terminal and a socket.
CONSOLE_NEEDS_NOT = HEAVY | {
    "pyroute2",
    "asyncio",
    "prompt_toolkit",
    "pyparsing",
    "re2",
    "iosish.cli",
    "iosish.config",
    "iosish.show",
}


def loaded_after(code: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env={**os.environ, "IOSISH_STATE_DIR": str(folder)},
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
        ("from iosish.command import main\nmain(['console', 'no-such-router'])", CONSOLE_NEEDS_NOT),
        ("from iosish.command import main\nmain(['lab', 'up', '/no-such-folder'])", HEAVY),
        ("import iosish.runtime.service", HEAVY),
        ("import iosish.lab.parent", HEAVY),
    ],
)
def test_the_way_to_a_prompt_is_light(code: str, needs_not: set[str], tmp_path: Path) -> None:
    loaded = loaded_after(code, tmp_path)
    assert not loaded & needs_not, sorted(loaded & needs_not)
