"""Patience: what has to be done again and again is done at longer and longer intervals. Pure."""

from __future__ import annotations

from collections.abc import Hashable

#: More things are not kept in mind; the one that was longest ago is forgotten.
THINGS_MAX = 4096


class Patience:
    """How long to wait before a thing is tried again.

    `free` tries in a row cost no wait, then it is `first_s`, doubled by each try up to `most_s`. What was not tried for
    `calm_s` on top of that begins anew. `now` is seconds on any monotonic clock.
    """

    def __init__(self, free: int, first_s: float, most_s: float, calm_s: float) -> None:
        self._free, self._first_s, self._most_s, self._calm_s = free, first_s, most_s, calm_s
        self._tried: dict[Hashable, tuple[int, float]] = {}

    def tried(self, thing: Hashable, now: float) -> int:
        """Count a try. Gives how many there were in a row, this one included."""
        tries, last = self._tried.pop(thing, (0, now))
        if now - last > self._wait_s(tries) + self._calm_s:
            tries = 0
        self._tried[thing] = tries + 1, now
        if len(self._tried) > THINGS_MAX:
            del self._tried[next(iter(self._tried))]
        return tries + 1

    def ready_at(self, thing: Hashable) -> float:
        """From when on it may be tried again; 0.0 if it was never tried."""
        tries, last = self._tried.get(thing, (0, 0.0))
        return last + self._wait_s(tries)

    def forget(self, thing: Hashable) -> None:
        self._tried.pop(thing, None)

    def _wait_s(self, tries: int) -> float:
        if tries <= self._free:
            return 0.0
        return min(self._most_s, self._first_s * 2.0 ** min(tries - self._free - 1, 32))
