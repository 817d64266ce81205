"""What `?` and Tab answer in a session: in its mode, behind `do`, and behind a pipe."""

from __future__ import annotations

from iosish.cli.grammar import Mode
from iosish.cli.help import UNRECOGNIZED, complete, help_lines
from iosish.terminal import pipes
from iosish.terminal.session import Session


def _place(session: Session, text: str) -> tuple[Mode, int, bool]:
    """The mode that `text` is to be read in, the column where its command begins, and whether that is EXEC."""
    if session.section is None:
        return session.mode, 0, True
    bare = text.lstrip(" \t")
    if bare[:3].lower() == "do ":
        return session.host.grammar.privileged_exec, len(text) - len(bare) + 3, True
    return session.mode, 0, False


def answer(session: Session, text: str) -> list[str]:
    """The lines that `?` shows, typed behind `text`; the last is empty unless nothing fits."""
    mode, start, is_exec = _place(session, text)
    command = text[start:]
    bar = pipes.split(command)[1] if is_exec else None
    if bar is not None:
        choices = pipes.help_lines(command, bar)
        if choices is None:
            return [UNRECOGNIZED]
        column = max(len(word) for word, _ in choices)
        return [*(f"  {word.ljust(column)}  {meaning}" for word, meaning in choices), ""]
    piped = is_exec and pipes.split(command + "|")[1] is not None
    lines = help_lines(mode, command, pipes=piped, width=session.width)
    return lines if lines[0].startswith("%") else [*lines, ""]


def completion(session: Session, text: str) -> str | None:
    """`text` with its last word completed by Tab; None when that is not one word."""
    mode, start, _ = _place(session, text)
    completed = complete(mode, text[start:])
    return None if completed is None else text[:start] + completed
