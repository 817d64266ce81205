"""Protected tunnels: a hub and a spoke, each with its SAs, and what passes between them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6

from iosish.forwarding import gre, ipv4
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.tables import Tunnel
from iosish.forwarding.tunnel_state import MULTICAST
from iosish.ipsec.sa import SecurityAssociation
from tests.forwarding.packets import raw
from tests.forwarding.test_rules import HUB as CLEAR_HUB
from tests.forwarding.test_rules import R1, R2, R3, R4, framed, heard, inner, reasons
from tests.ipsec.associations import key, outbound

HUB = replace(CLEAR_HUB, crypto_map="Tunnel0-head-0")
SPOKE = Tunnel(
    "Tunnel7",
    IPv4Address("172.16.25.2"),
    multipoint=True,
    address=IPv4Address("192.168.0.2"),
    adjacencies={1: IPv4Address("172.16.15.2")},
    multicast=(IPv4Address("172.16.15.2"),),
    crypto_map="Tunnel7-head-0",
)


def to(peer: str = "172.16.25.2", spi: int = 0x1001, **changed: Any) -> SecurityAssociation:
    """The hub's outbound SA to a spoke."""
    address = IPv4Address(peer)
    fields: dict[str, Any] = {"peer": address, "selector_peer": address, **changed}
    return outbound(spi=spi, encryption_key=key(f"{spi}", 16), **fields)


def at_spoke(sa: SecurityAssociation) -> SecurityAssociation:
    """A hub's outbound SA as the spoke has it."""
    return replace(
        sa,
        inbound=True,
        crypto_map="Tunnel7-head-0",
        local=sa.peer,
        peer=sa.local,
        selector_local=sa.selector_peer,
        selector_peer=sa.selector_local,
    )


def forwarder(*tunnels: Tunnel, sas: tuple[SecurityAssociation, ...] = ()) -> Forwarder:
    rules = Forwarder()
    rules.configure({tunnel.name: tunnel for tunnel in tunnels or (HUB,)}, 0.0)
    for sa in sas:
        assert rules.install(sa, 0.0) == []
    return rules


def arrive(rules: Forwarder, outer: Outer, source: bytes = R1) -> Received | None:
    """What a packet of the hub is at the spoke."""
    destination, _, _, _, frame, protocol, ports = outer
    if protocol == ipv4.GRE:
        return rules.receive(source, destination, frame, 1.0)
    return rules.receive_esp(source, destination, frame, 1.0, ports)


class TestTheRule:
    def test_a_packet_comes_out_at_the_other_end_as_it_went_in(self) -> None:
        hub, spoke = forwarder(sas=(to(),)), forwarder(SPOKE, sas=(at_spoke(to()),))
        (outer,) = hub.transmit("Tunnel0", 2, inner(tos=0xB8), 1.0)
        destination, tos, ttl, df, frame, protocol, ports = outer
        assert (destination, tos, ttl, df, protocol, ports) == (R2, 0xB8, 255, False, 50, None)
        assert inner(tos=0xB8)[20:] not in frame
        assert arrive(spoke, outer) == ("Tunnel7", gre.IPV4, inner(tos=0xB8), R1, True)

    def test_without_sa_nothing_leaves(self) -> None:
        rules = forwarder()
        six = raw(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP())
        for adjacency, packet in ((2, inner()), (MULTICAST, inner(dst="224.0.0.5")), (3, six)):
            assert rules.transmit("Tunnel0", adjacency, packet, 1.0) == []
        assert rules.control("Tunnel0", R4, b"nhrp", 1.0) == []
        assert rules.take_missed() == {("Tunnel0", peer) for peer in (R2, R3, R4)}
        assert rules.take_missed() == set()

    def test_nothing_in_clear_is_accepted(self) -> None:
        rules = forwarder(sas=(to(),))
        for frame in (framed(heard()), framed(b"nhrp", protocol=gre.NHRP)):
            assert rules.receive(R2, R1, frame, 1.0) is None
        assert reasons(rules) == {"not protected": 2}
        assert rules.take_refused() == [("Tunnel0", "not protected", R2)]
