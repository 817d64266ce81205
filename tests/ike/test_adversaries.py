"""Who sees the wire, or has the key and means no good: what works for others goes on."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.ike import quick_exchange, quick_initiator
from iosish.ike.payloads import Identification
from tests.ike.link import HUB, OTHER, SPOKE, World, config, usable
from tests.ike.test_hostile import up


def inside(monkeypatch: pytest.MonkeyPatch, **says: IPv4Address) -> None:
    """Hosts that claim to be behind a NAT, and to have another address there, in quick mode: `HOST=ADDRESS`."""
    real, known = quick_exchange.host, {"spoke": SPOKE, "other": OTHER}
    addresses = {known[name]: address for name, address in says.items()}

    def host(address: IPv4Address) -> Identification:
        return real(addresses.get(address, address))

    monkeypatch.setattr(quick_exchange, "host", host)
    monkeypatch.setattr(quick_initiator, "_check_identities", lambda *_: None)


# --- who sees the wire ----------------------------------------------------------------------------------------------


def test_esp_by_the_spi_of_the_other_direction_does_not_make_a_router_delete_it() -> None:
    """A forger sees the SPI by which the hub sends, and sends by it to the hub."""
    world = World()
    hub, spoke = up(world)
    sent_by = hub.outbound(SPOKE)
    assert sent_by is not None
    hub.engine.esp_refused("invalid SPI", HUB, SPOKE, sent_by.spi, 1, world.now)
    hub.collect()
    world.run(5)
    assert usable(world, HUB, SPOKE)
    assert spoke.flow_events == ["up 172.16.15.2"]


# --- who has the key ------------------------------------------------------------------------------------------------


def test_nobody_takes_the_flow_of_another_by_saying_that_it_is_inside_a_nat(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    hub, _ = up(world)
    inside(monkeypatch, other=SPOKE)
    world.add(OTHER, config(OTHER, udp_forced=True)).request(HUB)
    world.run(5)
    assert [sa.peer for sa in hub.sas.values() if sa.selector_peer == SPOKE] == [SPOKE, SPOKE]
    assert usable(world, HUB, SPOKE)


def test_who_says_so_before_the_other_comes_gives_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    hub = world.add(HUB)
    inside(monkeypatch, other=SPOKE)
    world.add(OTHER, config(OTHER, udp_forced=True)).request(HUB)
    world.run(5)
    world.add(SPOKE).request(HUB)
    world.run(5)
    assert [sa.peer for sa in hub.sas.values() if sa.selector_peer == SPOKE] == [SPOKE, SPOKE]
    assert usable(world, HUB, SPOKE)


def test_two_behind_nats_do_not_have_the_same_address_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused rather than to get what is meant for the first."""
    private = IPv4Address("192.168.1.2")
    inside(monkeypatch, spoke=private, other=private)
    world = World()
    hub = world.add(HUB)
    world.add(OTHER, config(OTHER, udp_forced=True)).request(HUB)
    world.run(5)
    world.add(SPOKE, config(SPOKE, udp_forced=True)).request(HUB)
    world.run(5)
    assert {sa.peer for sa in hub.sas.values() if sa.selector_peer == private} == {OTHER}
    assert hub.counters("address of another peer") > 0
    del world.stations[OTHER]
    hub.engine.clear_session(OTHER, world.now)
    world.run(60)
    assert {sa.peer for sa in hub.sas.values() if sa.selector_peer == private} == {SPOKE}


def test_initial_contact_of_one_behind_a_nat_that_denies_it_spares_the_others() -> None:
    """Two hosts of one translated address: the second knows its translation, and says that there is none."""
    world = World()
    hub = world.add(HUB)
    world.add(SPOKE, config(SPOKE, udp_forced=True)).request(HUB)
    world.run()
    before = set(hub.sas)
    assert len(before) == 2
    # The other host of this address, from port 500, without a NAT.
    world.add(SPOKE).request(HUB)
    world.run(5)
    assert before < set(hub.sas)
