"""Hours of everything that can happen to two peers, by seed; and when it is over, a flow that works and rests."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from iosish.ike.config import Keepalive
from tests.ike.link import HUB, POLICY, SPOKE, World, config, usable

SETTINGS = {
    "keepalive": Keepalive(10, 2, periodic=True),
    "lifetime_s": 300,
    "policies": (replace(POLICY, lifetime_s=200),),
}


def happen(world: World, chance: random.Random) -> None:
    """One thing, to one of the two."""
    station = world.stations[chance.choice((HUB, SPOKE))]
    other = SPOKE if station.address == HUB else HUB
    match chance.randrange(12):
        case 0 | 1:
            station.engine.clear_sa(None, world.now)
        case 2 | 3:
            station.engine.clear_isakmp(None, world.now)
        case 4:
            station.engine.clear_session(None, world.now)
        case 5:
            station.engine.lost(world.now)
        case 6:
            world.add(station.address, config(station.address, **SETTINGS))  # it restarts, with nothing
            world.stations[SPOKE].request(HUB)
        case 7:
            world.stations[HUB].request(SPOKE)
        case 8:
            world.stations[HUB].release(SPOKE)
        case 9:
            station.engine.configure(None, world.now)
            station.collect()
            station.engine.configure(config(station.address, **SETTINGS), world.now)
        case _:
            world.packet(station.address, other)
    station.collect()


@pytest.mark.parametrize("seed", range(30))
def test_after_the_storm_the_flow_works(seed: int) -> None:
    chance = random.Random(seed)
    world = World(seed, loss=chance.choice((0, 0.1, 0.4)), doubling=0.1, disorder=0.2)
    for address in (HUB, SPOKE):
        world.add(address, config(address, **SETTINGS))
    world.stations[SPOKE].request(HUB)
    for _ in range(60):
        world.run(chance.choice((0.02, 0.1, 1, 5, 30)))
        happen(world, chance)
    world.loss = world.doubling = world.disorder = 0
    for _ in range(120):
        world.run(1)
        usable(world, HUB, SPOKE)  # packets keep trying, as they do
    assert usable(world, HUB, SPOKE)
    # And it rests: no more than keepalives and a rekey every few minutes.
    hub, spoke = world.stations[HUB], world.stations[SPOKE]
    count = len(world.carried)
    for _ in range(60):
        world.run(10)
        assert usable(world, HUB, SPOKE)
    assert len(world.carried) - count < 600 / 10 * 4 * 1.2 + 3 * 3 * 4
    assert len(hub.sas) <= 6 and len(spoke.sas) <= 6
    assert all("up" in station.flow_events[-1] for station in (hub, spoke))
