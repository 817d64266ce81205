"""IPv6 on plain bytes, as little as a tunnel has to know of it (RFC 8200)."""

from __future__ import annotations

from iosish.forwarding.ipv4 import Packet

HEADER = 40


def size(packet: Packet) -> int:
    """The length of a well-formed packet (which may be followed by padding), else 0."""
    if len(packet) < HEADER or packet[0] >> 4 != 6:
        return 0
    total = HEADER + (packet[4] << 8 | packet[5])
    return total if total <= len(packet) else 0


def traffic_class(packet: Packet) -> int:
    return (packet[0] << 4 | packet[1] >> 4) & 0xFF
