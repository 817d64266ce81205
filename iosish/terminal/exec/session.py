"""Privilege, configuration mode, and the end of a session."""

from __future__ import annotations

from typing import Any

from iosish.terminal.session import Session


async def enable(session: Session, **_level: Any) -> None:
    """`enable`: asks nothing while no secret is set."""
    session.privileged = True


async def disable(session: Session, **_level: Any) -> None:
    session.privileged = False


async def privilege(session: Session) -> None:
    """`show privilege`."""
    level = 15 if session.privileged or session.section is not None else 1
    await session.page(f"Current privilege level is {level}\n")


async def configure(session: Session, terminal: bool = False) -> None:
    """`configure terminal`; without the word it is asked for."""
    if not terminal:
        source = await session.ask("Configuring from terminal, memory, or network [terminal]? ", "terminal")
        if not "terminal".startswith(source.lower()):
            session.refuse('?Must be "terminal", "memory" or "network"\n')
            return
    if session.interactive:
        session.write("Enter configuration commands, one per line.  End with CNTL/Z.\n")
    session.configure()


async def logout(session: Session) -> None:
    """`exit`, `logout` and `quit` in EXEC."""
    session.ended = True
