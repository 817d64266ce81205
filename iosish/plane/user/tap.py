"""TAP and TUN devices: opening them, and what stands before a packet (linux/if_tun.h, linux/virtio_net.h).

A frame of a TAP begins with a `virtio_net_hdr`, by which the kernel and we leave work to each other: to finish a
checksum, or to cut a large TCP packet into segments. Then comes the Ethernet header, which tells the adjacency.
"""

from __future__ import annotations

import fcntl
import os
from struct import Struct

from iosish.plane.plan import TUNNEL_MAC

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_IFF_TUN, _IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x1, 0x2, 0x1000, 0x4000
_OFFLOAD_CHECKSUM, _OFFLOAD_TCP4 = 0x1, 0x2
_REQUEST = Struct("16sH22x")

_VIRTIO = Struct("=BBHHHH")
"""Flags, GSO type, length of all headers, size of a segment's payload, where the checksum starts, where it is stored.
Lengths count from the Ethernet header on."""
NEEDS_CHECKSUM = 1
GSO_NONE, GSO_TCP4, GSO_ECN = 0, 1, 0x80

#: Octets that the kernel may hand over uncut: 45 segments of an MSS of 1348, which cut and sealed still fit
#: `sockets.SEGMENTS_OCTETS_MAX`.
LARGE_MAX = 61000
#: A neighbour's MAC: 02:00, then the adjacency index.
ADJACENCY_PREFIX = b"\x02\x00"
OWN_MAC = bytes.fromhex(TUNNEL_MAC.replace(":", ""))
ETHERNET = 14
#: Where the packet starts in a frame.
PACKET = _VIRTIO.size + ETHERNET
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


def open_device(name: str, *, ethernet: bool) -> int:
    """Make a TAP (`ethernet`) or TUN device and give its descriptor, which does not block.

    The device is there as long as a descriptor of it is open. Raises OSError.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = (_IFF_TAP | _IFF_VNET_HDR if ethernet else _IFF_TUN) | _IFF_NO_PI
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(name.encode(), flags))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def neighbour_mac(adjacency: int) -> bytes:
    """02:00:00:00:00:07 for adjacency 7."""
    return ADJACENCY_PREFIX + adjacency.to_bytes(4, "big")


def adjacency_of(mac: bytes) -> int | None:
    """The adjacency that a neighbour's MAC stands for; None for any other MAC."""
    return int.from_bytes(mac[2:], "big") if len(mac) == 6 and mac[:2] == ADJACENCY_PREFIX else None


def offload(descriptor: int, wanted: bool) -> None:
    """Whether TCP/IPv4 packets are read uncut, and checksums unfinished. Raises OSError."""
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _OFFLOAD_CHECKSUM | _OFFLOAD_TCP4 if wanted else 0)


_PLAIN = bytes(_VIRTIO.size)
#: What stands before a packet that is handed to the router's own stack.
_HEAD = {kind: OWN_MAC + ADJACENCY_PREFIX + bytes(4) + kind for kind in (IPV4, IPV6)}
_WHOLE_HEAD = {kind: _PLAIN + head for kind, head in _HEAD.items()}


def frame(kind: bytes, packet: bytes | memoryview) -> bytes:
    """An inner packet as the frame that the kernel takes it from: to the device itself, or to the packet's group."""
    if kind == IPV4 and 224 <= packet[16] < 240:
        group = b"\x01\x00\x5e" + bytes((packet[17] & 0x7F,)) + bytes(packet[18:20])
        return b"".join((_PLAIN, group, _HEAD[kind][6:], packet))
    return b"".join((_WHOLE_HEAD[kind], packet))


def large_head(ip_header: int, headers: int, segment: int) -> bytes:
    """What stands before a TCP/IPv4 packet of many segments, whose checksum is that of its pseudo-header alone.

    `ip_header` and `headers` (TCP's included) are lengths, `segment` is the payload of one.
    """
    start = ETHERNET + ip_header
    virtio = _VIRTIO.pack(NEEDS_CHECKSUM, GSO_TCP4, ETHERNET + headers, segment, start, 16)
    return virtio + _HEAD[IPV4]


def read_head(frame: bytearray) -> tuple[int, int, int, int, int]:
    """Flags, GSO type, size of a segment, where the checksum starts in the packet, where it is stored after that."""
    flags, kind, _, segment, start, offset = _VIRTIO.unpack_from(frame)
    return flags, kind, segment, start - ETHERNET, offset
