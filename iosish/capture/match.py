"""Which packets a capture wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from iosish.forwarding import gre, ipv4
from iosish.forwarding.ipv4 import Packet

ANY = IPv4Network("0.0.0.0/0")
PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ahp": 51, "eigrp": 88, "ospf": 89}
_ETHERNET = 14
_WITH_PORTS = (ipv4.TCP, ipv4.UDP)


def network_packet(data: bytes, tunnel: bool) -> tuple[int, Packet]:
    """EtherType, and the packet behind the link header; IPv4 at once for what a tunnel shows."""
    if tunnel:
        return 0x0800, memoryview(data)
    at = _ETHERNET
    while data[at - 2 : at] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return int.from_bytes(data[at - 2 : at], "big"), memoryview(data)[at:]


@dataclass(frozen=True, slots=True)
class Ipv4Match:
    """IPv4 packets between two networks; `port` is the destination's."""

    source: IPv4Network = ANY
    destination: IPv4Network = ANY
    protocol: int | None = None
    port: int | None = None

    def matches(self, data: bytes, tunnel: bool) -> bool:
        """Of a tunnel the outer packet or the one inside, whichever does."""
        kind, packet = network_packet(data, tunnel)
        if kind != 0x0800:
            return False
        return any(map(self._is, _with_inside(packet) if tunnel else (packet,)))

    def _is(self, packet: Packet) -> bool:
        if len(packet) < ipv4.HEADER_MIN or packet[0] >> 4 != 4:
            return False
        if self.protocol is not None and packet[9] != self.protocol:
            return False
        if self.source is not ANY and not _within(packet[12:16], self.source):
            return False
        if self.destination is not ANY and not _within(packet[16:20], self.destination):
            return False
        if self.port is None:
            return True
        at = ipv4.header_size(packet) + 2
        later = packet[6] & 0x1F or packet[7]
        return not later and packet[9] in _WITH_PORTS and packet[at : at + 2] == self.port.to_bytes(2, "big")


def _within(address: Packet, network: IPv4Network) -> bool:
    return int.from_bytes(address, "big") & int(network.netmask) == int(network.network_address)


def _with_inside(packet: Packet) -> Iterator[Packet]:
    """A packet of a tunnel, and the IPv4 packet in it."""
    yield packet
    try:
        protocol, _, start = gre.parse(packet[ipv4.HEADER_MIN :])
    except gre.GreError:
        return
    if protocol == gre.IPV4:
        yield packet[ipv4.HEADER_MIN + start :]
