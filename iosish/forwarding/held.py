"""Packets that wait a little for the SA they will leave by."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple, TypeAlias

HELD_S = 3.0
#: The oldest of a peer, or of all, is dropped for a newer one.
HELD_PER_PEER = 32
HELD_MAX = 1024

Way: TypeAlias = tuple[str, bytes, bytes]
"""What an outbound SA is chosen by: crypto map, our end of the GRE, the peer's."""


class Held(NamedTuple):
    """`protocol` is the GRE protocol type of `packet`; `multicast` that it is one of several copies."""

    tunnel: str
    protocol: int
    packet: bytes
    multicast: bool
    until: float


class HeldPackets:
    """`lost` is told the tunnel of each packet that waited in vain."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._numbers = count()
        self._packets: OrderedDict[int, tuple[Way, Held]] = OrderedDict()
        self._queues: dict[Way, deque[int]] = {}

    def __len__(self) -> int:
        return len(self._packets)

    def hold(self, way: Way, tunnel: str, protocol: int, packet: bytes, multicast: bool, now: float) -> None:
        self.expire(now)
        queue = self._queues.setdefault(way, deque())
        if len(queue) >= HELD_PER_PEER:
            self._drop(queue[0])
        elif len(self._packets) >= HELD_MAX:
            self._drop(next(iter(self._packets)))
        number = next(self._numbers)
        self._queues.setdefault(way, queue).append(number)
        self._packets[number] = way, Held(tunnel, protocol, packet, multicast, now + HELD_S)

    def release(self, way: Way, now: float) -> list[Held]:
        """What waits for an SA of this way, oldest first; it waits no more."""
        self.expire(now)
        return [self._packets.pop(number)[1] for number in self._queues.pop(way, ())]

    def expire(self, now: float) -> None:
        """Drop what has waited for `HELD_S`."""
        while self._packets:
            number = next(iter(self._packets))
            if self._packets[number][1].until > now:
                return
            self._drop(number)

    def _drop(self, number: int) -> None:
        way, held = self._packets.pop(number)
        queue = self._queues[way]
        queue.popleft()  # the oldest of all is the oldest of its way
        if not queue:
            del self._queues[way]
        self._lost(held.tunnel)
