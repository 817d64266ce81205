"""TAP and TUN devices: opening them, and the Ethernet header that tells the adjacency (linux/if_tun.h)."""

from __future__ import annotations

import fcntl
import os
import struct

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_TAP, _IFF_NO_PI = 0x1, 0x2, 0x1000

#: A neighbour's MAC: 02:00, then the adjacency index. The device's own is 02:01:00:00:00:00.
ADJACENCY_PREFIX = b"\x02\x00"
OWN_MAC = b"\x02\x01\x00\x00\x00\x00"
ETHERNET = 14
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


def open_device(name: str, *, ethernet: bool) -> int:
    """Make a TAP (`ethernet`) or TUN device and give its descriptor, which does not block.

    The device is there as long as a descriptor of it is open. Raises OSError.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = (_IFF_TAP if ethernet else _IFF_TUN) | _IFF_NO_PI
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def neighbour_mac(adjacency: int) -> str:
    """`02:00:00:00:00:07` for adjacency 7."""
    return (ADJACENCY_PREFIX + adjacency.to_bytes(4, "big")).hex(":")


def adjacency_of(mac: str) -> int | None:
    """The adjacency that a neighbour's MAC stands for; None for any other MAC."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(octets[2:], "big") if len(octets) == 6 and octets[:2] == ADJACENCY_PREFIX else None


#: What stands before a packet that is handed to the router's own stack.
_HEAD = {kind: OWN_MAC + ADJACENCY_PREFIX + bytes(4) + kind for kind in (IPV4, IPV6)}


def frame(kind: bytes, packet: bytes | memoryview) -> bytes:
    """An inner packet as the frame that the kernel takes it from: to the device itself, or to the packet's group."""
    if kind == IPV4 and 224 <= packet[16] < 240:
        group = b"\x01\x00\x5e" + bytes((packet[17] & 0x7F,)) + bytes(packet[18:20])
        return b"".join((group, _HEAD[kind][6:], packet))
    return b"".join((_HEAD[kind], packet))
