"""The sockets that a tunnel's packets go out by: raw ones for GRE and ESP, and UDP ports (ip(7), raw(7), udp(7))."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

from iosish.forwarding.ipv4 import Packet
from iosish.plane.user import channel

_IP_PKTINFO = 8
#: With DF or without: only the device counts, not a path MTU that the kernel has heard of from whomever.
_IP_MTU_DISCOVER, _PMTUDISC_PROBE, _PMTUDISC_OMIT = 10, 3, 5
_SO_NO_CHECK = 11
_SOL_UDP, _UDP_SEGMENT, _UDP_GRO = 17, 103, 104
#: What one call may hand over to be cut into datagrams (linux/udp.h), and what one IPv4 packet of UDP carries.
SEGMENTS_MAX, SEGMENTS_OCTETS_MAX = 64, 65507
_SO_ATTACH_FILTER = 26
#: struct in_pktinfo: interface index, the local address, the destination in the header.
_U16 = struct.Struct("=H")
_ANCILLARIES_MAX = 256
_PKTINFO = struct.Struct("=i4s4s")
_PKTINFO_SPACE = socket.CMSG_SPACE(_PKTINFO.size)

Target = tuple[str, int]
"""Address and port."""


def mute(protocol: int) -> socket.socket:
    """A raw socket that hears nothing: while it is open, the kernel sends no ICMP 3/2 about this protocol."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    # A classic BPF program of one instruction, `ret #0`.
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
    return raw


def listener(protocol: int) -> socket.socket:
    """A raw socket that hears all packets of a protocol; it does not block."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    raw.setblocking(False)
    channel.widen(raw, channel.BUFFER_BYTES)
    return raw


class _Header:
    """What the kernel writes into the IP header of what a socket sends; set when it changes."""

    __slots__ = ("_df", "_socket", "_tos", "_ttl")

    def __init__(self, own: socket.socket) -> None:
        self._socket = own
        self._tos = self._ttl = self._df = -1

    def set(self, tos: int, ttl: int, df: bool) -> None:
        if tos != self._tos:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            self._tos = tos
        if ttl != self._ttl:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            self._ttl = ttl
        if df != self._df:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE if df else _PMTUDISC_OMIT)
            self._df = df


class RawSender:
    """Sends packets of one protocol from one local address."""

    def __init__(self, local: bytes, protocol: int) -> None:
        self._socket = mute(protocol)
        self._socket.setblocking(False)
        channel.widen(self._socket, channel.BUFFER_BYTES)
        self._socket.bind((socket.inet_ntoa(local), 0))
        self._header = _Header(self._socket)

    def send(self, tos: int, ttl: int, df: bool, packet: bytes, to: Target) -> None:
        """Raises OSError."""
        self._header.set(tos, ttl, df)
        self._socket.sendto(packet, to)

    def ready(self, tos: int, ttl: int, df: bool) -> int:
        """The descriptor, for a call that sends many packets with this header."""
        self._header.set(tos, ttl, df)
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def open_port(port: int) -> socket.socket:
    """A UDP port on all addresses, which tells the one that a datagram came to. It does not block. Raises OSError."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.setblocking(False)
        own.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        channel.widen(own, channel.BUFFER_BYTES)
        own.bind(("", port))
    except OSError:
        own.close()
        raise
    return own


class UdpPort:
    """Sends and receives on an open port, from and at whichever local address."""

    def __init__(self, own: socket.socket) -> None:
        self._socket = own
        self._header = _Header(own)
        self._checksum = True
        self._ancillaries: dict[tuple[bytes, int], list[tuple[int, int, bytes]]] = {}

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(
        self, local: bytes, tos: int, ttl: int, df: bool, payload: bytes, to: Target, *, checksum: bool = True
    ) -> None:
        """Raises OSError."""
        self._set(tos, ttl, df, checksum)
        self._socket.sendmsg((payload,), self._ancillary(local, 0), 0, to)

    def send_segments(
        self, local: bytes, tos: int, ttl: int, df: bool, blocks: Sequence[Packet], size: int, to: Target
    ) -> None:
        """Send datagrams of `size` octets, the last one maybe shorter, which stand one after the other in `blocks`.

        The kernel cuts them, or the receiver takes them uncut; that needs a checksum. Raises OSError; none was sent.
        """
        self._set(tos, ttl, df, checksum=True)
        self._socket.sendmsg(blocks, self._ancillary(local, size), 0, to)

    def _set(self, tos: int, ttl: int, df: bool, checksum: bool) -> None:
        self._header.set(tos, ttl, df)
        if checksum is not self._checksum:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, not checksum)
            self._checksum = checksum

    def _ancillary(self, local: bytes, size: int) -> list[tuple[int, int, bytes]]:
        """The address to send from, and the size of a segment; 0: there is only one."""
        ancillary = self._ancillaries.get((local, size))
        if ancillary is None:
            if len(self._ancillaries) >= _ANCILLARIES_MAX:  # local addresses that came and went, and sizes
                self._ancillaries.clear()
            ancillary = [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(0, local, bytes(4)))]
            if size:
                ancillary.append((_SOL_UDP, _UDP_SEGMENT, _U16.pack(size)))
            self._ancillaries[local, size] = ancillary
        return ancillary

    def receive_together(self) -> None:
        """From now on datagrams of one size from one sender may come as one, which `told` says."""
        with suppress(OSError):  # a kernel before 5.0
            self._socket.setsockopt(_SOL_UDP, _UDP_GRO, 1)

    def receive(self, size: int) -> tuple[bytes, bytes, Target] | None:
        """A datagram, the local address it came to, and its sender. None for one of another length or to a group.

        Raises BlockingIOError when there is none.
        """
        payload, ancillary, flags, sender = self._socket.recvmsg(size, _PKTINFO_SPACE)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or not ancillary:
            return None
        _, local, destination = _PKTINFO.unpack(ancillary[0][2])
        return (payload, destination, sender) if local == destination else None


def told(control: Mapping[tuple[int, int], bytes]) -> tuple[bytes | None, int]:
    """The address that a datagram came to (None: a group's), and the size of those that came as one, else 0."""
    info = control.get((socket.IPPROTO_IP, _IP_PKTINFO), b"")
    if len(info) < _PKTINFO.size:
        return None, 0
    _, local, destination = _PKTINFO.unpack_from(info)
    size = control.get((_SOL_UDP, _UDP_GRO), b"")
    return destination if local == destination else None, int.from_bytes(size, "little")
