"""Large TCP/IPv4 packets, which a kernel that was told so hands over uncut (TSO), and unfinished checksums. No I/O.

What leaves is what the kernel itself would have cut: RFC 9293 (sequence numbers, PSH and FIN on the last segment
alone), RFC 3168 section 6.1.2 (CWR on the first alone), identifications that count up. `large.py` does the same to
many segments at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet

FIN, SYN, PSH, ACK, CWR = 0x01, 0x02, 0x08, 0x10, 0x80
_U16 = Struct("!H")
_U32 = Struct("!I")
_TCP_MIN = 20


class Large(NamedTuple):
    """How a packet is cut, in octets: the IPv4 header, that and TCP's, what each segment carries, and the last one."""

    ip_header: int
    headers: int
    segment: int
    number: int
    last: int

    def octets(self, index: int) -> int:
        """The size of a segment, headers included."""
        return self.headers + (self.segment if index < self.number - 1 else self.last)


def measure(packet: Packet, segment: int) -> Large | None:
    """How to cut a packet into segments of so many octets of payload; None for one that is not to be cut."""
    total = ipv4.size(packet)
    if not total or total != len(packet) or segment <= 0 or packet[9] != ipv4.TCP or ipv4.is_fragment(packet):
        return None
    ip_header = ipv4.header_size(packet)
    if total < ip_header + _TCP_MIN:
        return None
    headers = ip_header + (packet[ip_header + 12] >> 4 << 2)
    payload = total - headers
    if headers < ip_header + _TCP_MIN or payload <= 0:
        return None
    number = (payload + segment - 1) // segment
    return Large(ip_header, headers, segment, number, payload - (number - 1) * segment)


def cut(packet: Packet, large: Large) -> Iterator[bytes]:
    """All segments, whole packets with right checksums."""
    return (one(packet, large, index) for index in range(large.number))


def one(packet: Packet, large: Large, index: int) -> bytes:
    """One of the segments."""
    ip_header, headers, segment, number, _ = large
    at = headers + index * segment
    made = bytearray(packet[:headers])
    made += packet[at : at + large.octets(index) - headers]
    _U16.pack_into(made, 2, len(made))
    _U16.pack_into(made, 4, ((packet[4] << 8 | packet[5]) + index) & 0xFFFF)
    sequence = int.from_bytes(packet[ip_header + 4 : ip_header + 8], "big") + index * segment
    _U32.pack_into(made, ip_header + 4, sequence & 0xFFFFFFFF)
    if index:
        made[ip_header + 13] &= ~CWR
    if index < number - 1:
        made[ip_header + 13] &= ~(FIN | PSH)
    _U16.pack_into(made, 10, 0)
    _U16.pack_into(made, 10, ipv4.checksum(made[:ip_header]))
    _U16.pack_into(made, ip_header + 16, 0)
    _U16.pack_into(made, ip_header + 16, _tcp_checksum(made, ip_header))
    return bytes(made)


def _tcp_checksum(packet: bytearray, ip_header: int) -> int:
    length = len(packet) - ip_header
    pseudo = b"".join((packet[12:20], _U32.pack(ipv4.TCP << 16 | length)))
    return ipv4.checksum(b"".join((pseudo, packet[ip_header:])))


def finish(packet: memoryview, start: int, offset: int) -> None:
    """Put the checksum of what begins at `start` into its field; the field holds the sum of what comes before.

    Nothing is done for places outside of the packet.
    """
    at = start + offset
    if start >= 0 and at + 2 <= len(packet):
        _U16.pack_into(packet, at, ipv4.checksum(packet[start:]) or 0xFFFF)  # UDP's zero means that there is none
