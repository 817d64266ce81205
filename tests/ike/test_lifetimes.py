"""What ends by itself and what is made in time: lifetimes, rekeying, idle SAs, dead peers, restarted peers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from iosish.engine import UdpDatagram
from iosish.ike import packet, vendor
from iosish.ike.config import IsakmpProfile, Keepalive
from iosish.ike.payloads import Kind, VendorId
from iosish.ipsec.sa import SaCounters, SaKey
from tests.ike.link import HUB, POLICY, SPOKE, Station, World, config, flow, usable


@pytest.fixture
def world() -> World:
    return World()


def up(world: World, **changes: object) -> tuple[Station, Station]:
    hub, spoke = world.add(HUB, config(HUB, **changes)), world.add(SPOKE, config(SPOKE, **changes))
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    return hub, spoke


def cut(world: World) -> None:
    world.rules.append(lambda message: None)


# --- phase 2 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lifetime", "least", "most"), [(3600, 3560, 3572), (120, 85, 95)])
def test_a_new_pair_in_time_and_the_old_one_to_its_end(world: World, lifetime: int, least: int, most: int) -> None:
    hub, spoke = up(world, lifetime_s=lifetime)
    old = set(spoke.sas)
    world.run(least)
    assert set(spoke.sas) == old
    world.run(most - least)
    assert len(spoke.sas) == len(hub.sas) == 4  # one rekey, by one end
    assert old < set(spoke.sas)
    assert spoke.outbound(HUB).spi not in {key.spi for key in old}  # type: ignore[union-attr]
    assert usable(world, HUB, SPOKE)
    world.run(lifetime - most + 5)
    assert not old & set(spoke.sas)
    assert len(spoke.sas) == len(hub.sas) == 2
    assert spoke.flow_events == ["up 172.16.15.2"] and hub.flow_events == ["up 172.16.25.2"]


def test_a_flow_goes_on_counting_over_a_rekey(world: World) -> None:
    _, spoke = up(world, lifetime_s=600)

    def counted() -> tuple[int, int, int]:
        """Packets in and out, and replay errors, of SAs that are gone."""
        (state,) = spoke.engine.state(world.now).flows
        return state.ended_in.packets, state.ended_out.packets, state.ended_in.replay_errors

    def carry(packets: int) -> None:
        for sa in (spoke.inbound(HUB)[-1], spoke.outbound(HUB)):
            assert sa is not None
            key = SaKey(sa.spi, sa.inbound, sa.peer)
            errors = 2 if sa.inbound else 0
            spoke.engine.used({key: SaCounters(packets=packets, replay_errors=errors)}, world.now)

    carry(7)
    carry(10)  # what a plane tells is what there was in all
    assert counted() == (0, 0, 0)
    world.run(610)
    assert counted() == (10, 10, 2)
    carry(5)
    spoke.engine.clear_counters({key: SaCounters(packets=5) for key in spoke.sas})
    assert counted() == (0, 0, 0)
    carry(8)
    world.run(600)
    assert counted() == (3, 3, 2)
    spoke.engine.clear_sa(None, world.now)
    assert counted() == (0, 0, 0)


def test_a_new_pair_is_sent_by_when_the_peer_has_had_time_to_install_it(world: World) -> None:
    """strongSwan installs it only when it has read the last message, which a packet by it may overtake."""
    _, spoke = up(world, lifetime_s=600)
    old = spoke.outbound(HUB)
    while len(spoke.inbound(HUB)) == 1:
        assert world.step(world.now + 600)
    assert spoke.outbound(HUB) == old
    world.run(1)
    new = spoke.outbound(HUB)
    assert new is not None and new != old and usable(world, HUB, SPOKE)


def test_a_new_pair_is_sent_by_at_once_when_the_old_one_goes(world: World) -> None:
    _, spoke = up(world, lifetime_s=600)
    old = spoke.outbound(HUB)
    assert old is not None
    while len(spoke.inbound(HUB)) == 1:
        assert world.step(world.now + 600)
    pair = spoke.engine._core.pairs.outbound(HUB, old.spi)
    assert pair is not None
    spoke.engine._core.flows.pair_down(pair, "deleted", world.now)
    spoke.collect()
    assert spoke.outbound(HUB) not in (None, old)


@pytest.mark.parametrize("seed", range(5))
def test_a_day_of_rekeying_under_both_ends_that_want_it(seed: int) -> None:
    world = World(seed)
    hub, spoke = up(world, lifetime_s=600)
    hub.request(SPOKE)
    for _ in range(24 * 6):
        world.run(600)
        assert usable(world, HUB, SPOKE)
    assert spoke.flow_events == ["up 172.16.15.2"]
    modes = [message.payload[20:24] for message in world.carried if message.payload[18] == 32]
    assert len(set(modes)) <= 24 * 6 * 1.3, "the ends rarely begin together"


def test_what_nobody_wants_or_uses_is_not_rekeyed(world: World) -> None:
    hub, spoke = world.add(HUB, config(HUB, lifetime_s=600)), world.add(SPOKE, config(SPOKE, lifetime_s=600))
    spoke.request(HUB)
    world.run()
    spoke.engine._core.flows.get(flow(SPOKE, HUB)).wanted = False  # type: ignore[union-attr]  # as if the hub had asked
    world.run(601)
    assert spoke.sas == hub.sas == {}
    assert hub.flow_events[-1] == "down 172.16.25.2: lifetime expired"


def test_what_the_hub_uses_is_rekeyed_although_it_never_asked(world: World) -> None:
    hub, spoke = up(world, lifetime_s=600)
    spoke.engine._core.flows.get(flow(SPOKE, HUB)).wanted = False  # type: ignore[union-attr]
    world.run(590)
    assert len(hub.sas) == 4


def test_a_worn_sa_is_followed_by_another(world: World) -> None:
    hub, spoke = up(world)
    old = spoke.outbound(HUB)
    assert old is not None and old.soft_octets == old.hard_octets - 256 * 1024  # type: ignore[operator]
    spoke.engine.worn(SaKey(old.spi, False, HUB), world.now)
    world.run(1)
    new = spoke.outbound(HUB)
    assert new is not None and new.spi != old.spi
    assert len(hub.sas) == 4


def test_a_rekey_that_fails_is_tried_again_while_the_old_pair_lives(world: World) -> None:
    _, spoke = up(world, lifetime_s=3600)
    world.run(3560)
    cut(world)
    world.run(15)  # the new quick mode gets no answer
    world.rules.clear()
    world.run(12)
    assert usable(world, HUB, SPOKE)
    assert spoke.flow_events == ["up 172.16.15.2"]


def test_idle_sas_go_and_come_with_traffic(world: World) -> None:
    _, spoke = up(world, idle_s=60)
    for _ in range(5):
        world.run(50)
        assert usable(world, HUB, SPOKE)  # which is traffic
    world.run(70)
    assert spoke.sas == {}
    assert spoke.flow_events[-1] == "down 172.16.15.2: idle"
    world.run(300)
    assert spoke.sas == {}
    spoke.request(HUB)  # a packet waits
    world.run(1)
    assert usable(world, HUB, SPOKE)


# --- phase 1 --------------------------------------------------------------------------------------------------------


def test_phase_1_ends_and_comes_back_with_phase_2(world: World) -> None:
    short = replace(POLICY, lifetime_s=1000)
    hub, spoke = up(world, policies=(short,))
    world.run(1010)
    assert usable(world, HUB, SPOKE)
    assert spoke.flow_events == ["up 172.16.15.2"]
    world.run(3600)
    assert usable(world, HUB, SPOKE)
    assert spoke.flow_events == ["up 172.16.15.2"] and hub.flow_events == ["up 172.16.25.2"]


def test_phase_1_has_a_successor_before_it_ends(world: World) -> None:
    """strongSwan ends with its last ISAKMP SA what phase 2 has made under it."""
    hub, spoke = up(world, policies=(replace(POLICY, lifetime_s=1000),))
    world.run(1000 - 5)
    for station in hub, spoke:
        assert [state.split()[1:] for state in station.states()] == [["QM_IDLE", "1002"], ["QM_IDLE", "1001"]]
    world.run(10)
    for station in hub, spoke:
        assert [state.split()[1:3] for state in station.states() if "deleted" not in state] == [["QM_IDLE", "1002"]]
    assert len([message for message in world.carried if message.payload[8:16] == bytes(8)]) == 2, "made once, by one"


def test_phase_1_that_nothing_lives_under_has_no_successor(world: World) -> None:
    hub, spoke = up(world, policies=(replace(POLICY, lifetime_s=1000),))
    spoke.release(HUB)
    world.run(1010)
    for station in hub, spoke:
        assert [state for state in station.states() if "deleted" not in state] == []


@pytest.mark.parametrize("mode", ["main", "aggressive"])
@pytest.mark.parametrize(("of_hub", "of_spoke"), [(1000, 86400), (86400, 1000), (70000, 80000)])
def test_the_shorter_life_of_phase_1_counts_on_both_sides(world: World, of_hub: int, of_spoke: int, mode: str) -> None:
    """A responder whose life is shorter says so: IOS agrees to the transform as it was offered."""
    profile = IsakmpProfile("A", networks=(IPv4Network("0.0.0.0/0"),), aggressive=mode == "aggressive")
    asked = replace(POLICY, lifetime_s=of_spoke)
    hub = world.add(HUB, config(HUB, policies=(replace(POLICY, lifetime_s=of_hub),)))
    spoke = world.add(SPOKE, config(SPOKE, policies=(asked,), profiles={"A": profile}, isakmp_profile="A"))
    spoke.request(HUB)
    world.run()
    for station in hub, spoke:
        (sa,) = station.engine.state(world.now).isakmp
        assert sa.expires_at is not None and sa.state == "QM_IDLE"
        assert sa.expires_at - sa.created_at == pytest.approx(min(of_hub, of_spoke), abs=1)
    world.run(min(of_hub, of_spoke) + 10)
    assert usable(world, HUB, SPOKE)


def test_a_new_isakmp_sa_is_adopted_at_any_time_and_phase_2_lives_on(world: World) -> None:
    hub, spoke = up(world)
    sas = set(hub.sas)
    core = spoke.engine._core
    crypto_map = core.node.config.maps["Tunnel0-head-0"]
    from iosish.ike import main_mode

    main_mode.initiate(core, (SPOKE, HUB), crypto_map, world.now)  # as strongSwan re-authenticates
    world.run(1)
    assert sorted(hub.states()) == ["172.16.25.2 QM_IDLE 1001", "172.16.25.2 QM_IDLE 1002"]
    old = next(sa for sa in core.sas if sa.connection_id == 1001)
    core.sas.delete(old, "replaced", world.now)
    world.run(10)
    assert set(hub.sas) == sas
    assert [state for state in hub.states() if "deleted" not in state] == ["172.16.25.2 QM_IDLE 1002"]
    spoke.engine.clear_sa(None, world.now)
    world.run(1)
    assert usable(world, HUB, SPOKE)


# --- a peer that is not there, or is there again --------------------------------------------------------------------


PERIODIC, ON_DEMAND = Keepalive(10, 3, periodic=True), Keepalive(10, 3)


def test_periodic_dpd_finds_a_dead_peer(world: World) -> None:
    _, spoke = up(world, keepalive=PERIODIC)
    assert spoke.engine.state(world.now).isakmp[0].capabilities == "D"
    world.run(100)
    assert usable(world, HUB, SPOKE)
    asked = [message for message in world.carried if message.payload[18] == 5]
    assert 30 <= len(asked) <= 44  # both ends ask, both answer
    cut(world)
    world.run(10 + 6 * 3 + 1)
    assert spoke.flow_events[-1] == "down 172.16.15.2: dead peer detected"
    assert spoke.sas == {}
    assert spoke.states()[0] == "172.16.15.2 MM_NO_STATE 0"  # it is wanted, so it is tried anew
    world.rules.clear()
    world.run(15)
    assert usable(world, HUB, SPOKE)


def test_dpd_on_demand_asks_only_when_packets_go_and_none_come(world: World) -> None:
    hub, spoke = up(world, keepalive=ON_DEMAND)
    count = len(world.carried)
    world.run(100)
    assert len(world.carried) == count, "nothing is sent, nothing is asked"
    for _ in range(10):
        world.run(5)
        assert usable(world, HUB, SPOKE)
    assert len(world.carried) == count + 2, "the first packet after a long silence asks; then they go both ways"
    hub.engine.configure(None, world.now)
    hub.engine.datagrams()  # a crash: nobody is told
    world.stations.pop(HUB)
    out = spoke.outbound(HUB)
    assert out is not None
    for _ in range(40):
        world.report(spoke, SaKey(out.spi, False, HUB))
        world.run(1)
        if spoke.flow_events[-1].startswith("down"):
            break
    assert spoke.flow_events[-1] == "down 172.16.15.2: dead peer detected"


def dpd_said_first(message: UdpDatagram) -> UdpDatagram:
    """As strongSwan does it: DPD is announced beside the SA, not beside the key exchange."""
    header, rest = packet.decode_header(message.payload)
    if header.encrypted:
        return message
    payloads = tuple(
        payload
        for payload in packet.decode_payloads(header.next_payload, rest)
        if not (isinstance(payload, VendorId) and payload.value == vendor.DPD)
    )
    if payloads[0].kind == Kind.SA:
        payloads += (VendorId(vendor.DPD),)
    changed = packet.encode(header.cookie_i, header.cookie_r, header.exchange, payloads)
    return replace(message, payload=changed)


def test_dpd_may_be_announced_with_the_first_messages(world: World) -> None:
    world.rules.append(dpd_said_first)
    for station in up(world, keepalive=PERIODIC):
        assert station.engine.state(world.now).isakmp[0].capabilities == "D"


def test_dpd_is_answered_by_who_has_none_configured(world: World) -> None:
    world.add(HUB)
    spoke = world.add(SPOKE, config(SPOKE, keepalive=PERIODIC))
    spoke.request(HUB)
    world.run(200)
    assert spoke.flow_events == ["up 172.16.15.2"]


def test_dpd_that_loses_an_answer_is_not_dead(world: World) -> None:
    hub, spoke = up(world, keepalive=PERIODIC)
    lost: list[UdpDatagram] = []

    def lose(message: UdpDatagram) -> UdpDatagram | None:
        if message.payload[18] == 5 and len(lost) < 4:
            lost.append(message)
            return None
        return message

    world.rules.append(lose)
    world.run(60)
    assert len(lost) == 4
    assert spoke.flow_events == ["up 172.16.15.2"] and hub.flow_events == ["up 172.16.25.2"]


def test_an_isakmp_sa_by_which_nobody_answers_is_replaced(world: World) -> None:
    """The hub was restarted, the spoke has lost its IPsec SAs: the ISAKMP SA that it has left is good for nothing."""
    _, spoke = up(world)
    hub = world.add(HUB)  # with nothing
    spoke.engine.clear_sa(HUB, world.now)
    spoke.collect()
    world.run(65)
    assert spoke.flow_events[-1] == "up 172.16.15.2" and hub.flow_events == ["up 172.16.25.2"]
    assert usable(world, HUB, SPOKE)
    assert len(spoke.states()) == 2 and "MM_NO_STATE" in spoke.states()[1]  # the old one, deleted


def test_an_isakmp_sa_by_which_the_peer_is_heard_stays(world: World) -> None:
    """It answers questions, if not this one."""
    _, spoke = up(world, keepalive=PERIODIC)
    world.rules.append(lambda message: None if message.payload[18] == 32 else message)
    before = spoke.states()
    spoke.engine.clear_sa(HUB, world.now)
    spoke.collect()
    world.run(200)
    assert spoke.states() == before


def test_a_peer_that_restarted_says_initial_contact(world: World) -> None:
    hub, _ = up(world)
    old = set(hub.sas)
    spoke = world.add(SPOKE)  # with nothing
    spoke.request(HUB)
    world.run(1)
    assert usable(world, HUB, SPOKE)
    assert not old & set(hub.sas)
    assert len(hub.sas) == len(spoke.sas) == 2
    assert [state for state in hub.states() if "deleted" not in state] == ["172.16.25.2 QM_IDLE 1002"]


def test_initial_contact_is_not_said_while_something_is_left(world: World) -> None:
    hub, spoke = up(world)
    sas = set(hub.sas)
    hub.engine.clear_isakmp(None, world.now)
    world.run(6)
    assert set(hub.sas) == sas, "phase 1 came back, and phase 2 had lived on"
    assert spoke.flow_events == ["up 172.16.15.2"]


@pytest.mark.parametrize("seed", range(20))
def test_initial_contact_of_both_ends_at_once_ends_nothing_new(seed: int) -> None:
    world = World(seed, disorder=0.5)
    hub, spoke = world.add(HUB), world.add(SPOKE)
    hub.request(SPOKE)
    spoke.request(HUB)
    world.run(30)
    assert usable(world, HUB, SPOKE)
    assert hub.flow_events == ["up 172.16.25.2"] and spoke.flow_events == ["up 172.16.15.2"]
