"""Messages between the control side and its forwarder process, over a pair of SEQPACKET sockets.

A message is one octet of kind, then a `marshal`led value; both ends are the same program.
"""

from __future__ import annotations

import marshal
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from iosish.forwarding.tables import InterfaceCounters, Tunnel

#: Control to forwarder: tables; a TAP (its descriptor comes along) and its end; NHRP to send; counters wanted.
TABLES, TAP, NO_TAP, SEND, COUNT = b"T", b"A", b"D", b"S", b"C"
#: SAs to put in place and to take out; UDP 4500 (with its descriptor, or without: its end); IKE to send from there.
SECURE, PORT, IKE = b"I", b"P", b"M"
#: Whether all before was taken, and the answer, with the same number.
ASK, TAKEN = b"?", b"!"
#: Forwarder to control: NHRP that came; peers that data went to; refused packets; counters; why it ends.
RECEIVED, USED, REFUSED, COUNTED, ENDED = b"N", b"U", b"R", b"K", b"E"
#: Tunnels to watch; what passed them; that such a message was taken; a wish for what was not told yet (its number comes
#: back with TAKEN).
WATCH, SEEN, SEEN_TAKEN, ASK_SEEN = b"W", b"s", b"t", b"a"
#: Counters of SAs, before those that were asked for; IKE that came; SAs missed, used and worn; refused ESP.
SA_COUNTED, IKE_RECEIVED, MISSED, SAS_USED, WORN, ESP_REFUSED = b"k", b"m", b"w", b"u", b"o", b"r"

BUFFER_BYTES = 4 * 1024 * 1024
MESSAGE_BYTES = 1024 * 1024
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends; neither blocks."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        widen(end, BUFFER_BYTES)
    return ends


def widen(end: socket.socket, size: int) -> None:
    """Let so many octets wait in a socket in each direction, or as many as the machine allows."""
    for force, plain in ((_SO_SNDBUFFORCE, socket.SO_SNDBUF), (_SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            end.setsockopt(socket.SOL_SOCKET, force, size)
        except PermissionError:  # in a user namespace the limit of the machine holds
            end.setsockopt(socket.SOL_SOCKET, plain, size)


def pack(kind: bytes, value: Any) -> bytes:
    return kind + marshal.dumps(value)


def unpack(message: bytes) -> tuple[bytes, Any]:
    return message[:1], marshal.loads(message[1:])


def _octets(address: IPv4Address | None) -> bytes | None:
    return None if address is None else address.packed


def _address(octets: bytes | None) -> IPv4Address | None:
    return None if octets is None else IPv4Address(octets)


def pack_tunnels(tunnels: Mapping[str, Tunnel]) -> list[tuple[Any, ...]]:
    return [
        (
            tunnel.name,
            _octets(tunnel.local),
            tunnel.key,
            tunnel.multipoint,
            _octets(tunnel.address),
            tunnel.mtu,
            tunnel.tos,
            tunnel.ttl,
            tunnel.path_mtu_discovery,
            tunnel.adjust_mss,
            {index: peer.packed for index, peer in tunnel.adjacencies.items()},
            tuple(peer.packed for peer in tunnel.multicast),
            tunnel.blocked,
            tunnel.crypto_map,
        )
        for tunnel in tunnels.values()
    ]


def unpack_tunnels(value: list[tuple[Any, ...]]) -> dict[str, Tunnel]:
    tunnels = {}
    for name, local, key, multipoint, address, mtu, tos, ttl, discovery, mss, peers, multicast, blocked, tag in value:
        tunnels[name] = Tunnel(
            name=name,
            local=_address(local),
            key=key,
            multipoint=multipoint,
            address=_address(address),
            mtu=mtu,
            tos=tos,
            ttl=ttl,
            path_mtu_discovery=discovery,
            adjust_mss=mss,
            adjacencies={index: IPv4Address(peer) for index, peer in peers.items()},
            multicast=tuple(IPv4Address(peer) for peer in multicast),
            blocked=blocked,
            crypto_map=tag,
        )
    return tunnels


_COUNTERS = tuple(InterfaceCounters.__dataclass_fields__)


def pack_counters(counters: Mapping[str, InterfaceCounters]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(getattr(counted, field) for field in _COUNTERS) for name, counted in counters.items()}


def unpack_counters(value: Mapping[str, tuple[Any, ...]]) -> dict[str, InterfaceCounters]:
    return {name: InterfaceCounters(*fields) for name, fields in value.items()}
