"""The IPv4 header inside ESP in tunnel mode: of the GRE packet that is protected. RFC 4301 section 5, RFC 791."""

from __future__ import annotations

from struct import Struct

OCTETS = 20
_GRE = 47
_DF = 0x4000
_FRAGMENT = 0x3FFF
_FIELDS = Struct("!BBHHHBBH4s4s")
_WORDS = Struct("!10H")


def is_fragment(packet: bytes) -> bool:
    return (packet[6] << 8 | packet[7]) & _FRAGMENT != 0


class TunnelHeader:
    """Between two fixed hosts; `word_sum` is what never changes of the checksum."""

    __slots__ = ("_destination", "_source", "_word_sum")

    def __init__(self, source: bytes, destination: bytes) -> None:
        self._source = source
        self._destination = destination
        self._word_sum = sum(_WORDS.unpack(_FIELDS.pack(0x45, 0, 0, 0, 0, 0, _GRE, 0, source, destination)))

    def build(self, total: int, identification: int, tos: int, ttl: int, df: bool) -> bytes:
        """The header of a packet of `total` octets, itself included."""
        flags = _DF if df else 0
        # 65536 is 1 modulo 65535, so the remainder is the one's complement sum (RFC 1071); it is never all zeros.
        checksum = (0xFFFF - (self._word_sum + tos + total + identification + flags + (ttl << 8)) % 0xFFFF) % 0xFFFF
        return _FIELDS.pack(
            0x45, tos, total, identification, flags, ttl, _GRE, checksum, self._source, self._destination
        )

    def accepts(self, packet: bytes) -> bool:
        """Whether `packet` begins with such a header of the other direction: of GRE, with a right checksum."""
        return (
            packet[0] == 0x45
            and packet[9] == _GRE
            and packet[12:16] == self._destination
            and packet[16:20] == self._source
            and int.from_bytes(packet[:OCTETS], "big") % 0xFFFF == 0
        )
