"""GRE headers (RFC 2784, key and sequence number of RFC 2890) as bytes."""

from __future__ import annotations

from struct import Struct

from iosish.forwarding.ipv4 import Packet, checksum_right

IPV4 = 0x0800
IPV6 = 0x86DD
NHRP = 0x2001

CHECKSUM = 0x8000
KEY = 0x2000
SEQUENCE = 0x1000
_ROUTING = 0x4000
_MUST_BE_ZERO = 0x0C00  # bits 4 and 5; bits 6 to 12 are ignored on receipt (RFC 2784 section 2.3)
_VERSION = 0x0007

_PLAIN = Struct("!HH")
_KEYED = Struct("!HHI")
_U32 = Struct("!I")


class GreError(ValueError):
    """A header that is refused; the text is the reason a drop is counted under."""


def build(protocol: int, key: int | None) -> bytes:
    """The header that we send: no checksum and no sequence number, with a key or without."""
    if key is None:
        return _PLAIN.pack(0, protocol)
    return _KEYED.pack(KEY, protocol, key)


def parse(frame: Packet) -> tuple[int, int | None, int]:
    """Protocol type, key (None when absent) and where the payload starts. Raises GreError."""
    if len(frame) < 4:
        raise GreError("short GRE header")
    flags, protocol = _PLAIN.unpack_from(frame)
    if not flags:
        return protocol, None, 4
    if flags & _VERSION:
        raise GreError("GRE version")
    if flags & _ROUTING:
        raise GreError("GRE routing bit")
    if flags & _MUST_BE_ZERO:
        raise GreError("GRE reserved bits")
    at = 4
    if flags & CHECKSUM:
        at += 4
    key = None
    if flags & KEY:
        if len(frame) < at + 4:
            raise GreError("short GRE header")
        (key,) = _U32.unpack_from(frame, at)
        at += 4
    if flags & SEQUENCE:
        at += 4
    if len(frame) < at:
        raise GreError("short GRE header")
    if flags & CHECKSUM and not checksum_right(frame):
        raise GreError("bad checksum")
    return protocol, key, at
