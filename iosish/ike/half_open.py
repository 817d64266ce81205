"""ISAKMP SAs that peers began and have not authenticated: bounded, and the oldest makes room.

Those whose sender answered from its address once (it has sent our cookie back) are kept apart, so that a flood of
first messages with made-up addresses pushes out its like, not them.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv4Address
from typing import Generic, Protocol, TypeVar

from iosish.ike.constants import MAX_HALF_OPEN_PER_PEER


class Begun(Protocol):
    peer: IPv4Address


S = TypeVar("S", bound=Begun)


class HalfOpen(Generic[S]):
    """`limit` is how many of each kind there may be. Who has to go is returned, and no longer in here."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._first: OrderedDict[S, None] = OrderedDict()
        self._answered: OrderedDict[S, None] = OrderedDict()
        self._of_peer: dict[IPv4Address, OrderedDict[S, None]] = {}

    def __len__(self) -> int:
        return len(self._first) + len(self._answered)

    def add(self, sa: S) -> S | None:
        """Take one more."""
        same = self._of_peer.get(sa.peer)
        victim: S | None = None
        if same is not None and len(same) >= MAX_HALF_OPEN_PER_PEER:
            victim = next((other for other in same if other in self._first), next(iter(same)))
        elif len(self._first) >= self.limit:
            victim = next(iter(self._first))
        if victim is not None:
            self.discard(victim)
        self._first[sa] = None
        self._of_peer.setdefault(sa.peer, OrderedDict())[sa] = None
        return victim

    def answered(self, sa: S) -> S | None:
        """The peer sent our cookie back."""
        if sa not in self._first:
            return None
        del self._first[sa]
        self._answered[sa] = None
        if len(self._answered) <= self.limit:
            return None
        victim = next(iter(self._answered))
        self.discard(victim)
        return victim

    def discard(self, sa: S) -> None:
        """It is authenticated, or gone."""
        if sa not in self._first and sa not in self._answered:
            return
        self._first.pop(sa, None)
        self._answered.pop(sa, None)
        same = self._of_peer[sa.peer]
        del same[sa]
        if not same:
            del self._of_peer[sa.peer]
