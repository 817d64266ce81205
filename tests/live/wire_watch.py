"""Watches the transit router of the classic lab: which packets pass, and whether one of them should not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Any

from scapy.utils import RawPcapNgReader

from tests.live.lab import Capture, Lab

#: The transit router's interfaces, and the NBMA address of the router behind each.
LINKS = {"Fa0/0": "172.16.15.2", "Fa0/1": "172.16.25.2", "Fa1/0": "172.16.35.2", "Fa1/1": "172.16.45.2"}
NBMA = {f"R{number}": address for number, address in enumerate(LINKS.values(), 1)}
#: The tunnel's network, and what tests put behind the routers.
INSIDE = (IPv4Network("192.168.0.0/24"), IPv4Network("10.0.0.0/8"))
TRANSIT = frozenset(IPv4Address(int(IPv4Address(address)) - 1) for address in LINKS.values())
ICMP, UDP, GRE, ESP = 1, 17, 47, 50
IKE_PORTS = {500, 4500}
#: Unreachable, time exceeded, parameter problem.
ICMP_ERRORS = {3, 11, 12}


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet on a wire: when (seconds since 1970), on which of the transit router's, and what is outermost in it."""

    at: float
    wire: str
    ttl: int
    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload: bytes

    @property
    def ports(self) -> set[int]:
        return {int.from_bytes(self.payload[:2], "big"), int.from_bytes(self.payload[2:4], "big")}

    def __str__(self) -> str:
        what = f"{self.source} > {self.destination} protocol {self.protocol}: {self.payload[:40].hex()}"
        return f"{self.at:.3f} {what} on {self.wire} with TTL {self.ttl}"


class WireWatch:
    """Captures on all wires of the transit router, as a context."""

    def __init__(self, lab: Lab) -> None:
        self._captures = {interface: Capture(lab, "R5", interface) for interface in LINKS}
        self._stack = ExitStack()

    def __enter__(self) -> WireWatch:
        for capture in self._captures.values():
            self._stack.enter_context(capture)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def packets(self) -> list[Seen]:
        """All IPv4 packets so far, in order of time; one that passes R5 is seen on both of its wires."""
        found = [packet for wire, capture in self._captures.items() for packet in read(wire, capture)]
        return sorted(found, key=lambda packet: packet.at)

    def count(self, wanted: Callable[[Seen], bool]) -> int:
        return sum(wanted(packet) for packet in self.packets())


def read(wire: str, capture: Capture) -> list[Seen]:
    """The IPv4 packets of a capture so far."""
    try:
        reader = RawPcapNgReader(str(capture.path))
    except EOFError:
        return []
    with reader:
        return list(decode(wire, reader))


def decode(wire: str, reader: Iterable[Any]) -> Iterator[Seen]:
    """The IPv4 packets of a pcapng reader, as they come."""
    for data, meta in reader:
        frame = bytes(data)
        if frame[12:14] != b"\x08\x00":
            continue
        packet = frame[14:]
        at = ((meta.tshigh << 32) + meta.tslow) / meta.tsresol
        source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
        header, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        yield Seen(at, wire, packet[8], source, destination, packet[9], packet[header:total])


def readable(packet: Seen) -> bool:
    """Whether a packet shows what belongs inside a tunnel: clear GRE, or an inner address outside of ESP."""
    if packet.protocol == GRE or _inner(packet.source) or _inner(packet.destination):
        return True
    # An ICMP error quotes a packet: neither clear GRE nor an inner one may be in it.
    if packet.protocol == ICMP and packet.payload[0] in ICMP_ERRORS and len(packet.payload) >= 28:
        quoted = packet.payload[8:]
        ends = IPv4Address(quoted[12:16]), IPv4Address(quoted[16:20])
        return quoted[9] == GRE or any(_inner(end) for end in ends)
    return False


def _inner(address: IPv4Address) -> bool:
    return any(address in network for network in INSIDE)


def foreign(packet: Seen) -> bool:
    """Whether a packet between NBMA addresses is neither IKE, nor ESP, nor an ICMP error."""
    if packet.protocol == UDP:
        return not packet.ports & IKE_PORTS
    if packet.protocol == ICMP:
        return packet.payload[0] not in ICMP_ERRORS
    return packet.protocol != ESP
