"""`reload`, at once or planned: its questions, and taking it back."""

from __future__ import annotations

from datetime import timedelta

from iosish.show.reload import lines
from iosish.snapshot import PlannedReload
from iosish.terminal.exec.configuration import write_memory
from iosish.terminal.session import Session

COMMAND = "Reload Command"
#: IOS takes no later one.
LATEST_DAYS = 24


async def reload(session: Session) -> None:
    """`reload`: starts again from the startup-config."""
    if await _saved_or_not_wanted(session) and await session.confirm("Proceed with reload?"):
        session.ended = True
        session.host.reload(session.who, COMMAND)


async def reload_in(session: Session, delay: str, reason: str = COMMAND) -> None:
    """`reload in [hhh:]mm [REASON]`."""
    hours, _, minutes = delay.rpartition(":")
    if hours and int(minutes) > 59:
        session.refuse("%Invalid delay: [hhh:]mm\n")
        return
    await _plan(session, timedelta(hours=int(hours or 0), minutes=int(minutes)), reason)


async def reload_at(
    session: Session, time: str, day: int | None = None, month: int | None = None, reason: str = COMMAND
) -> None:
    """`reload at hh:mm [DAY MONTH] [REASON]`: the next time that it is so late, or on that day."""
    now = session.host.now
    hour, minute, *second = map(int, time.split(":"))
    try:
        at = now.replace(hour=hour, minute=minute, second=(second or [0])[0], microsecond=0)
        if day is not None and month is not None:
            at = at.replace(month=month, day=day)
            if at < now:
                at = at.replace(year=now.year + 1)
    except ValueError:
        session.refuse("%Invalid date\n")
        return
    if at <= now:
        at += timedelta(days=1)
    await _plan(session, at - now, reason)


async def _plan(session: Session, delay: timedelta, reason: str) -> None:
    if not timedelta() < delay <= timedelta(days=LATEST_DAYS):
        session.refuse(f"%The reload must come within {LATEST_DAYS} days\n")
        return
    if not await _saved_or_not_wanted(session):
        return
    planned = PlannedReload(session.host.now + delay, session.who, reason)
    session.write("".join(f"{line}\n" for line in lines(planned, delay.total_seconds())))
    if await session.confirm("Proceed with reload?"):
        session.host.plan_reload(planned)


async def cancel(session: Session) -> None:
    if not session.host.cancel_reload():
        session.refuse("%No reload is scheduled.\n")


async def _saved_or_not_wanted(session: Session) -> bool:
    """Whether nothing is lost that the user did not give up. Raises Interrupted."""
    if not (session.host.modified and session.interactive):
        return True
    answer = ""
    while not ("yes".startswith(answer) or "no".startswith(answer)) or not answer:
        answer = (await session.ask("System configuration has been modified. Save? [yes/no]: ")).lower()
    return "no".startswith(answer) or await write_memory(session)
