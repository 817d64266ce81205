"""The router's calendar: the machine's clock, unless `clock set` moved the router's own."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone, tzinfo

from iosish.config.model import Timezone


class Clock:
    """Wall time of one router. The machine's clock is taken as it is; `clock set` shifts this router's alone."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self.authoritative = False

    def now(self, zone: Timezone | None) -> datetime:
        return datetime.now(_tzinfo(zone)) + self._offset

    def set(self, wall: datetime, zone: Timezone | None) -> None:
        """`clock set`: `wall` without a time zone is in the router's own."""
        if wall.tzinfo is None:
            wall = wall.replace(tzinfo=_tzinfo(zone))
        self._offset = wall - datetime.now(_tzinfo(zone))
        self.authoritative = True


def monotonic() -> float:
    return time.monotonic()


def _tzinfo(zone: Timezone | None) -> tzinfo:
    if zone is None:
        return timezone(timedelta(), "UTC")
    minutes = zone.minutes if zone.hours >= 0 else -zone.minutes
    return timezone(timedelta(hours=zone.hours, minutes=minutes), zone.name)
