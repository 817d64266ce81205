"""`iosish lab status`: the lab drawn, its interfaces, and what is amiss."""

from __future__ import annotations

import time
from typing import Any

from iosish.lab.ask import ask_lab, count
from iosish.lab.drawing import picture, table
from iosish.lab.places import Running


def status(lab: Running) -> str:
    """What is printed. Raises Trouble."""
    return render(lab.name, ask_lab(lab, "status"), time.time())


def render(name: str | None, found: dict[str, Any], now: float) -> str:
    """The text of a parent's status answer, at `now` (seconds since 1970)."""
    routers, cables = found["routers"], found["cables"]
    seconds = max(0, int(now - found["started_at"]))
    up = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    lines = [
        f"Lab{' ' + name if name else ''} from {found['source']}: "
        f"{count(len(routers), 'router')}, {count(len(cables), 'cable')}, up {up}",
        f"State in {found['state']}, parent process {found['pid']}",
        "",
        *picture(routers, cables, found["pulled"]),
        "",
        *table(routers),
    ]
    notes = [wait for router in routers.values() for wait in router["waits"] if ": no answer" in wait]
    for router, state in routers.items():
        if state["restarts"]:
            notes.append(f"{router}: restarted {count(state['restarts'], 'time')}")
        if state["modified"]:
            notes.append(f"{router}: running-config is not saved")
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"
