"""Very many encrypted spokes that come back at once when their hub was off; a thousand of them in tests/benchmarks."""

from __future__ import annotations

import pytest

from iosish import driving
from iosish.plane.memory import wire
from iosish.plane.memory.world import World
from tests.simulation.encrypted_lab import CLEARS, Read, clear
from tests.simulation.star import Star

SPOKES = 100
PATIENCE_S = 60.0
"""So long an initiator sends the same message again: what was begun while the hub was off is given up by then."""


@pytest.mark.parametrize(("off_s", "thinks_s"), [(1.0, 0.0), (10.0, 0.1), (45.0, 0.02)])
def test_all_are_back_and_no_exchange_is_given_up(read: Read, off_s: float, thinks_s: float) -> None:
    """The hub is away for less time than an exchange takes to be given up; so none is."""
    star = Star(World(1), read, SPOKES, hub_thinks_s=thinks_s)
    assert star.all_up_within(30.0) is not None
    star.world.run_until(star.world.now + 60.0)
    star.hub_off()
    star.world.run_until(star.world.now + off_s)
    star.hub_on()
    assert star.all_up_within(40.0) is not None
    assert star.given_up() == {}


def test_all_are_back_when_it_was_off_for_long_and_the_lines_are_bad(read: Read) -> None:
    star = Star(World(2), read, SPOKES // 2, hub_thinks_s=0.02)
    assert star.all_up_within(30.0) is not None
    star.hub_off()
    star.world.run_until(star.world.now + 300.0)
    star.internet.set_loss(0.02)
    star.hub_on()
    assert star.all_up_within(2 * PATIENCE_S) is not None
    star.world.run_until(star.world.now + PATIENCE_S)
    before = star.given_up()
    star.world.run_until(star.world.now + 300.0)
    assert star.given_up() == before


@pytest.mark.parametrize("command", CLEARS)
def test_a_clear_on_the_hub_costs_all_spokes_seconds(read: Read, command: str) -> None:
    star = Star(World(4), read, SPOKES // 2, hub_thinks_s=0.01)
    assert star.all_up_within(30.0) is not None
    star.world.run_until(star.world.now + 30.0)
    clear(star.hub, command)
    star.world.run_until(star.world.now + 6.0)
    assert star.registered() == star.answered() == SPOKES // 2
    assert star.given_up() == {}
    star.world.run_until(star.world.now + 60.0)
    state = star.hub.router.ike_state(star.world.now)
    assert len([sa for sa in state.isakmp if sa.active]) <= 2 * len(state.flows)
    assert all(len(flow.inbound) <= 2 for flow in state.flows)


def test_farewells_to_all_do_not_flood_the_line(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who misses that his SAs are gone goes on with them for a minute."""
    star = Star(World(5), read, SPOKES)
    assert star.all_up_within(30.0) is not None
    star.world.run_until(star.world.now + 30.0)
    monkeypatch.setattr(wire, "QUEUE_MAX", 2 * driving.IKE_AT_ONCE)
    clear(star.hub, "clear dmvpn session")
    star.world.run_until(star.world.now + 6.0)
    assert star.registered() == star.answered() == SPOKES


def test_the_hub_holds_as_much_after_many_restarts_as_before(read: Read) -> None:
    """What spokes leave behind does not pile up: neither here nor there."""
    star = Star(World(3), read, 20)
    for _ in range(5):
        assert star.all_up_within(60.0) is not None
        star.hub_off()
        star.world.run_until(star.world.now + 30.0)
        star.hub_on()
    assert star.all_up_within(60.0) is not None
    star.world.run_until(star.world.now + 120.0)
    for node in (star.hub, *star.spokes):
        state = node.router.ike_state(star.world.now)
        sas = sum(len(flow.inbound) + len(flow.outbound) for flow in state.flows)
        assert all(len(flow.inbound) == 1 for flow in state.flows)
        assert len(node.plane.read_counters().sas) == sas
        assert len([sa for sa in state.isakmp if sa.active]) <= 2 * len(state.flows)
