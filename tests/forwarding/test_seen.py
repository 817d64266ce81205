"""What passes a watched tunnel is seen: in the clear, as often as it goes on the wire, and bounded."""

from __future__ import annotations

from iosish.forwarding import gre, seen
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.seen import SeenPackets
from iosish.forwarding.tables import Tunnel
from iosish.forwarding.tunnel_state import MULTICAST
from tests.forwarding.packets import scapy
from tests.forwarding.test_protection import HUB as PROTECTED
from tests.forwarding.test_protection import SPOKE, at_spoke, to
from tests.forwarding.test_rules import HUB, POINT_TO_POINT, R1, R2, R3, forwarder, framed, heard, inner


def looked_at(rules: Forwarder, *names: str) -> Forwarder:
    rules.watched = frozenset(names)
    return rules


def shown(rules: Forwarder) -> list[tuple[str, bool, float, str, str, bytes]]:
    """Tunnel, inbound, time, outer source and destination, and what stands behind the outer header."""
    found = []
    for name, inbound, at, packet in rules.seen.take():
        outer = scapy(packet)
        assert outer.len == len(packet) and outer.proto == 47
        found.append((name, inbound, at, outer.src, outer.dst, packet[20:]))
    return found


def test_data_and_nhrp_are_seen_in_both_directions() -> None:
    rules = looked_at(forwarder(HUB, POINT_TO_POINT), "Tunnel0")
    rules.transmit("Tunnel0", 3, inner(), 1.0)
    rules.control("Tunnel0", R2, b"nhrp", 2.0)
    rules.receive(R3, R1, framed(heard()), 3.0)
    rules.receive(R3, R1, framed(b"nhrp", protocol=gre.NHRP), 4.0)
    rules.transmit("Tunnel9", 1, inner(), 5.0)
    one, other, third = "172.16.15.2", "172.16.25.2", "172.16.35.2"
    assert shown(rules) == [
        ("Tunnel0", False, 1.0, one, third, framed(inner())),
        ("Tunnel0", False, 2.0, one, other, framed(b"nhrp", protocol=gre.NHRP)),
        ("Tunnel0", True, 3.0, third, one, framed(heard())),
        ("Tunnel0", True, 4.0, third, one, framed(b"nhrp", protocol=gre.NHRP)),
    ]


def test_every_copy_and_every_fragment_is_a_packet() -> None:
    rules = looked_at(forwarder(), "Tunnel0")
    sent = rules.transmit("Tunnel0", MULTICAST, inner(3000, dst="224.0.0.5"), 1.0)
    assert [packet[5] for packet in shown(rules)] == [outer[4] for outer in sent]
    assert len(sent) == 9


def test_what_is_refused_or_lost_is_not_seen_and_nothing_is_while_nobody_watches() -> None:
    rules = looked_at(forwarder(), "Tunnel0")
    rules.transmit("Tunnel0", 99, inner(), 1.0)
    rules.receive(R3, R2, framed(heard()), 1.0)
    rules.watched = frozenset()
    rules.transmit("Tunnel0", 3, inner(), 1.0)
    rules.receive(R2, R1, framed(heard()), 1.0)
    assert not rules.seen and not rules.seen.missed


def test_a_protected_tunnel_shows_the_clear_inside_and_what_was_held_when_it_leaves() -> None:
    hub, spoke = (looked_at(forwarder(tunnel), tunnel.name) for tunnel in (PROTECTED, SPOKE))
    assert hub.transmit("Tunnel0", 2, inner(), 1.0) == [] and not hub.seen
    sa = to(R2)
    ((_, outer),) = hub.install(sa, 2.0)
    spoke.install(at_spoke(sa), 2.0)
    assert spoke.receive_esp(R1, R2, outer[4], 3.0, None) is not None
    addresses = "172.16.15.2", "172.16.25.2"
    assert shown(hub) == [("Tunnel0", False, 2.0, *addresses, framed(inner()))]
    assert shown(spoke) == [("Tunnel7", True, 3.0, *addresses, framed(inner()))]


def test_room_is_bounded_and_what_finds_none_is_counted() -> None:
    packets = SeenPackets()
    tunnel = Tunnel("Tunnel0", HUB.local)
    for number in range(seen.SEEN_MAX + 5):
        packets.add_in(tunnel, R2, R1, b"%d" % number, 0.0)
    assert len(packets) == seen.SEEN_MAX and packets.take_missed() == {"Tunnel0": 5}
    assert len(packets.take(1)) == 1
    assert [packet[20:] for _, _, _, packet in packets.take(50)] == [b"1", b"2"]
    packets.take()
    large = bytes(60_000)
    for _ in range(seen.SEEN_OCTETS_MAX // 60_000 + 9):
        packets.add_out(tunnel, R2, large, 0, 255, False, 0.0)
    held = len(packets)
    assert held * 60_000 <= seen.SEEN_OCTETS_MAX + 60_020
    lost = packets.take_missed()
    assert lost == {"Tunnel0": seen.SEEN_OCTETS_MAX // 60_000 + 9 - held}
    packets.lost(packets.take(), lost)
    assert packets.take_missed() == {"Tunnel0": seen.SEEN_OCTETS_MAX // 60_000 + 9} and not packets
