"""What a capture has seen, up to a size: then it is full, or the oldest makes room."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

#: What a packet takes beside its own octets.
PACKET_OCTETS = 32


class Captured(NamedTuple):
    """A packet of a capture; see `desired.SeenPacket`."""

    interface: str
    inbound: bool
    at: float
    data: bytes
    length: int


class Buffer:
    """`size` in octets."""

    def __init__(self, size: int, circular: bool) -> None:
        self.size = size
        self.circular = circular
        self.packets: deque[Captured] = deque()
        self.used = 0

    def add(self, packet: Captured) -> bool:
        """False when there is no room: a linear buffer is full."""
        needed = len(packet.data) + PACKET_OCTETS
        while self.used + needed > self.size:
            if not self.circular or not self.packets:
                return False
            self.used -= len(self.packets.popleft().data) + PACKET_OCTETS
        self.packets.append(packet)
        self.used += needed
        return True

    def clear(self) -> None:
        self.packets.clear()
        self.used = 0
