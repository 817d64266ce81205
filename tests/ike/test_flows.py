"""Flows: asked for, kept up, taken down; deletes, clears, retransmission, what is lost on the wire."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from iosish.engine import UdpDatagram
from iosish.ike.config import Keepalive
from iosish.ike.constants import DELETED_SHOWN_S, MAX_PAIRS_PER_FLOW
from iosish.ipsec.sa import SaCounters, SaKey
from tests.ike.link import HUB, OTHER, SPOKE, Station, World, config, keyring, usable


@pytest.fixture
def world() -> World:
    return World()


def up(world: World, **changes: object) -> tuple[Station, Station]:
    """A hub that asks for nothing and a spoke that does."""
    hub, spoke = world.add(HUB, config(HUB, **changes)), world.add(SPOKE, config(SPOKE, **changes))
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    return hub, spoke


def exchanges(world: World) -> int:
    """How many main modes and quick modes were begun: each has a message 1 of its own."""
    return sum(1 for message in world.carried if message.payload[8:16] == bytes(8))


# --- asking ---------------------------------------------------------------------------------------------------------


def test_asked_twice_is_asked_once(world: World) -> None:
    _, spoke = up(world)
    spoke.request(HUB)
    world.run()
    assert len(world.carried) == 9
    assert spoke.flow_events == ["up 172.16.15.2"]


def test_released_the_sa_goes_on_both_ends_and_phase_1_stays(world: World) -> None:
    hub, spoke = up(world)
    spoke.release(HUB)
    world.run()
    assert spoke.flow_events[-1] == "down 172.16.15.2: no longer needed"
    assert hub.flow_events[-1] == "down 172.16.25.2: deleted by peer"
    assert hub.sas == spoke.sas == {}
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001"]
    world.run(60)
    assert hub.sas == spoke.sas == {}
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    assert exchanges(world) == 1


def test_a_peer_that_is_not_there_is_asked_as_ios_asks_then_again_and_again(world: World) -> None:
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    start = world.now
    world.run(65)
    # Every 10 s, five times more, all the same; then the SA goes.
    assert [round(at) for at in sent_at(world, spoke, start)] == [0, 10, 20, 30, 40, 50, 62]
    assert len({message.payload for message in spoke.sent[:6]}) == 1
    assert spoke.flow_events == ["down 172.16.15.2: no answer"]
    assert any("IKMP_SETUP_FAILURE" in line and "no answer" in line for line in spoke.log)
    world.run(600)
    # Later and later, never a tight loop.
    assert 6 * 8 <= len(spoke.sent) <= 6 * 12
    world.add(HUB)
    world.run(31)
    assert usable(world, HUB, SPOKE)


def sent_at(world: World, station: Station, start: float) -> list[float]:
    """When each message left: run again on a wire that remembers."""
    again = World()
    times: list[float] = []

    def note(message: UdpDatagram) -> UdpDatagram:
        times.append(again.now - start)
        return message

    again.rules.append(note)
    again.add(station.address).request(HUB)
    again.run(65)
    return times


def test_failures_in_quick_succession_are_followed_by_growing_pauses(world: World) -> None:
    spoke = world.add(SPOKE, config(SPOKE, keyrings={}))
    spoke.request(HUB)
    world.run(120)
    assert 4 <= len(spoke.flow_events) <= 8
    assert set(spoke.flow_events) == {"down 172.16.15.2: no pre-shared key"}


def test_one_sided_crypto_heals_when_the_other_side_follows(world: World) -> None:
    hub = world.add(HUB, None)
    hub.engine.configure(None, world.now)
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    world.run(25)
    assert not usable(world, HUB, SPOKE)
    hub.engine.configure(config(HUB), world.now)
    world.run(10)
    assert usable(world, HUB, SPOKE)


# --- the wire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", range(9))
def test_each_message_may_be_lost_once(world: World, lost: int) -> None:
    carried: list[UdpDatagram] = []

    def lose(message: UdpDatagram) -> UdpDatagram | None:
        carried.append(message)
        return None if len(carried) == lost + 1 else message

    world.rules.append(lose)
    world.add(HUB)
    world.add(SPOKE).request(HUB)
    world.run(25)
    assert usable(world, HUB, SPOKE)
    assert len(world.stations[HUB].sas) == len(world.stations[SPOKE].sas) == 2


def test_the_third_message_of_quick_mode_lost_and_a_packet_in_its_place(world: World) -> None:
    def lose(message: UdpDatagram) -> UdpDatagram | None:
        return None if len(message.payload) == 60 else message

    world.rules.append(lose)
    hub, spoke = world.add(HUB), world.add(SPOKE)
    spoke.request(HUB)
    world.run(1)
    assert spoke.flow_events == ["up 172.16.15.2"] and hub.flow_events == []
    # The packet proves what the message would have.
    assert world.packet(SPOKE, HUB)
    assert hub.flow_events == ["up 172.16.25.2"]
    assert world.packet(HUB, SPOKE)
    world.run(100)
    assert len(hub.sas) == 2


def test_the_third_message_never_comes_and_the_responder_takes_its_sa_out(world: World) -> None:
    def lose(message: UdpDatagram) -> UdpDatagram | None:
        return None if len(message.payload) == 60 else message

    world.rules.append(lose)
    hub = world.add(HUB)
    world.add(SPOKE).request(HUB)
    world.run(1)
    assert hub.engine.takes_from(HUB, SPOKE)  # a packet may be there before the message
    world.run(99)
    assert hub.sas == {} and hub.flow_events == []
    assert not hub.engine.takes_from(HUB, SPOKE)


@pytest.mark.parametrize("seed", range(40))
def test_loss_doubling_and_disorder_and_in_the_end_a_usable_flow(seed: int) -> None:
    world = World(seed, loss=0.2, doubling=0.2, disorder=0.3)
    hub, spoke = world.add(HUB), world.add(SPOKE)
    spoke.request(HUB)
    if seed % 2:
        hub.request(SPOKE)  # from both ends at once
    world.run(150)
    world.loss = world.doubling = world.disorder = 0
    world.run(100)
    assert usable(world, HUB, SPOKE)
    counts = len(world.carried)
    world.run(300)
    assert len(world.carried) == counts, "it rests"
    assert len(hub.sas) == len(spoke.sas)


def test_a_message_that_comes_twice_is_answered_by_the_same_answer(world: World) -> None:
    hub = world.add(HUB)
    world.add(SPOKE).request(HUB)
    world.run(1)
    first, second = world.carried[0], world.carried[2]
    world.now += 5
    answers = len(hub.sent)
    # The one that was answered last is answered again ...
    world.deliver(world.carried[4])
    assert hub.sent[answers:] == [hub.sent[2]]
    # ... those before it are not, and none begins anything.
    for message in (first, second):
        world.deliver(message)
    assert len(hub.sent) == answers + 1
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001"]


def test_quick_mode_cannot_be_replayed(world: World) -> None:
    hub, _ = up(world)
    world.run(120)
    sent = len(hub.sent)
    for message in world.carried[6:9:2]:
        world.deliver(message)
    assert len(hub.sent) == sent
    assert hub.counters("message id was used before") == 2
    assert len(hub.sas) == 2


# --- both ends at once ----------------------------------------------------------------------------------------------


def test_both_ends_begin_at_once(world: World) -> None:
    hub, spoke = world.add(HUB), world.add(SPOKE)
    hub.request(SPOKE)
    spoke.request(HUB)
    world.run(5)
    assert usable(world, HUB, SPOKE)
    assert hub.flow_events == ["up 172.16.25.2"] and spoke.flow_events == ["up 172.16.15.2"]
    assert len(hub.states()) == len(spoke.states()) == 2
    assert len(hub.sas) == len(spoke.sas) == 2, "two phase 1, one pair"
    count = len(world.carried)
    world.run(600)
    assert len(world.carried) == count
    for sa in spoke.sas.values():
        assert SaKey(sa.spi, not sa.inbound, SPOKE) in hub.sas


@pytest.mark.parametrize("delay", [0.001, 0.01, 0.02, 0.03, 0.05, 0.06, 0.07, 0.08, 0.1, 1])
def test_one_end_begins_a_little_later(world: World, delay: float) -> None:
    hub, spoke = world.add(HUB), world.add(SPOKE)
    spoke.request(HUB)
    spoke.collect()
    world.run(delay)
    hub.request(SPOKE)
    world.run(5)
    assert usable(world, HUB, SPOKE)
    assert hub.flow_events == ["up 172.16.25.2"] and spoke.flow_events == ["up 172.16.15.2"]
    assert len(hub.sas) == len(spoke.sas) == 2


# --- deletes and clears ---------------------------------------------------------------------------------------------


def test_clear_crypto_sa_builds_a_new_pair_under_the_same_phase_1(world: World) -> None:
    hub, spoke = up(world)
    before = set(spoke.sas)
    spoke.engine.clear_sa(None, world.now)
    world.run(1)
    assert usable(world, HUB, SPOKE)
    assert not before & set(spoke.sas)
    assert spoke.flow_events == ["up 172.16.15.2", "down 172.16.15.2: cleared", "up 172.16.15.2"]
    assert hub.flow_events == ["up 172.16.25.2", "down 172.16.25.2: deleted by peer", "up 172.16.25.2"]
    assert exchanges(world) == 1


def test_clear_crypto_sa_on_the_hub_is_healed_by_the_spoke(world: World) -> None:
    hub, _ = up(world)
    hub.engine.clear_sa(SPOKE, world.now)
    world.run(0.2)
    assert hub.sas == {}
    world.run(2)
    assert usable(world, HUB, SPOKE)


def test_clear_crypto_sa_of_another_peer_clears_nothing(world: World) -> None:
    hub, _ = up(world)
    hub.engine.clear_sa(OTHER, world.now)
    world.run(1)
    assert len(world.carried) == 9


@pytest.mark.parametrize("who", [HUB, SPOKE])
def test_clear_crypto_isakmp_leaves_ipsec_alone_and_phase_1_comes_back_in_5_s(world: World, who: object) -> None:
    hub, spoke = up(world)
    sas = set(hub.sas) | set(spoke.sas)
    station = hub if who == HUB else spoke
    station.engine.clear_isakmp(None, world.now)
    world.run(0.5)
    for end in (hub, spoke):
        assert [state.split(" ", 1)[1] for state in end.states()] == ["MM_NO_STATE 1001 (deleted)"]
        assert end.engine.state(world.now).flows[0].status == "UP-NO-IKE"
    world.run(5)
    for end in (hub, spoke):
        assert any("QM_IDLE 1002" in state for state in end.states())
    assert set(hub.sas) | set(spoke.sas) == sas
    assert exchanges(world) == 2  # the first, and one more: whoever was faster
    assert spoke.flow_events == ["up 172.16.15.2"]
    world.run(DELETED_SHOWN_S)
    assert not any("deleted" in state for state in hub.states())


def test_clear_crypto_isakmp_of_one_connection(world: World) -> None:
    hub, _ = up(world)
    world.add(OTHER).request(HUB)
    world.run()
    hub.engine.clear_isakmp(1002, world.now)
    hub.engine.clear_isakmp(7, world.now)
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001", "172.16.35.2 MM_NO_STATE 1002 (deleted)"]


def test_clear_crypto_session_builds_both_anew(world: World) -> None:
    hub, spoke = up(world)
    spoke.engine.clear_session(HUB, world.now)
    world.run(2)
    assert usable(world, HUB, SPOKE)
    assert spoke.states() == ["172.16.15.2 QM_IDLE 1002", "172.16.15.2 MM_NO_STATE 1001 (deleted)"]
    assert len(hub.sas) == len(spoke.sas) == 2


def test_from_the_line_that_ends_an_sa_on_nothing_is_taken_by_it(world: World) -> None:
    hub, _ = up(world)
    assert hub.engine.takes_from(HUB, SPOKE)
    assert not hub.engine.takes_from(HUB, OTHER)
    hub.engine.clear_session(None, world.now)
    assert not hub.engine.takes_from(HUB, SPOKE)  # although the plane has yet to hear of it
    world.run(2)
    assert hub.engine.takes_from(HUB, SPOKE)  # the spoke has made another


def test_a_deleted_sa_is_told_to_the_peer_esp_first(world: World) -> None:
    _, spoke = up(world)
    count = len(spoke.sent)
    spoke.engine.clear_session(HUB, world.now)
    spoke.collect()
    esp, isakmp = spoke.sent[count : count + 2]
    assert esp.payload[20:24] != isakmp.payload[20:24], "each has its own message id"
    assert len(esp.payload) < len(isakmp.payload)


def test_a_peer_that_takes_every_pair_down_is_asked_more_and_more_rarely(world: World) -> None:
    """As strongSwan does on a kernel without ESP."""
    hub, spoke = up(world)
    for _ in range(300):
        hub.engine.clear_sa(SPOKE, world.now)
        world.run(1)
    assert 8 <= spoke.flow_events.count("up 172.16.15.2") <= 25
    world.run(30)
    assert usable(world, HUB, SPOKE)


def test_a_pair_that_carried_something_is_asked_for_again_at_once_however_often_it_is_cleared(world: World) -> None:
    """As somebody at the hub's console does it."""
    hub, spoke = up(world)
    for _ in range(8):
        counters = {SaKey(sa.spi, sa.inbound, sa.peer): SaCounters(1, 100) for sa in spoke.inbound(HUB)}
        spoke.engine.used(counters, world.now)
        world.run(5)
        hub.engine.clear_sa(SPOKE, world.now)
        world.run(2)
        assert usable(world, HUB, SPOKE)


# --- what the plane tells -------------------------------------------------------------------------------------------


def test_the_forwarder_dies_and_all_is_made_anew(world: World) -> None:
    hub, _ = up(world)
    before = set(hub.sas)
    hub.engine.lost(world.now)  # the end that asked for nothing
    world.run(2)
    assert usable(world, HUB, SPOKE)
    assert not before & set(hub.sas)
    assert hub.flow_events[1] == "down 172.16.25.2: forwarder died"


def test_the_forwarder_dies_while_there_is_no_phase_1(world: World) -> None:
    hub, spoke = up(world)
    for station in (hub, spoke):
        station.engine.clear_isakmp(None, world.now)
    hub.collect()
    hub.engine.lost(world.now)
    world.run(5)
    assert usable(world, HUB, SPOKE)


def test_esp_for_an_spi_that_is_not_here_is_said_to_the_peer_while_there_is_a_phase_1(world: World) -> None:
    hub, spoke = up(world)
    hub.engine.esp_refused("invalid SPI", HUB, SPOKE, 0xABCD1234, 7, world.now)
    hub.collect()
    assert hub.log[-1] == (
        "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=172.16.15.2, prot=50, "
        "spi=0xABCD1234(2882343476), srcaddr=172.16.25.2"
    )
    world.run(1)
    assert len(world.carried) == 11  # the notification, and the delete
    assert usable(world, HUB, SPOKE)
    for station in (hub, spoke):
        station.engine.clear_isakmp(None, world.now)
    world.rules.append(lambda message: None)
    count = len(hub.sent)
    hub.engine.esp_refused("invalid SPI", HUB, SPOKE, 0xABCD1234, 7, world.now)
    hub.collect()
    assert len(hub.sent) == count + 1, "the delete of phase 1 alone"


def test_a_delete_that_was_lost_is_made_good_by_the_next_packet(world: World) -> None:
    hub, spoke = up(world)
    world.rules.append(lambda message: None)
    hub.engine.clear_sa(None, world.now)
    world.run(0.1)
    world.rules.clear()
    assert not world.packet(SPOKE, HUB)
    world.run(1)
    assert usable(world, HUB, SPOKE)
    assert len(spoke.sas) == len(hub.sas) == 2


def test_invalid_spi_recovery_when_the_hub_restarted(world: World) -> None:
    up(world, invalid_spi_recovery=True)
    # The hub comes back with nothing, and gets ESP by the old SA.
    hub = world.add(HUB, config(HUB, invalid_spi_recovery=True))
    out = world.stations[SPOKE].outbound(HUB)
    assert out is not None
    hub.engine.esp_refused("invalid SPI", HUB, SPOKE, out.spi, 7, world.now)
    world.run(3)
    assert usable(world, HUB, SPOKE)
    assert len(world.stations[SPOKE].sas) == 2


def test_a_hub_that_restarted_finds_the_way_to_all_of_its_spokes_at_once(world: World) -> None:
    recovering: dict[str, object] = {"invalid_spi_recovery": True}
    world.add(HUB, config(HUB, **recovering))
    spokes = [IPv4Address(f"172.16.25.{number}") for number in range(2, 12)]
    for spoke in spokes:
        world.add(spoke, config(spoke, **recovering)).request(HUB)
    world.run()
    world.add(HUB, config(HUB, **recovering))
    for spoke in spokes:
        assert not world.packet(spoke, HUB)
    world.run(2)
    assert all(usable(world, HUB, spoke) for spoke in spokes)


def test_a_quick_mode_that_a_hub_does_not_know_any_more_has_it_recover_too(world: World) -> None:
    """The spoke has no SA by which a packet could tell the hub: only one to negotiate by."""
    hub, spoke = up(world, invalid_spi_recovery=True)
    hub.engine.clear_sa(None, world.now)
    world.run(0.05)
    assert spoke.sas == {}
    world.add(HUB, config(HUB, invalid_spi_recovery=True))
    world.run(3)
    assert usable(world, HUB, SPOKE)


def test_a_quick_mode_that_is_not_answered_makes_a_keepalive_ask(world: World) -> None:
    hub, _ = up(world, keepalive=Keepalive(10, 2))
    hub.engine.clear_sa(None, world.now)
    world.run(0.05)
    world.add(HUB, config(HUB))
    world.run(10 + 6 * 2 + 3)
    assert usable(world, HUB, SPOKE)


def test_other_refusals_have_their_lines(world: World) -> None:
    hub, spoke = up(world)
    out = spoke.outbound(HUB)
    assert out is not None
    for reason in ("replay", "integrity", "length", "identity"):
        hub.engine.esp_refused(reason, HUB, SPOKE, out.spi, 7, world.now)
    hub.collect()
    names = [line.split(":")[0] for line in hub.log[-4:]]
    assert names == [
        "%CRYPTO-4-PKT_REPLAY_ERR",
        "%CRYPTO-4-RECVD_PKT_MAC_ERR",
        "%CRYPTO-4-RECVD_PKT_INV_LEN",
        "%CRYPTO-4-RECVD_PKT_NOT_IPSEC",
    ]
    assert f"spi={out.spi:08X} seqno=00000007" in hub.log[-3]


def test_esp_that_is_refused_again_and_again_is_told_once_a_minute(world: World) -> None:
    hub, _ = up(world)
    for _ in range(300):
        hub.engine.esp_refused("replay", HUB, SPOKE, 0xABCD1234, 7, world.now)
        hub.engine.esp_refused("invalid SPI", HUB, OTHER, 0xABCD1234, 7, world.now)
        world.run(0.5)
    hub.collect()
    assert len([line for line in hub.log if "PKT_REPLAY_ERR" in line]) == 3
    assert len([line for line in hub.log if "INV_SPI" in line]) == 3


# --- configuration --------------------------------------------------------------------------------------------------


def test_equal_values_change_nothing(world: World) -> None:
    hub, spoke = up(world)
    for station in (hub, spoke):
        station.engine.configure(config(station.address), world.now)
    world.run(1)
    assert len(world.carried) == 9


def test_the_map_goes_and_all_goes(world: World) -> None:
    hub, spoke = up(world)
    spoke.engine.configure(None, world.now)
    world.run(1)
    assert spoke.sas == hub.sas == {}
    assert spoke.flow_events[-1] == "down 172.16.15.2: no longer configured"
    assert hub.flow_events[-1] == "down 172.16.25.2: deleted by peer"
    assert spoke.log[-1] == "%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is OFF"
    assert all("(deleted)" in state for state in (*hub.states(), *spoke.states()))
    spoke.engine.configure(config(SPOKE), world.now)
    world.run(1)
    assert usable(world, HUB, SPOKE), "the flow was asked for, and was never released"


def test_a_new_key_leaves_what_is_up(world: World) -> None:
    hub, _ = up(world)
    hub.engine.configure(replace(config(HUB), keyrings={}), world.now)
    world.run(10)
    assert usable(world, HUB, SPOKE)
    assert len(world.carried) == 9


def test_weak_algorithms_are_named_once(world: World) -> None:
    hub = world.add(HUB)
    hub.engine.configure(config(HUB, fqdn="other"), world.now)
    hub.engine.configure(None, world.now)  # the tunnel goes down, and comes up
    hub.engine.configure(config(HUB), world.now)
    hub.collect()
    assert [line for line in hub.log if "WEAK" in line] == [
        "%IOSISH-4-WEAK_CRYPTO: Configured for use, and weak: group 2; AES, SHA-256 and group 14 or more are not"
    ]


def test_a_failed_phase_1_is_told_with_the_name_that_we_go_by(world: World) -> None:
    world.add(HUB)
    other = {"default": keyring(b"an0ther")}
    spoke = world.add(SPOKE, config(SPOKE, keyrings=other, identity="hostname", fqdn="spoke.example.net"))
    spoke.request(HUB)
    world.run(11)
    (said,) = [line for line in spoke.log if "SETUP_FAILURE" in line]
    assert "local:172.16.25.2 local_id:spoke.example.net remote:172.16.15.2 remote_id:172.16.15.2 " in said


def test_sessions_are_logged_when_that_is_wanted(world: World) -> None:
    _, spoke = up(world, session_log=True)
    spoke.release(HUB)
    spoke.collect()
    assert [line for line in spoke.log if "SESSION" in line] == [
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP  .  Peer 172.16.15.2:500       Id: 172.16.15.2",
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  Peer 172.16.15.2:500       Id: 172.16.15.2",
    ]


def test_pairs_of_one_flow_are_bounded(world: World) -> None:
    hub, spoke = up(world)
    for _ in range(3 * MAX_PAIRS_PER_FLOW):
        out = spoke.outbound(HUB)
        assert out is not None
        spoke.engine.worn(SaKey(out.spi, False, HUB), world.now)
        world.run(1)
    assert len(spoke.sas) == len(hub.sas) == 2 * MAX_PAIRS_PER_FLOW
    assert usable(world, HUB, SPOKE)


def test_nothing_is_left_of_flows_that_are_no_longer_wanted(world: World) -> None:
    hub, spoke = world.add(HUB), world.add(SPOKE)
    for _ in range(20):
        spoke.request(HUB)
        world.run(1)
        spoke.release(HUB)
        world.run(1)
    world.run(100)
    for station in (hub, spoke):
        core = station.engine._core
        assert list(core.flows) == [] and core.flows._of_ends == {}
        assert not core.pairs._by_key and not core.pairs._awaited and not core.pairs._taken
        assert [sa.quick for sa in core.sas] == [{}]
        assert station.sas == {}


def test_a_released_flow_that_never_came_up_is_forgotten(world: World) -> None:
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    world.run(5)
    spoke.release(HUB)
    world.run(100)
    assert spoke.flow_events == []
    assert spoke.engine.next_wake() is None
    assert list(spoke.engine._core.flows) == [] and list(spoke.engine._core.sas) == []
