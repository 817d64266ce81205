"""Every NHRP packet of the captures decodes, and encodes to the same octets again."""

from __future__ import annotations

import pytest

from iosish.nhrp.packet import Exchange, Indication, Packet, PacketType, decode
from iosish.nhrp.wire import PacketError
from tests.nhrp.pcap import CAPTURES, nhrp_frames

FRAMES = {
    "frr-nhrp-hub-key1.pcap": None,
    "frr-nhrp-spoke2-key1.pcap": None,
    "frr-nhrp-spoke2-nokey.pcap": None,
    "epiecs__packetlife-backup/mGRE_ICMP.cap": 4,
    "epiecs__packetlife-backup/NHRP_registration.cap": 4,
    "the-tcpdump-group__tcpdump/ios_nhrp.pcap": 1,
    "the-tcpdump-group__tcpdump/nhrp-trace.pcap": 4,
    "the-tcpdump-group__tcpdump/NHRP_registration.pcap": 4,
    "the-tcpdump-group__tcpdump/NHRP-responder-address.pcap": 2,
    "the-tcpdump-group__tcpdump/nhrp.pcapng": 25,
    "fazzzan__Myotus-networks/EDGE-R27_Gi00_to_R25_Gi03.nhrp-and-first400.pcap": 22,
    "fazzzan__Myotus-networks/R26_Gi00_to_ASW29_Gi00.pcap": 4,
    "john-clarkson__cisco-labs/nhrp-request_reply.pcapng": 2,
}


def decoded(name: str) -> list[Packet]:
    return [decode(frame.payload) for frame in nhrp_frames(name)]


@pytest.mark.parametrize("name", FRAMES)
def test_same_octets_again(name: str) -> None:
    frames = nhrp_frames(name)
    assert frames and len(frames) == (FRAMES[name] or len(frames))
    for frame in frames:
        assert decode(frame.payload).encode() == frame.payload


def test_all_110_frames_are_there() -> None:
    assert sum(len(nhrp_frames(name)) for name in FRAMES) == 110


def test_the_fuzzed_packet_is_refused_with_its_reason() -> None:
    captured = (CAPTURES / "the-tcpdump-group__tcpdump/pb_nhrp_1.pcap").read_bytes()
    with pytest.raises(PacketError) as refusal:
        decode(captured[24 + 16 + 14 + 24 :])  # file, record, Ethernet and IP headers; NHRP stands right behind
    assert refusal.value.reason == "unknown NBMA address family"


def test_the_articles_resolution_request() -> None:
    request = decoded("epiecs__packetlife-backup/mGRE_ICMP.cap")[0]
    assert request.type is PacketType.RESOLUTION_REQUEST
    assert isinstance(request.body, Exchange)
    assert (request.body.flags, request.body.request_id) == (0xC802, 8)
    assert request.extensions is not None
    assert [extension.type for extension in request.extensions] == [3, 4, 5, 9]


def test_the_replys_own_prefix_and_the_quoted_packet_of_an_indication() -> None:
    indication = decoded("the-tcpdump-group__tcpdump/nhrp-trace.pcap")[0]
    assert isinstance(indication.body, Indication)
    assert len(indication.body.quoted) == 28
