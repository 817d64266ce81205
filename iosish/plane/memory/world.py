"""One clock and one seed for everything in memory: events run in the order of their time, then of their making."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

DEAD_MAX = 1000


class Call:
    """A call to come; `cancel` makes nothing of it."""

    __slots__ = ("_function", "_world", "time")

    def __init__(self, world: World, time: float, function: Callable[[], object]) -> None:
        self.time = time
        self._world = world
        self._function: Callable[[], object] | None = function

    def cancel(self) -> None:
        if self._function is not None:
            self._function = None
            self._world._cancelled()

    @property
    def pending(self) -> bool:
        return self._function is not None

    def run(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


class World:
    """Discrete events. `now` is seconds from 0.0; it stands still while an event runs."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.now = 0.0
        self._heap: list[tuple[float, int, Call]] = []
        self._sequence = 0
        self._dead = 0

    def __len__(self) -> int:
        """How many calls are on the heap, cancelled ones among them."""
        return len(self._heap)

    def random(self, name: str) -> Random:
        """A source of randomness of its own for each name, so that one more part in a world changes no other part."""
        return Random(f"{self.seed}/{name}")

    def call_at(self, time: float, function: Callable[[], object]) -> Call:
        """Call at `time`, or as the next thing where that has passed."""
        call = Call(self, max(time, self.now), function)
        heapq.heappush(self._heap, (call.time, self._sequence, call))
        self._sequence += 1
        return call

    def call_later(self, delay_s: float, function: Callable[[], object]) -> Call:
        return self.call_at(self.now + delay_s, function)

    def call_soon(self, function: Callable[[], object]) -> Call:
        """Call at this very time, after all that is already due."""
        return self.call_at(self.now, function)

    def run_until(self, goal: float | Callable[[], bool], ceiling: float | None = None) -> bool:
        """Run to a time, or until a condition holds (looked at after each event) or the time is `ceiling`.

        True when the goal was reached. A condition needs a ceiling, because some worlds never come to rest.
        """
        if not callable(goal):
            self._run(goal, None)
            return True
        if ceiling is None:
            raise ValueError("a condition needs a ceiling")
        return self._run(ceiling, goal)

    def _run(self, end: float, condition: Callable[[], bool] | None) -> bool:
        if condition is not None and condition():
            return True
        while self._heap and self._heap[0][0] <= end:
            time, _, call = heapq.heappop(self._heap)
            if not call.pending:
                self._dead -= 1
                continue
            self.now = time
            call.run()
            if condition is not None and condition():
                return True
        self.now = max(self.now, end)
        return False

    def _cancelled(self) -> None:
        """Timers are set anew far more often than they run: throw the dead ones away before they fill the heap."""
        self._dead += 1
        if self._dead > DEAD_MAX and self._dead > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._dead = 0
