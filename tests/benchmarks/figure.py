"""One measured number beside what is wanted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`measured` and `wanted` (an upper bound) are in `unit`."""

    what: str
    measured: float
    wanted: float
    unit: str = "s"

    def __str__(self) -> str:
        return f"{self.what:<56} {self.measured:9.3f} {self.unit:<3} (wanted: < {self.wanted:g} {self.unit})"


def taken_s(work: Callable[[], object], rounds: int = 1) -> float:
    """Seconds of wall clock that `work` takes: the median of `rounds`."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
