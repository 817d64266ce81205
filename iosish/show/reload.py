"""`show reload`: the reload that is planned."""

from __future__ import annotations

from iosish.show.text import page
from iosish.show.times import wall
from iosish.snapshot import PlannedReload, Snapshot


def reload(snapshot: Snapshot) -> str:
    if snapshot.planned_reload is None:
        return page(["No reload is scheduled."])
    return page(lines(snapshot.planned_reload, (snapshot.planned_reload.at - snapshot.wall).total_seconds()))


def lines(planned: PlannedReload, left_s: float) -> list[str]:
    """When, how soon, by whom, and why."""
    at = wall(planned.at, planned.at.tzname() or "UTC", milliseconds=False)
    return [f"Reload scheduled for {at} (in {span(left_s)}) by {planned.by}", f"Reload reason: {planned.reason}"]


def span(seconds: float) -> str:
    """`1 hour and 2 minutes`, `9 minutes and 33 seconds`, `5 minutes`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    counted = [(hours, "hour"), (minutes, "minute")] if hours else [(minutes, "minute"), (rest, "second")]
    parts = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counted if count]
    return " and ".join(parts) or "0 seconds"
