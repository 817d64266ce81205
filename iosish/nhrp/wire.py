"""Octets on the wire: bounds-checked reading, addresses, the checksum, and what a bad packet raises."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address | None
"""An address as NHRP carries it; None where its length is 0."""


class PacketError(ValueError):
    """A packet that cannot be decoded or encoded. `reason` is short and without values, fit for a counter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reader:
    """Reads one packet from front to back and never beyond `end`."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        return self.end - self.position

    def take(self, count: int, what: str) -> bytes:
        start = self.position
        if count > self.end - start:
            raise PacketError(f"{what} is cut short")
        self.position = start + count
        return self.data[start : start + count]

    def unpack(self, form: struct.Struct, what: str) -> tuple[int, ...]:
        start = self.position
        if form.size > self.end - start:
            raise PacketError(f"{what} is cut short")
        self.position = start + form.size
        return form.unpack_from(self.data, start)

    def address(self, length: int, what: str) -> Address:
        if length == 4:
            return IPv4Address(self.take(4, what))
        if length == 16:
            return IPv6Address(self.take(16, what))
        if length == 0:
            return None
        raise PacketError(f"{what} has an impossible length")


def octets(address: Address) -> bytes:
    return b"" if address is None else address.packed


def nbma_length(type_and_length: int) -> int:
    """The length out of a type/length octet (RFC 2332 5.1): bit 0x40 would mean E.164, which no IP tunnel has."""
    if type_and_length & 0x40:
        raise PacketError("E.164 address")
    return type_and_length & 0x3F


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); an odd last octet is padded with a zero octet. Over a good packet it is 0."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
