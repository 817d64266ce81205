"""The kernel's IPv4 neighbours. A hub has thousands, and for each of them pyroute2 takes a tenth of a millisecond."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from iosish.plane.user import netlink

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_CREATE_OR_REPLACE = 0x400 | 0x100
_DUMP_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_RECEIVE = 1 << 17
#: The kernel answers at once, whatever it is asked.
_WITHIN_S = 5.0
_CACHEINFO = struct.Struct("=IIII")  # of ticks: confirmed, used, updated; and how many hold it


class Neighbour(NamedTuple):
    """`mac` is b"" while nobody has answered; `updated_ticks` is how long ago it changed."""

    device: int
    address: IPv4Address
    mac: bytes
    state: int
    updated_ticks: int


class Neighbours:
    """Asks and changes, on a netlink socket of its own. `close` when done."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_WITHIN_S)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """The sender of changes that are asked for here."""
        return int(self._socket.getsockname()[0])

    def dump(self) -> list[Neighbour]:
        """All of them. Raises OSError; EINTR: the table changed while it was read."""
        self._send(netlink.GETNEIGH, _DUMP, netlink.NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0))
        found, interrupted = list[Neighbour](), False
        for kind, flags, body in self._answers():
            interrupted = interrupted or bool(flags & _DUMP_INTERRUPTED)
            if kind == netlink.NEWNEIGH:
                neighbour = _neighbour(body)
                if neighbour is not None:
                    found.append(neighbour)
        if interrupted:
            raise OSError(errno.EINTR, os.strerror(errno.EINTR))
        return found

    def set(self, device: int, address: IPv4Address, mac: bytes) -> None:
        """For good, whatever was there. Raises OSError."""
        attributes = _to(address) + netlink.attribute(netlink.NDA_LLADDR, mac)
        self._change(netlink.NEWNEIGH, _CREATE_OR_REPLACE, device, netlink.NUD_PERMANENT, attributes)

    def remove(self, device: int, address: IPv4Address) -> None:
        """Raises OSError (ENOENT: there is none)."""
        self._change(netlink.DELNEIGH, 0, device, 0, _to(address))

    def _change(self, kind: int, flags: int, device: int, state: int, attributes: bytes) -> None:
        self._send(kind, flags | _ACK, netlink.NEIGHBOUR.pack(socket.AF_INET, device, state, 0, 0) + attributes)
        for _ in self._answers():
            pass

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        head = netlink.HEADER.pack(netlink.HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0)
        self._socket.send(head + body)

    def _answers(self) -> Iterator[tuple[int, int, memoryview]]:
        """Type, flags and body of each message up to the end of the answer. Raises OSError with what it says."""
        while True:
            for kind, flags, _, body in netlink.messages(self._socket.recv(_RECEIVE)):
                if kind in (_ERROR, _DONE):
                    (error,) = struct.unpack_from("=i", body) if len(body) >= 4 else (0,)
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return
                yield kind, flags, body


def _to(address: IPv4Address) -> bytes:
    return netlink.attribute(netlink.NDA_DST, address.packed)


def _neighbour(body: memoryview) -> Neighbour | None:
    family, device, state, _, _ = netlink.NEIGHBOUR.unpack_from(body)
    attributes = dict(netlink.attributes(body[netlink.NEIGHBOUR.size :]))
    target = bytes(attributes.get(netlink.NDA_DST, b""))
    if family != socket.AF_INET or len(target) != 4:
        return None
    times = attributes.get(netlink.NDA_CACHEINFO, memoryview(b""))
    updated = _CACHEINFO.unpack_from(times)[2] if len(times) >= _CACHEINFO.size else 0
    return Neighbour(device, IPv4Address(target), bytes(attributes.get(netlink.NDA_LLADDR, b"")), state, updated)
