"""The classic lab with its own routers on wires in memory: registration, resolution, and the article's packets."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.config.model import NhrpSettings
from iosish.icmp.ping import PingRequest
from iosish.plane.memory.wire import Capture
from tests.forwarding.packets import captured
from tests.memory_plane.routed import RoutedHost, RoutedLab, spoke_config

R2_PORT = "R2 FastEthernet0/0"


def settled(lab: RoutedLab) -> RoutedLab:
    spokes = [n for n in lab.routers if n > 1]
    assert lab.world.run_until(lambda: lab.registered(*spokes), ceiling=10.0)
    lab.world.run_until(lab.world.now + 10.0)  # each registers once more after a second
    return lab


def tapped(lab: RoutedLab) -> list[Capture]:
    seen: list[Capture] = []
    lab.wires[2].tap(seen, at=R2_PORT)
    return seen


def direct(host: RoutedHost, spoke: int) -> bool:
    return host.peers_up().get(f"192.168.0.{spoke}") == f"172.16.{spoke}5.2"


def test_every_spoke_registers_within_ten_seconds_and_each_is_pinged() -> None:
    lab = settled(RoutedLab())
    assert lab.hub.peers_up() == {f"192.168.0.{n}": f"172.16.{n}5.2" for n in (2, 3, 4)}
    for n in (2, 3, 4):
        assert lab.routers[n].peers_up() == {"192.168.0.1": "172.16.15.2"}
        assert "percent (5/5)" in lab.hub.ping_five(f"192.168.0.{n}")
        assert "percent (5/5)" in lab.routers[n].ping_five("192.168.0.1")


def comparable(packet: bytes) -> bytes:
    """A packet without what no two runs have in common."""
    changed = bytearray(packet)
    changed[4:6] = changed[10:12] = b"--"  # outer identification and header checksum
    if packet[22:24] == b"\x20\x01":
        changed[36:38] = b"--"  # NHRP checksum
        changed[48:52] = b"----"  # request ID
    else:
        changed[28:30] = changed[34:36] = b"--"  # inner identification and header checksum
        changed[46:50] = b"----"  # ICMP checksum and identifier
        changed[52:60] = b"--------"  # the time that IOS puts into an echo
    return bytes(changed)


def test_the_article_s_conversation_octet_by_octet() -> None:
    """classic-lab: ten pings from R2 to R4, captured on R2's FastEthernet0/0 by the article's author on 12.4T."""
    lab = settled(RoutedLab())
    seen = tapped(lab)
    assert "percent (5/5)" in lab.routers[2].ping_five("192.168.0.4")
    assert len(seen) == 14
    assert "percent (5/5)" in lab.routers[2].ping_five("192.168.0.4")
    theirs = captured("epiecs__packetlife-backup/mGRE_ICMP.cap")
    assert [comparable(capture.packet) for capture in seen] == [comparable(packet) for packet in theirs]
    # both spokes know each other now, and the hub has learned nothing new
    assert direct(lab.routers[2], 4)
    assert direct(lab.routers[4], 2)
    assert len(lab.hub.entries()) == 3


def test_each_request_id_is_answered_by_its_own_reply() -> None:
    lab = settled(RoutedLab())
    seen = tapped(lab)
    lab.routers[2].ping_five("192.168.0.4")
    identifiers = [capture.packet[48:52] for capture in seen if capture.packet[22:24] == b"\x20\x01"]
    own_request, request_from_r4, reply_to_r4, reply = identifiers
    assert (reply, reply_to_r4) == (own_request, request_from_r4)


def test_a_fourth_spoke_appears_with_no_change_on_the_hub() -> None:
    lab = settled(RoutedLab())
    before = lab.hub.router.config
    added = lab.add(6)
    assert lab.world.run_until(lambda: lab.registered(6), ceiling=lab.world.now + 10.0)
    assert lab.hub.router.config is before
    assert "percent (5/5)" in added.ping_five("192.168.0.2")


def test_two_spokes_that_ping_each_other_at_once_lose_nothing() -> None:
    lab = settled(RoutedLab())
    r2, r4 = lab.routers[2], lab.routers[4]
    r2.start_ping("192.168.0.4")
    r4.start_ping("192.168.0.2")
    assert lab.world.run_until(lambda: r2.ping_done() and r4.ping_done(), ceiling=lab.world.now + 20.0)
    assert "percent (5/5)" in r2.screen
    assert "percent (5/5)" in r4.screen


def test_a_large_ping_crosses_the_cloud_in_fragments() -> None:
    lab = settled(RoutedLab())
    text = lab.routers[2].ping(PingRequest(IPv4Address("192.168.0.4"), size=3000))
    assert "Sending 5, 3000-byte ICMP Echos" in text
    assert "percent (5/5)" in text


def lossy(seed: int) -> list[Capture]:
    """A world with 20 % loss on every cable, a cut and a restart; it ends with all spokes registered and direct."""
    lab = RoutedLab(seed, loss=0.2)
    trace: list[Capture] = []
    for wire in lab.wires.values():
        wire.tap(trace)
    for n in (2, 3, 4):
        lab.routers[n].configure(spoke_config(n, NhrpSettings(holdtime_s=30, registration_timeout_s=5)))
    lab.world.call_at(10.0, lambda: lab.routers[2].start_ping("192.168.0.4", repeat=20))
    lab.world.call_at(15.0, lab.wires[3].cut)
    lab.world.call_at(20.0, lab.wires[3].join)
    lab.world.run_until(60.0)
    for wire in lab.wires.values():
        wire.loss = 0.0
    assert lab.world.run_until(lambda: lab.registered(2, 3, 4), ceiling=120.0)
    assert "percent (5/5)" in lab.routers[3].ping_five("192.168.0.2")
    assert direct(lab.routers[3], 2)
    return trace


@pytest.mark.parametrize("seed", range(5))
def test_after_loss_and_a_cut_the_cloud_heals(seed: int) -> None:
    lossy(seed)


def test_the_same_seed_gives_the_same_trace_of_whole_routers() -> None:
    assert lossy(3) == lossy(3)
    assert lossy(3) != lossy(4)
