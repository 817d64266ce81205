"""The forms in which IOS prints how long something lasts, and what its clock says."""

from __future__ import annotations

from datetime import datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_YEAR = 365 * _DAY

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

NEVER = "never"


def duration(seconds: float) -> str:
    """`00:57:47` under a day, then `1d02h`, `2w3d`, `1y10w`. Less than nothing is nothing."""
    whole = max(0, int(seconds))
    if whole < _DAY:
        return clock(whole)
    if whole < _WEEK:
        return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"
    if whole < _YEAR:
        return f"{whole // _WEEK}w{whole % _WEEK // _DAY}d"
    return f"{whole // _YEAR}y{whole % _YEAR // _WEEK}w"


def clock(seconds: float) -> str:
    """`23:59:39`, hours without an end."""
    whole = max(0, int(seconds))
    return f"{whole // _HOUR:02}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02}"


def since(now: float, at: float | None) -> str:
    """How long ago `at` was; `never` for None."""
    return NEVER if at is None else duration(now - at)


def until(now: float, at: float | None) -> str:
    """How long it is to `at`; `never` for None."""
    return NEVER if at is None else duration(at - now)


def uptime(seconds: float) -> str:
    """`20 weeks, 5 days, 12 hours, 15 minutes`: a unit that is zero is left out; `0 minutes` at first."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("year", _YEAR), ("week", _WEEK), ("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
        count, rest = divmod(rest, size)
        if count or (unit == "minute" and not parts):
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return ", ".join(parts)


def wall(at: datetime, zone: str, *, milliseconds: bool = True) -> str:
    """`18:57:38.347 UTC Mon Oct 19 2015`, as `show clock` prints it."""
    fraction = f".{at.microsecond // 1000:03}" if milliseconds else ""
    day = f"{_WEEKDAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day} {at.year}"
    return f"{at.hour:02}:{at.minute:02}:{at.second:02}{fraction} {zone} {day}"


def stamp(at: datetime, authoritative: bool, *, milliseconds: bool = True, year: bool = False, zone: str = "") -> str:
    """`*Mar  1 00:00:00.000`, the stamp of a log line; `*` while nobody to trust has set the clock."""
    mark = "" if authoritative else "*"
    years = f"{at.year} " if year else ""
    fraction = f".{at.microsecond // 1000:03}" if milliseconds else ""
    time = f"{at.hour:02}:{at.minute:02}:{at.second:02}{fraction}"
    return f"{mark}{_MONTHS[at.month - 1]} {at.day:>2} {years}{time}{f' {zone}' if zone else ''}"
