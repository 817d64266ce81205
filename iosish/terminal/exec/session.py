"""Privilege, configuration mode, and the end of a session."""

from __future__ import annotations

from typing import Any

from iosish.terminal.session import Session


async def enable(session: Session, **_level: Any) -> None:
    """`enable`: asks nothing while no secret is set."""
    session.privileged = True


async def disable(session: Session, **_level: Any) -> None:
    session.privileged = False


async def configure(session: Session, **_source: Any) -> None:
    """`configure terminal`."""
    if session.interactive:
        session.write("Enter configuration commands, one per line.  End with CNTL/Z.\n")
    session.configure()


async def logout(session: Session) -> None:
    """`exit`, `logout` and `quit` in EXEC."""
    session.ended = True
