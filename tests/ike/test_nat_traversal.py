"""A NAT between the ends: detection, the float to port 4500, encapsulation, ports that change (RFC 3947, 3948)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count

import pytest

from iosish.engine import UdpDatagram
from iosish.ike import packet, vendor
from iosish.ike.config import IsakmpProfile
from iosish.ike.payloads import Identification, IdType, Kind, Payload, VendorId
from iosish.ipsec.sa import SaKey
from iosish.ipsec.transforms import Mode
from tests.ike.link import AES_SHA, HUB, POLICY, PUBLIC, SPOKE, TRANSPORT, Station, World, config, usable

PRIVATE = IPv4Address("10.0.0.2")


class Nat:
    """Hosts behind PUBLIC; each source port gets one of its own outside."""

    def __init__(self, world: World, *inside: IPv4Address) -> None:
        self.inside = inside
        self.ports: dict[tuple[IPv4Address, int], int] = {}
        self.first = 40000
        world.rules.append(self)

    def __call__(self, message: UdpDatagram) -> UdpDatagram | None:
        if message.local in self.inside:
            port = self.ports.setdefault((message.local, message.local_port), self.first + len(self.ports))
            return replace(message, local=PUBLIC, local_port=port)
        if message.peer == PUBLIC:
            for (address, port), outside in self.ports.items():
                if outside == message.peer_port:
                    return replace(message, peer=address, peer_port=port)
            return None
        return message

    def forget(self) -> None:
        """The translation is lost, as after a restart of the NAT."""
        self.first += 100
        self.ports.clear()


def passes(hub: Station, spoke: Station, nat: Nat) -> bool:
    """Whether packets pass both ways, by the newest SAs and the ports that the NAT has."""
    up, down = spoke.outbound(HUB), hub.outbound(PUBLIC)
    if up is None or down is None:
        return False
    outside = nat.ports.get((PRIVATE, 4500))
    return (
        SaKey(up.spi, True, PUBLIC) in hub.sas
        and SaKey(down.spi, True, HUB) in spoke.sas
        and up.udp_ports == (4500, 4500)
        and down.udp_ports == (4500, outside)
        and (up.local, up.peer, down.local, down.peer) == (PRIVATE, HUB, HUB, PUBLIC)
    )


def behind_nat(world: World, **changes: object) -> tuple[Station, Station, Nat]:
    nat = Nat(world, PRIVATE)
    hub = world.add(HUB, config(HUB, **changes))
    spoke = world.add(PRIVATE, config(PRIVATE, **changes))
    return hub, spoke, nat


@pytest.mark.parametrize("aes", [AES_SHA, TRANSPORT])
def test_a_spoke_behind_a_nat(aes: object) -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(aes,))
    spoke.request(HUB)
    world.run()
    # From message 5 on it is port 4500 on both ends, whatever the NAT makes of it.
    assert [(message.local_port, message.peer_port) for message in spoke.sent] == [(500, 500)] * 2 + [(4500, 4500)] * 3
    assert [message.peer_port for message in hub.sent] == [40000, 40000, 40001, 40001]
    assert passes(hub, spoke, nat)
    [here], [there] = spoke.engine.state(world.now).isakmp, hub.engine.state(world.now).isakmp
    assert (here.nat_local, here.nat_peer, here.capabilities) == (True, False, "N")
    assert (there.nat_local, there.nat_peer, there.peer_port, there.peer_identity) == (False, True, 40001, "10.0.0.2")
    assert hub.flow_events == ["up 198.51.100.1"]


def test_transport_mode_goes_by_the_outer_addresses_and_tunnel_mode_by_the_inner() -> None:
    world = World()
    hub, spoke, _ = behind_nat(world, sets=(TRANSPORT,))
    spoke.request(HUB)
    world.run()
    down = hub.outbound(PUBLIC)
    assert down is not None and down.mode is Mode.TRANSPORT and down.selector_peer == PUBLIC
    world = World()
    hub, spoke, _ = behind_nat(world)
    spoke.request(HUB)
    world.run()
    down = hub.outbound(PUBLIC)
    assert down is not None and down.mode is Mode.TUNNEL and down.selector_peer == PRIVATE
    assert hub.engine.takes_from(HUB, PRIVATE)


def test_the_hub_begins_towards_a_translated_address_it_knows() -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,))
    nat.ports = {(PRIVATE, 500): 500, (PRIVATE, 4500): 4500}  # forwarded ports
    hub.request(PUBLIC)
    world.run()
    assert hub.flow_events == ["up 198.51.100.1"] and spoke.flow_events == ["up 172.16.15.2"]
    assert passes(hub, spoke, nat)


@pytest.mark.parametrize("translated", [True, False])
def test_a_hub_behind_a_nat_may_answer_by_its_own_address_in_transport_mode(
    monkeypatch: pytest.MonkeyPatch, translated: bool
) -> None:
    """As strongSwan does it; IOS repeats what it was asked. Without a NAT nobody answers by another address."""
    world = World()
    if translated:
        nat = Nat(world, PRIVATE)
        nat.ports = {(PRIVATE, 500): 500, (PRIVATE, 4500): 4500}  # forwarded ports
    hub, asked = (PRIVATE, PUBLIC) if translated else (HUB, HUB)
    world.add(hub, config(hub, sets=(TRANSPORT,)))
    spoke = world.add(SPOKE, config(SPOKE, sets=(TRANSPORT,)))
    original = packet.encode_payloads
    with_identities = count(1)

    def answering_by_its_own(payloads: tuple[Payload, ...]) -> bytes:
        if identity(asked) in payloads and next(with_identities) == 2:  # message 1 is the spoke's, message 2 the hub's
            other = replace(identity(asked), data=PRIVATE.packed)
            payloads = tuple(other if payload == identity(asked) else payload for payload in payloads)
        return original(payloads)

    monkeypatch.setattr(packet, "encode_payloads", answering_by_its_own)
    spoke.request(asked)
    world.run(5)
    assert spoke.flow_events == (["up 198.51.100.1"] if translated else [])


def identity(address: IPv4Address) -> Identification:
    """GRE of one host."""
    return Identification(IdType.IPV4, 47, 0, address.packed)


def test_rekeying_and_deletes_behind_a_nat() -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,), lifetime_s=600)
    spoke.request(HUB)
    world.run(5000)
    assert passes(hub, spoke, nat)
    assert hub.flow_events == ["up 198.51.100.1"]
    hub.engine.clear_sa(None, world.now)
    world.run(3)
    assert passes(hub, spoke, nat)


def test_a_hub_calls_a_spoke_behind_a_nat_by_the_port_that_its_esp_has() -> None:
    """RFC 3947 4: what follows a phase 1 that has floated begins on port 4500."""
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,))
    spoke.request(HUB)
    world.run()
    sas, sent = set(hub.sas), len(hub.sent)
    core = hub.engine._core
    [old] = core.sas
    core.sas.delete(old, "lost", world.now, tell=False)
    core.phase1_lost(old.ends, world.now)
    world.run(6)
    assert {(message.local_port, message.peer_port) for message in hub.sent[sent:]} == {(4500, 40001)}
    assert hub.states()[0] == "198.51.100.1 QM_IDLE 1002" and spoke.states()[0] == "172.16.15.2 QM_IDLE 1002"
    assert set(hub.sas) == sas and passes(hub, spoke, nat)


def test_the_successor_of_phase_1_begins_on_port_4500() -> None:
    world = World()
    short = replace(POLICY, lifetime_s=1000)
    hub, spoke, _ = behind_nat(world, sets=(TRANSPORT,), policies=(short,))
    spoke.request(HUB)
    world.run(900)
    sent = len(spoke.sent)
    world.run(95)
    assert {(message.local_port, message.peer_port) for message in spoke.sent[sent:]} == {(4500, 4500)}
    assert len([state for state in hub.states() if "QM_IDLE" in state]) == 2


def test_the_nat_gives_another_port_and_the_hub_follows() -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,), nat_keepalive_s=20)
    spoke.request(HUB)
    world.run()
    nat.forget()
    spoke.engine.clear_isakmp(7, world.now)  # nothing
    spoke.engine.worn(SaKey(spoke.outbound(HUB).spi, False, HUB), world.now)  # type: ignore[union-attr]
    world.run()
    assert nat.ports[PRIVATE, 4500] == 40100
    assert passes(hub, spoke, nat)
    assert hub.engine.state(world.now).isakmp[0].peer_port == 40100


def test_a_port_that_only_phase_1_uses_renews_the_pair() -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,))
    spoke.request(HUB)
    world.run()
    nat.forget()
    from iosish.ike import notices

    core = spoke.engine._core
    notices.delete_esp(core, next(iter(core.sas)), 0x12345678, world.now)  # any message that only the spoke can send
    world.run()
    assert passes(hub, spoke, nat)


def test_a_made_up_message_from_another_port_moves_nothing() -> None:
    world = World()
    hub, spoke, nat = behind_nat(world, sets=(TRANSPORT,))
    spoke.request(HUB)
    world.run()
    message = world.carried[-1]
    garbage = message.payload[:-16] + bytes(16)
    for payload in (garbage, message.payload, message.payload[:60]):
        hub.engine.receive(UdpDatagram(HUB, 4500, PUBLIC, 666, payload), world.now)
    hub.collect()
    assert hub.engine.state(world.now).isakmp[0].peer_port == 40001
    assert passes(hub, spoke, nat)


def test_keepalives_of_who_is_behind_the_nat() -> None:
    world = World()
    hub, spoke, _ = behind_nat(world, nat_keepalive_s=20)
    spoke.request(HUB)
    world.run(101)
    alive = [message for message in spoke.sent if not message.payload]
    assert len(alive) == 5 and {message.peer_port for message in alive} == {4500}
    assert not [message for message in hub.sent if not message.payload]
    assert hub.counters("NAT keepalives") == 5


@pytest.mark.parametrize("forced", [HUB, SPOKE])
@pytest.mark.parametrize("begins", [HUB, SPOKE])
def test_encapsulation_is_forced_by_either_end_without_a_nat(forced: IPv4Address, begins: IPv4Address) -> None:
    world = World()
    for address in (HUB, SPOKE):
        world.add(address, config(address, udp_forced=address == forced, sets=(TRANSPORT,)))
    world.stations[begins].request(SPOKE if begins == HUB else HUB)
    world.run()
    for address, peer in ((HUB, SPOKE), (SPOKE, HUB)):
        out = world.stations[address].outbound(peer)
        assert out is not None and out.udp_ports == (4500, 4500)
    assert usable(world, HUB, SPOKE)


def test_without_nat_traversal_nothing_is_offered_or_answered() -> None:
    world = World()
    hub = world.add(HUB, config(HUB, nat_traversal=False))
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    world.run()
    assert [payload.kind for payload in packet.decode(hub.sent[0].payload)[1]] == [Kind.SA]
    kinds = [payload.kind for payload in packet.decode(spoke.sent[1].payload)[1]]
    assert Kind.NAT_D not in kinds
    assert usable(world, HUB, SPOKE)


@pytest.mark.parametrize(
    ("offered", "answer", "kind"),
    [
        ([vendor.NAT_T_DRAFT_2, vendor.NAT_T_DRAFT_3], vendor.NAT_T_DRAFT_3, Kind.NAT_D_DRAFT_3),
        ([vendor.NAT_T_DRAFT_2], vendor.NAT_T_DRAFT_2, Kind.NAT_D_DRAFT_3),
        ([vendor.NAT_T_DRAFT_7, vendor.NAT_T_DRAFT_3], vendor.NAT_T_DRAFT_7, Kind.NAT_D_DRAFT_7),
    ],
)
def test_older_versions_with_their_numbers(offered: list[bytes], answer: bytes, kind: Kind) -> None:
    """The initiator is one that knows no better: what it offers is taken out of our first message."""
    world = World()

    def older(message: UdpDatagram) -> UdpDatagram:
        header, body = packet.decode_header(message.payload)
        if header.exchange != 2 or header.encrypted or header.cookie_r != bytes(8):
            return message
        first = packet.decode_payloads(header.next_payload, body)[0]
        payloads = (first, *(VendorId(value) for value in offered))
        return replace(message, payload=packet.encode(header.cookie_i, header.cookie_r, 2, payloads))

    nat = Nat(world, PRIVATE)
    world.rules.append(older)
    hub, spoke = world.add(HUB), world.add(PRIVATE, config(PRIVATE))
    hub.engine.configure(config(HUB, sets=(TRANSPORT,)), world.now)
    spoke.engine.configure(config(PRIVATE, sets=(TRANSPORT,)), world.now)
    spoke.request(HUB)
    world.run()
    assert packet.decode(hub.sent[0].payload)[1][1] == VendorId(answer)
    assert packet.decode(hub.sent[1].payload)[1][-1].kind == kind
    assert passes(hub, spoke, nat)


def test_two_spokes_behind_one_address_do_not_end_each_other() -> None:
    world = World()
    other = IPv4Address("10.0.0.3")
    Nat(world, PRIVATE, other)
    hub = world.add(HUB, config(HUB, sets=(TRANSPORT,)))
    for address in (PRIVATE, other):
        world.add(address, config(address, sets=(TRANSPORT,))).request(HUB)
        world.run()
    assert len(hub.sas) == 4
    assert [state.split()[1] for state in hub.states()] == ["QM_IDLE", "QM_IDLE"]


def test_aggressive_mode_behind_a_nat() -> None:
    world = World()
    nat = Nat(world, PRIVATE)
    profile = IsakmpProfile("A", networks=(IPv4Network("0.0.0.0/0"),), aggressive=True)
    hub = world.add(HUB, config(HUB, sets=(TRANSPORT,)))
    spoke = world.add(PRIVATE, config(PRIVATE, sets=(TRANSPORT,), profiles={"A": profile}, isakmp_profile="A"))
    spoke.request(HUB)
    world.run()
    # Message 3 is the first from port 4500.
    assert [message.local_port for message in spoke.sent] == [500, 4500, 4500, 4500]
    assert passes(hub, spoke, nat)
