"""`terminal ...`: how this session's terminal is."""

from __future__ import annotations

from iosish.terminal.session import Session


async def length(session: Session, length: int = 24) -> None:
    """`terminal length`: rows of a page, 0 for no pages."""
    if session.interactive:
        session.length = length


async def width(session: Session, width: int = 80) -> None:
    """`terminal width`: columns, 0 for no limit."""
    if session.interactive:
        session.width = width


async def monitor(session: Session) -> None:
    """`terminal monitor`: log lines on this line too."""
    if session.line.is_console:
        session.write("% Console already monitors\n")
    session.monitor = True


async def no_monitor(session: Session) -> None:
    session.monitor = False


async def history_size(session: Session, size: int = 20) -> None:
    """`terminal history size`."""
    session.exec_history.resize(size)
    session.configuration_history.resize(size)
