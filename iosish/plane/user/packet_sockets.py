"""Packet sockets on devices that are watched: what passes them, in both directions (packet(7)).

A flood is lost in the kernel's buffer, which is bounded, and counted; it takes no more than a burst of each turn. The
kernel counts what has passed, so that each packet is told as seen or as missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Mapping
from struct import Struct

from iosish.desired import PlaneSink, SeenPacket
from iosish.plane.user import as_on_wire, channel

#: Packets, and octets, that are taken from a socket in one turn of the loop.
BURST = 64
BURST_OCTETS = 256 * 1024
_FRAME_MAX = as_on_wire.VIRTIO.size + 65536 + 64

_ALL_PROTOCOLS = 3
_OUTGOING = 4
_SOL_PACKET, _STATISTICS, _AUXDATA, _VNET_HDR = 263, 6, 8, 15
_SO_TIMESTAMPNS = 35
_WITH_ETHERNET = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK
_STATISTICS_FIELDS = Struct("=II")
_AUXDATA_FIELDS = Struct("=IIIHHHH")
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_TIMESTAMP = Struct("=qq")
_ANCILLARY = socket.CMSG_SPACE(_AUXDATA_FIELDS.size) + socket.CMSG_SPACE(_TIMESTAMP.size)


class _Watch:
    """The socket of a device. `queued` counts the packets that found room in its queue up to the last look at it,
    `taken` those that were taken out again."""

    def __init__(self, device: str, index: int) -> None:
        """Raises OSError."""
        self.own = _listen(device)
        self.index = index
        self.queued = self.taken = 0

    def look(self) -> int:
        """Gives how many found no room since the last time."""
        counted = self.own.getsockopt(_SOL_PACKET, _STATISTICS, _STATISTICS_FIELDS.size)
        passed, dropped = _STATISTICS_FIELDS.unpack(counted)
        self.queued += passed - dropped
        return int(dropped)


class PacketSockets:
    """One socket for each device that is watched. What it saw goes to the sink, what it lost too."""

    def __init__(self, sink: PlaneSink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, _Watch] = {}
        self._frame = bytearray(_FRAME_MAX)

    def listen(self, devices: Mapping[str, str]) -> None:
        """Watch these devices, by interface, and no others. One that is not there is passed over."""
        wanted: dict[str, int] = {}
        for name, device in devices.items():
            with contextlib.suppress(OSError):
                wanted[name] = socket.if_nametoindex(device)
        for name in [name for name, watch in self._open.items() if wanted.get(name) != watch.index]:
            self._close(name)
        for name, index in wanted.items():
            if name not in self._open:
                with contextlib.suppress(OSError):  # it went away just now: it is told again when it is back
                    watch = self._open[name] = _Watch(devices[name], index)
                    self._loop.add_reader(watch.own, self._take, name, watch)

    async def caught_up(self) -> None:
        """Wait until all that has passed so far is told; others have their turns meanwhile."""
        for name, watch in tuple(self._open.items()):
            if self._open.get(name) is not watch:
                continue  # it was closed, and told all
            self._missed(name, watch.look())
            last = watch.queued
            while watch.taken < last and self._open.get(name) is watch:
                if not self._take(name, watch):
                    break  # the kernel has thrown the rest away
                await asyncio.sleep(0)

    def _close(self, name: str) -> None:
        """What is not taken in one burst more is missed."""
        watch = self._open.pop(name)
        self._loop.remove_reader(watch.own)
        self._take(name, watch)
        dropped = watch.look()
        watch.own.close()
        self._missed(name, dropped + watch.queued - watch.taken)

    def _take(self, name: str, watch: _Watch) -> int:
        """Take a burst and tell of it; gives how many packets of the queue it was."""
        before = watch.taken
        seen: list[SeenPacket] = []
        octets = missed = 0
        for _ in range(BURST):
            try:
                size, ancillary, _, sender = watch.own.recvmsg_into([self._frame], _ANCILLARY, socket.MSG_TRUNC)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    missed += 1  # this kernel cannot say how to cut it
                    watch.taken += 1
                    continue
                if error.errno == errno.ENETDOWN:
                    continue  # said once when the device goes down: what passed before is still there
                break  # nothing more
            watch.taken += 1
            inbound = sender[2] != _OUTGOING
            octets += size
            at, vlan = _told(ancillary)
            for data, length in self._frames(size, vlan, sender):
                seen.append(SeenPacket(name, inbound, at, data, length))
            if octets >= BURST_OCTETS:
                break
        missed += watch.look()
        if seen:
            self._sink.packets_seen(seen)
        self._missed(name, missed)
        return watch.taken - before

    def _missed(self, name: str, count: int) -> None:
        if count:
            self._sink.packets_missed(name, count)

    def _frames(self, size: int, vlan: bytes, sender: tuple[str, int, int, int, bytes]) -> list[tuple[bytes, int]]:
        """What was read, as frames on the wire, each with its own length."""
        start = as_on_wire.VIRTIO.size
        if size <= start:
            return []
        frame = bytes(self._frame[start : min(size, _FRAME_MAX)])
        virtio = as_on_wire.VIRTIO.unpack_from(self._frame)
        if sender[3] not in _WITH_ETHERNET:
            head = bytes(12) + sender[1].to_bytes(2, "big")
            return [(head + frame, len(head) + size - start)]
        if size > _FRAME_MAX:
            return [(frame, size - start)]
        return [(data, len(data)) for data in (_tagged(each, vlan) for each in as_on_wire.frames(virtio, frame))]


def _listen(device: str) -> socket.socket:
    """Raises OSError."""
    own = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        own.setblocking(False)
        channel.widen(own, channel.BUFFER_BYTES)
        own.setsockopt(_SOL_PACKET, _VNET_HDR, 1)
        own.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        own.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        own.bind((device, _ALL_PROTOCOLS))
    except OSError:
        own.close()
        raise
    return own


def _told(ancillary: list[tuple[int, int, bytes]]) -> tuple[float, bytes]:
    """When a packet passed, and the VLAN tag that the kernel took out of it."""
    at, vlan = 0.0, b""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack_from(data)
            at = seconds + nanoseconds / 1e9
        elif level == _SOL_PACKET and kind == _AUXDATA and len(data) >= _AUXDATA_FIELDS.size:
            status, _, _, _, _, tag, protocol = _AUXDATA_FIELDS.unpack_from(data)
            if status & _VLAN_VALID:
                vlan = (protocol if status & _TPID_VALID else 0x8100).to_bytes(2, "big") + tag.to_bytes(2, "big")
    return at or time.time(), vlan


def _tagged(frame: bytes, vlan: bytes) -> bytes:
    return frame[:12] + vlan + frame[12:] if vlan else frame
