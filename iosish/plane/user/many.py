"""Many packets in one call (recvmmsg(2), sendmmsg(2)), and which of them are alike (numpy)."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys
from collections.abc import Iterator
from functools import lru_cache
from struct import Struct, iter_unpack
from typing import NamedTuple

import numpy as np

from iosish.forwarding.ipv4 import Packet
from iosish.ipsec.rows import ROWS, LastUsed, Rows
from iosish.plane.user import sockets

#: Packets in one call.
SLOTS = 128
_OCTETS = 65536
#: Not a power of two: the same places of all slots would share a few lines of the cache.
_STRIDE = _OCTETS + 17 * 64
_NAME, _CONTROL = 16, 64
_META = _NAME + _CONTROL
#: Several packets that came as one are longer than most others.
_LARGE = 4096
#: Sizes that views are kept for.
_SIZES_MAX = 64

# struct mmsghdr of a 64-bit machine, as words of 8 octets.
_WORDS = 8
_NAME_LENGTH, _CONTROL_LENGTH, _FLAGS, _LENGTH = 1, 5, 6, 7
_MSG_CTRUNC, _MSG_TRUNC, _MSG_DONTWAIT = 0x08, 0x20, 0x40
_CMSG = Struct("=QII")

_INDEX = np.arange(SLOTS, dtype=np.uint64)

if sys.maxsize <= 2**32 or sys.byteorder != "little":
    raise ImportError("the layout of these structures is that of a little-endian machine of 64 bits")
_LIBC = ctypes.CDLL(None, use_errno=True)
_RECVMMSG, _SENDMMSG = _LIBC.recvmmsg, _LIBC.sendmmsg
_RECVMMSG.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
_SENDMMSG.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


class Arrival(NamedTuple):
    """A datagram's sender, the address it came to (None: a group's), the size of those that came as one, else 0."""

    peer: bytes
    port: int
    local: bytes | None
    size: int


@lru_cache(256)
def _arrival(told: bytes) -> Arrival:
    """What a name (struct sockaddr_in) and the control messages after it say."""
    control, at = {}, _NAME
    while at + _CMSG.size <= len(told):
        length, level, kind = _CMSG.unpack_from(told, at)
        if length < _CMSG.size:
            break
        control[level, kind] = told[at + _CMSG.size : at + length]
        at += (length + 7) & ~7
    return Arrival(told[4:8], told[2] << 8 | told[3], *sockets.told(control))


class Receiver:
    """Receives into slots of its own; what is in them is good until the next call."""

    #: Fewer packets than that are sooner done one by one: together they cost as much as so many, and a little each.
    LEAST = 8
    #: Slots whose packets can be taken together.
    TOGETHER = 6
    #: As many of one slot at most: views are kept before it is known who sent them.
    EACH_MAX = ROWS // TOGETHER

    def __init__(self) -> None:
        block = mmap.mmap(-1, SLOTS * _STRIDE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # unused pages cost nothing
        self._view = memoryview(block)
        self._slots = np.frombuffer(block, np.uint8).reshape(SLOTS, _STRIDE)
        self._meta = np.zeros((SLOTS, _META), np.uint8)
        self._iov = np.zeros((SLOTS, 2), np.uint64)
        self._iov[:, 0] = self._slots.ctypes.data + _INDEX * np.uint64(_STRIDE)
        self._iov[:, 1] = _OCTETS
        meta = self._meta.ctypes.data + _INDEX * np.uint64(_META)
        fresh = np.zeros((SLOTS, _WORDS), np.uint64)
        fresh[:, 0] = meta
        fresh[:, _NAME_LENGTH] = _NAME
        fresh[:, 2] = self._iov.ctypes.data + _INDEX * np.uint64(16)
        fresh[:, 3] = 1
        fresh[:, 4] = meta + np.uint64(_NAME)
        fresh[:, _CONTROL_LENGTH] = _CONTROL
        self._fresh = fresh
        self._headers = fresh.copy()
        self._heads = self._headers.view(np.uint8)[:, 8 * _CONTROL_LENGTH :]
        self._address = self._headers.ctypes.data
        self._views: LastUsed[Rows] = LastUsed(_SIZES_MAX * 2)
        self._used = 0

    def receive(self, descriptor: int) -> int:
        """How many packets came; 0: none is there. Raises OSError."""
        self._headers[: self._used] = self._fresh[: self._used]
        self._used = 0
        number = _counted(_RECVMMSG(descriptor, self._address, SLOTS, _MSG_DONTWAIT, None))
        self._used = number
        return number

    def packet(self, slot: int) -> memoryview:
        """What came, from its first octet on."""
        return self._view[slot * _STRIDE : slot * _STRIDE + int(self._headers[slot, _LENGTH] & 0xFFFFFFFF)]

    def cut_short(self, slot: int) -> bool:
        return bool(int(self._headers[slot, _FLAGS]) & (_MSG_TRUNC | _MSG_CTRUNC))

    def arrival(self, slot: int) -> Arrival:
        control = min(int(self._headers[slot, _CONTROL_LENGTH]), _CONTROL)
        return _arrival(self._meta[slot, : _NAME + control].tobytes())

    def runs(self, number: int, octets: slice) -> Iterator[tuple[int, int]]:
        """The slots of packets that came one after the other and are alike: first, and one behind the last.

        Alike are their lengths, senders, control messages, the first octet, and some others.
        """
        if number < self.LEAST and int(self._headers[:number, _LENGTH].max(initial=0)) < _LARGE:
            yield from ((slot, slot + 1) for slot in range(number))
            return
        alike = np.concatenate(
            (
                self._heads[:number],
                self._meta[:number],
                self._slots[:number, :1],
                self._slots[:number, octets],
            ),
            axis=1,
        )
        start = 0
        before: tuple[bytes] | None = None
        for slot, each in enumerate(iter_unpack(f"{alike.shape[1]}s", alike.tobytes())):
            if each != before:
                if slot:
                    yield start, slot
                start, before = slot, each
        yield start, number

    def rows(self, start: int, octets: int) -> Rows:
        """All slots, a row each, from the octet `start` of each packet on."""
        return self._kept(0, SLOTS, start, octets, 1)

    def inside(self, slot: int, octets: int) -> Rows:
        """The packets of one size that came as one, a row each."""
        return self._kept(slot, 1, 0, octets, min(_OCTETS // octets, ROWS))

    def together(self, slot: int, octets: int, each: int) -> Rows:
        """Those of `TOGETHER` slots from this one on, in each of which so many came as one."""
        return self._kept(slot, min(self.TOGETHER, SLOTS - slot), 0, octets, each)

    def _kept(self, slot: int, slots: int, start: int, octets: int, each: int) -> Rows:
        def make() -> Rows:
            end = start + each * octets
            groups = self._slots[slot : slot + slots, start:end].reshape(slots, each, octets)
            firsts = range(slot * _STRIDE + start, (slot + slots) * _STRIDE, _STRIDE)
            places = [at for first in firsts for at in range(first, first + each * octets, octets)]
            return Rows(groups, [self._view[place : place + octets] for place in places])

        return self._views.get((slot, slots, start, octets, each), make)


class Sender:
    """Sends packets of one size, in one call, to one address."""

    def __init__(self) -> None:
        self._name = np.zeros(_NAME, np.uint8)
        self._name[:2] = np.array([socket.AF_INET], np.uint16).view(np.uint8)
        self._iov = np.zeros((SLOTS, 2), np.uint64)
        self._headers = np.zeros((SLOTS, _WORDS), np.uint64)
        self._headers[:, 0] = self._name.ctypes.data
        self._headers[:, _NAME_LENGTH] = _NAME
        self._headers[:, 2] = self._iov.ctypes.data + _INDEX * np.uint64(16)
        self._headers[:, 3] = 1
        self._address = self._headers.ctypes.data

    def send(self, descriptor: int, destination: bytes, block: Packet, size: int, first: int) -> int:
        """Send the packets that a block consists of, from the `first` on; how many went.

        They have `size` octets, but for the last, which may be shorter. Raises OSError when the first is refused.
        """
        octets = np.frombuffer(block, np.uint8)
        number = min((len(octets) + size - 1) // size - first, SLOTS)
        self._name[4:8] = np.frombuffer(destination, np.uint8)
        self._iov[:number, 0] = np.uint64(octets.ctypes.data + first * size) + _INDEX[:number] * np.uint64(size)
        self._iov[:number, 1] = size
        self._iov[number - 1, 1] = min(size, len(octets) - (first + number - 1) * size)
        return _counted(_SENDMMSG(descriptor, self._address, number, _MSG_DONTWAIT))


def _counted(number: int) -> int:
    """What a call answered. Raises OSError."""
    if number < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return number
