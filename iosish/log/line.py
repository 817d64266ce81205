"""A line of the log as IOS writes it."""

from __future__ import annotations

from datetime import UTC, datetime

from iosish.config.model import Timestamps
from iosish.show.text import printable
from iosish.show.times import duration, stamp
from iosish.snapshot import LogRecord


def line(record: LogRecord) -> str:
    """`*Mar  1 00:00:00.000: %SYS-5-CONFIG_I: Configured from console by console`; a debug line has no facility."""
    number = f"{record.sequence:06}: " if record.numbered else ""
    head = f"%{record.facility}-{record.severity}-{record.mnemonic}: " if record.facility else ""
    return printable(f"{number}{_stamp(record)}{head}{record.text}")


def when(record: LogRecord) -> str:
    """Its time as `service timestamps` wants it; nothing when it wants none."""
    form = record.timestamps
    if not isinstance(form, Timestamps):
        return ""
    if not form.datetime:
        return duration(record.uptime_s)
    at, zone = _zone(record.at, form)
    return stamp(at, record.authoritative, milliseconds=form.msec, year=form.year, zone=zone)


def _stamp(record: LogRecord) -> str:
    stamped = when(record)
    return f"{stamped}: " if stamped else ""


def _zone(at: datetime, form: Timestamps) -> tuple[datetime, str]:
    """The time in UTC unless local time is wanted, and the name of its zone if that is wanted."""
    if at.tzinfo is not None and not form.localtime:
        at = at.astimezone(UTC)
    return at, (at.tzname() or "UTC") if form.show_timezone else ""
