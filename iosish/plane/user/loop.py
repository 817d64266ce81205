"""The forwarder's loop: packets between TAP devices and the wire, by the forwarding rules.

It takes its tables and SAs over the channel. One loop on epoll; a burst from each source at a time, so that no source
starves another, and the channel before all packets.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from iosish.forwarding import gre, segments
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.tunnel_state import MULTICAST
from iosish.ipsec.sa import SaKey
from iosish.plane.sa_notices import SaNotices
from iosish.plane.user import channel, sa_values, tap
from iosish.plane.user.lingering import Lingering
from iosish.plane.user.sources import Sources
from iosish.plane.user.warming import Warming
from iosish.plane.user.wire import BURST, Wire

if TYPE_CHECKING:
    from iosish.forwarding.large_in import ReceivedRun
    from iosish.plane.user.fast import Fast

REPORT_EVERY_S = 0.5
#: Messages taken at once to catch up with the control side: more than it lets wait.
CATCH_UP_MAX = 4096
#: A packet, and what stands before it.
_FRAME_MAX = 65536 + tap.PACKET
#: Packets that are sent together at most.
RUN = 32
#: Large packets that are cut together at most: as many as rows are for (`ipsec.rows.ROWS`).
LARGE_TOGETHER = 6
#: Octets of watched packets in one message, and how many such messages may be on their way: the channel is not theirs.
SEEN_OCTETS = 64 * 1024
SEEN_UNDERWAY_MAX = 8


class Loop:
    def __init__(self, control: socket.socket, *, warm: bool = False) -> None:
        self._control = control
        self._rules = Forwarder()
        self._notices = SaNotices(self._rules)
        self._worn: list[SaKey] = []
        self._seen_underway = 0
        self._lingering = Lingering()
        self._taps: dict[str, int] = {}
        self._adjacencies: dict[str, Mapping[int, IPv4Address]] = {}
        self._point_to_point: frozenset[str] = frozenset()
        self._sources = Sources()
        self._fast: Fast | None = None
        self._warming = Warming(at_once=warm)
        self._wire = Wire(self._rules, self._sources, self)
        self._untaken = False
        self._over = False
        frames = [bytearray(_FRAME_MAX) for _ in range(LARGE_TOGETHER)]
        self._frames = [(frame, memoryview(frame), [frame]) for frame in frames]
        self._slot = 0
        self._sources.add(control.fileno(), self._take_messages)

    def run(self) -> None:
        """Until the control side is gone."""
        report_at = time.monotonic() + REPORT_EVERY_S
        control = self._control.fileno()
        while not self._over:
            ready = self._sources.wait(max(0.0, report_at - time.monotonic()))
            if control in ready:  # what it says is in force for all packets that came later
                self._sources.handle(control)
            for descriptor in ready:
                if descriptor != control:
                    self._sources.handle(descriptor)
            self._give_back()
            now = time.monotonic()
            if self._warming.due(len(ready), now):
                self._speed_up()
            self._notify(now)
            self._show(now)
            if now >= report_at:
                self._report()
                if self._lingering.over(now):
                    self._untaken = True
                    self._put_to_work()
                report_at = now + REPORT_EVERY_S

    # The control side

    def _take_messages(self, at_most: int = BURST) -> None:
        for _ in range(at_most):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, channel.MESSAGE_BYTES, 1)
            except BlockingIOError:
                break
            except OSError:
                message = b""
            if not message:
                self._over = True
                break
            kind, value = channel.unpack(message)
            if kind == channel.TABLES:  # of several in a row the last one counts
                self._lingering.take(channel.unpack_tunnels(value), time.monotonic())
                self._untaken = True
                continue
            self._put_to_work()
            self._take(kind, value, descriptors[0] if descriptors else None)
        self._put_to_work()

    def _take(self, kind: bytes, value: Any, descriptor: int | None) -> None:
        if kind == channel.TAP and descriptor is not None:
            self._add_tap(value, descriptor)
        elif kind == channel.NO_TAP:
            self._drop_tap(value)
        elif kind == channel.SEND:
            name, peer, payload = value
            self._wire.send(name, self._rules.control(name, peer, payload, time.monotonic()))
        elif kind == channel.SECURE:
            self._secure(value)
        elif kind == channel.PORT:
            self._wire.open(descriptor)
        elif kind == channel.IKE:
            self._wire.send_ike(*value)
        elif kind == channel.WATCH:
            self._rules.watched = frozenset(value)
        elif kind == channel.SEEN_TAKEN:
            self._seen_underway -= 1
        elif kind == channel.ASK_SEEN:
            self._show_all()
            self._tell(channel.TAKEN, value)
        elif kind == channel.ASK:
            self._tell(channel.TAKEN, value)
        elif kind == channel.COUNT:
            for some in sa_values.pack_counters(self._rules.sa_counters()):
                self._tell(channel.SA_COUNTED, some)
            counters = channel.pack_counters(self._rules.counters)
            self._tell(channel.COUNTED, (counters, dict(self._rules.drops.reasons)))

    def _secure(self, value: Any) -> None:
        now = time.monotonic()
        try:
            change = sa_values.unpack_change(value)
            for sa in change.installed:
                for name, outer in self._rules.install(sa, now):
                    self._wire.send(name, [outer])
        except Exception as error:  # its text could hold a key
            raise RuntimeError(f"an SA was not taken: {type(error).__name__}") from None
        for key in change.removed:
            self._rules.remove(key, now)

    def _put_to_work(self) -> None:
        """Forward by the tables as they were last told, if that is news."""
        if not self._untaken:
            return
        self._untaken = False
        now = time.monotonic()
        tunnels = self._lingering.tunnels(now)
        self._rules.configure(tunnels, now)
        self._adjacencies = {tunnel.name: tunnel.adjacencies for tunnel in tunnels.values()}
        self._point_to_point = frozenset(tunnel.name for tunnel in tunnels.values() if not tunnel.multipoint)
        self._wire.configure(tunnels)

    def _add_tap(self, name: str, descriptor: int) -> None:
        self._drop_tap(name)
        os.set_blocking(descriptor, False)
        self._offload(descriptor)
        self._taps[name] = descriptor
        self._sources.add(descriptor, partial(self._from_tap, descriptor, name))

    def _drop_tap(self, name: str) -> None:
        descriptor = self._taps.pop(name, None)
        if descriptor is not None:
            self._sources.remove(descriptor)
            os.close(descriptor)

    def _speed_up(self) -> None:
        """From now on take many packets at once, and let the kernel leave us its work on them."""
        if self._warming.loaded is None:
            return
        self._fast = self._warming.loaded(self._rules)
        self._wire.speed_up(self._fast.many)
        for descriptor in self._taps.values():
            self._offload(descriptor)

    def _offload(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # a device that somebody removed just now, which is seen when it is read
            tap.offload(descriptor, wanted=self._fast is not None)

    def _tell(self, kind: bytes, value: object) -> bool:
        """False when the control side does not keep up, and this is lost."""
        try:
            self._control.send(channel.pack(kind, value))
        except BlockingIOError:
            self.count("control queue full")
            return False
        except OSError:
            pass  # the end of the control side is seen where it is read
        return True

    def _notify(self, now: float) -> None:
        """Tell what cannot wait for a report."""
        missed = self._notices.missed(now)
        if missed:
            self._tell(channel.MISSED, missed)
        self._worn += self._rules.take_worn()
        if self._worn and self._tell(channel.WORN, [sa_values.pack_key(key) for key in self._worn]):
            self._worn.clear()
        refused = self._notices.refused(now)
        if refused:
            self._tell(channel.ESP_REFUSED, refused)

    def _show(self, now: float) -> None:
        """Hand on what passed the tunnels that are watched, no faster than the control side takes it."""
        seen = self._rules.seen
        if not seen and not seen.missed:
            return
        wall_before = time.time() - now
        while self._seen_underway < SEEN_UNDERWAY_MAX and (seen or seen.missed):
            packets = [
                (name, inbound, wall_before + at, packet) for name, inbound, at, packet in seen.take(SEEN_OCTETS)
            ]
            missed = seen.take_missed()
            if not self._tell(channel.SEEN, (packets, missed)):
                seen.lost(packets, missed)
                return
            self._seen_underway += 1

    def _show_all(self) -> None:
        """Hand on what passed up to now: what the control side is too slow for as missed."""
        self._show(time.monotonic())
        seen = self._rules.seen
        seen.lost(seen.take(), {})
        missed = seen.take_missed()
        if not missed:
            return
        if self._tell(channel.SEEN, ([], missed)):
            self._seen_underway += 1
        else:
            seen.lost([], missed)

    def _report(self) -> None:
        used = self._rules.take_used()
        if used:
            self._tell(channel.USED, {name: tuple(peers) for name, peers in used.items()})
        refused = self._rules.take_refused()
        if refused:
            self._tell(channel.REFUSED, refused)
        for some in sa_values.pack_counters(self._rules.take_sa_usage()):
            self._tell(channel.SAS_USED, some)

    def count(self, reason: str) -> None:
        reasons = self._rules.drops.reasons
        reasons[reason] = reasons.get(reason, 0) + 1

    # Packets

    def _from_tap(self, descriptor: int, name: str) -> None:
        rules, now = self._rules, time.monotonic()
        outers: list[Outer] = []
        large: list[memoryview] = []  # to be cut into segments of one size, to one adjacency; they leave after outers
        way = 0, 0
        for _ in range(BURST):
            frame, view, into = self._frames[self._slot]
            try:
                size = os.readv(descriptor, into)
            except OSError as error:
                if error.errno == errno.EBADFD:
                    self._drop_tap(name)  # somebody removed the device, and the loop would not come to rest
                break
            adjacency = self._adjacency(name, frame, size)
            if adjacency is None:
                continue
            if adjacency != MULTICAST and adjacency not in self._adjacencies.get(name, ()):
                # The kernel knew an adjacency before us: its table waits in the channel. What it says of protection
                # is not for the packets before.
                self._leave(name, outers, large, *way, now)
                self.catch_up()
                if self._taps.get(name) != descriptor:
                    return  # the TAP is gone with it
            packet = view[tap.PACKET : size]
            segment = None
            if frame[0] or frame[1]:  # the kernel left us work
                segment = self._finish(frame, packet)
            if large and way != (adjacency, segment):
                self._leave(name, outers, large, *way, now)
            if segment is None:
                outers += rules.transmit(name, adjacency, packet, now)
                if len(outers) >= RUN:
                    self._leave(name, outers, large, *way, now)
                continue
            large.append(packet)
            way = adjacency, segment
            self._slot = (self._slot + 1) % LARGE_TOGETHER
            if len(large) == LARGE_TOGETHER:
                self._leave(name, outers, large, *way, now)
        self._leave(name, outers, large, *way, now)

    def _finish(self, frame: bytearray, packet: memoryview) -> int | None:
        """Finish a checksum that the kernel left us; or the size of the segments that a packet is to be cut into."""
        flags, kind, segment, start, offset = tap.read_head(frame)
        if kind & ~tap.GSO_ECN == tap.GSO_TCP4:
            return segment
        if flags & tap.NEEDS_CHECKSUM:
            segments.finish(packet, start, offset)
        return None

    def _leave(
        self, name: str, outers: list[Outer], packets: list[memoryview], adjacency: int, segment: int, now: float
    ) -> None:
        """Send what waits, and the large packets after it; both lists are empty then."""
        self._wire.send(name, outers)
        outers.clear()
        while packets:
            runs = [] if self._fast is None else self._fast.out.transmit(name, adjacency, packets, segment, now)
            if runs:
                self._wire.send_runs(name, runs)
                del packets[: len(runs)]
                continue
            packet = packets.pop(0)
            large = segments.measure(packet, segment)
            # What cannot be cut is lost and counted as any packet that cannot be read.
            pieces = (b"",) if large is None else segments.cut(packet, large)
            outers = [outer for piece in pieces for outer in self._rules.transmit(name, adjacency, piece, now)]
            self._wire.send(name, outers)

    def _adjacency(self, name: str, frame: bytearray, size: int) -> int | None:
        """The adjacency that a frame is for; None: it stays here."""
        start = tap.PACKET - tap.ETHERNET
        if size <= tap.PACKET or frame[start + 12 : tap.PACKET] not in (tap.IPV4, tap.IPV6):
            return None  # ARP and the like stay on the device
        if frame[start] & 1:
            return MULTICAST
        if name in self._point_to_point:
            return 1  # it has no other
        if frame[start : start + 2] == tap.ADJACENCY_PREFIX:
            return int.from_bytes(frame[start + 2 : start + 6], "big") or None
        return None  # to a neighbour that nobody gave it

    def catch_up(self) -> None:
        self._take_messages(CATCH_UP_MAX)

    def take_in(self, received: Received, local: bytes) -> None:
        """What came in on a tunnel: to its device, or NHRP to the control side."""
        name, protocol, payload, peer, protected = received
        if protocol == gre.NHRP:
            self._tell(channel.RECEIVED, (name, peer, local, payload, protected))
        else:
            self._deliver(name, tap.IPV4 if protocol == gre.IPV4 else tap.IPV6, payload)

    def take_run(self, run: ReceivedRun) -> None:
        """Packets for a device, as few large ones as they can be joined to."""
        descriptor = self._taps.get(run.tunnel)
        if descriptor is None or self._fast is None:
            return
        for count, pieces in self._fast.frames(run):
            try:
                os.writev(descriptor, pieces)
            except OSError:
                counters = self._rules.counters.get(run.tunnel)
                if counters is not None:
                    counters.drops_in += count  # the device is down or full

    def take_ike(self, local: bytes, peer: bytes, peer_port: int, message: bytes) -> None:
        self._tell(channel.IKE_RECEIVED, (local, peer, peer_port, message))

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
