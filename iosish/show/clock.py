"""`show clock`: the router's wall clock. `*` means that nobody to trust has set it."""

from __future__ import annotations

from iosish.show.text import page
from iosish.show.times import wall
from iosish.snapshot import Snapshot

#: Without `clock set` the time is that of the Linux host, as a router with a calendar takes it at its start.
SOURCE = {True: "Time source is user configuration", False: "Time source is hardware calendar"}


def zone(snapshot: Snapshot) -> str:
    """The name of the router's time zone, in one word."""
    timezone = snapshot.config.timezone
    return timezone.name if timezone is not None else "UTC"


def clock(snapshot: Snapshot, detail: bool = False) -> str:
    mark = "" if snapshot.clock_authoritative else "*"
    lines = [f"{mark}{wall(snapshot.wall, zone(snapshot))}"]
    if detail:
        lines.append(SOURCE[snapshot.clock_authoritative])
    return page(lines)
