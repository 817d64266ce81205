"""The kernel's side of a TAP device: what it makes of a frame that is written to it (linux/virtio_net.h)."""

from __future__ import annotations

import struct

from iosish.forwarding import ipv4

_VIRTIO = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM, _TCP4, _CONGESTION = 1, 1, 0x80
_ETHERNET = 14
_FIN, _PSH, _CWR = 0x01, 0x08, 0x80


def cut(frame: bytes) -> list[bytes]:
    """The packets in a frame, after its virtio_net_hdr; what the kernel would refuse fails an assertion."""
    flags, kind, headers, segment, start, offset = _VIRTIO.unpack_from(frame)
    packet = frame[_VIRTIO.size + _ETHERNET :]
    if not flags:
        assert (kind, headers, segment, start, offset) == (0, 0, 0, 0, 0)
        return [packet]
    assert flags == _NEEDS_CHECKSUM
    tcp = (packet[0] & 15) * 4
    if not kind:
        assert (start, offset) == (_ETHERNET + tcp, 16)
        whole = ipv4.checksum(packet[tcp:]) or 0xFFFF  # CSUM_MANGLED_0
        return [packet[: tcp + 16] + whole.to_bytes(2, "big") + packet[tcp + 18 :]]
    assert kind & ~_CONGESTION == _TCP4
    data = tcp + (packet[tcp + 12] >> 4) * 4
    assert (headers, start, offset) == (_ETHERNET + data, _ETHERNET + tcp, 16)
    total = int.from_bytes(packet[2:4], "big")
    assert total == len(packet) > data + segment > data
    assert ipv4.checksum_right(packet[:tcp])
    pseudo = packet[12:20] + struct.pack("!HH", ipv4.TCP, total - tcp)
    assert packet[tcp + 16 : tcp + 18] == (0xFFFF - ipv4.checksum(pseudo)).to_bytes(2, "big"), "pseudo header's sum"
    starts = range(data, total, segment)
    return [_segment(packet, tcp, data, segment, index, index == len(starts) - 1) for index in range(len(starts))]


def _segment(packet: bytes, tcp: int, data: int, segment: int, index: int, last: bool) -> bytes:
    at = data + index * segment
    made = bytearray(packet[:data] + packet[at : at + segment])
    flags = made[tcp + 13] & ~((_CWR if index else 0) | (0 if last else _FIN | _PSH))
    identification = (int.from_bytes(made[4:6], "big") + index) & 0xFFFF
    sequence = (int.from_bytes(made[tcp + 4 : tcp + 8], "big") + index * segment) & 0xFFFFFFFF
    struct.pack_into("!HH", made, 2, len(made), identification)
    struct.pack_into("!I", made, tcp + 4, sequence)
    made[tcp + 13] = flags
    made[10:12] = made[tcp + 16 : tcp + 18] = bytes(2)
    pseudo = bytes(made[12:20]) + struct.pack("!HH", ipv4.TCP, len(made) - tcp)
    struct.pack_into("!H", made, tcp + 16, ipv4.checksum(pseudo + made[tcp:]))
    struct.pack_into("!H", made, 10, ipv4.checksum(made[:tcp]))
    return bytes(made)


def superpacket(ethernet: bytes, packet: bytes, segment: int, congestion: bool) -> bytes:
    """The frame by which the kernel leaves a TCP packet's checksum to us; and its cutting, if there is a `segment`."""
    tcp = (packet[0] & 15) * 4
    data = tcp + (packet[tcp + 12] >> 4) * 4
    unfinished = bytearray(packet)
    pseudo = packet[12:20] + struct.pack("!HH", ipv4.TCP, len(packet) - tcp)
    struct.pack_into("!H", unfinished, tcp + 16, 0xFFFF - ipv4.checksum(pseudo))
    kind = _TCP4 | (_CONGESTION if congestion else 0) if segment else 0
    headers = _ETHERNET + data if segment else 0
    virtio = _VIRTIO.pack(_NEEDS_CHECKSUM, kind, headers, segment, _ETHERNET + tcp, 16)
    return virtio + ethernet + bytes(unfinished)
