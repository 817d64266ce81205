"""Fragments that are put together, or thrown away."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP

from iosish.forwarding.reassembly import DATAGRAMS_MAX, DATAGRAMS_PER_SOURCE, Reassembly


def piece(start: int, payload: bytes, more: bool, identification: int = 1, source: str = "10.0.0.1") -> bytes:
    return bytes(
        IP(src=source, dst="10.0.0.2", proto=17, id=identification, flags=int(more), frag=start // 8) / payload
    )


def test_any_order() -> None:
    reassembly = Reassembly()
    assert reassembly.add(piece(16, b"c" * 5, False), 0.0) is None
    assert reassembly.add(piece(0, b"a" * 8, True), 0.0) is None
    assert reassembly.add(piece(0, b"a" * 8, True), 0.0) is None  # twice
    whole = reassembly.add(piece(8, b"b" * 8, True), 0.0)
    assert whole == bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=17, id=1) / (b"a" * 8 + b"b" * 8 + b"c" * 5))
    assert len(reassembly) == 0


@pytest.mark.parametrize(
    ("start", "payload", "more"),
    [(8, b"x" * 8, True), (0, b"y" * 16, True), (24, b"", False), (24, b"odd", True), (65528, b"z" * 16, False)],
    ids=["overlap", "other content", "empty", "odd length", "beyond 65535"],
)
def test_a_lie_throws_the_datagram_away(start: int, payload: bytes, more: bool) -> None:
    reassembly = Reassembly()
    reassembly.add(piece(0, b"a" * 16, True), 0.0)
    assert reassembly.add(piece(start, payload, more), 0.0) is None
    assert len(reassembly) == 0


def test_a_flood_is_bounded_and_old_pieces_are_forgotten() -> None:
    reassembly = Reassembly()
    for number in range(1000):
        reassembly.add(piece(0, b"a" * 8, True, number, f"10.0.{number % 100}.1"), 0.0)
    assert len(reassembly) == DATAGRAMS_MAX
    reassembly.add(piece(0, b"a" * 8, True, 5000), 31.0)
    assert len(reassembly) == 1


def test_a_flood_of_one_source_pushes_out_nothing_of_others() -> None:
    reassembly = Reassembly()
    reassembly.add(piece(0, b"a" * 8, True, source="10.0.0.9"), 0.0)
    for number in range(1000):
        reassembly.add(piece(0, b"a" * 8, True, number), 1.0)
    assert len(reassembly) == 1 + DATAGRAMS_PER_SOURCE
    assert reassembly.add(piece(8, b"b" * 8, False, source="10.0.0.9"), 2.0) is not None
