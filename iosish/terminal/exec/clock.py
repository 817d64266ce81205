"""`clock set`."""

from __future__ import annotations

from datetime import datetime

from iosish.terminal.session import Session


async def set_(session: Session, time: str, day: int, month: int, year: int) -> None:
    """`clock set hh:mm:ss DAY MONTH YEAR`, in the router's time zone."""
    hour, minute, second = (*(int(part) for part in time.split(":")), 0)[:3]
    try:
        wall = datetime(year, month, day, hour, minute, second)
    except ValueError:
        session.refuse("% Invalid date\n")
        return
    session.host.set_clock(wall)
