"""Packets that wait for a neighbour on a tunnel, as Linux holds them while a program resolves (`app_solicit=3`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from iosish.plane.memory.world import Call, World

PACKETS_MAX = 64
NEXT_HOPS_MAX = 512
ASK_AFTER_S = (0.0, 1.0, 2.0)
GIVE_UP_AFTER_S = 3.0

NextHop = tuple[str, bytes]


class _Queue:
    __slots__ = ("calls", "packets")

    def __init__(self) -> None:
        self.packets: deque[bytes] = deque()
        self.calls: list[Call] = []


class HeldPackets:
    """A bounded queue per (interface, next hop). `missed` asks for the neighbour, `dropped` gets a count of packets."""

    def __init__(self, world: World, missed: Callable[[str, bytes], None], dropped: Callable[[int], None]) -> None:
        self._world = world
        self._missed = missed
        self._dropped = dropped
        self._queues: dict[NextHop, _Queue] = {}

    def hold(self, interface: str, next_hop: bytes, packet: bytes) -> None:
        """Keep a packet; with the first one the asking begins. The oldest packet makes room."""
        key = (interface, next_hop)
        queue = self._queues.get(key)
        if queue is None:
            if len(self._queues) >= NEXT_HOPS_MAX:
                self._dropped(1)
                return
            queue = self._queues[key] = _Queue()
            queue.calls = [
                self._world.call_later(delay, lambda: self._missed(interface, next_hop)) for delay in ASK_AFTER_S
            ]
            queue.calls.append(self._world.call_later(GIVE_UP_AFTER_S, lambda: self.discard(interface, next_hop)))
        if len(queue.packets) >= PACKETS_MAX:
            queue.packets.popleft()
            self._dropped(1)
        queue.packets.append(packet)

    def release(self, interface: str, next_hop: bytes) -> list[bytes]:
        """The packets that waited for this neighbour, in order; it is there now."""
        queue = self._queues.pop((interface, next_hop), None)
        if queue is None:
            return []
        for call in queue.calls:
            call.cancel()
        return list(queue.packets)

    def discard(self, interface: str, next_hop: bytes) -> None:
        packets = self.release(interface, next_hop)
        if packets:
            self._dropped(len(packets))

    def waiting(self) -> list[NextHop]:
        return list(self._queues)
