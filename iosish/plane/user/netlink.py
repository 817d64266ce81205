"""Netlink as octets (netlink(7), rtnetlink(7)), where there may be too many messages for anything else."""

from __future__ import annotations

import struct
from collections.abc import Iterator

#: struct nlmsghdr, ndmsg, rtattr
HEADER = struct.Struct("=IHHII")
NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")

NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NUD_INCOMPLETE, NUD_FAILED, NUD_PERMANENT = 0x01, 0x20, 0x80
NDA_DST, NDA_LLADDR, NDA_CACHEINFO = 1, 2, 3


def messages(data: bytes) -> Iterator[tuple[int, int, int, memoryview]]:
    """Type, flags, sender and body of each message in what was received at once."""
    at, view = 0, memoryview(data)
    while at + HEADER.size <= len(data):
        length, kind, flags, _, sender = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            return
        yield kind, flags, sender, view[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Kind and value of each; what is cut short ends them."""
    at = 0
    while at + _ATTRIBUTE.size <= len(view):
        length, kind = _ATTRIBUTE.unpack_from(view, at)
        if length < _ATTRIBUTE.size or at + length > len(view):
            return
        yield kind, view[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
