"""The forwarder's outward side: raw sockets of GRE and ESP, UDP 4500, and ICMP errors about what it sent."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from iosish.forwarding import ipv4
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.tables import Tunnel
from iosish.plane import udp_4500
from iosish.plane.user import first_hop, sockets
from iosish.plane.user.sockets import RawSender, Target, UdpPort
from iosish.plane.user.sources import Sources

#: Packets taken from one source before the next has its turn.
BURST = 64
_FRAME_MAX = 65536
_TARGETS_MAX = 32768
_SOL_RAW, _ICMP_FILTER = 255, 1
#: All but destination unreachable.
_ICMP_OTHERS = 0xFFFFFFFF & ~(1 << 3)


class Upward(Protocol):
    """Where what came in goes."""

    def take_in(self, received: Received, local: bytes) -> None: ...

    def take_ike(self, local: bytes, peer: bytes, peer_port: int, message: bytes) -> None: ...

    def catch_up(self) -> None:
        """Do all that the control side has said: a packet came that it may have spoken of."""

    def count(self, reason: str) -> None: ...


class Wire:
    """All sockets that packets of tunnels pass. GRE is always heard, so that the kernel answers none of it."""

    def __init__(self, rules: Forwarder, sources: Sources, upward: Upward) -> None:
        self._rules = rules
        self._sources = sources
        self._upward = upward
        self._locals: frozenset[bytes] = frozenset()
        self._senders: dict[tuple[bytes, int], RawSender] = {}
        self._targets: dict[bytes, Target] = {}
        self._gre = sockets.listener(ipv4.GRE)
        self._esp: socket.socket | None = None
        self._udp: UdpPort | None = None
        self._icmp: socket.socket | None = None
        sources.add(self._gre.fileno(), self._from_gre)

    def configure(self, tunnels: Mapping[str, Tunnel]) -> None:
        self._locals = frozenset(tunnel.local.packed for tunnel in tunnels.values() if tunnel.local is not None)
        for key in [key for key in self._senders if key[0] not in self._locals]:
            self._senders.pop(key).close()
        self._targets.clear()
        # ICMP errors about our packets are only of use where a DF may stand in the outer header.
        self._hear_icmp(any(tunnel.path_mtu_discovery or tunnel.crypto_map for tunnel in tunnels.values()))

    def open(self, descriptor: int | None) -> None:
        """Take the descriptor of UDP 4500, and hear ESP; with None, close both."""
        if self._udp is not None:
            self._sources.remove(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._esp is not None:
            self._sources.remove(self._esp.fileno())
            self._esp.close()
            self._esp = None
        if descriptor is not None:
            self._udp = UdpPort(socket.socket(fileno=descriptor))
            self._esp = sockets.listener(ipv4.ESP)
            self._sources.add(self._udp.fileno(), self._from_udp)
            self._sources.add(self._esp.fileno(), partial(self._from_esp, self._esp))

    def _hear_icmp(self, wanted: bool) -> None:
        if wanted and self._icmp is None:
            self._icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self._icmp.setblocking(False)
            self._icmp.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", _ICMP_OTHERS))
            self._sources.add(self._icmp.fileno(), partial(self._from_icmp, self._icmp))
        elif not wanted and self._icmp is not None:
            self._sources.remove(self._icmp.fileno())
            self._icmp.close()
            self._icmp = None

    # In

    def _from_gre(self) -> None:
        self._from_raw(self._gre, self._rules.receive)

    def _from_esp(self, esp: socket.socket) -> None:
        self._from_raw(esp, self._open_esp)

    def _from_raw(
        self, raw: socket.socket, receive: Callable[[bytes, bytes, memoryview, float], Received | None]
    ) -> None:
        now = time.monotonic()
        for _ in range(BURST):
            try:
                packet = raw.recv(_FRAME_MAX)
            except OSError:  # nothing more, or closed by what was caught up with
                return
            start = (packet[0] & 15) * 4 if packet else 0
            destination = packet[16:20]
            if start < 20 or destination not in self._locals:
                continue
            received = receive(packet[12:16], destination, memoryview(packet)[start:], now)
            if received is not None:
                self._upward.take_in(received, destination)

    def _open_esp(
        self,
        source: bytes,
        destination: bytes,
        packet: memoryview | bytes,
        now: float,
        udp_ports: tuple[int, int] | None = None,
    ) -> Received | None:
        if not self._rules.knows(packet):
            self._upward.catch_up()  # IKE has its last message on the way as soon as the SA is in the channel
        return self._rules.receive_esp(source, destination, packet, now, udp_ports)

    def _from_udp(self) -> None:
        now = time.monotonic()
        for _ in range(BURST):
            if self._udp is None:
                return  # closed by what was caught up with
            try:
                arrived = self._udp.receive(_FRAME_MAX)
            except OSError:
                return
            if arrived is None:
                continue
            data, local, (sender, port) = arrived
            peer = socket.inet_aton(sender)
            if udp_4500.is_esp(data):
                received = self._open_esp(peer, local, data, now, (udp_4500.NAT_T_PORT, port))
                if received is not None:
                    self._upward.take_in(received, local)
                continue
            message = udp_4500.ike_message(udp_4500.NAT_T_PORT, data)
            if message is not None:
                self._upward.take_ike(local, peer, port, message)
            elif data != udp_4500.KEEPALIVE:
                self._upward.count("bad IKE")

    def _from_icmp(self, icmp: socket.socket) -> None:
        for _ in range(BURST):
            try:
                packet = icmp.recv(_FRAME_MAX)
            except OSError:
                return
            self._rules.learn(packet, time.monotonic())

    # Out

    def send(self, name: str, outers: list[Outer]) -> None:
        """Send what leaves by a tunnel: one packet, one call. Packets of one size to one peer could share a call."""
        if not outers:
            return
        local = self._rules.local_of(name)
        if local is None:
            return
        for destination, tos, ttl, df, frame, protocol, ports in outers:
            try:
                if ports is None:
                    to = self._targets.get(destination)
                    if to is None:
                        if len(self._targets) >= _TARGETS_MAX:  # of NHRP too, which anybody may have asked
                            self._targets.clear()
                        to = self._targets[destination] = (socket.inet_ntoa(destination), 0)
                    sender = self._senders.get((local, protocol))
                    if sender is None:
                        sender = self._senders[local, protocol] = RawSender(local, protocol)
                    sender.send(tos, ttl, df, frame, to)
                elif self._udp is not None:
                    to = socket.inet_ntoa(destination), ports[1]
                    self._udp.send(local, tos, ttl, df, frame, to, checksum=False)
                else:
                    self._rules.counters[name].drops_out += 1
            except OSError as error:
                self._rules.counters[name].drops_out += 1  # no route, too big, no buffer: as a full link
                if df and error.errno == errno.EMSGSIZE:
                    self._learn_mtu(local, destination, frame, protocol, ports)

    def send_ike(self, local: bytes, peer: bytes, peer_port: int, message: bytes) -> None:
        """An IKE message, or with an empty one a keepalive, from port 4500."""
        payload = udp_4500.wrap(udp_4500.NAT_T_PORT, message)
        if self._udp is None or payload is None:
            return
        to = socket.inet_ntoa(peer), peer_port
        with contextlib.suppress(OSError):  # no route or no such address (any more): IKE sends again
            self._udp.send(local, udp_4500.IKE_TOS, udp_4500.IKE_TTL, False, payload, to)

    def _learn_mtu(
        self, local: bytes, destination: bytes, frame: bytes, protocol: int, ports: tuple[int, int] | None
    ) -> None:
        """The kernel refused a packet with DF: tell the rules as a router on the way would (RFC 1191)."""
        try:
            mtu = first_hop.mtu(destination)
        except OSError:
            return
        quoted = frame[:8] if ports is None else ipv4.udp(*ports, frame[:8])
        refused = ipv4.build(local, destination, protocol, quoted, df=True)
        told = ipv4.icmp_error(local, refused, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
        if told is not None:
            self._rules.learn(told, time.monotonic())
