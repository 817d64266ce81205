"""A burst taken in together comes to what it comes to one by one: packets, their order, counters, refusals."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iosish.forwarding import gre, ipv4
from iosish.ipsec.esp import OutboundSa
from iosish.ipsec.rows import SIZES_MAX
from iosish.ipsec.transforms import Mode, Transform
from tests.bursts import sending
from tests.bursts.ends import PEER, US, raw_packets
from tests.bursts.receiving import BURSTS, TUNNEL, Burst, check
from tests.bursts.stretches import FAR, FIN, NEAR, PSH, RST, SYN, URG, Segment
from tests.bursts.taps import cut, superpacket
from tests.ipsec.associations import AES_SHA, GCM, HUB, SPOKE, outbound


@pytest.mark.parametrize("kind", BURSTS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_together_is_as_one_by_one(kind: str, data: st.DataObject) -> None:
    check(data.draw(BURSTS[kind]))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(sending.tap_frames())
def test_what_leaves_is_what_the_kernel_would_have_cut(frames: sending.Frames) -> None:
    sending.check(frames)


@pytest.mark.parametrize("adjust_mss", [None, 600])
@pytest.mark.parametrize("crypto_map", [None, sending.TAG])
@pytest.mark.parametrize(("flags", "urgent"), [(SYN, 0), (RST, 0), (URG, 1500), (URG | PSH | FIN, 1), (SYN | URG, 9)])
def test_a_large_packet_of_any_flags_is_cut_as_the_kernel_cuts_it(
    flags: int, urgent: int, crypto_map: str | None, adjust_mss: int | None
) -> None:
    """An MSS in it is clamped in each segment; checksums, numbers and the urgent pointer are each segment's own."""
    large = Segment(7, bytes(range(250)) * 12, 0xFFFF, flags, urgent=urgent, options=b"\x02\x04\x05\xb4")
    large.source, large.destination = FAR, NEAR
    frame = superpacket(sending.ETHERNET["known"], large.octets(), 1000, False)
    sas = [] if crypto_map is None else [outbound(GCM)]
    tunnel = replace(sending.TUNNEL, crypto_map=crypto_map, adjust_mss=adjust_mss)
    cut_by_kernel = [bytes(10) + frame[10:24] + packet for packet in cut(frame)]
    assert sending.check(sending.Frames(tunnel, sas, [frame], cut_by_kernel))[0] == 3


#: What a kernel never gives to be cut: a change to a packet, and the size of a segment.
NOT_TO_BE_CUT: dict[str, tuple[dict[str, Any], int]] = {
    "no size": ({}, 0),
    "no payload": ({"payload": b""}, 500),
    "UDP": ({"protocol": ipv4.UDP}, 500),
    "a fragment": ({"fragment": ipv4.MF}, 500),
    "longer than it says": ({"short": 1}, 500),
    "no TCP header": ({"payload": b"", "short": 1}, 500),
}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("changes", "segment"), NOT_TO_BE_CUT.values(), ids=NOT_TO_BE_CUT)
def test_what_cannot_be_cut_is_counted_and_nothing_of_it_leaves(
    changes: dict[str, Any], segment: int, many: bool
) -> None:
    packet = replace(Segment(1, bytes(1200), 1, source=FAR, destination=NEAR), **changes).octets()
    frame = bytearray(superpacket(sending.ETHERNET["known"], packet, segment, False))
    frame[1] = 1  # to be cut, whatever the size
    mouth = sending.Mouth(sending.TUNNEL, [], many=many)
    try:
        mouth.take([bytes(frame)])
        assert mouth.sent.outers == []
        assert mouth.rules.drops.reasons == {"bad inner packet": 1}
        assert mouth.rules.counters["Tunnel0"].drops_out == 1
    finally:
        mouth.close()


def test_a_header_with_options_among_others_is_read_to_its_end() -> None:
    header = gre.build(gre.IPV4, None)
    plain, longer = raw_packets(HUB.packed, SPOKE.packed, ipv4.GRE, [header + ipv4.build(FAR, NEAR, 17, bytes(40))] * 2)
    longer = b"\x46" + longer[1:]  # what stands where GRE begins in the others is a list of options
    packets, _ = check(Burst(TUNNEL, [], ipv4.GRE, [[plain, longer, plain]]))
    assert packets == 3


def test_each_opening_segment_is_clamped_whatever_it_comes_with() -> None:
    opening = Segment(1, b"", 1, SYN, options=b"\x02\x04\x05\xb4")
    other = replace(opening, protocol=ipv4.UDP)
    frames = [gre.build(gre.IPV4, None) + segment.octets() for segment in (other, opening, other, opening)]
    tunnel = replace(TUNNEL, adjust_mss=600)
    check(Burst(tunnel, [], ipv4.GRE, [raw_packets(HUB.packed, SPOKE.packed, ipv4.GRE, frames)]))


@pytest.mark.parametrize("transform", [GCM, AES_SHA])
@pytest.mark.parametrize("mode", Mode)
def test_segments_in_order_become_one_packet(transform: Transform, mode: Mode) -> None:
    sa = outbound(transform, mode=mode, local=IPv4Address(PEER), peer=IPv4Address(US), udp_ports=(4500, 4500))
    seal = OutboundSa(sa, lambda key: None).seal
    segments = [Segment(at * 1300, bytes(1300), at).octets() for at in range(40)]
    datagrams = [seal(gre.build(gre.IPV4, None), segment, 0, 255, False, 0.0) or b"" for segment in segments]
    assert check(Burst(replace(TUNNEL, crypto_map=sa.crypto_map), [sa], ipv4.UDP, [datagrams])) == (40, 1)


def stamped(large_packets: int, each: int) -> list[bytes]:
    """GRE packets with the segments of several large packets of one sender, each with a time stamp of its own."""
    stamps = [b"\x01\x01\x08\x0a" + bytes((0, 0, 0, stamp)) + bytes(4) for stamp in range(large_packets)]
    segments = [Segment(at * 1300, bytes(1300), at, options=stamps[at // each]) for at in range(large_packets * each)]
    return [gre.build(gre.IPV4, None) + segment.octets() for segment in segments]


def test_large_packets_that_came_in_one_burst_are_large_again_though_their_time_stamps_differ() -> None:
    packets = raw_packets(HUB.packed, SPOKE.packed, ipv4.GRE, stamped(3, 10))
    assert check(Burst(TUNNEL, [], ipv4.GRE, [packets])) == (30, 3)


@pytest.mark.parametrize("transform", [GCM, AES_SHA])
@pytest.mark.parametrize("lost", [None, 0, 17, 25])
def test_several_large_datagrams_are_opened_together_and_those_of_a_gap_apart(
    transform: Transform, lost: int | None
) -> None:
    sa = outbound(transform, local=IPv4Address(PEER), peer=IPv4Address(US), udp_ports=(4500, 4500))
    seal = OutboundSa(sa, lambda key: None).seal
    datagrams = [seal(frame[:4], frame[4:], 0, 255, False, 0.0) or b"" for frame in stamped(5, 10)]
    runs = [datagrams[at : at + 10] for at in range(0, 50, 10)]
    if lost is not None:
        del runs[lost // 10][lost % 10]
    packets, large = check(Burst(replace(TUNNEL, crypto_map=sa.crypto_map), [sa], ipv4.UDP, runs))
    # A sender numbers what it sends together in a row: where that is broken, each is looked at by itself.
    assert (packets, large) == {None: (50, 5), 0: (49, 5)}.get(lost, (49, 4))


@pytest.mark.parametrize("crypto_map", [None, sending.TAG])
def test_buffers_of_many_sizes_in_turn_are_never_taken_for_each_other(crypto_map: str | None) -> None:
    """One size more than buffers are kept for: what was worked out for those that are gone is not for new ones."""
    frames, finished = [], []
    for turn, segment in enumerate([*range(600, 601 + SIZES_MAX)] * 4):
        large = Segment(turn, bytes([turn % 251]) * 4 * segment, turn, source=FAR, destination=NEAR)
        frames.append(superpacket(sending.ETHERNET["known"], large.octets(), segment, False))
        finished += [bytes(10) + frames[-1][10:24] + packet for packet in cut(frames[-1])]
    sas = [] if crypto_map is None else [outbound(GCM)]
    tunnel = replace(sending.TUNNEL, crypto_map=crypto_map)
    assert sending.check(sending.Frames(tunnel, sas, frames, finished)) == (len(finished), len(frames))
