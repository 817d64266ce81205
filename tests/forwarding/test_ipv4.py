"""IPv4 on octets: checksums, fragments and ICMP errors, beside scapy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_RR

from iosish.forwarding import ipv4
from iosish.forwarding.reassembly import Reassembly
from tests.forwarding.packets import octets, raw, scapy

HUB = octets("192.168.0.1")
PACKETS = st.builds(
    lambda payload, options, identification, df: raw(
        IP(src="10.0.0.1", dst="10.0.9.9", id=identification, flags="DF" if df else 0, options=options, ttl=9)
        / UDP(sport=5, dport=6)
        / payload
    ),
    payload=st.binary(max_size=700),
    options=st.sampled_from(
        [[], [IPOption_RR(routers=["0.0.0.0"] * 3)], [IPOption(copy_flag=1, optclass=0, option=20, value=b"\0\0")]]
    ),
    identification=st.integers(0, 65535),
    df=st.booleans(),
)


@given(st.binary(max_size=200))
def test_checksum_makes_the_whole_sum_right(data: bytes) -> None:
    data = data[: len(data) & ~1]
    total = ipv4.checksum(data)
    assert ipv4.checksum_right(data + total.to_bytes(2, "big"))
    words = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    assert total == ~words & 0xFFFF


@given(old_sum=st.binary(min_size=2, max_size=40), new=st.integers(0, 0xFFFF))
def test_an_adjusted_checksum_is_as_right_as_one_made_anew(old_sum: bytes, new: int) -> None:
    data = b"\x45" + bytes(1) + old_sum[: len(old_sum) & ~1]
    changed = data[:2] + new.to_bytes(2, "big") + data[4:]
    before = ipv4.checksum(data)
    after = ipv4.adjusted(before, int.from_bytes(data[2:4], "big"), new)
    assert ipv4.checksum_right(changed + after.to_bytes(2, "big"))


@given(st.binary(max_size=80))
def test_any_octets_have_a_size_or_none(data: bytes) -> None:
    total = ipv4.size(data)
    assert total == 0 or 20 <= ipv4.header_size(data) <= total <= len(data)


def test_built_packet_is_what_scapy_builds() -> None:
    ours = ipv4.build(HUB, octets("192.168.0.2"), 47, b"abc", ttl=255, tos=0xC0, identification=7, df=True)
    assert ours == raw(IP(src="192.168.0.1", dst="192.168.0.2", proto=47, ttl=255, tos=0xC0, id=7, flags="DF") / b"abc")


@given(PACKETS)
def test_one_hop_further(packet: bytes) -> None:
    further = scapy(ipv4.with_ttl_decremented(packet))
    expected = scapy(packet)
    expected.ttl = 8
    del expected.chksum
    assert raw(further) == raw(expected)


@given(packet=PACKETS, mtu=st.integers(48, 800), smaller=st.integers(48, 800))
def test_fragments_fit_and_make_the_packet_again_also_when_cut_twice(packet: bytes, mtu: int, smaller: int) -> None:
    pieces = [twice for once in ipv4.fragment(packet, mtu) for twice in ipv4.fragment(once, smaller)]
    whole = None
    reassembly = Reassembly()
    for piece in pieces:
        assert len(piece) <= min(mtu, smaller)
        assert ipv4.size(piece) == len(piece)
        assert ipv4.checksum_right(piece[: ipv4.header_size(piece)])
        assert scapy(piece).ttl == 9
        whole = reassembly.add(piece, 0.0) if ipv4.is_fragment(piece) else piece
    assert whole is not None
    # DF is not carried over by the reassembly; all else is the same
    expected = scapy(packet)
    expected.flags = int(scapy(whole).flags)
    del expected.chksum
    assert whole == raw(expected)


def test_only_copied_options_go_into_later_fragments() -> None:
    record_route = IPOption_RR(routers=["0.0.0.0"] * 2)
    router_alert = IPOption(copy_flag=1, optclass=0, option=20, value=b"\0\0")
    packet = raw(IP(src="10.0.0.1", dst="10.0.0.2", options=[record_route, router_alert]) / UDP() / bytes(100))
    first, *others = ipv4.fragment(packet, 84)
    assert [option.option for option in scapy(first).options if option.option] == [7, 20]
    for later in others:
        assert [option.option for option in scapy(later).options if option.option] == [20]


@pytest.mark.parametrize("options", ["07", "0700", "07ff0000", "44280000", "00ffffff", "01010144"])
def test_hostile_options_end_the_list(options: str) -> None:
    data = bytes.fromhex(options)
    data += bytes(-len(data) % 4)
    header = bytearray(raw(IP(src="10.0.0.1", dst="10.0.0.2", len=20 + len(data) + 64)))
    header[0] = 0x40 | (20 + len(data)) >> 2
    for later in ipv4.fragment(bytes(header) + data + bytes(64), 60)[1:]:
        assert ipv4.header_size(later) == 20


@given(st.binary(min_size=20, max_size=120), st.integers(0, 130))
def test_any_octets_can_be_asked_to_be_cut(data: bytes, mtu: int) -> None:
    for piece in ipv4.fragment(b"\x4f" + data[1:], mtu):
        assert ipv4.size(piece)


def test_a_tiny_mtu_cuts_nothing() -> None:
    assert ipv4.fragment(raw(IP() / UDP() / bytes(100)), 27) == []


def test_too_big_is_answered_with_the_next_hop_mtu() -> None:
    packet = raw(IP(src="10.1.0.9", dst="10.2.0.9", flags="DF", id=77) / TCP(dport=80) / bytes(1440))
    answer = ipv4.icmp_error(HUB, packet, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, 1400)
    assert answer is not None
    seen = scapy(answer)
    assert (seen.src, seen.dst, seen.tos, len(answer)) == ("192.168.0.1", "10.1.0.9", 0xC0, 576)
    assert (seen[ICMP].type, seen[ICMP].code, seen[ICMP].nexthopmtu) == (3, 4, 1400)
    assert raw(seen[ICMP].payload)[:48] == packet[:48]
    remade = scapy(answer)
    del remade.chksum
    del remade[ICMP].chksum
    assert raw(remade) == answer


@pytest.mark.parametrize(
    "about",
    [
        IP(src="10.1.0.9", dst="224.0.0.5") / UDP(),
        IP(src="10.1.0.9", dst="255.255.255.255") / UDP(),
        IP(src="0.0.0.0", dst="10.2.0.9") / UDP(),
        IP(src="127.0.0.1", dst="10.2.0.9") / UDP(),
        IP(src="224.0.0.1", dst="10.2.0.9") / UDP(),
        IP(src="10.1.0.9", dst="10.2.0.9", frag=10) / b"later fragment",
        IP(src="10.1.0.9", dst="10.2.0.9") / ICMP(type=3, code=1) / bytes(28),
        IP(src="10.1.0.9", dst="10.2.0.9", proto=1),
    ],
    ids=["multicast", "broadcast", "no source", "loopback", "group as source", "fragment", "error", "cut ICMP"],
)
def test_no_error_is_sent_about(about: IP) -> None:
    assert ipv4.icmp_error(HUB, raw(about), 3, 1) is None


def test_an_error_is_sent_about_an_echo_request() -> None:
    assert ipv4.icmp_error(HUB, raw(IP(src="10.1.0.9", dst="10.2.0.9") / ICMP()), 3, 1)


@given(st.binary(max_size=120))
def test_any_octets_tell_a_path_mtu_or_none(data: bytes) -> None:
    ipv4.fragmentation_needed(data)
    ipv4.fragmentation_needed(raw(IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3, code=4) / data))


def test_what_an_icmp_3_4_is_about() -> None:
    about = IP(src="172.16.25.2", dst="172.16.45.2", proto=47, flags="DF") / bytes(1480)
    told = raw(IP(src="10.0.0.1", dst="172.16.25.2") / ICMP(type=3, code=4, nexthopmtu=1300) / raw(about)[:28])
    expected = octets("172.16.25.2"), octets("172.16.45.2"), 47, 1300, bytes(8)
    assert ipv4.fragmentation_needed(told) == expected
    spoiled = bytearray(told)
    spoiled[26] ^= 1
    assert ipv4.fragmentation_needed(spoiled) is None
