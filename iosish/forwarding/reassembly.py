"""Putting fragments of IPv4 packets together (RFC 791 section 3.2), within bounds."""

from __future__ import annotations

from iosish.forwarding import ipv4

DATAGRAMS_MAX = 64
DATAGRAMS_PER_SOURCE = 16
PARTS_MAX = 2048
TIMEOUT_S = 30.0


class _Parts:
    __slots__ = ("header", "parts", "started_at", "total")

    def __init__(self, now: float) -> None:
        self.started_at = now
        self.header: bytes | None = None  # of the first fragment: it has all options
        self.total: int | None = None
        self.parts: dict[int, bytes] = {}


class Reassembly:
    """At most DATAGRAMS_MAX unfinished datagrams, and of one source a part of that; the oldest makes room.

    One with an overlap is thrown away whole.
    """

    def __init__(self) -> None:
        self._datagrams: dict[bytes, _Parts] = {}

    def add(self, fragment: bytes, now: float) -> bytes | None:
        """Take a well-formed fragment; the whole packet when this one was the last that was missing."""
        self._expire(now)
        key = fragment[12:20] + fragment[9:10] + fragment[4:6]
        parts = self._datagrams.get(key)
        if parts is None:
            same = [other for other in self._datagrams if other[:4] == key[:4]]
            if len(same) >= DATAGRAMS_PER_SOURCE:
                del self._datagrams[same[0]]
            elif len(self._datagrams) >= DATAGRAMS_MAX:
                del self._datagrams[next(iter(self._datagrams))]
            parts = self._datagrams[key] = _Parts(now)
        if not _insert(parts, fragment):
            del self._datagrams[key]
            return None
        if parts.header is None or parts.total is None or sum(map(len, parts.parts.values())) < parts.total:
            return None
        del self._datagrams[key]
        payload = b"".join(part for _, part in sorted(parts.parts.items()))
        whole = bytearray(parts.header + payload)
        if len(whole) > 0xFFFF:
            return None
        whole[2:4] = len(whole).to_bytes(2, "big")
        whole[6:8] = bytes(2)
        whole[10:12] = bytes(2)
        whole[10:12] = ipv4.checksum(whole[: len(parts.header)]).to_bytes(2, "big")
        return bytes(whole)

    def __len__(self) -> int:
        return len(self._datagrams)

    def _expire(self, now: float) -> None:
        for key, parts in list(self._datagrams.items()):
            if now - parts.started_at < TIMEOUT_S:
                break
            del self._datagrams[key]


def _insert(parts: _Parts, fragment: bytes) -> bool:
    """Add one fragment; False when the datagram cannot be trusted any more."""
    length = ipv4.header_size(fragment)
    payload = fragment[length:]
    flags = fragment[6] << 8 | fragment[7]
    start = (flags & ipv4.OFFSET_MASK) * 8
    end = start + len(payload)
    more = flags & ipv4.MF != 0
    if not payload or (more and len(payload) % 8) or end > 0xFFFF or len(parts.parts) >= PARTS_MAX:
        return False
    if parts.parts.get(start) == payload:
        return True  # the network may duplicate
    if any(start < at + len(part) and at < end for at, part in parts.parts.items()):
        return False
    if not more:
        if parts.total is not None:
            return False
        parts.total = end
    if parts.total is not None and any(
        at + len(part) > parts.total for at, part in [*parts.parts.items(), (start, payload)]
    ):
        return False
    if start == 0:
        parts.header = fragment[:length]
    parts.parts[start] = payload
    return True
