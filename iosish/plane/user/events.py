"""What the kernel tells by netlink (rtnetlink(7)), and what of it concerns this router.

A host may change thousands of routes a second that are none of ours: an event is looked at as octets, no further than
needed to see that.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple

from iosish.plane.user.netlink import (
    DELNEIGH,
    GETNEIGH,
    NDA_DST,
    NDA_LLADDR,
    NEIGHBOUR,
    NEWNEIGH,
    NUD_PERMANENT,
    attributes,
    messages,
)

#: Links, neighbours, IPv4 addresses, IPv4 routes.
_GROUPS = 1 | 4 | 0x10 | 0x40
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 8 * 1024 * 1024
_RECEIVE = 1 << 17
#: Messages taken before others have their turn.
BURST = 256

_NEWLINK, _DELLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE = 16, 17, 20, 21, 24, 25
_IFLA_IFNAME = 3
_RTA_DST = 1

# struct ifinfomsg, ifaddrmsg, rtmsg
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=8BI")


def event_socket() -> socket.socket:
    """A netlink socket that hears of changes and of neighbours that are missed; it does not block."""
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    listener.bind((0, _GROUPS))
    return listener


class Altered(NamedTuple):
    """A neighbour of a tunnel's device that somebody changed: it has that MAC for good now, or None."""

    device: int
    address: IPv4Address
    mac: bytes | None


@dataclass(slots=True)
class News:
    """Devices come by index. `missed` are next hops that packets wait for. `changed`: the whole picture has to be
    looked at, since something that concerns us changed, or events were lost."""

    missed: list[tuple[int, IPv4Address]] = field(default_factory=list)
    altered: list[Altered] = field(default_factory=list)
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Concern:
    """What a router wants to hear of: its devices by index and by name (those that are not there yet have no index),
    the networks of its routes, guards and addresses; neighbours only of the devices `tunnels`."""

    indexes: frozenset[int] = frozenset()
    names: frozenset[bytes] = frozenset()
    networks: frozenset[tuple[bytes, int]] = frozenset()
    tunnels: frozenset[int] = frozenset()


class Events:
    """Reads the event socket. Changes that were asked for from the netlink sockets `own` are not told."""

    def __init__(self, listener: socket.socket, own: frozenset[int], route_protocol: int) -> None:
        self._listener = listener
        self._own = own
        self._protocol = route_protocol
        self.concern = Concern()

    def read(self) -> News:
        """What came; at most `BURST` messages."""
        news = News()
        for _ in range(BURST):
            try:
                data, (port, _) = self._listener.recvfrom(_RECEIVE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                news.changed = True  # some were lost
                continue
            if port != 0:
                continue  # not from the kernel
            for kind, _, sender, body in messages(data):
                if sender not in self._own or kind == GETNEIGH:
                    with suppress(struct.error):  # it is too short for what it should be
                        self._take(kind, body, news)
        return news

    def _take(self, kind: int, body: memoryview, news: News) -> None:
        if kind in (NEWNEIGH, DELNEIGH, GETNEIGH):
            self._take_neighbour(kind, body, news)
        elif news.changed:
            return  # more cannot be said
        elif kind in (_NEWROUTE, _DELROUTE):
            news.changed = self._concerns_route(body)
        elif kind in (_NEWADDR, _DELADDR):
            family, _, _, _, index = _ADDRESS.unpack_from(body)
            news.changed = family == socket.AF_INET and index in self.concern.indexes
        elif kind in (_NEWLINK, _DELLINK):
            news.changed = self._concerns_link(body)

    def _concerns_link(self, body: memoryview) -> bool:
        family, _, index, _, _ = _LINK.unpack_from(body)
        if family != socket.AF_UNSPEC:
            return False
        if index in self.concern.indexes:
            return True
        name = next((value for kind, value in attributes(body[_LINK.size :]) if kind == _IFLA_IFNAME), b"")
        return bytes(name).rstrip(b"\0") in self.concern.names

    def _concerns_route(self, body: memoryview) -> bool:
        family, length, _, _, _, protocol, _, _, _ = _ROUTE.unpack_from(body)
        if family != socket.AF_INET:
            return False
        if protocol == self._protocol:
            return True
        to = next((value for kind, value in attributes(body[_ROUTE.size :]) if kind == _RTA_DST), bytes(4))
        return (bytes(to), length) in self.concern.networks

    def _take_neighbour(self, kind: int, body: memoryview, news: News) -> None:
        family, index, state, _, _ = NEIGHBOUR.unpack_from(body)
        if family != socket.AF_INET or (kind != GETNEIGH and index not in self.concern.tunnels):
            return
        found = dict(attributes(body[NEIGHBOUR.size :]))
        target = bytes(found.get(NDA_DST, b""))
        if len(target) != 4:
            return
        if kind == GETNEIGH:
            news.missed.append((index, IPv4Address(target)))
            return
        mac = None
        if kind == NEWNEIGH and state & NUD_PERMANENT and NDA_LLADDR in found:
            mac = bytes(found[NDA_LLADDR])
        news.altered.append(Altered(index, IPv4Address(target), mac))
