"""GRE headers: what captures hold is read and built again; what RFC 2784 and 2890 forbid is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import GRE

from iosish.forwarding import gre
from tests.forwarding.packets import captured, raw


@pytest.mark.parametrize(
    ("name", "count"), [("epiecs__packetlife-backup/mGRE_ICMP.cap", 24), ("epiecs__packetlife-backup/GRE.cap", 10)]
)
def test_every_captured_header_is_built_again_octet_by_octet(name: str, count: int) -> None:
    packets = captured(name)
    assert len(packets) == count
    for packet in packets:
        frame = packet[20:]
        protocol, key, start = gre.parse(frame)
        assert gre.build(protocol, key) == frame[:start]


def test_the_article_sends_data_and_nhrp_without_a_key() -> None:
    kinds = [gre.parse(packet[20:]) for packet in captured("epiecs__packetlife-backup/mGRE_ICMP.cap")]
    assert kinds[:2] == [(gre.IPV4, None, 4), (gre.NHRP, None, 4)]


def test_a_captured_key_is_read_and_built_again() -> None:
    frames = [packet[20:] for packet in captured("frr-nhrp-hub-key1.pcap") if packet[9] == 47]
    assert frames
    for frame in frames:
        protocol, key, start = gre.parse(frame)
        assert (key, start) == (1, 8)
        assert gre.build(protocol, 1) == frame[:8]


def test_key_zero_is_a_key() -> None:
    assert gre.build(gre.IPV4, 0) == bytes.fromhex("20000800 00000000")
    assert gre.parse(gre.build(gre.IPV4, 0)) == (gre.IPV4, 0, 8)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "short GRE header"),
        ("000008", "short GRE header"),
        ("20000800 000000", "short GRE header"),  # the K bit, and a key of three octets
        ("10000800", "short GRE header"),  # the S bit without a number
        ("80000800 0000", "short GRE header"),
        ("00010800", "GRE version"),  # PPTP's GRE
        ("40000800 00000000", "GRE routing bit"),
        ("08000800", "GRE reserved bits"),  # strict source route of RFC 1701
        ("04000800", "GRE reserved bits"),
        ("80000800 12340000 45", "bad checksum"),
    ],
)
def test_a_bad_header_is_refused_with_its_reason(frame: str, reason: str) -> None:
    with pytest.raises(gre.GreError, match=f"^{reason}$"):
        gre.parse(bytes.fromhex(frame))


def test_bits_that_a_receiver_must_ignore_are_ignored() -> None:
    # RFC 2784 section 2.3: bits 6 to 12
    assert gre.parse(bytes.fromhex("03f80800")) == (gre.IPV4, None, 4)


@given(
    key=st.none() | st.integers(0, 2**32 - 1),
    sequence=st.none() | st.integers(0, 2**32 - 1),
    checksum=st.booleans(),
    payload=st.binary(max_size=100),
)
def test_what_scapy_builds_is_read(key: int | None, sequence: int | None, checksum: bool, payload: bytes) -> None:
    header = GRE(
        proto=gre.NHRP,
        chksum_present=int(checksum),
        key_present=int(key is not None),
        key=key,
        seqnum_present=int(sequence is not None),
        sequence_number=sequence,
    )
    frame = raw(header / payload)
    protocol, read, start = gre.parse(frame)
    assert (protocol, read, frame[start:]) == (gre.NHRP, key, payload)


@given(payload=st.binary(min_size=1, max_size=60), at=st.integers(0, 59), flip=st.integers(1, 255))
def test_one_changed_octet_breaks_the_checksum(payload: bytes, at: int, flip: int) -> None:
    frame = bytearray(raw(GRE(proto=gre.IPV4, chksum_present=1) / payload))
    at = 8 + at % len(payload)
    frame[at] ^= flip
    with pytest.raises(gre.GreError, match="bad checksum"):
        gre.parse(frame)


@given(st.binary(max_size=64))
def test_any_octets_are_read_or_refused(frame: bytes) -> None:
    try:
        _, key, start = gre.parse(frame)
    except gre.GreError:
        return
    assert 4 <= start <= len(frame)
    assert key is None or 0 <= key < 2**32


def test_our_header_reads_right_in_scapy() -> None:
    header = GRE(gre.build(gre.NHRP, 77))
    assert (header.key, header.proto, header.version) == (77, 0x2001, 0)
