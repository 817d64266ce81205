"""Protected tunnels on wires in memory, with SAs made by hand, and the UDP that IKE and NAT-T need."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from iosish.desired import EspRefusal, SaChange
from iosish.engine import Datagram, UdpDatagram
from iosish.forwarding import ipv4
from iosish.ipsec.sa import SaKey, SecurityAssociation
from iosish.ipsec.transforms import Mode
from iosish.plane.memory.nat import NatBox
from iosish.plane.memory.wire import Capture, Wire
from iosish.plane.memory.world import World
from iosish.plane.udp_4500 import MESSAGE_MAX
from tests.ipsec.associations import other_end, outbound
from tests.memory_plane.routers import FA00, FA01, ClassicLab, Host, cloud, link, route, wanted

MAP = "Tunnel0-head-0"
HUB, SPOKE = IPv4Address("172.16.15.2"), IPv4Address("172.16.25.2")
MESSAGE = bytes(16) + b"\x01\x10\x02\x00" + bytes(4) + (28).to_bytes(4, "big")


def pair_of(**changed: Any) -> tuple[SecurityAssociation, SecurityAssociation]:
    """Outbound SAs of the hub and of the spoke."""
    hub = outbound(**changed)
    spoke = replace(other_end(hub), inbound=False, spi=0x2002)
    return hub, spoke


def secure(hub: Host, spoke: Host, **changed: Any) -> None:
    """A pair of SAs on both ends."""
    from_hub, from_spoke = pair_of(**changed)
    spoke.plane.secure(SaChange((other_end(from_hub), from_spoke)))
    hub.plane.secure(SaChange((other_end(from_spoke), from_hub)))


def protocols(captures: list[Capture]) -> Counter[int]:
    return Counter(capture.packet[9] for capture in captures)


@pytest.fixture
def lab() -> ClassicLab:
    return ClassicLab(crypto_map=MAP)


@pytest.fixture
def seen(lab: ClassicLab) -> list[Capture]:
    seen: list[Capture] = []
    lab.wires[2].tap(seen)
    return seen


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("ports", "protocol"), [(None, ipv4.ESP), ((4500, 4500), ipv4.UDP)])
def test_a_ping_crosses_as_esp_alone(
    lab: ClassicLab, seen: list[Capture], mode: Mode, ports: tuple[int, int] | None, protocol: int
) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    secure(hub, spoke, mode=mode, udp_ports=ports)
    spoke.ping("192.168.0.1")
    assert lab.world.run_until(spoke.answered, ceiling=1.0)
    assert protocols(seen) == {protocol: 2}
    lab.world.run_until(lab.world.now + 1)
    sent = SaKey(0x2002, False, HUB)
    assert [(what, value) for what, value in spoke.sink.sas if what != "closed"] == [
        ("used", {key: spoke.plane.read_counters().sas[key] for key in (sent, SaKey(0x1001, True, HUB))})
    ]
    assert spoke.plane.read_counters().sas[sent].packets == 1


def test_what_has_no_sa_asks_for_one_waits_and_leaves_with_it(lab: ClassicLab, seen: list[Capture]) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    for _ in range(3):
        spoke.ping("192.168.0.1")
    lab.world.run_until(lab.world.now + 0.1)
    assert ("missed", ("Tunnel0", HUB)) in spoke.sink.sas and not seen
    assert spoke.sink.sas.count(("missed", ("Tunnel0", HUB))) == 1
    secure(hub, spoke)
    lab.world.run_until(lambda: len(spoke.icmp) == 3, ceiling=2.0)
    assert protocols(seen) == {ipv4.ESP: 6}


def test_nhrp_tells_that_it_came_protected(lab: ClassicLab, seen: list[Capture]) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    secure(hub, spoke)
    spoke.plane.send(Datagram("Tunnel0", HUB, SPOKE, b"registration"))
    lab.world.run_until(lab.world.now + 0.1)
    assert hub.sink.datagrams == [Datagram("Tunnel0", SPOKE, HUB, b"registration", protected=True)]
    assert protocols(seen) == {ipv4.ESP: 1}


def test_clear_gre_is_neither_sent_nor_accepted_nor_answered(lab: ClassicLab, seen: list[Capture]) -> None:
    """The spoke has no protection yet: it goes on in the clear, and the hub takes nothing of it."""
    hub, spoke = lab.routers[1], lab.routers[2]
    lab.apply(2, {1: 1})
    spoke.ping("192.168.0.1")
    spoke.plane.send(Datagram("Tunnel0", HUB, SPOKE, b"registration"))
    hub.ping("192.168.0.2")
    lab.world.run_until(lab.world.now + 5)
    assert not hub.sink.datagrams and not spoke.icmp
    assert [capture.direction for capture in seen] == ["R2 FastEthernet0/0"] * 2
    assert hub.sink.refused == [("Tunnel0", "not protected", str(SPOKE))]
    assert hub.plane.read_counters().drops["not protected"] == 2


def test_sas_that_are_taken_out_carry_nothing(lab: ClassicLab, seen: list[Capture]) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    secure(hub, spoke)
    spoke.plane.secure(SaChange(removed=(SaKey(0x1001, True, HUB),)))
    spoke.ping("192.168.0.1")
    lab.world.run_until(lab.world.now + 0.2)
    assert ("refused", EspRefusal("invalid SPI", SPOKE, HUB, 0x1001, 1)) in spoke.sink.sas
    hub.plane.secure(SaChange(removed=(SaKey(0x1001, False, SPOKE),)))
    hub.ping("192.168.0.2")
    lab.world.run_until(lab.world.now + 0.2)
    assert ("missed", ("Tunnel0", SPOKE)) in hub.sink.sas
    assert protocols(seen) == {ipv4.ESP: 2}


def test_a_plane_that_lost_its_sas_says_so_and_stays_closed(lab: ClassicLab, seen: list[Capture]) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    secure(hub, spoke)
    spoke.plane.lose_sas()
    spoke.ping("192.168.0.1")
    lab.world.run_until(lab.world.now + 0.2)
    assert ("lost", None) in spoke.sink.sas
    assert spoke.plane.read_counters().sas == {} and not seen


def test_a_worn_sa_is_told_once(lab: ClassicLab) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    secure(hub, spoke, soft_octets=500)
    for _ in range(9):
        spoke.ping("192.168.0.1")
    lab.world.run_until(lab.world.now + 0.2)
    assert spoke.sink.sas.count(("worn", SaKey(0x2002, False, HUB))) == 1


def test_ike_goes_both_ways_on_both_ports(lab: ClassicLab, seen: list[Capture]) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    spoke.plane.send_ike(UdpDatagram(SPOKE, 500, HUB, 500, MESSAGE))
    spoke.plane.send_ike(UdpDatagram(SPOKE, 4500, HUB, 4500, MESSAGE))
    spoke.plane.send_ike(UdpDatagram(SPOKE, 4500, HUB, 4500, b""))
    lab.world.run_until(lab.world.now + 0.1)
    assert hub.sink.ike == [UdpDatagram(HUB, port, SPOKE, port, MESSAGE) for port in (500, 4500)]
    assert [capture.packet[28:] for capture in seen] == [MESSAGE, bytes(4) + MESSAGE, b"\xff"]
    assert {(capture.packet[1], capture.packet[8]) for capture in seen} == {(0xC0, 255)}
    assert ("closed", None) in hub.sink.sas
    assert hub.plane.read_counters().drops == {}


@pytest.mark.parametrize("payload", [b"", b"\xff\xff", bytes(4), bytes(20), bytes(MESSAGE_MAX + 5), b"\0\0\0\x01\0"])
def test_what_is_neither_ike_nor_esp_is_counted(lab: ClassicLab, payload: bytes) -> None:
    hub, spoke = lab.routers[1], lab.routers[2]
    for port in (500, 4500):
        spoke.plane.send_ip(HUB, ipv4.UDP, ipv4.udp(4500, port, payload))
    lab.world.run_until(lab.world.now + 0.2)
    assert not hub.sink.ike
    assert hub.plane.read_counters().drops == {"bad IKE": 2}


def test_nothing_listens_without_crypto() -> None:
    lab = ClassicLab()
    hub, spoke = lab.routers[1], lab.routers[2]
    for port in (500, 4500):
        spoke.plane.send_ip(HUB, ipv4.UDP, ipv4.udp(4500, port, MESSAGE))
    spoke.plane.send_ip(HUB, ipv4.ESP, bytes(40))
    lab.world.run_until(lab.world.now + 0.2)
    assert [answer[:2] for answer in spoke.icmp] == [(3, 3), (3, 3), (3, 2)]
    assert not hub.sink.ike and not hub.sink.sas


def test_a_guard_discards_what_the_tunnel_does_not_carry() -> None:
    """The tunnel is down, and its prefix would follow the default route in the clear."""
    world = World()
    wire, behind = Wire(world, "R1-R5"), Wire(world, "R1-host")
    router, middle = Host(world, "R1", {FA00: wire, FA01: behind}), Host(world, "R5", {FA00: wire})
    host = Host(world, "host", {FA00: behind})
    middle.plane.apply(wanted(link(FA00, "172.16.15.1/30")))
    host.plane.apply(wanted(link(FA00, "10.1.0.2/24"), routes=(route("0.0.0.0/0", "10.1.0.1"),)))
    seen: list[Capture] = []
    wire.tap(seen)

    def apply(up: bool, guarded: bool) -> None:
        guard = (replace(route("192.168.0.0/24"), guard=True),) if guarded else ()
        router.plane.apply(
            wanted(
                link(FA00, "172.16.15.2/30"),
                link(FA01, "10.1.0.1/24"),
                link("Tunnel0", "192.168.0.1/24", up=up),
                routes=(route("0.0.0.0/0", "172.16.15.1"), *guard),
                tunnels=(cloud(1, {2: 2}, crypto_map=MAP),),
                neighbours={"192.168.0.2": 2},
            )
        )

    for up, guarded, leaks in ((False, False, True), (False, True, False), (True, True, False)):
        apply(up, guarded)
        seen.clear()
        host.ping("192.168.0.2")
        world.run_until(world.now + 0.1)
        assert any(capture.packet[16:20] == bytes((192, 168, 0, 2)) for capture in seen) == leaks
    assert router.sink.sas == [("missed", ("Tunnel0", SPOKE))]


class BehindNat:
    """A hub in the open and a spoke behind a NAT box."""

    def __init__(self) -> None:
        self.world = World()
        self.inside, self.outside = Wire(self.world, "R2-NAT"), Wire(self.world, "NAT-R1")
        self.hub = Host(self.world, "R1", {FA00: self.outside})
        self.spoke = Host(self.world, "R2", {FA00: self.inside})
        self.box = NatBox(
            self.inside,
            IPv4Address("10.0.0.1"),
            self.outside,
            IPv4Address("172.16.0.9"),
            IPv4Address("172.16.0.1"),
            idle_s=60.0,
        )
        self.hub.plane.apply(self._picture("172.16.0.1/24", 1, "172.16.0.9", None))
        self.spoke.plane.apply(self._picture("10.0.0.2/24", 2, "172.16.0.1", "10.0.0.1"))
        self.world.run_until(0.1)

    def _picture(self, own: str, number: int, peer: str, gateway: str | None) -> Any:
        peers: dict[str, Any] = {"adjacencies": {1: IPv4Address(peer)}, "local": IPv4Address(own.split("/")[0])}
        return wanted(
            link(FA00, own),
            link("Tunnel0", f"192.168.0.{number}/24"),
            routes=(route("0.0.0.0/0", gateway),) if gateway else (),
            tunnels=(replace(cloud(number, {}, crypto_map=MAP), **peers),),
            neighbours={f"192.168.0.{3 - number}": 1},
            ike=True,
        )


def test_through_a_nat_ike_floats_and_esp_follows() -> None:
    nat = BehindNat()
    hub, spoke = nat.hub, nat.spoke
    inside, public, server = (IPv4Address(text) for text in ("10.0.0.2", "172.16.0.9", "172.16.0.1"))
    spoke.plane.send_ike(UdpDatagram(inside, 500, server, 500, MESSAGE))
    spoke.plane.send_ike(UdpDatagram(inside, 4500, server, 4500, MESSAGE))
    nat.world.run_until(nat.world.now + 0.1)
    first, second = hub.sink.ike
    assert (first.peer, first.local_port, second.peer, second.local_port) == (public, 500, public, 4500)
    assert first.peer_port != second.peer_port != 4500
    hub.plane.send_ike(replace(second, payload=MESSAGE + b"answer"))
    nat.world.run_until(nat.world.now + 0.1)
    assert spoke.sink.ike == [UdpDatagram(inside, 4500, server, 4500, MESSAGE + b"answer")]
    # transport mode: each end takes the addresses of the packets for those of the GRE
    ends: dict[str, Any] = {"local": server, "peer": public, "selector_local": server, "selector_peer": public}
    from_hub = outbound(udp_ports=(4500, second.peer_port), **ends)
    ends = {"local": inside, "peer": server, "selector_local": inside, "selector_peer": server}
    from_spoke = outbound(udp_ports=(4500, 4500), spi=0x2002, **ends)
    spoke.plane.secure(SaChange((replace(from_spoke, inbound=True, spi=0x1001), from_spoke)))
    hub.plane.secure(SaChange((replace(from_hub, inbound=True, spi=0x2002), from_hub)))
    spoke.ping("192.168.0.1")
    assert nat.world.run_until(spoke.answered, ceiling=1.0)
    assert spoke.icmp[0][:2] == (0, 0)


def test_a_nat_forgets_who_sends_nothing_and_keeps_whom_keepalives_keep() -> None:
    nat = BehindNat()
    inside, server = IPv4Address("10.0.0.2"), IPv4Address("172.16.0.1")
    nat.spoke.plane.send_ike(UdpDatagram(inside, 4500, server, 4500, MESSAGE))
    for _ in range(5):
        nat.world.run_until(nat.world.now + 20)
        nat.spoke.plane.send_ike(UdpDatagram(inside, 4500, server, 4500, b""))
    answer = nat.hub.sink.ike[0]
    nat.hub.plane.send_ike(answer)
    nat.world.run_until(nat.world.now + 61)
    assert len(nat.spoke.sink.ike) == 1
    nat.hub.plane.send_ike(answer)
    nat.world.run_until(nat.world.now + 1)
    assert len(nat.spoke.sink.ike) == 1 and nat.box.refused == 1
    nat.spoke.plane.send_ike(UdpDatagram(inside, 4500, server, 4500, MESSAGE))
    nat.world.run_until(nat.world.now + 1)
    assert nat.hub.sink.ike[1].peer_port != answer.peer_port


def test_a_nat_lets_pings_pass_and_no_gre() -> None:
    nat = BehindNat()
    nat.spoke.ping("172.16.0.1")
    assert nat.world.run_until(nat.spoke.answered, ceiling=1.0)
    nat.spoke.plane.send_ip(IPv4Address("172.16.0.1"), ipv4.GRE, bytes(8))
    nat.world.run_until(nat.world.now + 1)
    assert nat.box.refused == 1
