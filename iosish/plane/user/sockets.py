"""The sockets that a tunnel's packets go out by: raw ones for GRE and ESP, and UDP ports (ip(7), raw(7), udp(7))."""

from __future__ import annotations

import ctypes
import socket
import struct

from iosish.plane.user import channel

_IP_PKTINFO = 8
#: With DF or without: only the device counts, not a path MTU that the kernel has heard of from whomever.
_IP_MTU_DISCOVER, _PMTUDISC_PROBE, _PMTUDISC_OMIT = 10, 3, 5
_SO_NO_CHECK = 11
_SO_ATTACH_FILTER = 26
#: struct in_pktinfo: interface index, the local address, the destination in the header.
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
        self._sources: dict[bytes, list[tuple[int, int, bytes]]] = {}

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(
        self, local: bytes, tos: int, ttl: int, df: bool, payload: bytes, to: Target, *, checksum: bool = True
    ) -> None:
        """Raises OSError."""
        self._header.set(tos, ttl, df)
        if checksum is not self._checksum:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, not checksum)
            self._checksum = checksum
        source = self._sources.get(local)
        if source is None:
            if len(self._sources) >= 64:  # local addresses that came and went
                self._sources.clear()
            source = [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(0, local, bytes(4)))]
            self._sources[local] = source
        self._socket.sendmsg((payload,), source, 0, to)

    def receive(self, size: int) -> tuple[bytes, bytes, Target] | None:
        """A datagram, the local address it came to, and its sender. None for one of another length or to a group.

        Raises BlockingIOError when there is none.
        """
        payload, ancillary, flags, sender = self._socket.recvmsg(size, _PKTINFO_SPACE)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or not ancillary:
            return None
        _, local, destination = _PKTINFO.unpack(ancillary[0][2])
        return (payload, destination, sender) if local == destination else None
