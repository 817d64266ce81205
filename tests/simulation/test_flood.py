"""A flood of first messages at a hub, from addresses that do not exist: its spokes do not feel it."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from iosish.ike import constants, dh
from iosish.plane.memory.world import World
from tests.simulation.encrypted_lab import Flow, Read
from tests.simulation.flood import PER_S, flood
from tests.simulation.star import Star

SPOKES = 8
MESSAGES = 12_000
"""A hundred thousand are in tests/benchmarks."""


def test_it_costs_no_diffie_hellman_and_no_memory_and_no_spoke(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "MAX_PEERS", 1000)  # the tables of who is watched are full before it is measured
    star = Star(World(1), read, SPOKES)
    assert star.all_up_within(10.0) is not None
    star.world.run_until(star.world.now + 10.0)
    pings = Flow(star.spokes[1], "192.168.0.1", 0.05)
    sent = flood(star, MESSAGES)
    next(sent)
    computed = 0
    begin = dh.DiffieHellman.begin

    def counted(self: dh.DiffieHellman, group: int) -> dh.Exchange:
        nonlocal computed
        computed += 1
        return begin(self, group)

    monkeypatch.setattr(dh.DiffieHellman, "begin", counted)
    deadlines = star.hub.router.ike._core.node.deadlines
    tracemalloc.start()
    sizes = []
    for _ in sent:
        deadlines._rebuild()  # what was cancelled goes later, when it is as much again as what was not
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
        assert star.registered() == star.answered() == SPOKES
    tracemalloc.stop()
    assert computed == 0
    assert max(sizes[2:]) - sizes[1] < 6_000_000  # what has been dropped waits for its deadline to surface; no more
    state = star.hub.router.ike_state(star.world.now)
    assert len(state.isakmp) <= 1000 + 2 * SPOKES
    assert state.counters["half-open limit"] >= MESSAGES - 1000 - PER_S
    star.world.run_until(star.world.now + 70.0)
    pings.stop()
    assert pings.lost() == []
    assert len(star.hub.router.ike_state(star.world.now).isakmp) <= 2 * SPOKES  # the rest has expired
    assert len(star.hub.events) < 500


def test_spokes_come_and_come_back_during_it(read: Read) -> None:
    """Their first messages are among those of the flood, and are answered before they are pushed out."""
    star = Star(World(2), read, SPOKES)
    assert star.all_up_within(10.0) is not None
    for second, _ in enumerate(flood(star, 10 * PER_S)):
        if second == 2:
            for spoke in star.spokes:
                spoke.clear_crypto_session(None)
        if second > 5:
            assert star.registered() == star.answered() == SPOKES
    assert star.given_up().keys() <= {"half-open limit"}
