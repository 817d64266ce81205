"""Writing pcapng: one section, one interface, a block for each packet (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct

SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
LINKTYPE_ETHERNET = 1
OPTION_USER_APPLICATION, OPTION_IF_NAME, OPTION_IF_TSRESOL, OPTION_EPB_FLAGS = 4, 2, 9, 2
NANOSECONDS = 9
INBOUND, OUTBOUND = 1, 2


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def header(interface: str, snap_length: int, application: str = "iosish") -> bytes:
    """What a file begins with; times that follow are nanoseconds since 1970."""
    end = _option(0, b"")
    section = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    section += _option(OPTION_USER_APPLICATION, application.encode()) + end
    description = struct.pack("<HHI", LINKTYPE_ETHERNET, 0, snap_length)
    description += _option(OPTION_IF_NAME, interface.encode()) + _option(OPTION_IF_TSRESOL, bytes([NANOSECONDS])) + end
    return _block(SECTION_HEADER, section) + _block(INTERFACE_DESCRIPTION, description)


def packet(data: bytes, at_ns: int, direction: int, length: int | None = None) -> bytes:
    """A frame seen at `at_ns`; `length` is its own, where `data` is only its beginning."""
    body = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), len(data) if length is None else length)
    body += data + b"\0" * (-len(data) % 4)
    body += _option(OPTION_EPB_FLAGS, struct.pack("<I", direction)) + _option(0, b"")
    return _block(ENHANCED_PACKET, body)
