"""The forwarder's outward side: raw sockets of GRE and ESP, UDP 4500, and ICMP errors about what it sent."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.runs import Run
from iosish.forwarding.tables import Tunnel
from iosish.plane import udp_4500
from iosish.plane.user import first_hop, sockets
from iosish.plane.user.sockets import RawSender, Target, UdpPort
from iosish.plane.user.sources import Sources

if TYPE_CHECKING:
    from iosish.forwarding.large_in import LargeIn, ReceivedRun
    from iosish.plane.user.many import Receiver, Sender

#: Packets taken from one source before the next has its turn.
BURST = 64
_FRAME_MAX = 65536
_TARGETS_MAX = 32768
_LINK_FULL = frozenset((errno.EAGAIN, errno.ENOBUFS))
_SOL_RAW, _ICMP_FILTER = 255, 1
#: All but destination unreachable.
_ICMP_OTHERS = 0xFFFFFFFF & ~(1 << 3)


#: Octets that are the same in a run. Of a raw packet: source, destination, and where ESP has its SPI.
_ADDRESSES = slice(12, 24)
_RUN_OCTETS_MIN = 28
_NO_OPTIONS = 0x45
_SPI = slice(0, 4)

Receive: TypeAlias = Callable[[bytes, bytes, memoryview, float], Received | None]


class ManyPackets(NamedTuple):
    """What takes many packets at once: from a socket, to one, and through the rules."""

    receiver: Receiver
    sender: Sender
    rules: LargeIn


class Upward(Protocol):
    """Where what came in goes."""

    def take_in(self, received: Received, local: bytes) -> None: ...

    def take_run(self, run: ReceivedRun) -> None: ...

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
        self._many: ManyPackets | None = None
        self._locals: frozenset[bytes] = frozenset()
        self._senders: dict[tuple[bytes, int], RawSender] = {}
        self._targets: dict[bytes, Target] = {}
        self._gre = sockets.listener(ipv4.GRE)
        self._esp: socket.socket | None = None
        self._udp: UdpPort | None = None
        self._icmp: socket.socket | None = None
        sources.add(self._gre.fileno(), self._from_gre)

    def speed_up(self, many: ManyPackets) -> None:
        """From now on take many packets at once."""
        self._many = many
        if self._udp is not None:
            self._udp.receive_together()

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
            if self._many is not None:
                self._udp.receive_together()
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

    def _from_raw(self, raw: socket.socket, receive: Receive) -> None:
        now = time.monotonic()
        if self._many is not None:
            self._many_from_raw(self._many, raw, receive, now)
            return
        for _ in range(BURST):
            try:
                packet = raw.recv(_FRAME_MAX)
            except OSError:  # nothing more, or closed by what was caught up with
                return
            self._one_from_raw(memoryview(packet), receive, now)

    def _one_from_raw(self, packet: memoryview, receive: Receive, now: float) -> None:
        start = (packet[0] & 15) * 4 if packet else 0
        destination = packet[16:20].tobytes()
        if start < 20 or destination not in self._locals:
            return
        received = receive(packet[12:16].tobytes(), destination, packet[start:], now)
        if received is not None:
            self._upward.take_in(received, destination)

    def _many_from_raw(self, many: ManyPackets, raw: socket.socket, receive: Receive, now: float) -> None:
        try:
            number = many.receiver.receive(raw.fileno())
        except OSError:
            return
        for first, end in many.receiver.runs(number, _ADDRESSES):
            if end - first >= many.receiver.LEAST and self._run_from_raw(many, first, end, raw is self._gre, now):
                continue
            for slot in range(first, end):
                self._one_from_raw(many.receiver.packet(slot), receive, now)

    def _run_from_raw(self, many: ManyPackets, first: int, end: int, clear: bool, now: float) -> bool:
        """Take in packets that are alike; False: nothing was done, they are for one by one."""
        packet = many.receiver.packet(first)
        destination = packet[16:20].tobytes() if len(packet) > _RUN_OCTETS_MIN else b""
        if destination not in self._locals or packet[0] != _NO_OPTIONS:
            return False
        source = packet[12:16].tobytes()
        arrived = many.receiver.rows(ipv4.HEADER_MIN, len(packet) - ipv4.HEADER_MIN)
        if clear:
            run: ReceivedRun | list[Received] | None = many.rules.receive(source, destination, arrived, first, end, now)
        else:
            run = many.rules.receive_esp(source, destination, arrived, first, end, now, None)
        return self._take_run(run, destination)

    def _take_run(self, run: ReceivedRun | list[Received] | None, local: bytes) -> bool:
        if run is None:
            return False
        if isinstance(run, list):
            for received in run:
                self._upward.take_in(received, local)
        else:
            self._upward.take_run(run)
        return True

    def _open_esp(
        self,
        source: bytes,
        destination: bytes,
        packet: memoryview,
        now: float,
        udp_ports: tuple[int, int] | None = None,
    ) -> Received | None:
        if not self._rules.knows(packet):
            self._upward.catch_up()  # IKE has its last message on the way as soon as the SA is in the channel
        return self._rules.receive_esp(source, destination, packet, now, udp_ports)

    def _from_udp(self) -> None:
        now = time.monotonic()
        if self._many is not None:
            self._many_from_udp(self._many, now)
            return
        for _ in range(BURST):
            if self._udp is None:
                return  # closed by what was caught up with
            try:
                arrived = self._udp.receive(_FRAME_MAX)
            except OSError:
                return
            if arrived is not None:
                data, local, (sender, port) = arrived
                self._one_from_udp(memoryview(data), local, socket.inet_aton(sender), port, now)

    def _many_from_udp(self, many: ManyPackets, now: float) -> None:
        receiver = many.receiver
        try:
            number = receiver.receive(-1 if self._udp is None else self._udp.fileno())
        except OSError:
            return
        for first, end in receiver.runs(number, _SPI):
            peer, port, local, size = receiver.arrival(first)
            if local is None or receiver.cut_short(first):
                continue
            ports = udp_4500.NAT_T_PORT, port
            if not size:
                packet = receiver.packet(first)
                if end - first >= receiver.LEAST and udp_4500.is_esp(packet):
                    arrived = receiver.rows(0, len(packet))
                    run = many.rules.receive_esp(peer, local, arrived, first, end, now, ports)
                    if self._take_run(run, local):
                        continue
                for slot in range(first, end):
                    self._one_from_udp(receiver.packet(slot), local, peer, port, now)
                continue
            slot = first
            while slot < end:
                groups = (end - slot + receiver.TOGETHER - 1) // receiver.TOGETHER
                group_end = slot + (end - slot) // groups
                if not self._groups_from_udp(many, slot, group_end, size, local, peer, port, now):
                    for each in range(slot, group_end):
                        self._segments_from_udp(many, each, size, local, peer, port, now)
                slot = group_end

    def _groups_from_udp(
        self, many: ManyPackets, slot: int, end: int, size: int, local: bytes, peer: bytes, port: int, now: float
    ) -> bool:
        """Slots of datagrams that came as one, all full of those of `size` octets; False: nothing was done."""
        packet = many.receiver.packet(slot)
        each = len(packet) // size
        number = (end - slot) * each
        if end - slot < 2 or number < many.receiver.LEAST or each > many.receiver.EACH_MAX:
            return False
        if len(packet) != each * size or size < udp_4500.ESP_MIN or not udp_4500.is_esp(packet):
            return False
        arrived = many.receiver.together(slot, size, each)
        ports = udp_4500.NAT_T_PORT, port
        run = many.rules.receive_esp(peer, local, arrived, 0, number, now, ports)
        return self._take_run(run, local)

    def _segments_from_udp(
        self, many: ManyPackets, slot: int, size: int, local: bytes, peer: bytes, port: int, now: float
    ) -> None:
        """Datagrams that came as one, of `size` octets each; the last one may be shorter."""
        packet = many.receiver.packet(slot)
        taken = 0
        if len(packet) // size >= many.receiver.LEAST and size >= udp_4500.ESP_MIN and udp_4500.is_esp(packet):
            arrived = many.receiver.inside(slot, size)
            end = min(len(packet) // size, len(arrived.rows))
            run = many.rules.receive_esp(peer, local, arrived, 0, end, now, (udp_4500.NAT_T_PORT, port))
            if self._take_run(run, local):
                taken = end * size
        for at in range(taken, len(packet), size):
            self._one_from_udp(packet[at : at + size], local, peer, port, now)

    def _one_from_udp(self, data: memoryview, local: bytes, peer: bytes, port: int, now: float) -> None:
        if udp_4500.is_esp(data):
            received = self._open_esp(peer, local, data, now, (udp_4500.NAT_T_PORT, port))
            if received is not None:
                self._upward.take_in(received, local)
            return
        octets = bytes(data)
        message = udp_4500.ike_message(udp_4500.NAT_T_PORT, octets)
        if message is not None:
            self._upward.take_ike(local, peer, port, message)
        elif octets != udp_4500.KEEPALIVE:
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
        """Send what leaves by a tunnel. Datagrams of one size to one peer, one after the other, share a call."""
        local = self._rules.local_of(name) if outers else None
        if local is None:
            return
        at = 0
        while at < len(outers):
            outer = outers[at]
            end = at + 1
            if outer[6] is not None:
                end = _end_of_run(outers, at)
            if end > at + 1:
                destination, tos, ttl, df, frame, protocol, ports = outer
                frames = [outer[4] for outer in outers[at:end]]
                self._send_segments(name, local, Run(destination, tos, ttl, df, frames, len(frame), protocol, ports))
            else:
                self._send_one(name, local, outer)
            at = end

    def send_runs(self, name: str, runs: list[Run]) -> None:
        """Send packets of one size, as many in one call as the kernel takes."""
        local = self._rules.local_of(name)
        if local is None:
            return
        for run in runs:
            if run.ports is not None:
                self._send_segments(name, local, run)
            elif self._many is not None:
                self._send_raw(self._many.sender, name, local, run)

    def _send_raw(self, many: Sender, name: str, local: bytes, run: Run) -> None:
        descriptor = self._sender(local, run.protocol).ready(run.tos, run.ttl, run.df)
        size = run.size
        for block in run.blocks:
            at, end = 0, (len(block) + size - 1) // size
            while at < end:
                try:
                    at += many.send(descriptor, run.destination, block, size, at)
                except OSError as error:  # the next one may go
                    frame = block[at * size : (at + 1) * size]
                    self._refused(name, local, error, run.destination, run.df, frame, run.protocol, None)
                    at += 1

    def _send_segments(self, name: str, local: bytes, run: Run) -> None:
        if self._udp is None or run.ports is None:
            self._rules.counters[name].drops_out += len(list(run.frames()))
            return
        to = socket.inet_ntoa(run.destination), run.ports[1]
        for part in run.parts(min(sockets.SEGMENTS_MAX, sockets.SEGMENTS_OCTETS_MAX // run.size)):
            try:
                self._udp.send_segments(local, run.tos, run.ttl, run.df, part.blocks, run.size, to)
            except OSError as error:
                if error.errno in _LINK_FULL:
                    self._rules.counters[name].drops_out += len(list(part.frames()))
                    continue
                # Too large for the path, or a kernel or device that cannot: one at a time tells which.
                for frame in part.frames():
                    outer = run.destination, run.tos, run.ttl, run.df, bytes(frame), run.protocol, run.ports
                    self._send_one(name, local, outer)

    def _send_one(self, name: str, local: bytes, outer: Outer) -> None:
        destination, tos, ttl, df, frame, protocol, ports = outer
        try:
            if ports is None:
                self._sender(local, protocol).send(tos, ttl, df, frame, self._target(destination))
            elif self._udp is not None:
                to = socket.inet_ntoa(destination), ports[1]
                self._udp.send(local, tos, ttl, df, frame, to, checksum=False)
            else:
                self._rules.counters[name].drops_out += 1
        except OSError as error:
            self._refused(name, local, error, destination, df, frame, protocol, ports)

    def _sender(self, local: bytes, protocol: int) -> RawSender:
        sender = self._senders.get((local, protocol))
        if sender is None:
            sender = self._senders[local, protocol] = RawSender(local, protocol)
        return sender

    def _target(self, destination: bytes) -> Target:
        to = self._targets.get(destination)
        if to is None:
            if len(self._targets) >= _TARGETS_MAX:  # of NHRP too, which anybody may have asked
                self._targets.clear()
            to = self._targets[destination] = (socket.inet_ntoa(destination), 0)
        return to

    def _refused(
        self,
        name: str,
        local: bytes,
        error: OSError,
        destination: bytes,
        df: bool,
        frame: Packet,
        protocol: int,
        ports: tuple[int, int] | None,
    ) -> None:
        """No route, too big, no buffer: lost, as on a full link."""
        self._rules.counters[name].drops_out += 1
        if df and error.errno == errno.EMSGSIZE:
            self._learn_mtu(local, destination, bytes(frame[:8]), protocol, ports)

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
        """The kernel refused a packet with DF, of which this is the beginning: tell the rules as a router would.

        RFC 1191.
        """
        try:
            mtu = first_hop.mtu(destination)
        except OSError:
            return
        quoted = frame if ports is None else ipv4.udp(*ports, frame)
        refused = ipv4.build(local, destination, protocol, quoted, df=True)
        told = ipv4.icmp_error(local, refused, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
        if told is not None:
            self._rules.learn(told, time.monotonic())


def _end_of_run(outers: list[Outer], at: int) -> int:
    """Where packets end that share all but their octets with the one at `at`, and its size; the last may be shorter."""
    first = outers[at]
    common, ports, size = first[:4], first[6], len(first[4])
    end = at + 1
    while end < len(outers):
        other = outers[end]
        octets = len(other[4])
        if octets > size or other[6] != ports or other[:4] != common:
            break
        end += 1
        if octets < size:
            break
    return end
