"""A NAT box between two wires: what home routers do to UDP and pings, and to nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.forwarding import ipv4
from iosish.plane.memory.icmp import ECHO_REPLY, ECHO_REQUEST
from iosish.plane.memory.wire import End, Wire

FIRST_PORT = 20_000
IDLE_S = 120.0
_SOURCE, _DESTINATION = 12, 16

_Socket = tuple[bytes, int]
"""Address, and UDP port or identifier of a ping."""


@dataclass(slots=True)
class _Mapping:
    inside: _Socket
    port: int
    used_at: float


class NatBox:
    """Rewrites the source of what goes from `inside` to `outside`, each sender to a port of its own, and back.

    `inside_address` is the gateway of those inside; `gateway` is the next hop outside. A mapping serves whoever sends
    to its port, and is forgotten after `idle_s` without a packet from inside. GRE and ESP do not pass.
    """

    def __init__(
        self,
        inside: Wire,
        inside_address: IPv4Address,
        outside: Wire,
        outside_address: IPv4Address,
        gateway: IPv4Address,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self.refused = 0
        self._world = inside.world
        self._address = outside_address.packed
        self._gateway = gateway.packed
        self._idle_s = idle_s
        self._next_port = FIRST_PORT
        self._by_inside: dict[_Socket, _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}
        self._inside, self._outside = inside, outside
        self._inside_end = self._plug(inside, inside_address, self._from_inside)
        self._outside_end = self._plug(outside, outside_address, self._from_outside)

    def _plug(self, wire: Wire, address: IPv4Address, receive: object) -> End:
        end = wire.attach(f"NAT {address}", receive, lambda: None)  # type: ignore[arg-type] # one of our two methods
        wire.set_end(end, True, (address.packed,))
        return end

    def forget(self) -> None:
        """Lose all mappings, as when the box is switched off and on."""
        self._by_inside.clear()
        self._by_port.clear()

    def _from_inside(self, packet: bytes) -> None:
        at = _port_at(packet, _SOURCE)
        if at is None:
            self.refused += 1
            return
        socket = packet[_SOURCE : _SOURCE + 4], int.from_bytes(packet[at : at + 2], "big")
        mapping = self._by_inside.get(socket)
        if mapping is None or self._idle(mapping):
            mapping = self._map(socket)
        mapping.used_at = self._world.now
        onward = _rewritten(packet, _SOURCE, (self._address, mapping.port), at)
        self._outside.send(self._outside_end, self._gateway, onward)

    def _map(self, socket: _Socket) -> _Mapping:
        """A new port for a sender inside; what it had before is taken back."""
        old = self._by_inside.get(socket)
        if old is not None:
            del self._by_port[old.port]
        mapping = _Mapping(socket, self._next_port, self._world.now)
        self._next_port += 1
        self._by_inside[socket] = self._by_port[mapping.port] = mapping
        return mapping

    def _from_outside(self, packet: bytes) -> None:
        at = _port_at(packet, _DESTINATION)
        mapping = None if at is None else self._by_port.get(int.from_bytes(packet[at : at + 2], "big"))
        if at is None or mapping is None or self._idle(mapping):
            self.refused += 1
            return
        onward = _rewritten(packet, _DESTINATION, mapping.inside, at)
        self._inside.send(self._inside_end, mapping.inside[0], onward)

    def _idle(self, mapping: _Mapping) -> bool:
        return self._world.now - mapping.used_at >= self._idle_s


def _port_at(packet: bytes, which: int) -> int | None:
    """Where the source or destination port of a UDP packet is, or the identifier of a ping; None for others."""
    header = ipv4.header_size(packet)
    if ipv4.is_fragment(packet) or len(packet) < header + 8 or packet[8] <= 1:
        return None
    if packet[9] == ipv4.UDP:
        return header if which == _SOURCE else header + 2
    if packet[9] == ipv4.ICMP and packet[header] in (ECHO_REQUEST, ECHO_REPLY):
        return header + 4
    return None


def _rewritten(packet: bytes, which: int, to: _Socket, at: int) -> bytes:
    """One hop further, with another source or destination. The UDP checksum goes: what IKE and ESP send has none."""
    header = ipv4.header_size(packet)
    changed = bytearray(ipv4.with_ttl_decremented(packet))
    changed[which : which + 4] = to[0]
    changed[at : at + 2] = to[1].to_bytes(2, "big")
    changed[10:12] = bytes(2)
    changed[10:12] = ipv4.checksum(changed[:header]).to_bytes(2, "big")
    summed = header + 2 if packet[9] == ipv4.ICMP else header + 6
    changed[summed : summed + 2] = bytes(2)
    if packet[9] == ipv4.ICMP:
        changed[summed : summed + 2] = ipv4.checksum(changed[header:]).to_bytes(2, "big")
    return bytes(changed)
