"""Asking a running lab, or a router of it, for something: what the verbs other than `up` stand on."""

from __future__ import annotations

import json
import os
import select
import socket
from pathlib import Path
from typing import Any

from iosish.lab.places import Running, Trouble

ANSWER_MAX = 64_000_000
#: A lab that takes longer to answer is stuck.
WITHIN_S = 30.0


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """One JSON line to a socket, one back. Raises Trouble."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WITHIN_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline(ANSWER_MAX))
    except TimeoutError:
        raise Trouble(f"no answer from {path} within {WITHIN_S:.0f} s") from None
    except (OSError, ValueError) as error:
        raise Trouble(f"no answer from {path}: {error}") from None
    if not isinstance(answer, dict):
        raise Trouble(f"no sense in what {path} answers")
    return answer


def ask_lab(lab: Running, verb: str, **details: Any) -> dict[str, Any]:
    """A verb to a lab's parent. Raises Trouble, also with the lab's own refusal."""
    answer = ask(lab.folder / "lab.sock", {"verb": verb, **details})
    if not answer.get("ok"):
        raise Trouble(str(answer.get("error") or "the lab refused"))
    return answer


def wait_for_end(pid: int) -> None:
    """Return when a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([descriptor], [], [], WITHIN_S)
    finally:
        os.close(descriptor)


def say(text: str) -> None:
    """A line for the user, on standard error."""
    os.write(2, f"{text}\n".encode(errors="replace"))


def count(number: int, what: str) -> str:
    """`1 router`, `2 routers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
