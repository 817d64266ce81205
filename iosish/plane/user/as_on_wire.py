"""What a packet socket shows, as it is on the wire: the kernel leaves checksums and the cutting of large packets to the
device, and joins what comes in (linux/virtio_net.h).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from iosish.forwarding import ipv4

VIRTIO = Struct("=BBHHHH")
"""Flags, GSO type, length of all headers, payload of a segment, where a checksum starts, where it is stored."""
_NEEDS_CHECKSUM = 1
_TCP4, _TCP6, _UDP, _ECN = 1, 4, 5, 0x80

_ETHERNET = 14
_VLANS = (b"\x81\x00", b"\x88\xa8")
_IP_VERSIONS = {b"\x08\x00": 4, b"\x86\xdd": 6}
_FIN_PSH, _CWR = 0x09, 0x80
_U16, _U32 = Struct("!H"), Struct("!I")
_PSEUDO_4, _PSEUDO_6 = Struct("!4s4sBBH"), Struct("!16s16sI3xB")


class _Place(NamedTuple):
    """Where things are in a frame: the IP header, and what it carries."""

    version: int
    ip: int
    transport: int
    protocol: int


def frames(virtio: tuple[int, int, int, int, int, int], frame: bytes) -> list[bytes]:
    """The frames on the wire that `frame` stands for; itself, where it is not clear how to cut it."""
    flags, kind, _, segment, start, offset = virtio
    kind &= ~_ECN
    if kind:
        place = _place(frame)
        if place is not None and segment and place.protocol == (ipv4.UDP if kind == _UDP else ipv4.TCP):
            cut = _segments(place, frame, segment)
            if cut:
                return cut
    elif flags & _NEEDS_CHECKSUM and offset + 2 <= len(frame) - start:
        finished = bytearray(frame)
        _U16.pack_into(finished, start + offset, ipv4.checksum(memoryview(frame)[start:]) or 0xFFFF)
        return [bytes(finished)]
    return [frame]


def _place(frame: bytes) -> _Place | None:
    at = _ETHERNET
    while frame[at - 2 : at] in _VLANS:
        at += 4
    version = _IP_VERSIONS.get(frame[at - 2 : at])
    if version == 4 and len(frame) >= at + 20 and frame[at] >> 4 == 4:
        return _Place(4, at, at + (frame[at] & 15) * 4, frame[at + 9])
    if version == 6 and len(frame) >= at + 40:
        return _Place(6, at, at + 40, frame[at + 6])
    return None


def _segments(place: _Place, frame: bytes, size: int) -> list[bytes]:
    transport = place.transport
    if place.protocol == ipv4.UDP:
        start = transport + 8
    elif len(frame) > transport + 12:
        start = transport + (frame[transport + 12] >> 4) * 4
    else:
        return []
    if start < transport + 8 or start >= len(frame):
        return []
    pieces = range(start, len(frame), size)
    return [_segment(place, frame, start, at, at + size, at == pieces[-1]) for at in pieces]


def _segment(place: _Place, frame: bytes, start: int, begin: int, end: int, last: bool) -> bytes:
    """The part of the payload from `begin` to `end`, behind headers of its own."""
    _, ip, transport, protocol = place
    done = begin - start
    cut = bytearray(frame[:start] + frame[begin:end])
    if protocol == ipv4.UDP:
        checksum_at = transport + 6
        _U16.pack_into(cut, transport + 4, len(cut) - transport)
    else:
        checksum_at = transport + 16
        (sequence,) = _U32.unpack_from(cut, transport + 4)
        _U32.pack_into(cut, transport + 4, (sequence + done) & 0xFFFFFFFF)
        if not last:
            cut[transport + 13] &= ~_FIN_PSH
        if done:
            cut[transport + 13] &= ~_CWR
    if place.version == 4:
        _U16.pack_into(cut, ip + 2, len(cut) - ip)
        number = _U16.unpack_from(cut, ip + 4)[0] + done // (end - begin)
        _U16.pack_into(cut, ip + 4, number & 0xFFFF)
        _U16.pack_into(cut, ip + 10, 0)
        _U16.pack_into(cut, ip + 10, ipv4.checksum(cut[ip:transport]))
        addresses = bytes(cut[ip + 12 : ip + 16]), bytes(cut[ip + 16 : ip + 20])
        pseudo = _PSEUDO_4.pack(*addresses, 0, protocol, len(cut) - transport)
    else:
        _U16.pack_into(cut, ip + 4, len(cut) - transport)
        addresses = bytes(cut[ip + 8 : ip + 24]), bytes(cut[ip + 24 : ip + 40])
        pseudo = _PSEUDO_6.pack(*addresses, len(cut) - transport, protocol)
    _U16.pack_into(cut, checksum_at, 0)
    _U16.pack_into(cut, checksum_at, ipv4.checksum(pseudo + cut[transport:]) or 0xFFFF)
    return bytes(cut)
