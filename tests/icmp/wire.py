"""The other end: answers to probes, written by hand from RFC 792."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.icmp.codec import checksum
from iosish.icmp.session import Probe

ROUTER = IPv4Address("192.168.0.2")


def icmp(kind: int, code: int, rest: bytes, data: bytes = b"") -> bytes:
    """An ICMP message with a right checksum; `rest` is the second word of its header."""
    head = bytes([kind, code])
    total = checksum(head + b"\0\0" + rest + data)
    return head + total.to_bytes(2, "big") + rest + data


def reply(probe: Probe) -> bytes:
    """The echo reply to an echo request."""
    assert probe.payload[0] == 8
    return icmp(0, 0, probe.payload[4:8], probe.payload[8:])


def packet(probe: Probe, source: IPv4Address = ROUTER) -> bytes:
    """The probe with an IPv4 header, as a router on the way quotes it."""
    total = (20 + len(probe.payload)).to_bytes(2, "big")
    return (
        b"\x45\0"
        + total
        + b"\0\x01\0\0\x01"
        + bytes([probe.protocol])
        + b"\0\0"
        + source.packed
        + probe.destination.packed
        + probe.payload
    )


def error(kind: int, code: int, probe: Probe, source: IPv4Address = ROUTER) -> bytes:
    """An ICMP error that quotes header and 8 octets, the least that RFC 792 asks for."""
    return icmp(kind, code, bytes(4), packet(probe, source)[:28])
