"""The ICMP codec against scapy, and against anything at all."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP

from iosish.icmp import codec
from iosish.icmp.ping import Ping, PingRequest
from iosish.icmp.traceroute import Traceroute, TracerouteRequest

WORD = st.integers(0, 0xFFFF)


@given(WORD, WORD, st.binary(max_size=64))
def test_an_echo_is_what_scapy_writes(identifier: int, sequence: int, data: bytes) -> None:
    assert codec.echo(identifier, sequence, data) == bytes(ICMP(type=8, id=identifier, seq=sequence) / data)


@given(WORD, WORD, st.binary(max_size=64))
def test_a_reply_of_scapy_is_read(identifier: int, sequence: int, data: bytes) -> None:
    message = bytes(ICMP(type=0, id=identifier, seq=sequence) / data)
    assert codec.read(message) == codec.EchoReply(identifier, sequence, data)


@given(WORD, WORD)
def test_an_error_of_scapy_is_read(first: int, second: int) -> None:
    about = IP(src="10.0.0.1", dst="10.0.0.2", options=b"\x01\x01\x01\x00") / UDP(sport=first, dport=second)
    quote = codec.Quote(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 17, first, second)
    assert codec.read(bytes(ICMP(type=3, code=3) / about)) == codec.Failure(3, 3, quote)


@given(st.binary(max_size=120), st.booleans())
def test_anything_can_come(data: bytes, summed: bool) -> None:
    if summed and len(data) >= 4:
        data = data[:2] + codec.checksum(data[:2] + b"\0\0" + data[4:]).to_bytes(2, "big") + data[4:]
    codec.read(data)
    destination = IPv4Address("10.0.0.2")
    for session in (Ping(PingRequest(destination), 1), Traceroute(TracerouteRequest(destination), 1)):
        session.start(0.0)
        session.receive(destination, 1, data, 0.1)


@given(st.sampled_from([3, 4, 11, 12]), st.integers(0, 255), st.binary(min_size=20, max_size=80))
def test_any_quote_can_come(kind: int, code: int, quoted: bytes) -> None:
    message = bytes(ICMP(type=kind, code=code)) + quoted
    message = message[:2] + codec.checksum(message[:2] + b"\0\0" + message[4:]).to_bytes(2, "big") + message[4:]
    failure = codec.read(message)
    assert failure is None or isinstance(failure, codec.Failure)
