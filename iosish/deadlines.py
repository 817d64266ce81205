"""Deadlines by key, with a heap behind them: setting one again, later, costs nothing on the heap."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """At most one deadline a key. A heap item that comes too early is put back when it surfaces."""

    def __init__(self) -> None:
        self._deadlines: dict[K, float] = {}
        self._queued: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()

    def set(self, key: K, at: float) -> None:
        self._deadlines[key] = at
        queued = self._queued.get(key)
        if queued is None or at < queued:
            self._push(key, at)
            if len(self._heap) > 64 + 2 * len(self._deadlines):
                self._rebuild()

    def cancel(self, key: K) -> None:
        self._deadlines.pop(key, None)

    def cancel_where(self, unwanted: Callable[[K], bool]) -> None:
        for key in [key for key in self._deadlines if unwanted(key)]:
            del self._deadlines[key]

    def get(self, key: K) -> float | None:
        return self._deadlines.get(key)

    def first(self) -> tuple[float, K] | None:
        """The earliest deadline; None when there is none."""
        while self._heap:
            at, _, key = self._heap[0]
            deadline = self._deadlines.get(key)
            if self._queued.get(key) == at and deadline == at:
                return at, key
            heapq.heappop(self._heap)
            if self._queued.get(key) == at:
                del self._queued[key]
                if deadline is not None:
                    self._push(key, deadline)
        return None

    def pop_due(self, now: float) -> K | None:
        """Takes away the earliest deadline if it is at or before `now`."""
        first = self.first()
        if first is None or first[0] > now:
            return None
        heapq.heappop(self._heap)
        self._queued.pop(first[1], None)
        del self._deadlines[first[1]]
        return first[1]

    def _push(self, key: K, at: float) -> None:
        self._queued[key] = at
        heapq.heappush(self._heap, (at, next(self._order), key))

    def _rebuild(self) -> None:
        self._queued = dict(self._deadlines)
        self._heap = [(at, next(self._order), key) for key, at in self._deadlines.items()]
        heapq.heapify(self._heap)
