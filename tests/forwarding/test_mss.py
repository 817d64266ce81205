"""`ip tcp adjust-mss`: the option of a SYN is lowered, all else stays, and the checksum stays right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP

from iosish.forwarding import ipv4, mss
from tests.forwarding.packets import raw, scapy


def segment(flags: str = "S", options: Any = (("MSS", 1460),), payload: bytes = b"", **fields: Any) -> bytes:
    tcp = TCP(sport=4000, dport=179, flags=flags, options=list(options))
    return raw(IP(src="10.1.0.1", dst="10.2.0.1", **fields) / tcp / payload)


def with_options(options: bytes) -> bytes:
    """A SYN with exactly these option octets (a multiple of four of them)."""
    return with_offset((20 + len(options)) >> 2, options)


def with_offset(offset: int, after_header: bytes) -> bytes:
    """A SYN that says its header has `offset` words, its checksum right all the same; scapy would mend the rest."""
    packet = bytearray(segment(options=(), payload=after_header))
    packet[20 + 12] = offset << 4
    packet[36:38] = bytes(2)
    packet[36:38] = ipv4.checksum(pseudo_header(packet) + packet[20:]).to_bytes(2, "big")
    return bytes(packet)


def remade(packet: bytes) -> Any:
    layers = IP(packet)
    del layers[TCP].chksum
    return layers


def clamped(packet: bytes, size: int) -> bytes:
    return bytes(mss.clamp(packet, size))


@pytest.mark.parametrize("flags", ["S", "SA"])
def test_a_larger_option_is_lowered(flags: str) -> None:
    after = scapy(clamped(segment(flags), 1360))
    assert dict(after[TCP].options)["MSS"] == 1360
    assert raw(after) == raw(remade(raw(after)))


@pytest.mark.parametrize("payload", [b"", b"x", b"odd", b"data"])
def test_the_checksum_is_right_after_it(payload: bytes) -> None:
    after = clamped(segment(payload=payload), 536)
    assert after == raw(remade(after))


def test_an_option_at_an_odd_place_counts_in_the_other_halves_of_the_sum() -> None:
    packet = with_options(bytes.fromhex("01 0204 05b4 010101"))
    after = clamped(packet, 1360)
    assert dict(scapy(after)[TCP].options)["MSS"] == 1360
    assert after == raw(remade(after))


@pytest.mark.parametrize(
    "packet",
    [
        segment(options=(("MSS", 1360),)),
        segment(options=(("MSS", 536),)),
        segment(options=()),
        segment("A"),
        segment("R"),
        segment(frag=20),
        raw(IP() / UDP() / bytes(40)),
    ],
    ids=["equal", "smaller", "no option", "no SYN", "reset", "later fragment", "UDP"],
)
def test_the_same_object_comes_back_where_nothing_is_to_do(packet: bytes) -> None:
    assert mss.clamp(packet, 1360) is packet


@pytest.mark.parametrize(
    "options",
    ["02040000", "020405", "02", "0203ffff", "0205ffff", "08ff0204", "0000020405b4ffff", "03000204", "01010102"],
)
def test_hostile_options_are_left_alone(options: str) -> None:
    data = bytes.fromhex(options)
    data += bytes(-len(data) % 4)
    packet = with_options(data)
    assert mss.clamp(packet, 1360) is packet


def test_each_of_several_options_is_lowered() -> None:
    after = clamped(with_options(bytes.fromhex("020405b4 0204ffff")), 1000)
    assert [size for name, size in scapy(after)[TCP].options if name == "MSS"] == [1000, 1000]
    assert after == raw(remade(after))


@given(options=st.binary(max_size=40), offset=st.integers(0, 15), size=st.integers(500, 1460))
def test_any_options_leave_a_packet_of_the_same_length_and_as_right_a_checksum(
    options: bytes, offset: int, size: int
) -> None:
    packet = with_offset(offset, options)
    assert ipv4.checksum_right(pseudo_header(packet) + packet[20:])
    after = clamped(packet, size)
    assert len(after) == len(packet)
    assert ipv4.checksum_right(pseudo_header(after) + after[20:])
    assert clamped(after, size) == after


def pseudo_header(packet: bytes | bytearray) -> bytes:
    return bytes(packet[12:20]) + b"\0\x06" + (len(packet) - 20).to_bytes(2, "big")
