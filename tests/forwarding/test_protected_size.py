"""Size and DF on protected tunnels: what is cut before ESP, what after, and who is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6

from iosish.forwarding import ipv4
from iosish.forwarding.protection import PATH_MTU_MIN
from iosish.forwarding.rules import Outer
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import DfBit, Mode
from tests.forwarding.packets import raw, scapy
from tests.forwarding.test_protection import HUB, SPOKE, arrive, at_spoke, forwarder, key_of, to
from tests.forwarding.test_rules import R2, R3, inner, reasons
from tests.ipsec.associations import KINDS, kind_id

#: 1500 octets less the outer header, ESP 8, IV 16 and ICV 12 are 90 blocks of 16 and 4 octets; less trailer 2, GRE 4.
ROOM = 90 * 16 - 2 - 4
IN_UDP: dict[str, Any] = {"udp_ports": (4500, 4500)}


def totals(outers: list[Outer]) -> list[int]:
    """How long the packets are on the wire."""
    return [20 + (8 if outer[6] else 0) + len(outer[4]) for outer in outers]


def inside(outers: list[Outer], sa: SecurityAssociation) -> list[bytes]:
    spoke = forwarder(SPOKE, sas=(at_spoke(sa),))
    received = [arrive(spoke, outer) for outer in outers]
    return [got[2] for got in received if got]


class TestWithoutDf:
    def test_what_fits_the_path_goes_whole_and_one_octet_more_is_cut(self) -> None:
        rules = forwarder(sas=(to(),))
        assert totals(rules.transmit("Tunnel0", 2, inner(ROOM), 1.0)) == [1496]
        outers = rules.transmit("Tunnel0", 2, inner(ROOM + 1), 1.0)
        pieces = inside(outers, to())
        assert [len(piece) for piece in pieces] == [1428, 27]
        assert [scapy(piece).frag for piece in pieces] == [0, 176]
        assert all(not outer[3] for outer in outers)

    def test_ip_mtu_counts_when_it_is_less(self) -> None:
        pieces = inside(forwarder(replace(HUB, mtu=1400), sas=(to(),)).transmit("Tunnel0", 2, inner(1401), 1.0), to())
        assert [len(piece) for piece in pieces] == [1396, 25]

    @pytest.mark.parametrize("sa", KINDS, ids=kind_id)
    def test_no_packet_of_any_kind_is_larger_than_the_path(self, sa: SecurityAssociation) -> None:
        rules = forwarder(sas=(sa,))
        for size in range(1380, 1476, 5):
            outers = rules.transmit("Tunnel0", 2, inner(size), 1.0)
            assert 0 < len(outers) <= 2
            assert max(totals(outers)) <= 1500

    def test_each_copy_of_a_multicast_is_cut_for_its_own_sa(self) -> None:
        rules = forwarder(sas=(to(R2, 2), to(R3, 3, mode=Mode.TUNNEL)))
        outers = rules.transmit("Tunnel0", 0, inner(ROOM, dst="224.0.0.5"), 1.0)
        assert [outer[0] for outer in outers] == [R2, R3, R3]

    def test_a_fragment_is_cut_again(self) -> None:
        rules = forwarder(sas=(to(),))
        fragment = inner(1476, flags="MF", frag=100)
        pieces = inside(rules.transmit("Tunnel0", 2, fragment, 1.0), to())
        assert [(int(scapy(piece).flags), scapy(piece).frag) for piece in pieces] == [(1, 100), (1, 276)]


class TestWithDf:
    def test_over_ip_mtu_its_sender_is_told_ip_mtu(self) -> None:
        rules = forwarder(replace(HUB, mtu=1400), sas=(to(),))
        assert rules.transmit("Tunnel0", 2, inner(1401, flags="DF", src="10.1.0.9"), 1.0) == []
        ((name, answer),) = rules.returned
        assert (name, scapy(answer).dst, scapy(answer)[ICMP].nexthopmtu) == ("Tunnel0", "10.1.0.9", 1400)

    def test_it_is_told_before_there_is_any_sa(self) -> None:
        rules = forwarder(replace(HUB, mtu=1400))
        assert rules.transmit("Tunnel0", 2, inner(1401, flags="DF"), 1.0) == []
        assert len(rules.returned) == 1
        assert rules.take_missed() == set()

    def test_what_esp_makes_too_long_is_cut_after_it(self) -> None:
        rules = forwarder(sas=(to(),))
        packet = inner(1476, flags="DF")
        outers = rules.transmit("Tunnel0", 2, packet, 1.0)
        assert [outer[3] for outer in outers] == [False]
        assert totals(outers) > [1500]
        assert inside(outers, to()) == [packet]
        assert not rules.returned

    def test_with_path_mtu_discovery_its_sender_is_told_what_fits(self) -> None:
        rules = forwarder(replace(HUB, path_mtu_discovery=True), sas=(to(),))
        assert rules.transmit("Tunnel0", 2, inner(1476, flags="DF"), 1.0) == []
        assert scapy(rules.returned[0][1])[ICMP].nexthopmtu == ROOM
        (outer,) = rules.transmit("Tunnel0", 2, inner(ROOM, flags="DF"), 1.0)
        assert outer[3]
        assert reasons(rules) == {"too big, DF set": 1}

    @pytest.mark.parametrize(
        ("df_bit", "discovery", "inner_flags", "outer"),
        [
            (DfBit.COPY, False, "DF", False),
            (DfBit.COPY, True, "DF", True),
            (DfBit.COPY, True, "", False),
            (DfBit.SET, False, "", True),
            (DfBit.CLEAR, True, "DF", False),
        ],
    )
    @pytest.mark.parametrize("mode", Mode)
    def test_the_outer_df(self, df_bit: DfBit, discovery: bool, inner_flags: str, outer: bool, mode: Mode) -> None:
        rules = forwarder(replace(HUB, path_mtu_discovery=discovery), sas=(to(df=df_bit, mode=mode),))
        assert rules.transmit("Tunnel0", 2, inner(flags=inner_flags), 1.0)[0][3] == outer

    def test_df_set_by_hand_never_makes_a_packet_that_cannot_pass(self) -> None:
        rules = forwarder(sas=(to(df=DfBit.SET),))
        assert max(totals(rules.transmit("Tunnel0", 2, inner(1476), 1.0))) <= 1500
        assert rules.transmit("Tunnel0", 2, inner(1476, flags="DF"), 1.0) == []
        assert scapy(rules.returned[0][1])[ICMP].nexthopmtu == ROOM
        six = raw(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP() / bytes(1452))
        assert rules.transmit("Tunnel0", 2, six, 1.0) == []
        assert rules.control("Tunnel0", R2, bytes(1490), 1.0) == []
        assert reasons(rules) == {"too big, DF set": 3}

    def test_ipv6_is_cut_after_esp(self) -> None:
        six = raw(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP() / bytes(1452))
        outers = forwarder(sas=(to(),)).transmit("Tunnel0", 2, six, 1.0)
        assert inside(outers, to()) == [six]

    def test_more_than_an_ip_packet_can_hold_is_lost(self) -> None:
        rules = forwarder(sas=(to(),))
        assert rules.control("Tunnel0", R2, bytes(65500), 1.0) == []
        assert reasons(rules) == {"too big": 1}
        assert totals(rules.control("Tunnel0", R2, bytes(65000), 1.0)) < [65536]


class TestPathMtu:
    DISCOVERING = replace(HUB, path_mtu_discovery=True)

    @staticmethod
    def told(outer: Outer, mtu: int, quoted: int = 28, **changed: Any) -> bytes:
        """What a router on the way says about a packet of ours, of which it quotes so many octets."""
        destination, tos, ttl, df, frame, protocol, ports = outer
        payload = frame if ports is None else ipv4.udp(*ports, frame)
        fields: dict[str, Any] = {"source": HUB.local and HUB.local.packed, "destination": destination, **changed}
        about = ipv4.build(fields["source"], fields["destination"], protocol, payload, ttl=ttl, tos=tos, df=df)
        message = IP(src="10.0.0.1", dst="172.16.15.2") / ICMP(type=3, code=4, nexthopmtu=mtu) / about[:quoted]
        return raw(message)

    @pytest.mark.parametrize(("changed", "quoted"), [({}, 28), (IN_UDP, 36), ({"mode": Mode.TUNNEL}, 28)])
    def test_a_smaller_one_is_known_by_the_spi(self, changed: dict[str, Any], quoted: int) -> None:
        sa = to(**changed)
        rules = forwarder(self.DISCOVERING, sas=(sa, to(R3, 3)))
        (outer,) = rules.transmit("Tunnel0", 2, inner(1300, flags="DF"), 1.0)
        rules.learn(self.told(outer, 1300, quoted), 1.5)
        assert rules.path_mtu("Tunnel0", R2, 2.0) == 1300
        assert rules.transmit("Tunnel0", 2, inner(1300, flags="DF"), 2.0) == []
        fitting = scapy(rules.returned[0][1])[ICMP].nexthopmtu
        (whole,) = rules.transmit("Tunnel0", 2, inner(fitting, flags="DF"), 2.0)
        assert 1300 - 16 < totals([whole])[0] <= 1300
        pieces = rules.transmit("Tunnel0", 2, inner(1300), 2.0)
        assert len(pieces) == 2 and max(totals(pieces)) <= 1300
        # another peer's path is not meant
        assert rules.path_mtu("Tunnel0", R3, 2.0) is None
        assert len(rules.transmit("Tunnel0", 3, inner(1300), 2.0)) == 1
        # and after ten minutes it is tried again
        assert len(rules.transmit("Tunnel0", 2, inner(1300, flags="DF"), 602.0)) == 1

    def test_the_sender_inside_learns_no_more_than_the_number(self) -> None:
        """What it gets quotes its own packet, and comes from the tunnel's own address."""
        rules = forwarder(self.DISCOVERING, sas=(to(),))
        (outer,) = rules.transmit("Tunnel0", 2, inner(1300, flags="DF"), 1.0)
        rules.learn(self.told(outer, 1300), 1.0)
        assert not rules.returned
        rules.transmit("Tunnel0", 2, inner(1300, flags="DF", src="10.1.0.9"), 1.0)
        answer = scapy(rules.returned[0][1])
        assert (answer.src, answer.dst) == ("192.168.0.1", "10.1.0.9")
        assert raw(answer[ICMP].payload)[:20] == inner(1300, flags="DF", src="10.1.0.9")[:20]

    @pytest.mark.parametrize(
        ("changed", "frame"),
        [
            ({"source": bytes((172, 16, 15, 9))}, None),
            ({"destination": R3}, None),
            ({}, b"\0\0\x10\x02\0\0\0\1"),  # an SPI that is not ours to send by
            ({}, b"\0\0\x10\x01\0\0\0\x63"),  # a number that was not sent yet
            ({}, b"\0\0\x10\x01\0\0\0\0"),
            ({}, b"\0\0\x10\x01"),
        ],
    )
    def test_what_we_did_not_send_teaches_nothing(self, changed: dict[str, Any], frame: bytes | None) -> None:
        rules = forwarder(self.DISCOVERING, sas=(to(),))
        (outer,) = rules.transmit("Tunnel0", 2, inner(100, flags="DF"), 1.0)
        if frame is not None:
            outer = (*outer[:4], frame, *outer[5:])
        rules.learn(self.told(outer, 1300, **changed), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None

    def test_udp_that_quotes_no_spi_teaches_nothing(self) -> None:
        rules = forwarder(self.DISCOVERING, sas=(to(**IN_UDP),))
        (outer,) = rules.transmit("Tunnel0", 2, inner(100, flags="DF"), 1.0)
        rules.learn(self.told(outer, 1300, 28), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None

    def test_gre_in_clear_was_never_ours(self) -> None:
        rules = forwarder(self.DISCOVERING, sas=(to(),))
        about = ipv4.build(HUB.local.packed if HUB.local else b"", R2, ipv4.GRE, bytes(8), df=True)
        rules.learn(raw(IP(src="10.0.0.1", dst="172.16.15.2") / ICMP(type=3, code=4, nexthopmtu=1300) / about), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None

    def test_a_lie_lowers_it_only_to_the_minimum(self) -> None:
        rules = forwarder(self.DISCOVERING, sas=(to(),))
        (outer,) = rules.transmit("Tunnel0", 2, inner(100, flags="DF"), 1.0)
        rules.learn(self.told(outer, 0), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) == PATH_MTU_MIN
        assert max(totals(rules.transmit("Tunnel0", 2, inner(1400), 1.0))) <= PATH_MTU_MIN

    def test_it_is_forgotten_with_the_last_sa(self) -> None:
        rules = forwarder(self.DISCOVERING, sas=(to(spi=1), to(spi=2)))
        (outer,) = rules.transmit("Tunnel0", 2, inner(100, flags="DF"), 1.0)
        rules.learn(self.told(outer, 1300), 1.0)
        rules.remove(key_of(to(spi=2)), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) == 1300
        rules.remove(key_of(to(spi=1)), 1.0)
        rules.install(to(spi=3), 1.0)
        assert rules.path_mtu("Tunnel0", R2, 1.0) is None
