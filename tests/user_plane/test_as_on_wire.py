"""Packets that the kernel leaves to the device, cut and summed as the device does; scapy works out what is right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from iosish.plane.user import as_on_wire

TCP4, TCP6, UDP_L4, ECN = 1, 4, 5, 0x80
NEEDS_CHECKSUM = 1


def whole(frame: Any) -> None:
    """Lengths and checksums of a frame are right."""
    again = frame.copy()
    for layer in (IP, IPv6, TCP, UDP):
        if layer in again:
            for field in ("len", "chksum", "plen"):
                again[layer].fields.pop(field, None)
    assert bytes(Ether(bytes(again))) == bytes(frame)


@pytest.mark.parametrize("network", [IP(id=65535), IPv6(), Dot1Q(vlan=7) / IP()])
@pytest.mark.parametrize(
    ("transport", "kinds"), [(TCP(flags="PA", seq=2**32 - 5), (TCP4, TCP6)), (UDP(), (UDP_L4,) * 2)]
)
@pytest.mark.parametrize("octets", [1, 100, 101, 250])
def test_a_large_packet_is_the_segments_of_it(
    network: Any, transport: Any, kinds: tuple[int, int], octets: int
) -> None:
    frame = Ether() / network / transport / bytes(range(octets))
    kind = UDP_L4 if UDP in frame else TCP6 if IPv6 in frame else TCP4
    cut = [Ether(data) for data in as_on_wire.frames((0, kind | ECN, 0, 100, 0, 0), bytes(frame))]
    layer = type(transport)
    assert b"".join(bytes(piece[layer].payload) for piece in cut) == bytes(range(octets))
    assert [len(piece[layer].payload) for piece in cut] == [100] * ((octets - 1) // 100) + [(octets - 1) % 100 + 1]
    for number, piece in enumerate(cut):
        whole(piece)
        if layer is TCP:
            assert piece[TCP].seq == (2**32 - 5 + 100 * number) % 2**32
            assert piece[TCP].flags == ("PA" if piece is cut[-1] else "A")


def test_an_unfinished_checksum_is_finished() -> None:
    frame = bytearray(bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / b"hello"))
    right = bytes(frame)
    pseudo = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(26, 34, 2)) + 17 + 13
    frame[40:42] = (pseudo % 0xFFFF).to_bytes(2, "big")
    assert as_on_wire.frames((NEEDS_CHECKSUM, 0, 0, 0, 34, 6), bytes(frame)) == [right]


@given(
    st.tuples(st.integers(0, 3), st.integers(0, 255), *[st.integers(0, 65535)] * 4),
    st.binary(max_size=120) | st.binary(max_size=80).map(lambda octets: bytes(12) + b"\x08\0\x45" + octets),
)
def test_what_cannot_be_cut_stays_as_it_is(virtio: tuple[int, int, int, int, int, int], frame: bytes) -> None:
    assert as_on_wire.frames(virtio, frame)
