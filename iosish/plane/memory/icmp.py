"""ICMP of a router in memory: the errors it answers with, and echo replies (RFC 792)."""

from __future__ import annotations

from typing import NamedTuple

from iosish.forwarding import ipv4

TTL = 255
ECHO_REPLY = 0
ECHO_REQUEST = 8


class Failure(NamedTuple):
    """Why a packet did not leave, as the ICMP error to answer with."""

    kind: int
    code: int
    rest: int = 0


NET_UNREACHABLE = Failure(ipv4.ICMP_UNREACHABLE, 0)
HOST_UNREACHABLE = Failure(ipv4.ICMP_UNREACHABLE, 1)
PROTOCOL_UNREACHABLE = Failure(ipv4.ICMP_UNREACHABLE, 2)
PORT_UNREACHABLE = Failure(ipv4.ICMP_UNREACHABLE, 3)
TIME_EXCEEDED = Failure(ipv4.ICMP_TIME_EXCEEDED, 0)


def echo_reply(request: bytes, identification: int) -> bytes:
    """The answer to a well-formed echo request."""
    message = bytearray(request[ipv4.header_size(request) :])
    message[0] = ECHO_REPLY
    message[2:4] = bytes(2)
    message[2:4] = ipv4.checksum(message).to_bytes(2, "big")
    return ipv4.build(
        ipv4.destination(request),
        ipv4.source(request),
        ipv4.ICMP,
        message,
        ttl=TTL,
        tos=request[1],
        identification=identification,
    )
