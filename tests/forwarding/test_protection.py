"""Protected tunnels: a hub and its spokes, each with SAs, and what passes between them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6

from iosish.forwarding import gre, ipv4
from iosish.forwarding.held import HELD_MAX, HELD_PER_PEER, HELD_S
from iosish.forwarding.protection import MISSED_MAX, REFUSED_MAX
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.tables import Tunnel
from iosish.forwarding.tunnel_state import MULTICAST
from iosish.ipsec.sa import SaKey, SecurityAssociation
from iosish.ipsec.transforms import Cipher, DfBit, Mode, Transform
from tests.forwarding.packets import raw
from tests.forwarding.test_rules import HUB as CLEAR_HUB
from tests.forwarding.test_rules import R1, R2, R3, R4, framed, heard, inner, reasons
from tests.ipsec.associations import key, outbound
from tests.ipsec.test_esp import crafted

TAG, SPOKE_TAG = "Tunnel0-head-0", "Tunnel7-head-0"
HUB = replace(CLEAR_HUB, crypto_map=TAG)
SPOKE = Tunnel(
    "Tunnel7",
    IPv4Address("172.16.25.2"),
    multipoint=True,
    address=IPv4Address("192.168.0.2"),
    adjacencies={1: IPv4Address("172.16.15.2")},
    multicast=(IPv4Address("172.16.15.2"),),
    crypto_map=SPOKE_TAG,
)
PUBLIC = IPv4Address("203.0.113.9")
HELLO = inner(60, dst="224.0.0.10", tos=0xC0, ttl=1)
SIX = raw(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP())


def to(peer: bytes = R2, spi: int = 0x1001, **changed: Any) -> SecurityAssociation:
    """The hub's outbound SA to a spoke."""
    address = IPv4Address(peer)
    fields: dict[str, Any] = {"peer": address, "selector_peer": address, **changed}
    return outbound(spi=spi, encryption_key=key(f"{spi}", 16), **fields)


def at_spoke(sa: SecurityAssociation, **changed: Any) -> SecurityAssociation:
    """A hub's outbound SA as the spoke has it."""
    mirrored = replace(
        sa,
        inbound=True,
        crypto_map=SPOKE_TAG,
        local=sa.peer,
        peer=sa.local,
        selector_local=sa.selector_peer,
        selector_peer=sa.selector_local,
        udp_ports=None if sa.udp_ports is None else (sa.udp_ports[1], sa.udp_ports[0]),
    )
    return replace(mirrored, **changed)


def key_of(sa: SecurityAssociation) -> SaKey:
    return SaKey(sa.spi, sa.inbound, sa.peer)


def forwarder(*tunnels: Tunnel, sas: tuple[SecurityAssociation, ...] = ()) -> Forwarder:
    rules = Forwarder()
    rules.configure({tunnel.name: tunnel for tunnel in tunnels or (HUB,)}, 0.0)
    for sa in sas:
        assert rules.install(sa, 0.0) == []
    return rules


def arrive(rules: Forwarder, outer: Outer, source: bytes = R1, now: float = 1.0) -> Received | None:
    """What a packet of the hub is at the spoke."""
    destination, _, _, _, frame, protocol, ports = outer
    if protocol == ipv4.GRE:
        return rules.receive(source, destination, frame, now)
    assert (protocol == ipv4.UDP) == (ports is not None)
    return rules.receive_esp(source, destination, frame, now, ports and (ports[1], ports[0]))


def spis(outers: list[Outer]) -> list[int]:
    return [int.from_bytes(outer[4][:4], "big") for outer in outers]


class TestThrough:
    def test_a_packet_comes_out_at_the_other_end_as_it_went_in(self) -> None:
        hub, spoke = forwarder(sas=(to(),)), forwarder(SPOKE, sas=(at_spoke(to()),))
        (outer,) = hub.transmit("Tunnel0", 2, inner(tos=0xB8), 1.0)
        destination, tos, ttl, df, frame, protocol, ports = outer
        assert (destination, tos, ttl, df, protocol, ports) == (R2, 0xB8, 255, False, 50, None)
        assert inner(tos=0xB8)[20:] not in frame
        assert arrive(spoke, outer) == ("Tunnel7", gre.IPV4, inner(tos=0xB8), R1, True)

    def test_nhrp_and_ipv6_too(self) -> None:
        hub, spoke = forwarder(sas=(to(),)), forwarder(SPOKE, sas=(at_spoke(to()),))
        (outer,) = hub.control("Tunnel0", R2, b"nhrp", 1.0)
        assert (outer[1], outer[5]) == (0xC0, 50)
        assert arrive(spoke, outer) == ("Tunnel7", gre.NHRP, b"nhrp", R1, True)
        (outer,) = hub.transmit("Tunnel0", 2, SIX, 1.0)
        assert arrive(spoke, outer) == ("Tunnel7", gre.IPV6, SIX, R1, True)

    def test_each_copy_of_a_multicast_goes_by_its_own_sa(self) -> None:
        hub = forwarder(sas=(to(R2, 1002), to(R3, 1003), to(R4, 1004)))
        copies = hub.transmit("Tunnel0", MULTICAST, HELLO, 1.0)
        assert [outer[0] for outer in copies] == [R2, R3, R4]
        assert spis(copies) == [1002, 1003, 1004]
        spoke = forwarder(SPOKE, sas=(at_spoke(to(R2, 1002)),))
        assert arrive(spoke, copies[0]) == ("Tunnel7", gre.IPV4, HELLO, R1, True)
        assert arrive(spoke, copies[1]) is None

    def test_a_copy_without_sa_does_not_hold_up_the_others(self) -> None:
        hub = forwarder(sas=(to(R2, 1002), to(R4, 1004)))
        assert [outer[0] for outer in hub.transmit("Tunnel0", MULTICAST, HELLO, 1.0)] == [R2, R4]
        assert hub.take_missed() == {("Tunnel0", R3)}
        assert [outer[0] for _, outer in hub.install(to(R3, 1003), 1.5)] == [R3]

    @pytest.mark.parametrize("mode", Mode)
    def test_esp_in_udp(self, mode: Mode) -> None:
        sa = to(udp_ports=(4500, 31000), mode=mode)
        (outer,) = forwarder(sas=(sa,)).transmit("Tunnel0", 2, inner(), 1.0)
        assert outer[5:] == (17, (4500, 31000))
        spoke = forwarder(SPOKE, sas=(at_spoke(sa),))
        assert arrive(spoke, outer) == ("Tunnel7", gre.IPV4, inner(), R1, True)

    def test_a_nat_may_change_its_port(self) -> None:
        sa = to(udp_ports=(4500, 31000))
        (outer,) = forwarder(sas=(sa,)).transmit("Tunnel0", 2, inner(), 1.0)
        spoke = forwarder(SPOKE, sas=(at_spoke(sa),))
        assert spoke.receive_esp(R1, R2, outer[4], 1.0, (31000, 9999)) is not None

    @pytest.mark.parametrize(("mode", "seen"), [(Mode.TRANSPORT, PUBLIC), (Mode.TUNNEL, IPv4Address(R2))])
    def test_what_a_spoke_behind_a_nat_is_known_by(self, mode: Mode, seen: IPv4Address) -> None:
        """In transport mode by the address that the NAT gave it, in tunnel mode by its own, inside."""
        sa = to(mode=mode, udp_ports=(4500, 31000))
        spoke = forwarder(SPOKE, sas=(replace(at_spoke(sa), inbound=False),))
        at_hub = replace(sa, peer=PUBLIC, selector_peer=seen)
        hub = forwarder(replace(HUB, adjacencies={2: seen}), sas=(at_hub, replace(at_hub, inbound=True)))
        (outer,) = spoke.control("Tunnel7", R1, b"nhrp", 1.0)
        received = hub.receive_esp(PUBLIC.packed, R1, outer[4], 1.0, (4500, 31000))
        assert received == ("Tunnel0", gre.NHRP, b"nhrp", seen.packed, True)
        (outer,) = hub.transmit("Tunnel0", 2, inner(), 1.0)
        assert (outer[0], outer[6]) == (PUBLIC.packed, (4500, 31000))

    def test_who_only_claims_an_address_behind_a_nat_gets_nothing_of_who_has_it(self) -> None:
        claim = replace(to(R2, 1003), peer=PUBLIC, udp_ports=(4500, 31000))
        hub = forwarder(sas=(claim, to(R2, 1002)))
        assert spis(hub.transmit("Tunnel0", 2, inner(), 1.0)) == [1002]
        hub.install(replace(claim, spi=1004, encryption_key=key("later", 16)), 1.0)
        assert spis(hub.transmit("Tunnel0", 2, inner(), 1.0)) == [1002]

    def test_gre_that_ios_cut_before_esp_is_put_together(self) -> None:
        """As it does in tunnel mode, when what GRE makes of a packet is too long for the path with ESP round it."""
        sa = to(mode=Mode.TUNNEL)
        spoke = forwarder(SPOKE, sas=(at_spoke(sa),))
        whole = ipv4.build(R1, R2, ipv4.GRE, framed(inner(1476)), identification=5)
        parts = [piece + bytes(range(1, 1 + -(len(piece) + 2) % 16)) for piece in ipv4.fragment(whole, 1400)]
        trailers = [bytes((-(len(piece) + 2) % 16, 4)) for piece in ipv4.fragment(whole, 1400)]
        received = [
            spoke.receive_esp(R1, R2, crafted(sa, part + trailer, number), 1.0, None)
            for number, (part, trailer) in enumerate(zip(parts, trailers, strict=True), 1)
        ]
        assert received == [None, ("Tunnel7", gre.IPV4, inner(1476), R1, True)]
        assert reasons(spoke) == {}

    @given(
        size=st.integers(28, 3000),
        mtu=st.integers(576, 1500),
        mode=st.sampled_from(Mode),
        ports=st.sampled_from([None, (4500, 4500)]),
    )
    def test_what_one_end_sends_the_other_delivers(
        self, size: int, mtu: int, mode: Mode, ports: tuple[int, int] | None
    ) -> None:
        sa = to(mode=mode, udp_ports=ports)
        hub, spoke = forwarder(replace(HUB, mtu=mtu), sas=(sa,)), forwarder(SPOKE, sas=(at_spoke(sa),))
        pieces = []
        for outer in hub.transmit("Tunnel0", 2, inner(size), 1.0):
            assert 20 + (8 if ports else 0) + len(outer[4]) <= 1500
            received = arrive(spoke, outer)
            assert received is not None
            pieces.append(received[2])
        assert b"".join(piece[20:] for piece in pieces) == inner(size)[20:]


class TestNothingInClear:
    def test_without_sa_nothing_leaves(self) -> None:
        rules = forwarder()
        for adjacency, packet in ((2, inner()), (MULTICAST, HELLO), (3, SIX)):
            assert rules.transmit("Tunnel0", adjacency, packet, 1.0) == []
        assert rules.control("Tunnel0", R4, b"nhrp", 1.0) == []
        assert rules.take_missed() == {("Tunnel0", peer) for peer in (R2, R3, R4)}
        assert rules.take_missed() == set()
        assert rules.counters["Tunnel0"].packets_out == 0

    def test_from_the_line_on(self) -> None:
        rules = forwarder(CLEAR_HUB)
        assert rules.transmit("Tunnel0", 2, inner(), 1.0)[0][5] == 47
        rules.configure({"Tunnel0": HUB}, 1.0)
        assert rules.transmit("Tunnel0", 2, inner(), 1.0) == []
        assert rules.receive(R2, R1, framed(heard()), 1.0) is None
        rules.configure({"Tunnel0": CLEAR_HUB}, 2.0)
        assert rules.transmit("Tunnel0", 2, inner(), 2.0)[0][5] == 47

    def test_nothing_in_clear_is_accepted(self) -> None:
        rules = forwarder(sas=(to(),))
        for frame in (framed(heard()), framed(b"nhrp", protocol=gre.NHRP), framed(SIX, protocol=gre.IPV6)):
            assert rules.receive(R2, R1, frame, 1.0) is None
        assert reasons(rules) == {"not protected": 3}
        assert rules.take_refused() == [("Tunnel0", "not protected", R2)]

    def test_a_neighbour_without_protection_stays_as_it_is(self) -> None:
        rules = forwarder(HUB, replace(CLEAR_HUB, name="Tunnel1", key=1), sas=(to(),))
        assert rules.transmit("Tunnel1", 2, inner(), 1.0)[0][5] == 47
        received = rules.receive(R2, R1, framed(heard(), 1), 1.0)
        assert received is not None and not received[4]

    def test_an_sa_of_another_crypto_map_or_source_serves_nobody(self) -> None:
        elsewhere = IPv4Address("172.16.15.9")
        for sa in (to(crypto_map="Tunnel1-head-0"), to(local=elsewhere, selector_local=elsewhere)):
            rules = forwarder(sas=(sa,))
            assert rules.transmit("Tunnel0", 2, inner(), 1.0) == []
            assert rules.take_missed() == {("Tunnel0", R2)}

    def test_a_blocked_tunnel_holds_nothing(self) -> None:
        rules = forwarder(replace(HUB, blocked="IKEv2 is not built"), sas=(to(),))
        assert rules.transmit("Tunnel0", 2, inner(), 1.0) == []
        assert rules.control("Tunnel0", R2, b"nhrp", 1.0) == []
        assert reasons(rules) == {"tunnel blocked": 2}
        assert rules.take_missed() == set()

    def test_two_tunnels_share_the_sas_of_a_shared_profile(self) -> None:
        tunnels = [replace(HUB, name=f"Tunnel{key}", key=key, crypto_map="P-head-1") for key in (1, 2)]
        sa = to(crypto_map="P-head-1")
        hub = forwarder(*tunnels, sas=(sa,))
        spoke = forwarder(
            *(replace(SPOKE, name=f"Tunnel{key}", key=key, crypto_map="P-head-1") for key in (1, 2)),
            sas=(at_spoke(sa, crypto_map="P-head-1"),),
        )
        for name in ("Tunnel1", "Tunnel2"):
            received = arrive(spoke, hub.transmit(name, 2, inner(), 1.0)[0])
            assert received is not None and received[0] == name


class TestRefused:
    """ESP that is not what its SA says. Each is counted, and told once in a burst."""

    HUB_SA = to()

    def sealed(self, sa: SecurityAssociation = HUB_SA, tunnel: Tunnel = HUB) -> bytes:
        return forwarder(tunnel, sas=(sa,)).transmit("Tunnel0", 2, inner(), 1.0)[0][4]

    def test_an_spi_that_nobody_knows(self) -> None:
        spoke = forwarder(SPOKE)
        for _ in range(3):
            assert spoke.receive_esp(R1, R2, self.sealed(), 1.0, None) is None
        assert reasons(spoke) == {"invalid SPI": 3}
        assert spoke.take_esp_refused() == [("invalid SPI", R2, R1, 0x1001, 1)]
        assert spoke.take_esp_refused() == []

    def test_what_was_sent_again_changed_or_cut(self) -> None:
        spoke = forwarder(SPOKE, sas=(at_spoke(to()),))
        good = self.sealed()
        assert spoke.receive_esp(R1, R2, good, 1.0, None) is not None
        assert spoke.receive_esp(R1, R2, good, 1.0, None) is None
        assert spoke.receive_esp(R1, R2, good[:7] + b"\x02" + good[8:], 1.0, None) is None
        assert spoke.receive_esp(R1, R2, good[:-1], 1.0, None) is None
        assert spoke.receive_esp(R1, R2, good[:7], 1.0, None) is None
        assert reasons(spoke) == {"ESP replay": 1, "ESP integrity": 1, "ESP length": 2}
        (counters,) = spoke.sa_counters().values()
        assert (counters.packets, counters.replay_errors, counters.integrity_errors) == (1, 1, 1)
        assert counters.length_errors == 1
        assert {refused[0] for refused in spoke.take_esp_refused()} == {"replay", "integrity", "length"}

    @pytest.mark.parametrize(
        ("source", "destination", "ports"), [(R3, R2, None), (R1, R4, None), (R1, R2, (4500, 4500))]
    )
    def test_outer_headers_that_are_not_the_sa_s(
        self, source: bytes, destination: bytes, ports: tuple[int, int] | None
    ) -> None:
        spoke = forwarder(SPOKE, sas=(at_spoke(to()),))
        assert spoke.receive_esp(source, destination, self.sealed(), 1.0, ports) is None
        assert reasons(spoke) == {"invalid identity": 1}
        assert spoke.take_esp_refused() == [("identity", destination, source, 0x1001, 1)]
        assert [counters.identity_errors for counters in spoke.sa_counters().values()] == [1]

    @pytest.mark.parametrize("crypto_map", [None, "Tunnel8-head-0"])
    def test_gre_for_a_tunnel_that_this_sa_does_not_protect(self, crypto_map: str | None) -> None:
        other = replace(SPOKE, name="Tunnel8", key=8, crypto_map=crypto_map)
        spoke = forwarder(SPOKE, other, sas=(at_spoke(to()),))
        assert spoke.receive_esp(R1, R2, self.sealed(tunnel=replace(HUB, key=8)), 1.0, None) is None
        assert reasons(spoke) == {"invalid identity": 1}
        assert spoke.take_esp_refused() == [("identity", R2, R1, 0x1001, 1)]
        assert [counters.identity_errors for counters in spoke.sa_counters().values()] == [1]

    def test_a_wrong_gre_key_inside_is_a_key_mismatch(self) -> None:
        spoke = forwarder(SPOKE, sas=(at_spoke(to()),))
        assert spoke.receive_esp(R1, R2, self.sealed(tunnel=replace(HUB, key=8)), 1.0, None) is None
        assert spoke.take_refused() == [("Tunnel7", "key mismatch", R1)]

    def test_a_flood_from_many_senders_is_bounded(self) -> None:
        spoke = forwarder(SPOKE)
        for number in range(1000):
            spoke.receive_esp(bytes((10, 0, number >> 8, number & 255)), R2, self.sealed(), 1.0, None)
        assert len(spoke.take_esp_refused()) == REFUSED_MAX
        assert reasons(spoke) == {"invalid SPI": 1000}

    @given(packet=st.binary(max_size=120), ports=st.sampled_from([None, (4500, 4500)]))
    def test_any_octets_are_refused_and_counted(self, packet: bytes, ports: tuple[int, int] | None) -> None:
        spoke = forwarder(SPOKE, sas=(at_spoke(to()), at_spoke(to(spi=0x1002, udp_ports=(4500, 4500)))))
        for start in (b"", b"\0\0\x10\x01", b"\0\0\x10\x02"):
            assert spoke.receive_esp(R1, R2, start + packet, 1.0, ports) is None
        assert sum(reasons(spoke).values()) == 3


class TestWhichSa:
    def test_the_newest_is_sent_by_and_when_it_goes_the_one_before(self) -> None:
        old, new = to(spi=1), to(spi=2)
        hub = forwarder(sas=(old,))
        assert spis(hub.transmit("Tunnel0", 2, inner(), 1.0)) == [1]
        hub.install(new, 2.0)
        assert spis(hub.transmit("Tunnel0", 2, inner(), 2.0)) == [2]
        hub.remove(key_of(new), 3.0)
        assert spis(hub.transmit("Tunnel0", 2, inner(), 3.0)) == [1]
        hub.remove(key_of(old), 4.0)
        assert hub.transmit("Tunnel0", 2, inner(), 4.0) == []

    def test_the_old_one_may_go_first(self) -> None:
        hub = forwarder(sas=(to(spi=1), to(spi=2)))
        hub.remove(key_of(to(spi=1)), 1.0)
        assert spis(hub.transmit("Tunnel0", 2, inner(), 1.0)) == [2]

    def test_both_inbound_ones_are_taken_during_a_rekey(self) -> None:
        hubs = [forwarder(sas=(to(spi=spi),)) for spi in (1, 2)]
        spoke = forwarder(SPOKE, sas=(at_spoke(to(spi=1)), at_spoke(to(spi=2))))
        for hub in (*hubs, *hubs):
            assert arrive(spoke, hub.transmit("Tunnel0", 2, inner(), 1.0)[0]) is not None
        spoke.remove(key_of(at_spoke(to(spi=1))), 2.0)
        assert arrive(spoke, hubs[0].transmit("Tunnel0", 2, inner(), 2.0)[0]) is None
        assert arrive(spoke, hubs[1].transmit("Tunnel0", 2, inner(), 2.0)[0]) is not None

    def test_to_be_told_twice_does_not_begin_the_numbers_again(self) -> None:
        hub = forwarder(sas=(to(),))
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        hub.install(to(), 1.0)
        hub.configure({"Tunnel0": replace(HUB, mtu=1400)}, 1.0)
        (outer,) = hub.transmit("Tunnel0", 2, inner(), 1.0)
        assert outer[4][4:8] == b"\0\0\0\2"

    def test_to_be_told_twice_does_not_empty_the_window(self) -> None:
        (outer,) = forwarder(sas=(to(),)).transmit("Tunnel0", 2, inner(), 1.0)
        spoke = forwarder(SPOKE, sas=(at_spoke(to()),))
        assert arrive(spoke, outer) is not None
        spoke.install(at_spoke(to()), 1.0)
        assert arrive(spoke, outer) is None

    def test_a_peer_may_choose_an_spi_again_with_other_keys(self) -> None:
        hub = forwarder(sas=(to(),))
        again = replace(to(), encryption_key=bytes(16))
        hub.install(again, 1.0)
        spoke = forwarder(SPOKE, sas=(at_spoke(again),))
        assert arrive(spoke, hub.transmit("Tunnel0", 2, inner(), 1.0)[0]) is not None
        hub.remove(key_of(again), 2.0)
        assert hub.transmit("Tunnel0", 2, inner(), 2.0) == []

    def test_what_is_not_there_cannot_be_removed(self) -> None:
        hub = forwarder(sas=(to(), at_spoke(to(R1, 7), crypto_map=TAG)))
        for gone in (
            SaKey(9, True, IPv4Address(R1)),
            SaKey(7, True, IPv4Address(R3)),
            SaKey(9, False, IPv4Address(R2)),
        ):
            hub.remove(gone, 1.0)
        assert len(hub.sa_counters()) == 2

    def test_all_go_at_once(self) -> None:
        hub = forwarder(sas=(to(R2, 1), to(R3, 2), at_spoke(to(R1, 7), crypto_map=TAG)))
        hub.drop_all_sas()
        assert hub.sa_counters() == {}
        assert hub.transmit("Tunnel0", 2, inner(), 1.0) == []
        assert [outer[0] for _, outer in hub.install(to(), 1.0)] == [R2]

    def test_keys_of_one_that_was_here_before_are_not_used_again(self) -> None:
        hub = forwarder(sas=(to(),))
        hub.remove(key_of(to()), 1.0)
        for again in (to(), replace(to(), spi=9), replace(to(), df=DfBit.SET)):
            hub.install(again, 1.0)
        assert hub.transmit("Tunnel0", 2, inner(), 1.0) == []
        assert reasons(hub) == {"unusable SA": 3}

    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["install", "remove", "send", "send", "configure", "drop all"]), st.integers(1, 4)
            ),
            max_size=60,
        )
    )
    def test_no_number_of_an_sa_is_ever_used_twice(self, steps: list[tuple[str, int]]) -> None:
        hub, sent = forwarder(), []
        for step, which in steps:
            sa = to((R2, R3)[which % 2], which)
            match step:
                case "install":
                    sent += [outer for _, outer in hub.install(sa, 1.0)]
                case "remove":
                    hub.remove(key_of(sa), 1.0)
                case "configure":
                    hub.configure({"Tunnel0": replace(HUB, mtu=1000 + which)}, 1.0)
                case "drop all":
                    hub.drop_all_sas()
                case _:
                    sent += hub.transmit("Tunnel0", 2 + which % 2, inner(), 1.0)
                    sent += hub.transmit("Tunnel0", MULTICAST, HELLO, 1.0)
        headers = [outer[4][:8] for outer in sent]
        assert len(headers) == len(set(headers))

    def test_keys_that_do_not_fit_put_nothing_in_place(self) -> None:
        hub = forwarder(
            sas=(replace(to(), encryption_key=b"short"), to(R3, transform=Transform(Cipher.NULL), integrity_key=b""))
        )
        assert reasons(hub) == {"unusable SA": 2}
        assert hub.transmit("Tunnel0", 2, inner(), 1.0) == []


class TestHeld:
    def test_packets_leave_in_order_when_the_sa_comes(self) -> None:
        hub, spoke = forwarder(), forwarder(SPOKE, sas=(at_spoke(to()),))
        packets = [inner(100 + number) for number in range(5)]
        hub.transmit("Tunnel0", 2, packets[0], 1.0)
        hub.control("Tunnel0", R2, b"nhrp", 1.0)
        for packet in packets[1:]:
            hub.transmit("Tunnel0", 2, packet, 1.0)
        hub.transmit("Tunnel0", 3, inner(), 1.0)  # to another, who has none yet
        released = hub.install(to(), 1.5)
        assert {name for name, _ in released} == {"Tunnel0"}
        delivered = [arrive(spoke, outer) for _, outer in released]
        assert [got[2] for got in delivered if got] == [packets[0], b"nhrp", *packets[1:]]
        assert hub.counters["Tunnel0"].packets_out == 6
        assert hub.install(to(spi=2), 1.6) == []

    def test_an_inbound_sa_releases_nothing(self) -> None:
        hub = forwarder()
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        assert hub.install(replace(to(), inbound=True), 1.0) == []
        assert len(hub.install(to(), 1.0)) == 1

    def test_they_wait_three_seconds(self) -> None:
        hub = forwarder()
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        hub.transmit("Tunnel0", 2, inner(), 2.0)
        assert len(hub.install(to(), 1.0 + HELD_S)) == 1
        assert reasons(hub) == {"no SA": 1}
        assert hub.counters["Tunnel0"].drops_out == 1

    def test_a_peer_s_oldest_goes_first_when_it_has_too_many(self) -> None:
        hub, spoke = forwarder(), forwarder(SPOKE, sas=(at_spoke(to()),))
        hub.transmit("Tunnel0", 3, inner(), 1.0)
        for number in range(HELD_PER_PEER + 10):
            hub.transmit("Tunnel0", 2, inner(100 + number), 1.0)
        assert reasons(hub) == {"no SA": 10}
        delivered = [arrive(spoke, outer) for _, outer in hub.install(to(), 1.0)]
        assert [len(got[2]) for got in delivered if got] == list(range(110, 110 + HELD_PER_PEER))
        assert len(hub.install(to(R3, 3), 1.0)) == 1

    def test_the_oldest_of_all_goes_first_when_there_are_too_many(self) -> None:
        peers = {n: IPv4Address("10.0.0.0") + n for n in range(1, HELD_MAX + 11)}
        hub = forwarder(replace(HUB, adjacencies=peers))
        for n in peers:
            hub.transmit("Tunnel0", n, inner(), 1.0)
        assert reasons(hub) == {"no SA": 10}
        assert hub.install(to(peers[10].packed), 1.0) == []
        assert len(hub.install(to(peers[11].packed, 2), 1.0)) == 1
        assert len(hub.take_missed()) == MISSED_MAX

    @pytest.mark.parametrize(
        "changed", [{"blocked": "no profile"}, {"crypto_map": None}, {"crypto_map": "Tunnel0-head-1"}, {"local": None}]
    )
    def test_a_tunnel_that_has_changed_loses_them(self, changed: dict[str, Any]) -> None:
        hub = forwarder()
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        hub.configure({"Tunnel0": replace(HUB, **changed)}, 1.0)
        assert hub.install(to(), 1.0) == []
        assert reasons(hub) == {"no SA": 1}

    def test_a_tunnel_that_is_gone_loses_them(self) -> None:
        hub = forwarder()
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        hub.configure({}, 1.0)
        assert hub.install(to(), 1.0) == []
        assert reasons(hub) == {"no SA": 1}

    def test_a_view_of_a_buffer_that_is_used_again_is_copied(self) -> None:
        hub, spoke = forwarder(), forwarder(SPOKE, sas=(at_spoke(to()),))
        buffer = bytearray(inner())
        hub.transmit("Tunnel0", 2, memoryview(buffer), 1.0)
        buffer[:] = bytes(len(buffer))
        received = arrive(spoke, hub.install(to(), 1.0)[0][1])
        assert received is not None and received[2] == inner()

    def test_an_sa_that_may_send_no_more_holds_what_comes_for_the_next(self) -> None:
        hub = forwarder(sas=(to(hard_octets=250),))
        assert len(hub.transmit("Tunnel0", 2, inner(100), 1.0)) == 1
        assert len(hub.transmit("Tunnel0", 2, inner(100), 1.0)) == 1
        assert hub.transmit("Tunnel0", 2, inner(100), 1.0) == []
        assert hub.take_missed() == {("Tunnel0", R2)}
        assert spis([outer for _, outer in hub.install(to(spi=2), 1.5)]) == [2]


class TestReports:
    def test_sas_that_carried_packets(self) -> None:
        sa, back = to(), at_spoke(to(R1, 7), crypto_map=TAG, peer=IPv4Address(R2), selector_peer=IPv4Address(R2))
        hub = forwarder(sas=(sa, back, to(R3, 3)))
        assert hub.take_sa_usage() == {}
        hub.transmit("Tunnel0", 2, inner(100), 1.0)
        hub.transmit("Tunnel0", 2, inner(100), 2.0)
        usage = hub.take_sa_usage()
        assert set(usage) == {key_of(sa)}
        counters = usage[key_of(sa)]
        assert (counters.packets, counters.octets, counters.sequence, counters.last_at) == (2, 208, 2, 2.0)
        assert hub.take_sa_usage() == {}
        hub.transmit("Tunnel0", 2, inner(100), 3.0)
        assert hub.take_sa_usage()[key_of(sa)].packets == 3
        assert counters.packets == 2  # what was told stays as it was
        assert set(hub.sa_counters()) == {key_of(sa), key_of(back), key_of(to(R3, 3))}

    def test_tunnel_mode_counts_the_header_inside(self) -> None:
        sa = to(mode=Mode.TUNNEL)
        hub, spoke = forwarder(sas=(sa,)), forwarder(SPOKE, sas=(at_spoke(sa),))
        arrive(spoke, hub.transmit("Tunnel0", 2, inner(100), 1.0)[0])
        for rules in (hub, spoke):
            assert [counters.octets for counters in rules.take_sa_usage().values()] == [124]

    def test_a_worn_sa_is_told_once(self) -> None:
        hub = forwarder(sas=(to(soft_octets=150),))
        hub.transmit("Tunnel0", 2, inner(100), 1.0)
        assert hub.take_worn() == []
        hub.transmit("Tunnel0", 2, inner(100), 1.0)
        hub.transmit("Tunnel0", 2, inner(100), 1.0)
        assert hub.take_worn() == [key_of(to())]
        assert hub.take_worn() == []

    def test_the_tunnel_counts_gre_as_it_does_in_clear(self) -> None:
        hub, spoke = forwarder(sas=(to(),)), forwarder(SPOKE, sas=(at_spoke(to()),))
        for outer in (*hub.transmit("Tunnel0", 2, inner(100), 3.0), *hub.transmit("Tunnel0", MULTICAST, HELLO, 4.0)):
            assert arrive(spoke, outer, now=5.0) is not None
        out, into = hub.counters["Tunnel0"], spoke.counters["Tunnel7"]
        assert (out.packets_out, out.bytes_out, out.multicast_out, out.last_out) == (2, 124 + 84, 1, 4.0)
        assert (into.packets_in, into.bytes_in, into.multicast_in, into.last_in) == (2, 124 + 84, 1, 5.0)

    def test_data_that_left_makes_a_peer_used(self) -> None:
        hub = forwarder(sas=(to(),))
        hub.transmit("Tunnel0", 3, inner(), 1.0)
        hub.control("Tunnel0", R2, b"nhrp", 1.0)
        hub.transmit("Tunnel0", MULTICAST, HELLO, 1.0)
        assert hub.take_used() == {}
        hub.transmit("Tunnel0", 2, inner(), 1.0)
        assert hub.take_used() == {"Tunnel0": {R2}}
