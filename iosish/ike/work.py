"""Messages that wait for Diffie-Hellman: so many are computed per `wake`, so that timers are never held."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from iosish.ike import constants as c

#: What the arithmetic of a group costs, in units of about half a millisecond; groups that are not here cost one.
COSTS = {5: 2, 14: 3, 24: 3, 15: 5, 16: 8, 20: 2, 21: 3}

Job = Callable[[float], None]
"""Called with the time."""


class Work:
    def __init__(self) -> None:
        self._jobs: deque[tuple[int, Job]] = deque()
        self._since = 0.0
        self.done = 0  # jobs that were run, ever

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, group: int, job: Job, now: float) -> bool:
        """Queue one for the next `wake`; False: the queue is full."""
        if len(self._jobs) >= c.MAX_WORK:
            return False
        if not self._jobs:
            self._since = now
        self._jobs.append((COSTS.get(group, 1), job))
        return True

    def next_wake(self) -> float | None:
        return self._since if self._jobs else None

    def run(self, now: float) -> None:
        """As many as one `wake` may; at least one."""
        budget = c.DH_COST
        while self._jobs and budget > 0:
            cost, job = self._jobs.popleft()
            budget -= cost
            self.done += 1
            job(now)
