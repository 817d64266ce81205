"""The scapy layer for NHRP: every packet of every capture, and whatever our own codec can write."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.l2 import GRE

from iosish.nhrp.cie import Cie
from iosish.nhrp.extensions import Extension, ExtensionType, authentication, of_cies
from iosish.nhrp.packet import Exchange, Indication, Packet, PacketType, decode
from iosish.scapy_nhrp import NHRP, NHRPClient, NHRPExtension
from tests.nhrp.pcap import nhrp_frames
from tests.nhrp.test_captures import FRAMES


def rebuilt(layer: NHRP) -> bytes:
    """The layer again, with all that can be worked out left out."""
    copy = layer.copy()
    for part in (copy, *copy.extensions, *(copy.clients or ())):
        for field in ("size", "checksum", "extension_offset", "length"):
            if field in part.fields and (field != "extension_offset" or copy.extensions):
                del part.fields[field]
        for field in [name for name in part.fields if name.endswith("_length")]:
            if not part.getfieldval(field) & 0xC0:
                del part.fields[field]
    for part in (copy, *copy.extensions, *(copy.clients or ())):
        part.raw_packet_cache = None
    return bytes(copy)


@pytest.mark.parametrize("name", FRAMES)
def test_every_captured_packet_comes_back(name: str) -> None:
    frames = nhrp_frames(name)
    assert frames
    for frame in frames:
        layer = NHRP(frame.payload)
        size = layer.size
        if size > len(frame.payload):
            continue  # cut off when it was captured
        assert rebuilt(layer) == frame.payload[:size]
        ours = decode(frame.payload)
        assert (layer.type, layer.hop_count, layer.source, layer.source_nbma) == (
            ours.type,
            ours.hop_count,
            str(ours.source or ""),
            str(ours.source_nbma or ""),
        )
        if isinstance(ours.body, Exchange):
            assert (layer.flags, layer.request_id) == (ours.body.flags, ours.body.request_id)
            assert [client.holding_time for client in layer.clients] == [cie.holding_time_s for cie in ours.body.cies]
        assert [extension.type for extension in layer.extensions[:-1]] == [
            extension.type for extension in ours.extensions or ()
        ]


ADDRESSES = st.none() | st.builds(IPv4Address, st.integers(0, 2**32 - 1))
OCTET, WORD = st.integers(0, 255), st.integers(0, 65535)
CIES = st.lists(
    st.builds(
        Cie,
        code=OCTET,
        prefix=OCTET,
        mtu=WORD,
        holding_time_s=WORD,
        nbma=ADDRESSES,
        protocol=ADDRESSES,
        preference=OCTET,
        subaddress=st.binary(max_size=8),
    ),
    max_size=4,
).map(tuple)
EXTENSIONS = st.one_of(
    st.builds(
        of_cies, st.sampled_from([ExtensionType.RESPONDER, ExtensionType.FORWARD_RECORD, ExtensionType.NAT]), CIES
    ),
    st.builds(authentication, st.binary(max_size=8)),
    st.builds(Extension, st.sampled_from([8, 77]), st.binary(max_size=9), st.booleans()),
)
PACKETS = st.builds(
    Packet,
    type=st.sampled_from([kind for kind in PacketType if kind < PacketType.ERROR_INDICATION]),
    source_nbma=ADDRESSES,
    source=ADDRESSES,
    destination=ADDRESSES,
    body=st.builds(Exchange, WORD, st.integers(0, 2**32 - 1), CIES),
    extensions=st.none() | st.lists(EXTENSIONS, max_size=4).map(tuple),
    hop_count=OCTET,
) | st.builds(
    Packet,
    type=st.just(PacketType.TRAFFIC_INDICATION),
    source_nbma=ADDRESSES,
    source=ADDRESSES,
    destination=ADDRESSES,
    body=st.builds(Indication, WORD, st.binary(max_size=60)),
)


@given(PACKETS)
def test_what_our_codec_writes_it_reads_and_writes_again(packet: Packet) -> None:
    octets = packet.encode()
    assert rebuilt(NHRP(octets)) == octets
    assert decode(rebuilt(NHRP(octets))) == packet


@given(st.binary(max_size=120))
def test_octets_of_whatever_kind_are_dissected_without_harm(octets: bytes) -> None:
    IP(bytes(IP() / GRE(proto=0x2001) / octets)).show2(dump=True)


def test_it_is_bound_to_gre_and_fills_in_what_is_left_out() -> None:
    built = bytes(
        IP(src="172.16.25.2", dst="172.16.15.2")
        / GRE(proto=0x2001)
        / NHRP(
            type="Registration Request",
            flags=0x8002,
            request_id=1,
            source_nbma="172.16.25.2",
            source="192.168.0.2",
            destination="192.168.0.1",
            clients=[NHRPClient(prefix=255, mtu=1514, holding_time=7200)],
            extensions=[NHRPExtension(type=7, password=b"secret"), NHRPExtension(type=0)],
        )
    )
    layer = IP(built)[NHRP]
    assert layer.extensions[0].password == b"secret"
    ours = decode(built[24:])
    assert ours.extensions == (authentication(b"secret"),)
    assert ours.body == Exchange(0x8002, 1, (Cie(prefix=255, mtu=1514, holding_time_s=7200),))
