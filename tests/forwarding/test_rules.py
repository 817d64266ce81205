"""What a tunnel does with a packet, as exchanges between the tunnel interface and the wire."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from iosish.forwarding import gre, ipv4
from iosish.forwarding.rules import REFUSED_MAX, RETURNED_MAX, Forwarder
from iosish.forwarding.tables import Tunnel
from iosish.forwarding.tunnel_state import ICMP_BURST, MULTICAST
from tests.forwarding.packets import captured, octets, raw, scapy

R1, R2, R3, R4 = (octets(f"172.16.{spoke}5.2") for spoke in range(1, 5))
HUB = Tunnel(
    "Tunnel0",
    IPv4Address("172.16.15.2"),
    multipoint=True,
    address=IPv4Address("192.168.0.1"),
    adjacencies={2: IPv4Address("172.16.25.2"), 3: IPv4Address("172.16.35.2"), 4: IPv4Address("172.16.45.2")},
    multicast=(IPv4Address("172.16.25.2"), IPv4Address("172.16.35.2"), IPv4Address("172.16.45.2")),
)
POINT_TO_POINT = Tunnel(
    "Tunnel9", IPv4Address("172.16.15.2"), adjacencies={1: IPv4Address("172.16.25.2")}, address=IPv4Address("10.9.9.1")
)


def forwarder(*tunnels: Tunnel) -> Forwarder:
    rules = Forwarder()
    rules.configure({tunnel.name: tunnel for tunnel in tunnels or (HUB,)}, 0.0)
    return rules


def inner(size: int = 100, **fields: Any) -> bytes:
    header: dict[str, Any] = {"src": "192.168.0.1", "dst": "192.168.0.2", **fields}
    return raw(IP(**header) / UDP(sport=1, dport=2) / bytes(size - 28))


def heard(size: int = 100, **fields: Any) -> bytes:
    """As `inner`, but from a spoke to the hub."""
    return inner(size, **{"src": "192.168.0.2", "dst": "192.168.0.1", **fields})


def framed(packet: bytes, key: int | None = None, protocol: int = gre.IPV4) -> bytes:
    return gre.build(protocol, key) + packet


def reasons(rules: Forwarder) -> dict[str, int]:
    return rules.drops.reasons


class TestTransmit:
    def test_unicast_goes_to_the_peer_of_its_adjacency(self) -> None:
        assert forwarder().transmit("Tunnel0", 3, inner(), 1.0) == [(R3, 0, 255, False, framed(inner()), 47, None)]

    def test_the_article_s_own_frames_come_out(self) -> None:
        spoke = replace(
            HUB, local=IPv4Address("172.16.25.2"), adjacencies={1: HUB.adjacencies[4], 2: IPv4Address("172.16.15.2")}
        )
        peers = {R4: 1, R1: 2}
        rules = forwarder(spoke)
        sent = [p for p in captured("epiecs__packetlife-backup/mGRE_ICMP.cap") if p[12:16] == R2]
        assert len(sent) == 12
        for packet in sent:
            frame = packet[20:]
            if frame[2:4] == b"\x20\x01":
                (outer,) = rules.control("Tunnel0", packet[16:20], frame[4:], 0.0)
            else:
                (outer,) = rules.transmit("Tunnel0", peers[packet[16:20]], frame[4:], 0.0)
            # destination, ToS, TTL, DF and all behind the outer header, as IOS sent them
            assert outer == (packet[16:20], packet[1], packet[8], ipv4.has_df(packet), frame, ipv4.GRE, None)

    def test_the_key_goes_along(self) -> None:
        ((*_, frame, _, _),) = forwarder(replace(HUB, key=0)).transmit("Tunnel0", 2, inner(), 1.0)
        assert frame == bytes.fromhex("2000080000000000") + inner()

    def test_tos_is_copied_ttl_is_the_tunnel_s_and_df_stays_clear(self) -> None:
        ((_, tos, ttl, df, *_),) = forwarder().transmit("Tunnel0", 2, inner(tos=0xB8, ttl=3, flags="DF"), 1.0)
        assert (tos, ttl, df) == (0xB8, 255, False)

    def test_tos_and_ttl_as_configured(self) -> None:
        ((_, tos, ttl, *_),) = forwarder(replace(HUB, tos=0x20, ttl=64)).transmit("Tunnel0", 2, inner(tos=0xB8), 1.0)
        assert (tos, ttl) == (0x20, 64)

    def test_multicast_is_copied_once_to_each_address_of_the_list_in_order(self) -> None:
        hello = inner(60, dst="224.0.0.10", tos=0xC0, ttl=1)
        twice = replace(HUB, multicast=(*HUB.multicast, HUB.multicast[0]))
        sent = forwarder(twice).transmit("Tunnel0", MULTICAST, hello, 1.0)
        assert [outer[0] for outer in sent] == [R2, R3, R4]
        assert {outer[1:] for outer in sent} == {(0xC0, 255, False, framed(hello), 47, None)}

    def test_an_empty_list_sends_no_copy(self) -> None:
        rules = forwarder(replace(HUB, multicast=()))
        assert rules.transmit("Tunnel0", MULTICAST, inner(dst="224.0.0.5"), 1.0) == []
        assert reasons(rules) == {"empty multicast list": 1}

    def test_a_group_is_never_an_outer_destination(self) -> None:
        rules = forwarder(replace(HUB, multicast=(IPv4Address("224.0.0.5"), IPv4Address("255.255.255.255"))))
        assert rules.transmit("Tunnel0", MULTICAST, inner(dst="224.0.0.5"), 1.0) == []

    def test_multicast_of_a_point_to_point_tunnel_goes_to_its_destination(self) -> None:
        (outer,) = forwarder(POINT_TO_POINT).transmit("Tunnel9", MULTICAST, inner(dst="224.0.0.5"), 1.0)
        assert outer[0] == R2

    def test_what_pads_the_packet_is_not_sent(self) -> None:
        assert forwarder().transmit("Tunnel0", 2, inner() + bytes(18), 1.0)[0][4] == framed(inner())

    def test_a_view_of_a_buffer_is_as_good_as_octets(self) -> None:
        assert forwarder().transmit("Tunnel0", 2, memoryview(inner()), 1.0)[0][4] == framed(inner())

    @pytest.mark.parametrize(
        ("tunnel", "adjacency", "packet", "reason"),
        [
            (HUB, 77, inner(), "unknown adjacency"),
            (replace(HUB, local=None), 2, inner(), "no tunnel source"),
            (replace(HUB, blocked="IKEv2 is not built"), 2, inner(), "tunnel blocked"),
            (HUB, 2, b"", "bad inner packet"),
            (HUB, 2, bytes(40), "bad inner packet"),
            (HUB, 2, inner()[:50], "bad inner packet"),
        ],
    )
    def test_a_packet_that_cannot_go_is_counted(
        self, tunnel: Tunnel, adjacency: int, packet: bytes, reason: str
    ) -> None:
        rules = forwarder(tunnel)
        assert rules.transmit("Tunnel0", adjacency, packet, 1.0) == []
        assert reasons(rules) == {reason: 1}
        assert rules.counters["Tunnel0"].drops_out == 1

    def test_ipv6_goes_as_it_is(self) -> None:
        packet = raw(IPv6(src="2001:db8::1", dst="2001:db8::2", tc=0x28) / UDP() / b"six")
        assert forwarder().transmit("Tunnel0", 2, packet, 1.0) == [
            (R2, 0x28, 255, False, framed(packet, None, gre.IPV6), 47, None)
        ]

    def test_ipv6_multicast_stays(self) -> None:
        rules = forwarder()
        assert rules.transmit("Tunnel0", MULTICAST, raw(IPv6(dst="ff02::1") / UDP()), 1.0) == []
        assert reasons(rules) == {"IPv6 multicast": 1}


class TestSize:
    def test_a_packet_as_large_as_ip_mtu_goes_whole(self) -> None:
        assert len(forwarder().transmit("Tunnel0", 2, inner(1476), 1.0)) == 1

    def test_a_larger_one_is_cut_before_gre(self) -> None:
        sent = forwarder().transmit("Tunnel0", 2, inner(1500), 1.0)
        inside = [outer[4][4:] for outer in sent]
        assert [len(piece) for piece in inside] == [1476, 44]
        assert [(int(scapy(piece).flags), scapy(piece).frag) for piece in inside] == [(1, 0), (0, 182)]

    def test_with_df_its_sender_is_told_the_mtu(self) -> None:
        rules = forwarder(replace(HUB, mtu=1400))
        assert rules.transmit("Tunnel0", 2, inner(1401, flags="DF", src="10.1.0.9"), 1.0) == []
        assert reasons(rules) == {"too big, DF set": 1}
        ((name, answer),) = rules.returned
        told = scapy(answer)
        assert (name, told.src, told.dst) == ("Tunnel0", "192.168.0.1", "10.1.0.9")
        assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, 1400)

    def test_a_flood_is_answered_only_so_often(self) -> None:
        rules, packet = forwarder(), inner(1500, flags="DF")
        for _ in range(1000):
            rules.transmit("Tunnel0", 2, packet, 1.0)
        assert len(rules.returned) == ICMP_BURST
        for second in range(2, 100):
            for _ in range(100):
                rules.transmit("Tunnel0", 2, packet, second)
        assert len(rules.returned) == RETURNED_MAX

    def test_nobody_is_told_about_multicast(self) -> None:
        rules = forwarder()
        assert rules.transmit("Tunnel0", MULTICAST, inner(1500, flags="DF", dst="224.0.0.5"), 1.0) == []
        assert not rules.returned

    def test_adjust_mss_works_both_ways(self) -> None:
        rules = forwarder(replace(HUB, adjust_mss=1360))
        syn = raw(IP(src="192.168.0.2", dst="192.168.0.1") / TCP(flags="S", options=[("MSS", 1460)]))
        expected = raw(IP(src="192.168.0.2", dst="192.168.0.1") / TCP(flags="S", options=[("MSS", 1360)]))
        assert rules.transmit("Tunnel0", 2, syn, 1.0)[0][4] == framed(expected)
        assert rules.receive(R2, R1, framed(syn), 1.0) == ("Tunnel0", gre.IPV4, expected, R2, False)


class TestPathMtu:
    DISCOVERING = replace(HUB, path_mtu_discovery=True)

    @staticmethod
    def told(mtu: int, peer: str = "172.16.25.2", protocol: int = 47) -> bytes:
        about = IP(src="172.16.15.2", dst=peer, proto=protocol, flags="DF") / bytes(1480)
        return raw(IP(src="10.0.0.1", dst="172.16.15.2") / ICMP(type=3, code=4, nexthopmtu=mtu) / raw(about)[:28])

    def test_df_is_copied(self) -> None:
        rules = forwarder(self.DISCOVERING)
        assert rules.transmit("Tunnel0", 2, inner(flags="DF"), 1.0)[0][3]
        assert not rules.transmit("Tunnel0", 2, inner(), 1.0)[0][3]

    def test_a_router_on_the_way_has_a_smaller_mtu(self) -> None:
        rules = forwarder(self.DISCOVERING)
        assert len(rules.transmit("Tunnel0", 2, inner(1476, flags="DF"), 1.0)) == 1
        rules.learn(self.told(1300), 1.5)
        assert rules.path_mtu("Tunnel0", R2, 2.0) == 1300
        # now the sender inside is told: 1300 less the outer IP and GRE headers
        assert rules.transmit("Tunnel0", 2, inner(1476, flags="DF"), 2.0) == []
        assert scapy(rules.returned[0][1])[ICMP].nexthopmtu == 1276
        assert len(rules.transmit("Tunnel0", 2, inner(1276, flags="DF"), 2.0)) == 1
        assert len(rules.transmit("Tunnel0", 3, inner(1476, flags="DF"), 2.0)) == 1  # another peer's path is not meant
        # and ten minutes later it is tried again
        assert len(rules.transmit("Tunnel0", 2, inner(1476, flags="DF"), 602.0)) == 1

    def test_a_lie_lowers_it_only_to_the_minimum(self) -> None:
        rules = forwarder(self.DISCOVERING)
        rules.learn(self.told(0), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) == 92

    @pytest.mark.parametrize(
        "packet", [told(1300, peer="172.16.99.2"), told(1300, protocol=6), b"", b"\x45", inner()], ids=range(5)
    )
    def test_what_is_not_about_our_gre_is_passed_over(self, packet: bytes) -> None:
        rules = forwarder(self.DISCOVERING)
        rules.learn(packet, 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None

    def test_without_discovery_nothing_is_learned(self) -> None:
        rules = forwarder()
        rules.learn(self.told(1300), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None


class TestControl:
    def test_nhrp_leaves_with_tos_c0_and_df_clear(self) -> None:
        rules = forwarder(replace(HUB, key=5, tos=0))
        assert rules.control("Tunnel0", R2, b"nhrp", 1.0) == [
            (R2, 0xC0, 255, False, framed(b"nhrp", 5, gre.NHRP), 47, None)
        ]

    def test_a_blocked_tunnel_sends_none(self) -> None:
        rules = forwarder(replace(HUB, blocked="no protection"))
        assert rules.control("Tunnel0", R2, b"nhrp", 1.0) == []
        assert reasons(rules) == {"tunnel blocked": 1}

    def test_a_group_gets_none(self) -> None:
        assert forwarder().control("Tunnel0", octets("224.0.0.1"), b"nhrp", 1.0) == []


class TestReceive:
    def test_data_and_control_are_told_apart(self) -> None:
        rules = forwarder()
        packet = inner(src="192.168.0.2", dst="192.168.0.1")
        assert rules.receive(R2, R1, framed(packet), 1.0) == ("Tunnel0", gre.IPV4, packet, R2, False)
        assert rules.receive(R2, R1, framed(b"nhrp", protocol=gre.NHRP), 1.0) == (
            "Tunnel0",
            gre.NHRP,
            b"nhrp",
            R2,
            False,
        )
        six = raw(IPv6() / UDP())
        assert rules.receive(R2, R1, framed(six, protocol=gre.IPV6), 1.0) == ("Tunnel0", gre.IPV6, six, R2, False)

    def test_a_hub_takes_data_from_a_peer_it_does_not_know_yet(self) -> None:
        assert forwarder().receive(octets("172.16.65.2"), R1, framed(b"nhrp", protocol=gre.NHRP), 1.0)

    def test_the_key_chooses_between_two_clouds_of_one_source(self) -> None:
        rules = forwarder(replace(HUB, key=1), replace(HUB, name="Tunnel1", key=2))
        assert [(rules.receive(R2, R1, framed(heard(), key), 1.0) or ("none",))[0] for key in (1, 2)] == [
            "Tunnel0",
            "Tunnel1",
        ]

    def test_a_point_to_point_tunnel_goes_before_the_cloud_of_the_same_source(self) -> None:
        rules = forwarder(HUB, POINT_TO_POINT)
        assert (rules.receive(R2, R1, framed(heard()), 1.0) or ("none",))[0] == "Tunnel9"
        assert (rules.receive(R3, R1, framed(heard()), 1.0) or ("none",))[0] == "Tunnel0"

    @pytest.mark.parametrize(("ours", "theirs"), [(None, 5), (5, None), (5, 6), (0, None), (None, 0)])
    def test_a_key_on_one_side_only_is_a_mismatch(self, ours: int | None, theirs: int | None) -> None:
        rules = forwarder(replace(HUB, key=ours))
        for _ in range(3):
            assert rules.receive(R2, R1, framed(heard(), theirs), 1.0) is None
        assert reasons(rules) == {"key mismatch": 3}
        assert rules.take_refused() == [("Tunnel0", "key mismatch", R2)]  # told once
        assert rules.take_refused() == []

    @pytest.mark.parametrize(
        ("source", "destination", "frame", "reason"),
        [
            (R2, octets("172.16.15.9"), framed(inner()), "unknown tunnel"),
            (R2, R1, b"", "short GRE header"),
            (R2, R1, bytes.fromhex("0001880b") + inner(), "GRE version"),
            (R1, R1, framed(inner()), "own address"),
            (octets("0.0.0.0"), R1, framed(inner()), "bad source"),
            (octets("224.0.0.9"), R1, framed(inner()), "bad source"),
            (octets("255.255.255.255"), R1, framed(inner()), "bad source"),
            (R2, R1, framed(inner(src="192.168.0.1")), "own address inside"),
            (R2, R1, framed(b""), "bad inner packet"),
            (R2, R1, framed(inner()[:60]), "bad inner packet"),
            (R2, R1, framed(b"\x41" + inner()[1:]), "bad inner packet"),
            (R2, R1, framed(inner(), protocol=gre.IPV6), "bad inner packet"),
            (R2, R1, framed(inner(), protocol=0x8847), "unknown protocol type"),
            (R2, R1, framed(b"", protocol=0), "unknown protocol type"),
        ],
    )
    def test_what_is_refused_is_counted_by_its_reason(
        self, source: bytes, destination: bytes, frame: bytes, reason: str
    ) -> None:
        rules = forwarder()
        assert rules.receive(source, destination, frame, 1.0) is None
        assert reasons(rules) == {reason: 1}

    def test_a_blocked_tunnel_takes_nothing_in(self) -> None:
        rules = forwarder(replace(HUB, blocked="no protection"))
        assert rules.receive(R2, R1, framed(heard()), 1.0) is None
        assert rules.receive(R2, R1, framed(b"nhrp", protocol=gre.NHRP), 1.0) is None
        assert reasons(rules) == {"tunnel blocked": 2}

    def test_a_flood_of_refusals_is_bounded(self) -> None:
        rules, frame = forwarder(), framed(inner(), 5)
        for number in range(1000):
            rules.receive(bytes((10, 0, number >> 8, number & 255)), R1, frame, 1.0)
        assert len(rules.take_refused()) == REFUSED_MAX
        assert reasons(rules) == {"key mismatch": 1000}

    @given(
        source=st.sampled_from([R1, R2, R3, bytes(4)]),
        flags=st.sampled_from([0, 0x2000, 0x8000, 0xB000, 0x4000, 1]),
        protocol=st.sampled_from([gre.IPV4, gre.IPV6, gre.NHRP, 0]),
        rest=st.binary(max_size=80),
    )
    def test_any_octets_are_taken_or_counted(self, source: bytes, flags: int, protocol: int, rest: bytes) -> None:
        rules = forwarder(HUB, replace(HUB, name="Tunnel1", key=0, adjust_mss=1000))
        frame = flags.to_bytes(2, "big") + protocol.to_bytes(2, "big") + rest
        received = rules.receive(source, R1, frame, 1.0)
        assert (received is None) == (sum(reasons(rules).values()) == 1)

    @given(packet=st.binary(max_size=120), adjacency=st.integers(0, 5))
    def test_any_octets_are_sent_or_counted(self, packet: bytes, adjacency: int) -> None:
        rules = forwarder(replace(HUB, mtu=68, adjust_mss=500))
        sent = rules.transmit("Tunnel0", adjacency, packet, 1.0)
        assert bool(sent) == (not reasons(rules))

    @given(size=st.integers(28, 3000), mtu=st.integers(68, 1500), key=st.none() | st.integers(0, 2**32 - 1))
    def test_what_one_end_sends_the_other_delivers(self, size: int, mtu: int, key: int | None) -> None:
        hub = forwarder(replace(HUB, mtu=mtu, key=key))
        inside = IPv4Address("192.168.0.2")
        spoke = forwarder(replace(HUB, local=IPv4Address("172.16.25.2"), address=inside, key=key))
        packet = inner(size)
        delivered = []
        for destination, _, _, _, frame, *_ in hub.transmit("Tunnel0", 2, packet, 1.0):
            received = spoke.receive(R1, destination, frame, 1.0)
            assert received is not None
            delivered.append(received[2])
        assert delivered == ipv4.fragment(packet, mtu)


class TestConfigureAndCount:
    def test_packets_and_octets_are_counted_with_their_outer_headers(self) -> None:
        rules = forwarder()
        for _ in range(5):
            rules.transmit("Tunnel0", 2, inner(100), 3.0)
        rules.receive(R2, R1, framed(heard(100)), 4.0)
        counters = rules.counters["Tunnel0"]
        # IOS counts five pings of 100 octets as 620
        assert (counters.packets_out, counters.bytes_out, counters.last_out) == (5, 620, 3.0)
        assert (counters.packets_in, counters.bytes_in, counters.last_in) == (1, 124, 4.0)

    def test_multicast_counts_apart(self) -> None:
        rules = forwarder()
        rules.transmit("Tunnel0", MULTICAST, inner(dst="224.0.0.5"), 1.0)
        rules.receive(R2, R1, framed(heard(dst="224.0.0.5")), 1.0)
        counters = rules.counters["Tunnel0"]
        assert (counters.multicast_out, counters.multicast_in) == (3, 1)

    def test_only_unicast_data_makes_a_peer_used(self) -> None:
        rules = forwarder()
        rules.transmit("Tunnel0", MULTICAST, inner(dst="224.0.0.5"), 1.0)
        rules.control("Tunnel0", R3, b"nhrp", 1.0)
        rules.transmit("Tunnel0", 2, inner(), 1.0)
        assert rules.take_used() == {"Tunnel0": {R2}}
        assert rules.take_used() == {}

    def test_a_change_keeps_the_counters_and_a_removal_ends_them(self) -> None:
        rules = forwarder()
        rules.transmit("Tunnel0", 2, inner(), 1.0)
        rules.configure({"Tunnel0": replace(HUB, key=9)}, 2.0)
        rules.transmit("Tunnel0", 2, inner(), 2.0)
        assert rules.counters["Tunnel0"].packets_out == 2
        rules.configure({}, 3.0)
        assert rules.counters == {}
        assert rules.transmit("Tunnel0", 2, inner(), 3.0) == []
        assert rules.receive(R2, R1, framed(heard()), 3.0) is None
        assert reasons(rules) == {"unknown tunnel": 2}

    def test_a_peer_that_moved_is_reached_at_its_new_address_at_once(self) -> None:
        rules = forwarder()
        moved = replace(HUB, adjacencies={**HUB.adjacencies, 2: IPv4Address("172.16.55.2")})
        rules.configure({"Tunnel0": moved}, 1.0)
        assert rules.transmit("Tunnel0", 2, inner(), 1.0)[0][0] == octets("172.16.55.2")
