"""The security associations of a router's tunnels: which one a packet leaves by, and what came in by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from ipaddress import IPv4Address
from typing import TypeAlias

from iosish.forwarding.held import Way
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.path_mtu import PathMtus
from iosish.forwarding.reassembly import Reassembly
from iosish.ipsec.esp import HEADER, EspError, InboundSa, OutboundSa
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation

REFUSED_MAX = 64
MISSED_MAX = 1024
USED_KEYS_MAX = 16384

#: No ICMP error lowers a path MTU further: what Linux takes for the least (RFC 1191 asks for 68, which carries no ESP).
PATH_MTU_MIN = 552

EspRefused: TypeAlias = tuple[str, bytes, bytes, int, int]
"""ESP that was refused: reason ("invalid SPI", "replay", "integrity", "length", "identity"), our address, the outer
source, SPI, sequence number."""

_DROPS = {
    "invalid SPI": "invalid SPI",
    "replay": "ESP replay",
    "integrity": "ESP integrity",
    "length": "ESP length",
    "identity": "invalid identity",
}
"""What a drop is counted under."""

Ways: TypeAlias = dict[bytes, OutboundSa]
"""The SA that packets to an NBMA address leave by."""


def way_of(sa: SecurityAssociation) -> Way:
    return sa.crypto_map, sa.selector_local.packed, sa.selector_peer.packed


class Protection:
    """`count` is told the reason of each refused packet."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._inbound: dict[int, InboundSa] = {}
        self._outbound: dict[SaKey, OutboundSa] = {}
        self._used_keys: OrderedDict[bytes, None] = OrderedDict()  # hashes of those of outbound SAs, also when gone
        self._by_way: dict[Way, list[OutboundSa]] = {}  # in the order in which they were installed
        self._ways: dict[tuple[str, bytes], Ways] = {}
        self._path_mtus = PathMtus(PATH_MTU_MIN)
        self._fragments = Reassembly()
        self._carried: list[InboundSa | OutboundSa] = []
        self._worn: list[SaKey] = []
        self._missed: set[tuple[str, bytes]] = set()
        self._refused: dict[tuple[str, bytes, bytes], EspRefused] = {}

    # Tables

    def ways(self, crypto_map: str, local: bytes) -> Ways:
        """The outbound SAs of a crypto map and our end of the GRE, by the peer's; it stays the same object."""
        return self._ways.setdefault((crypto_map, local), {})

    def install(self, sa: SecurityAssociation) -> None:
        """The newest outbound SA to a peer is the one that is used, unless another host only claims its address.

        Raises ValueError for keys that do not fit, and for those of an SA that was here before: its numbers would begin
        again, which gives away what GCM protects.
        """
        key = SaKey(sa.spi, sa.inbound, sa.peer)
        if sa.inbound:
            there = self._inbound.get(sa.spi)
            if there is None or there.sa != sa:
                self._inbound[sa.spi] = InboundSa(sa, self._fragments.add)
            return
        sealing = self._outbound.get(key)
        if sealing is not None and sealing.sa == sa:
            return  # its sequence numbers go on
        new = OutboundSa(sa, self._worn.append)
        keys = sha256(sa.encryption_key + sa.integrity_key).digest()
        if keys in self._used_keys:
            raise ValueError("keys that were used before")
        self._used_keys[keys] = None
        if len(self._used_keys) > USED_KEYS_MAX:
            del self._used_keys[next(iter(self._used_keys))]
        self.remove(key)
        self._outbound[key] = new
        way = way_of(sa)
        self._by_way.setdefault(way, []).append(new)
        self._choose(way)

    def remove(self, key: SaKey) -> None:
        """Take an SA out; an older one to the same peer takes its place."""
        if key.inbound:
            opening = self._inbound.get(key.spi)
            if opening is not None and opening.key == key:
                del self._inbound[key.spi]
            return
        gone = self._outbound.pop(key, None)
        if gone is None:
            return
        way = way_of(gone.sa)
        self._by_way[way].remove(gone)
        if not self._by_way[way]:
            del self._by_way[way]
            self._path_mtus.forget(gone.peer)
        self._choose(way)

    def _choose(self, way: Way) -> None:
        crypto_map, local, target = way
        left = self._by_way.get(way)
        if left:
            # Who is at the address itself comes before who says that it is his behind a NAT.
            there = [sa for sa in left if sa.peer == target]
            self.ways(crypto_map, local)[target] = (there or left)[-1]
        else:
            self.ways(crypto_map, local).pop(target, None)

    def drop_all(self) -> None:
        self._inbound.clear()
        self._outbound.clear()
        self._by_way.clear()
        self._path_mtus.keep(())
        self._carried.clear()
        self._worn.clear()
        for ways in self._ways.values():
            ways.clear()

    # In

    def knows(self, packet: Packet) -> bool:
        return int.from_bytes(packet[:4], "big") in self._inbound

    def inbound(self, spi: int) -> InboundSa | None:
        return self._inbound.get(spi)

    def open(
        self, source: bytes, destination: bytes, packet: Packet, now: float, in_udp: bool
    ) -> tuple[InboundSa, bytes] | None:
        """The SA and the GRE packet of an ESP packet; None when it was refused, or is a part of a larger one.

        The outer addresses, and whether ESP comes in UDP, must be the SA's; a NAT may have changed the port.
        """
        if len(packet) < HEADER.size:
            self.refuse("length", source, destination, 0, 0)
            return None
        spi, sequence = HEADER.unpack_from(packet)
        sa = self._inbound.get(spi)
        if sa is None:
            self.refuse("invalid SPI", source, destination, spi, sequence)
            return None
        if source != sa.peer or destination != sa.local or in_udp != sa.in_udp:
            sa.counters.identity_errors += 1
            self.refuse("identity", source, destination, spi, sequence)
            return None
        try:
            frame = sa.open(packet, sequence, now)
        except EspError as error:
            self.refuse(error.reason, source, destination, spi, sequence)
            return None
        if not sa.carried:
            self.carried(sa)
        return None if frame is None else (sa, frame)

    def refuse(self, reason: str, source: bytes, destination: bytes, spi: int, sequence: int) -> None:
        """Count ESP that is refused, and tell of it."""
        self._count(_DROPS[reason])
        self._tell((reason, destination, source, spi, sequence))

    def note_identity(self, sa: InboundSa, sequence: int) -> None:
        """What came by this SA, when it had got to this number, is not for a tunnel that it protects."""
        sa.counters.identity_errors += 1
        self._tell(("identity", sa.local, sa.peer, sa.sa.spi, sequence))

    def _tell(self, refused: EspRefused) -> None:
        if len(self._refused) < REFUSED_MAX:
            self._refused.setdefault(refused[:3], refused)

    # Out

    def carried(self, sa: InboundSa | OutboundSa) -> None:
        """The first packet of an SA since the last report."""
        sa.carried = True
        self._carried.append(sa)

    def missed(self, tunnel: str, target: bytes) -> None:
        """A packet to `target` had no SA to leave by."""
        if len(self._missed) < MISSED_MAX:
            self._missed.add((tunnel, target))

    def learn(self, local: bytes, peer: bytes, mtu: int, sealed: Packet, now: float) -> None:
        """An ICMP 3/4 quoted the beginning of a packet of ours, ESP header first; a forger would have to guess it."""
        if len(sealed) < HEADER.size:
            return
        spi, sequence = HEADER.unpack_from(sealed)
        sa = self._outbound.get(SaKey(spi, False, IPv4Address(peer)))
        if sa is not None and sa.sa.local.packed == local and sa.has_sent(sequence):
            self._path_mtus.learn(peer, mtu, now)

    def path_mtu(self, sa: OutboundSa, now: float) -> int | None:
        """The largest outer packet to the peer of an SA, as ICMP told it; None: nothing is known."""
        return self._path_mtus.get(sa.peer, now)

    def room(self, sa: OutboundSa, now: float) -> int:
        """How many octets of GRE, header included, go to the peer of an SA in one packet."""
        if not self._path_mtus:
            return sa.usual_room
        mtu = self._path_mtus.get(sa.peer, now)
        return sa.usual_room if mtu is None else sa.room(mtu)

    # Reports

    def take_missed(self) -> set[tuple[str, bytes]]:
        missed, self._missed = self._missed, set()
        return missed

    def take_worn(self) -> list[SaKey]:
        worn = self._worn.copy()
        self._worn.clear()
        return worn

    def take_usage(self) -> dict[SaKey, SaCounters]:
        usage = {}
        for sa in self._carried:
            sa.carried = False
            usage[sa.key] = replace(sa.counters)
        self._carried.clear()
        return usage

    def counters(self) -> dict[SaKey, SaCounters]:
        return {sa.key: replace(sa.counters) for sa in (*self._inbound.values(), *self._outbound.values())}

    def take_refused(self) -> list[EspRefused]:
        refused = list(self._refused.values())
        self._refused.clear()
        return refused
