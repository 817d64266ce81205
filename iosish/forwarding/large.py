"""Many segments of a TCP/IPv4 stream at once, as rows of a matrix (numpy). No I/O.

`SegmentRows` writes what `segments.cut` makes, `join` is the way back. One operation of numpy costs about as much as a
packet in plain Python, so there are few, on views that are worked out once for each size. Sums are taken over words in
the machine's own order: a one's complement sum is the same in both orders but for its own octets (RFC 1071 section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.segments import ACK, CWR, FIN, PSH, Large
from iosish.ipsec.rows import ROWS, Section, same_headers, uniform

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Words: TypeAlias = "np.ndarray[Any, np.dtype[np.uint32]]"

_INDEX = np.arange(ROWS, dtype=np.uint32)
_SUMS, _LAST_SUM = np.uint32(0xFFFF), np.uint32(0xFFFE)
_PSH_BIT = np.uint32(PSH << 16)  # in the word of TCP's header that flags are in


def word_sums(rows: Matrix) -> Words:
    """The sum of the words of each row, in the machine's order, not folded. A row has at most 65536 octets."""
    octets = rows.shape[1]
    even = octets & ~1
    total: Words = np.add.reduce(rows[:, :even].view(np.uint16), axis=1, dtype=np.uint32)
    if octets & 1:
        total += rows[:, even]  # a zero follows it; its word is little-endian, as all machines are that we run on
    return total


def word_sum(data: bytes | bytearray) -> int:
    """The same sum of a few octets, folded: 1 to 0xFFFF."""
    return (int.from_bytes(data, "little") - 1) % 0xFFFF + 1


class SegmentRows:
    """The first rows of a matrix, on their way to GRE packets that carry the segments of large packets.

    All of them are of full size: `number` of each of so `many` packets. `start` is the length of the GRE header.
    """

    def __init__(self, inside: Matrix, start: int, large: Large, number: int, many: int) -> None:
        ip_header, headers, segment, _, _ = large
        inside = inside[: many * number]
        grouped = inside.reshape(many, number, -1)
        self._many, self._number = many, number
        self._heads = grouped[:, :, : start + headers].view(">u4")
        self._payloads = list(grouped[:, :, start + headers :])
        self._tcp = inside[:, start + ip_header :]
        self._tcp_sum = self._tcp[:, 16:18].view(np.uint16)[:, 0]
        rows = grouped[:, :, start:]
        self._flags = rows[:, :, ip_header + 13]
        self._identifications = rows[:, :, 4:6].view(">u2")[:, :, 0]
        self._header_sums = rows[:, :, 10:12].view(">u2")[:, :, 0]
        self._growth = _INDEX[:number, None] * _course(start, ip_header, headers, segment).growth[:, 0]

    def fill(self, header: bytes, packets: Sequence[memoryview], large: Large) -> None:
        """Write them: the GRE header, and the first segments of packets that are cut alike."""
        ip_header, headers, segment, all_, _ = large
        number = self._number
        total = headers + segment
        end = headers + number * segment
        heads: list[bytes] = []
        special = []
        for at, (packet, payload) in enumerate(zip(packets, self._payloads, strict=True)):
            payload[:] = np.frombuffer(packet[headers:end], np.uint8).reshape(number, segment)
            head = packet[:headers].tobytes()
            flags = head[ip_header + 13]
            # What the sum of the segment is to be one less than begins in its place.
            pseudo = (_pseudo(head, total - ip_header) - 1).to_bytes(2, "little")
            first, right = _head(head, ip_header, total, flags & ~(FIN | PSH | CWR), pseudo)
            heads += header, first
            identification = head[4] << 8 | head[5]
            if flags & (FIN | PSH | CWR) or identification + number > 0x10000 or right < number:
                special.append((at, flags, identification, right))
        firsts = np.frombuffer(b"".join(heads), ">u4").astype(np.uint32).reshape(self._many, 1, -1)
        np.add(self._growth, firsts, out=self._heads, casting="unsafe")
        for at, flags, identification, right in special:
            if identification + number > 0x10000 or right < number:
                self._begin_anew(at, identification, right)
            if flags & CWR:
                self._flags[at, 0] |= CWR
            if flags & (FIN | PSH) and number == all_:
                self._flags[at, -1] |= flags & (FIN | PSH)
        # The checksum of a sum that is not 0: 65536 is 1 modulo 65535 (as in `ipv4.checksum`).
        self._tcp_sum[:] = _LAST_SUM - word_sums(self._tcp) % _SUMS

    def _begin_anew(self, at: int, first: int, head_sum: int) -> None:
        """Write a packet's identifications, and the headers' checksums, where one of them passes its end.

        Where identifications begin anew the sum is 65535 less, which is nothing to a checksum.
        """
        counted = range(first, first + self._number)
        self._identifications[at] = [number & 0xFFFF for number in counted]
        self._header_sums[at] = [
            0xFFFE - (0xFFFE - head_sum + number - first - (number > 0xFFFF)) % 0xFFFF for number in counted
        ]


def _pseudo(header: Packet, octets: int) -> int:
    """The sum of the pseudo-header of a TCP segment of so many octets."""
    return word_sum(b"".join((header[12:20], (ipv4.TCP << 16 | octets).to_bytes(4, "big"))))


class Joined(NamedTuple):
    """A large packet: `head` is its IPv4 header of `ip_header` octets and TCP's; the parts of `payload` follow.

    TCP's checksum is the sum of the pseudo-header alone. Segments have `segment` octets of payload.
    """

    head: bytes
    ip_header: int
    segment: int
    payload: list[memoryview]


def _headers(packet: bytes, ip_header: int) -> int:
    """The octets of IPv4's and TCP's header; IPv4's alone of what is not TCP, or too short for it."""
    if packet[9] != ipv4.TCP or ipv4.is_fragment(packet) or len(packet) < ip_header + 20:
        return ip_header
    headers = ip_header + (packet[ip_header + 12] >> 4 << 2)
    return headers if ip_header + 20 <= headers <= len(packet) else ip_header


class _Course(NamedTuple):
    """How the words of the headers, GRE's, IPv4's and TCP's, go on from a segment to the next, in a column each.

    `way` has the bits that are the same wherever packets go the same way, GRE and IPv4 alone; `counted` those that tell
    a segment in sequence, where each word is to be greater by its `growth`.
    """

    way: Words
    counted: Words
    growth: Words


@lru_cache(64)
def _course(start: int, ip_header: int, headers: int, segment: int) -> _Course:
    """`start` octets of GRE. The identification grows by one, so that the header's checksum shrinks by one."""
    ip, tcp = start // 4, (start + ip_header) // 4
    way = np.full((tcp, 1), 0xFFFFFFFF, np.uint32)
    way[ip + 1], way[ip + 2] = 0xFFFF, 0xFFFF0000  # all but identification and checksum
    counted = np.full(((start + headers) // 4, 1), 0xFFFFFFFF, np.uint32)
    counted[tcp + 3] = 0xFFFFFFFF & ~_PSH_BIT
    counted[tcp + 4] = 0xFFFF  # all but the checksum
    growth = np.zeros(((start + headers) // 4, 1), np.uint32)
    growth[ip + 1], growth[ip + 2], growth[tcp + 1] = 0x10000, 0xFFFFFFFF, segment
    return _Course(way, counted, growth)


def ends(frames: Matrix, start: int, first: bytes) -> list[int] | None:
    """Where stretches of rows end, each with the row behind its last one; None: rows do not all go the same way.

    IPv4 packets like the `first` begin at `start` in each row, and end with it. They go the same way if all before them
    is the same, and their header but for identification and checksum. A stretch is one packet, or segments of a stream
    in sequence, of which only the last may have PSH, with right checksums of TCP.
    """
    number = len(frames)
    ip_header = ipv4.header_size(first)
    headers = _headers(first, ip_header)
    segment = len(first) - headers
    if headers == ip_header or not segment:
        alike = uniform(frames[:, :start]) and same_headers(frames[:, start : start + ip_header])
        return list(range(1, number + 1)) if alike else None
    course = _course(start, ip_header, headers, segment)
    # A column for each packet, so that what is done to all of them goes along the rows.
    words = frames[:, : start + headers].view(">u4").T.astype(np.uint32, order="C")
    tcp = len(course.way)
    if np.count_nonzero((words[:tcp] ^ words[:tcp, :1]) & course.way):
        return None
    breaks = words[tcp + 3, :-1] & _PSH_BIT
    words &= course.counted
    steps = words[:, 1:] - words[:, :-1]
    steps ^= course.growth
    breaks |= np.bitwise_or.reduce(steps, axis=0)
    wrong = (word_sums(frames[:, start + ip_header :]) + np.uint32(_pseudo(first, len(first) - ip_header))) % _SUMS
    if np.count_nonzero(wrong):
        breaks |= wrong[1:] | wrong[:-1]
    return [*(breaks.nonzero()[0] + 1).tolist(), number]


def join(section: Section, stretches: Sequence[int]) -> Iterator[Joined | Matrix]:
    """IPv4 packets, whose stretches end where `ends` says, as large ones, and single rows as they came; in order.

    Large ones are as the kernel's GRO wants them.
    """
    packets = section.octets()
    number, total = packets.shape
    if len(stretches) == number:
        yield from packets
        return
    first = packets[0].tobytes()
    ip_header = ipv4.header_size(first)
    headers = _headers(first, ip_header)
    segment = total - headers
    at_most = (0xFFFF - headers) // segment
    start = 0
    for end in stretches:
        head = packets[start, :headers].tobytes()
        # The others of them are as right as the first.
        plain = head[ip_header + 12] == first[ip_header + 12] and head[ip_header + 13] & ~PSH == ACK
        most = at_most if plain and ipv4.checksum_right(head[:ip_header]) else 1
        while start < end:
            stop = min(end, start + most)
            if stop - start < 2:
                yield packets[start]
            else:
                flags = int(packets[stop - 1, ip_header + 13])
                joined = _joined_head(head, ip_header, segment, stop - start, flags)
                yield Joined(joined, ip_header, segment, section.views(start, stop, headers))
            start = stop
            if most > 1 and start < end:
                head = packets[start, :headers].tobytes()


def _joined_head(first: bytes, ip_header: int, segment: int, number: int, flags: int) -> bytes:
    """The headers of a large packet: those of its first segment, with the flags of its last."""
    total = len(first) + number * segment
    pseudo = 0xFFFF - ipv4.checksum(first[12:20] + (ipv4.TCP << 16 | total - ip_header).to_bytes(4, "big"))
    return _head(first, ip_header, total, flags, pseudo.to_bytes(2, "big"))[0]


def _head(head: bytes, ip_header: int, total: int, flags: int, tcp_sum: bytes) -> tuple[bytes, int]:
    """The headers of IPv4 and TCP with another length, other flags, and another sum of TCP; and IPv4's checksum."""
    start = b"".join((head[:2], total.to_bytes(2, "big"), head[4:10]))
    end, tcp = head[12:ip_header], head[ip_header:]
    right = ipv4.checksum(start + end)
    changed = start, right.to_bytes(2, "big"), end, tcp[:13], bytes((flags,)), tcp[14:16], tcp_sum, tcp[18:]
    return b"".join(changed), right
