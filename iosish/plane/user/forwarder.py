"""The forwarder process: packets between TAP devices and raw GRE sockets, by the forwarding rules.

It is forked from the router, takes its tables over the channel, and ends with it. One loop on epoll; a burst from each
source at a time, so that no source starves another.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import NoReturn

from iosish.forwarding import gre, ipv4
from iosish.forwarding.rules import Forwarder, Outer
from iosish.forwarding.tunnel_state import MULTICAST
from iosish.plane.user import channel, tap
from iosish.plane.user.lingering import Lingering

#: Packets taken from one source before the next has its turn.
BURST = 64
REPORT_EVERY_S = 0.5
_FRAME_MAX = 65536
_PR_SET_PDEATHSIG = 1
_IP_MTU_DISCOVER, _PMTUDISC_DONT, _PMTUDISC_DO = 10, 0, 2
_IP_MTU = 14
_SO_ATTACH_FILTER = 26
_SOL_RAW, _ICMP_FILTER = 255, 1
#: All but destination unreachable.
_ICMP_OTHERS = 0xFFFFFFFF & ~(1 << 3)


def fork(own: socket.socket) -> int:
    """Fork the forwarder onto `own`, its end of the channel. Gives its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _become_forwarder(own, parent)
    finally:
        os._exit(1)


def _become_forwarder(own: socket.socket, parent: int) -> NoReturn:
    gc.freeze()  # what came with the fork stays shared with the router
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    # Sockets of the router's clients must not stay open here when the router closes them.
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, own.fileno())
    os.closerange(own.fileno() + 1, min(limit, 65536))
    try:
        _Loop(own).run()
    except Exception as error:  # of our own making: the log of the router is where it belongs
        with contextlib.suppress(OSError):
            own.send(channel.pack(channel.ENDED, f"{type(error).__name__}: {error}"))
        os._exit(1)
    os._exit(0)


class _Sender:
    """A raw socket that sends from one local address; ToS and TTL are set when they change."""

    def __init__(self, local: bytes, df: bool) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
        self._socket.setblocking(False)
        _hear_nothing(self._socket)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO if df else _PMTUDISC_DONT)
        channel.widen(self._socket, channel.BUFFER_BYTES)
        self._socket.bind((socket.inet_ntoa(local), 0))
        self._tos = self._ttl = -1

    def send(self, tos: int, ttl: int, frame: bytes, to: tuple[str, int]) -> None:
        """Raises OSError."""
        if tos != self._tos:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            self._tos = tos
        if ttl != self._ttl:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            self._ttl = ttl
        self._socket.sendto(frame, to)

    def close(self) -> None:
        self._socket.close()


def _hear_nothing(raw: socket.socket) -> None:
    """A classic BPF program of one instruction, `ret #0`: this socket only sends."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


class _Loop:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._rules = Forwarder()
        self._lingering = Lingering()
        self._taps: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._senders: dict[tuple[bytes, bool], _Sender] = {}
        self._targets: dict[bytes, tuple[str, int]] = {}
        self._locals: frozenset[bytes] = frozenset()
        self._adjacencies: dict[str, Mapping[int, IPv4Address]] = {}
        self._point_to_point: frozenset[str] = frozenset()
        self._icmp: socket.socket | None = None
        self._poll = select.epoll()
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
        self._raw.setblocking(False)
        channel.widen(self._raw, channel.BUFFER_BYTES)
        self._poll.register(self._raw, select.EPOLLIN)
        self._poll.register(control, select.EPOLLIN)

    def run(self) -> None:
        """Until the control side is gone."""
        report_at = time.monotonic() + REPORT_EVERY_S
        control, raw = self._control.fileno(), self._raw.fileno()
        while True:
            now = time.monotonic()
            for descriptor, _ in self._poll.poll(max(0.0, report_at - now)):
                if descriptor == control:
                    if not self._take_messages():
                        return
                elif descriptor == raw:
                    self._from_wire()
                elif descriptor in self._names:
                    self._from_tap(descriptor, self._names[descriptor])
                elif self._icmp is not None and descriptor == self._icmp.fileno():
                    self._from_icmp()
            now = time.monotonic()
            if now >= report_at:
                self._report()
                if self._lingering.over(now):
                    self._put_to_work(now)
                report_at = now + REPORT_EVERY_S

    # The control side

    def _take_messages(self) -> bool:
        for _ in range(BURST):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, channel.MESSAGE_BYTES, 1)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not message:
                return False
            kind, value = channel.unpack(message)
            if kind == channel.TABLES:
                self._configure(value)
            elif kind == channel.TAP and descriptors:
                self._add_tap(value, descriptors[0])
            elif kind == channel.NO_TAP:
                self._drop_tap(value)
            elif kind == channel.SEND:
                name, peer, payload = value
                self._send(name, self._rules.control(name, peer, payload, time.monotonic()))
            elif kind == channel.COUNT:
                counters = channel.pack_counters(self._rules.counters)
                self._tell(channel.COUNTED, (counters, dict(self._rules.drops.reasons)))
        return True

    def _configure(self, value: list[tuple[object, ...]]) -> None:
        now = time.monotonic()
        self._lingering.take(channel.unpack_tunnels(value), now)
        self._put_to_work(now)

    def _put_to_work(self, now: float) -> None:
        tunnels = self._lingering.tunnels(now)
        self._rules.configure(tunnels, now)
        self._adjacencies = {tunnel.name: tunnel.adjacencies for tunnel in tunnels.values()}
        self._point_to_point = frozenset(tunnel.name for tunnel in tunnels.values() if not tunnel.multipoint)
        self._locals = frozenset(tunnel.local.packed for tunnel in tunnels.values() if tunnel.local is not None)
        for key in [key for key in self._senders if key[0] not in self._locals]:
            self._senders.pop(key).close()
        self._targets.clear()
        self._hear_icmp(any(tunnel.path_mtu_discovery for tunnel in tunnels.values()))

    def _hear_icmp(self, wanted: bool) -> None:
        """ICMP errors about our packets are only of use for path MTU discovery."""
        if wanted and self._icmp is None:
            self._icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self._icmp.setblocking(False)
            self._icmp.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", _ICMP_OTHERS))
            self._poll.register(self._icmp, select.EPOLLIN)
        elif not wanted and self._icmp is not None:
            self._poll.unregister(self._icmp)
            self._icmp.close()
            self._icmp = None

    def _add_tap(self, name: str, descriptor: int) -> None:
        self._drop_tap(name)
        os.set_blocking(descriptor, False)
        self._taps[name] = descriptor
        self._names[descriptor] = name
        self._poll.register(descriptor, select.EPOLLIN)

    def _drop_tap(self, name: str) -> None:
        descriptor = self._taps.pop(name, None)
        if descriptor is not None:
            self._poll.unregister(descriptor)
            del self._names[descriptor]
            os.close(descriptor)

    def _tell(self, kind: bytes, value: object) -> None:
        try:
            self._control.send(channel.pack(kind, value))
        except BlockingIOError:
            reasons = self._rules.drops.reasons
            reasons["control queue full"] = reasons.get("control queue full", 0) + 1
        except OSError:
            pass  # the end of the control side is seen where it is read

    def _report(self) -> None:
        used = self._rules.take_used()
        if used:
            self._tell(channel.USED, {name: tuple(peers) for name, peers in used.items()})
        refused = self._rules.take_refused()
        if refused:
            self._tell(channel.REFUSED, refused)

    # Packets

    def _from_tap(self, descriptor: int, name: str) -> None:
        rules, now = self._rules, time.monotonic()
        for _ in range(BURST):
            try:
                frame = os.read(descriptor, _FRAME_MAX)
            except OSError as error:
                if error.errno == errno.EBADFD:
                    self._drop_tap(name)  # somebody removed the device, and the loop would not come to rest
                break
            if len(frame) <= tap.ETHERNET or frame[12:14] not in (tap.IPV4, tap.IPV6):
                continue  # ARP and the like stay on the device
            if frame[0] & 1:
                adjacency = MULTICAST
            elif name in self._point_to_point:
                adjacency = 1  # it has no other
            elif frame[:2] == tap.ADJACENCY_PREFIX and any(frame[2:6]):
                adjacency = int.from_bytes(frame[2:6], "big")
            else:
                continue  # to a neighbour that nobody gave it
            known = adjacency == MULTICAST or adjacency in self._adjacencies.get(name, ())
            if not known and not self._catch_up(descriptor, name):
                return
            self._send(name, rules.transmit(name, adjacency, memoryview(frame)[tap.ETHERNET :], now))
        self._give_back()

    def _catch_up(self, descriptor: int, name: str) -> bool:
        """The kernel knew an adjacency before us: its table waits in the channel. False: the TAP is gone with it."""
        return self._take_messages() and self._names.get(descriptor) == name

    def _from_wire(self) -> None:
        rules, now = self._rules, time.monotonic()
        for _ in range(BURST):
            try:
                packet = self._raw.recv(_FRAME_MAX)
            except OSError:
                break
            start = (packet[0] & 15) * 4 if packet else 0
            destination = packet[16:20]
            if start < 20 or destination not in self._locals:
                continue
            source = packet[12:16]
            received = rules.receive(source, destination, memoryview(packet)[start:], now)
            if received is None:
                continue
            name, protocol, payload, peer, protected = received
            if protocol == gre.NHRP:
                self._tell(channel.RECEIVED, (name, peer, destination, payload, protected))
            else:
                self._deliver(name, tap.IPV4 if protocol == gre.IPV4 else tap.IPV6, payload)
        self._give_back()

    def _from_icmp(self) -> None:
        assert self._icmp is not None
        for _ in range(BURST):
            try:
                packet = self._icmp.recv(_FRAME_MAX)
            except OSError:
                break
            self._rules.learn(packet, time.monotonic())

    def _give_back(self) -> None:
        returned = self._rules.returned
        while returned:
            name, packet = returned.popleft()
            self._deliver(name, tap.IPV4, packet)

    def _deliver(self, name: str, kind: bytes, packet: bytes) -> None:
        descriptor = self._taps.get(name)
        if descriptor is None:
            return
        try:
            os.write(descriptor, tap.frame(kind, packet))
        except OSError:
            counters = self._rules.counters.get(name)
            if counters is not None:
                counters.drops_in += 1  # the device is down or full

    def _send(self, name: str, outers: list[Outer]) -> None:
        for destination, tos, ttl, df, frame, protocol, _ in outers:
            assert protocol == ipv4.GRE, "no SA is installed"
            tunnel_local = self._rules.local_of(name)
            if tunnel_local is None:
                return
            to = self._targets.get(destination)
            if to is None:
                to = self._targets[destination] = (socket.inet_ntoa(destination), 0)
            try:
                sender = self._senders.get((tunnel_local, df))
                if sender is None:
                    sender = self._senders[tunnel_local, df] = _Sender(tunnel_local, df)
                sender.send(tos, ttl, frame, to)
            except OSError as error:
                self._rules.counters[name].drops_out += 1  # no route, too big, no buffer: as a full link
                if df and error.errno == errno.EMSGSIZE:
                    self._learn_mtu(tunnel_local, destination, frame)

    def _learn_mtu(self, local: bytes, destination: bytes, frame: bytes) -> None:
        """The kernel refused a packet with DF: tell the rules as a router on the way would (RFC 1191)."""
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect((socket.inet_ntoa(destination), 9))
                mtu = asking.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        except OSError:
            return
        refused = ipv4.build(local, destination, ipv4.GRE, frame[:8], df=True)
        told = ipv4.icmp_error(local, refused, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
        if told is not None:
            self._rules.learn(told, time.monotonic())
