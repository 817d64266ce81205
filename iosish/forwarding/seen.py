"""Copies of what passes tunnels that are watched, until somebody takes them: as many as there is room for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.tables import Tunnel

#: Packets that wait, and their octets: what comes when there is no room is counted and passes unseen.
SEEN_MAX = 8192
SEEN_OCTETS_MAX = 4 << 20
_FRAME_MAX = 0xFFFF - ipv4.HEADER_MIN

Seen: TypeAlias = tuple[str, bool, float, bytes]
"""The tunnel, whether it came in, when, and the packet: an IPv4 header, GRE, and what is inside in the clear."""


class SeenPackets:
    """`missed` counts what found no room, by tunnel."""

    def __init__(self) -> None:
        self.missed: Counter[str] = Counter()
        self._packets: deque[Seen] = deque()
        self._octets = 0

    def __len__(self) -> int:
        return len(self._packets)

    def add_out(self, tunnel: Tunnel, target: bytes, frame: Packet, tos: int, ttl: int, df: bool, now: float) -> None:
        """GRE (header first) that leaves for the NBMA address `target`, in whatever header."""
        if self._room(tunnel, frame) and tunnel.local is not None:
            packet = ipv4.build(tunnel.local.packed, target, ipv4.GRE, frame, tos=tos, ttl=ttl, df=df)
            self._add(tunnel.name, False, now, packet)

    def add_in(self, tunnel: Tunnel, source: bytes, destination: bytes, frame: Packet, now: float) -> None:
        """GRE that came in, between these outer addresses."""
        if self._room(tunnel, frame):
            self._add(tunnel.name, True, now, ipv4.build(source, destination, ipv4.GRE, frame))

    def _room(self, tunnel: Tunnel, frame: Packet) -> bool:
        full = len(self._packets) >= SEEN_MAX or self._octets >= SEEN_OCTETS_MAX
        if full or len(frame) > _FRAME_MAX:
            self.missed[tunnel.name] += 1
            return False
        return True

    def _add(self, tunnel: str, inbound: bool, now: float, packet: bytes) -> None:
        self._packets.append((tunnel, inbound, now, packet))
        self._octets += len(packet)

    def take(self, octets: int = 2 * SEEN_OCTETS_MAX) -> list[Seen]:
        """The oldest, as many as have `octets` together, but one at least; all, unless that is said."""
        taken: list[Seen] = []
        while self._packets and (not taken or octets >= len(self._packets[0][3])):
            seen = self._packets.popleft()
            octets -= len(seen[3])
            taken.append(seen)
        self._octets -= sum(len(seen[3]) for seen in taken)
        return taken

    def lost(self, packets: Iterable[Seen], missed: Mapping[str, int]) -> None:
        """What was taken did not arrive."""
        self.missed.update(missed)
        self.missed.update(packet[0] for packet in packets)

    def take_missed(self) -> dict[str, int]:
        missed, self.missed = self.missed, Counter()
        return dict(missed)
