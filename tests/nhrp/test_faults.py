"""Loss and restarts at random: safe while it lasts, everybody there again within an interval afterwards."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nhrp.link import HUB, HUB_NBMA, Link, entry, hub_interface, nbma, spoke_interface, tunnel_address

SPOKES = (2, 3, 4)
INTERVAL_S = 4


@given(st.integers(0, 2**32), st.floats(0.1, 1.0))
@settings(max_examples=40, deadline=None)
def test_all_is_well_again_after_loss_and_a_restarted_hub(seed: int, loss: float) -> None:
    chance = random.Random(seed)
    link = Link()
    link.add(hub_interface(holdtime_s=12))
    spokes = {number: link.add(spoke_interface(number, holdtime_s=12), seed + number) for number in SPOKES}
    link.lost = lambda sent: chance.random() < loss
    for _ in range(20):
        link.run(chance.uniform(0, 3))
        number, other = chance.sample(SPOKES, 2)
        spokes[number].resolve("Tunnel0", tunnel_address(other), link.now)
        link.collect()
        if chance.random() < 0.1:
            link.remove(HUB_NBMA)
            link.add(hub_interface(holdtime_s=12))
        # Data of a spoke goes to the hub or to the spoke it is for, never elsewhere and never nowhere.
        way = spokes[number].forwarding()["Tunnel0"].neighbours
        assert way[HUB] == HUB_NBMA
        assert way[tunnel_address(other)] in (HUB_NBMA, nbma(other))

    link.lost = lambda sent: False
    link.run(INTERVAL_S + 1)
    hub = link.engines[HUB_NBMA]
    for number in SPOKES:
        known = entry(hub, tunnel_address(number), link.now)
        assert known is not None and known.nbma == nbma(number)
        assert spokes[number].state(link.now).interfaces["Tunnel0"].nhs[0].status == "RE"
    link.run(200)  # what was asked in vain has lapsed
    for number in SPOKES:
        for other in set(SPOKES) - {number}:
            spokes[number].resolve("Tunnel0", tunnel_address(other), link.now)
    link.collect()
    link.run(1)
    for number in SPOKES:
        way = spokes[number].forwarding()["Tunnel0"].neighbours
        assert way == {HUB: HUB_NBMA} | {tunnel_address(other): nbma(other) for other in set(SPOKES) - {number}}
