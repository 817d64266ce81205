"""Writing pcapng: one section, its interfaces, a block for each packet (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
LINKTYPE_ETHERNET, LINKTYPE_IPV4 = 1, 228
OPTION_COMMENT, OPTION_USER_APPLICATION, OPTION_IF_NAME, OPTION_IF_TSRESOL, OPTION_EPB_FLAGS = 1, 4, 2, 9, 2
NANOSECONDS = 9
INBOUND, OUTBOUND = 1, 2


class Interface(NamedTuple):
    """An interface of a file: its name, what its packets begin with, and how much of one is kept (0: all)."""

    name: str
    link_type: int = LINKTYPE_ETHERNET
    snap_length: int = 0


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def header(interfaces: Sequence[Interface], application: str = "iosish", comment: str = "") -> bytes:
    """What a file begins with; times that follow are nanoseconds since 1970."""
    end = _option(0, b"")
    section = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    if comment:
        section += _option(OPTION_COMMENT, comment.encode())
    section += _option(OPTION_USER_APPLICATION, application.encode()) + end
    blocks = [_block(SECTION_HEADER, section)]
    for name, link_type, snap_length in interfaces:
        description = struct.pack("<HHI", link_type, 0, snap_length)
        description += _option(OPTION_IF_NAME, name.encode()) + _option(OPTION_IF_TSRESOL, bytes([NANOSECONDS])) + end
        blocks.append(_block(INTERFACE_DESCRIPTION, description))
    return b"".join(blocks)


def packet(data: bytes, at_ns: int, direction: int, length: int | None = None, interface: int = 0) -> bytes:
    """A packet seen at `at_ns` on the interface of that place; `length` is its own, where `data` is its beginning."""
    whole = len(data) if length is None else length
    body = struct.pack("<IIIII", interface, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), whole)
    body += data + b"\0" * (-len(data) % 4)
    body += _option(OPTION_EPB_FLAGS, struct.pack("<I", direction)) + _option(0, b"")
    return _block(ENHANCED_PACKET, body)
