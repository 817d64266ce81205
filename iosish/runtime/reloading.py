"""A reload that is planned: all terminals are warned as it comes near, and it can be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from iosish.show.times import wall
from iosish.snapshot import PlannedReload

#: How long before it the terminals are warned, beside at once.
WARNED_S = (3600, 1800, 300, 60)


class Reloading:
    """At most one reload at a time: a new plan takes the place of the old one.

    `now` gives the wall clock, `say` logs `%SYS-5-...`, `tell` writes to all
    terminals, `start` begins the reload.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        say: Callable[[str, str], None],
        tell: Callable[[str], None],
        start: Callable[[], None],
    ) -> None:
        self.planned: PlannedReload | None = None
        self._now, self._say, self._tell, self._start = now, say, tell, start
        self._timers: list[asyncio.TimerHandle] = []

    def plan(self, planned: PlannedReload) -> None:
        self._drop()
        self.planned = planned
        now = self._now()
        text = f"Reload requested for {_clock(planned.at)} at {_clock(now)} by {planned.by}. Reload Reason: "
        self._say("SCHEDULED_RELOAD", f"{text}{planned.reason}.")
        self._warn(round((planned.at - now).total_seconds()))
        self._set_timers()

    def clock_moved(self) -> None:
        """The wall clock was set: what was planned for a time of day comes at that time."""
        if self.planned is not None:
            self._drop_timers()
            self._set_timers()

    def cancel(self) -> bool:
        """Whether there was one."""
        if self.planned is None:
            return False
        self._drop()
        self._tell("***\n*** --- SHUTDOWN ABORTED ---\n***")
        self._say("SCHEDULED_RELOAD_CANCELLED", f"Scheduled reload cancelled at {_clock(self._now())}")
        return True

    def _set_timers(self) -> None:
        assert self.planned is not None
        loop = asyncio.get_running_loop()
        left_s = (self.planned.at - self._now()).total_seconds()
        for before_s in WARNED_S:
            if before_s < left_s - 1:
                self._timers.append(loop.call_later(left_s - before_s, self._warn, before_s))
        self._timers.append(loop.call_later(max(left_s, 0.0), self._due))

    def _warn(self, left_s: int) -> None:
        minutes, seconds = divmod(max(left_s, 0), 60)
        self._tell(f"***\n*** --- SHUTDOWN in {minutes // 60}:{minutes % 60:02}:{seconds:02} ---\n***")

    def _due(self) -> None:
        planned = self.planned
        self._drop()
        self._tell("***\n*** --- SHUTDOWN NOW ---\n***")
        if planned is not None:
            self._say("RELOAD", f"Reload requested by {planned.by}. Reload Reason: {planned.reason}.")
        self._start()

    def _drop(self) -> None:
        self.planned = None
        self._drop_timers()

    def _drop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _clock(at: datetime) -> str:
    return wall(at, at.tzname() or "UTC", milliseconds=False)
