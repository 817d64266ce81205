"""ICMP messages on the wire (RFC 792), read strictly: what is short, lying or has a wrong checksum is None."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct

from iosish.icmp.session import IPV4_HEADER, PROTOCOL_ICMP, PROTOCOL_UDP

ECHO_REPLY = 0
UNREACHABLE = 3
SOURCE_QUENCH = 4
ECHO = 8
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12

#: The messages that quote the packet they are about. A redirect (5) quotes too, but reports nothing lost.
ERRORS = frozenset((UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM))

#: Codes of "unreachable".
FRAGMENTATION_NEEDED = 4

_HEADER = Struct("!BBHHH")
_UDP = Struct("!HHHH")
_QUOTED_OCTETS = 8  # RFC 792: the first 64 bits of the quoted packet's data are always there


@dataclass(frozen=True, slots=True)
class EchoReply:
    identifier: int
    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Quote:
    """The packet an error is about. For ICMP, `first` and `second` are identifier and sequence number of an
    echo request; for UDP, source and destination port."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An ICMP error: its type, its code, and what it is about."""

    kind: int
    code: int
    quote: Quote


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 for data that holds a right one."""
    number = int.from_bytes(data + b"\0" if len(data) & 1 else data, "big")
    # 65536 is 1 modulo 65535, so that the remainder is the one's complement sum; only no bits at all sum to +0.
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


def echo(identifier: int, sequence: int, data: bytes) -> bytes:
    """An echo request."""
    unsummed = _HEADER.pack(ECHO, 0, 0, identifier, sequence) + data
    return _HEADER.pack(ECHO, 0, checksum(unsummed), identifier, sequence) + data


def udp(source_port: int, destination_port: int, data: bytes = b"") -> bytes:
    """A UDP datagram without checksum (RFC 768: zero), since the route may choose the source address."""
    return _UDP.pack(source_port, destination_port, _UDP.size + len(data), 0) + data


def read(message: bytes) -> EchoReply | Failure | None:
    """An ICMP message, or None for one that cannot be an answer to an echo request or a UDP probe."""
    if len(message) < _HEADER.size or checksum(message) != 0:
        return None
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind == ECHO_REPLY:
        return EchoReply(identifier, sequence, message[_HEADER.size :]) if code == 0 else None
    if kind in ERRORS:
        quote = _quote(message[_HEADER.size :])
        return Failure(kind, code, quote) if quote else None
    return None


def _quote(packet: bytes) -> Quote | None:
    if len(packet) < IPV4_HEADER or packet[0] >> 4 != 4:
        return None
    length = (packet[0] & 15) << 2
    if length < IPV4_HEADER or len(packet) < length + _QUOTED_OCTETS:
        return None
    if (packet[6] & 0x1F) or packet[7]:  # a later fragment: its data are no header
        return None
    protocol = packet[9]
    data = packet[length : length + _QUOTED_OCTETS]
    if protocol == PROTOCOL_ICMP:
        kind, code, _, first, second = _HEADER.unpack(data)
        if kind != ECHO or code != 0:
            return None
    elif protocol == PROTOCOL_UDP:
        first, second, _, _ = _UDP.unpack(data)
    else:
        return None
    return Quote(IPv4Address(packet[12:16]), IPv4Address(packet[16:20]), protocol, first, second)
