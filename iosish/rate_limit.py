"""A rate limit per sender, so that a flood by one costs the others nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class RateLimit:
    """A token bucket for each key; the least recently seen key is forgotten when there are `keys` of them."""

    def __init__(self, burst: float, rate: float, keys: int) -> None:
        self._burst = burst
        self._rate = rate
        self._keys = keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether one more may pass at `now`; if so, it is counted."""
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return allowed
