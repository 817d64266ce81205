"""Loss, SAs that go, and restarts at random: no clear text and nobody stranded; all is well again soon afterwards."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.nhrp import constants as c
from iosish.nhrp.packet import PacketType
from tests.nhrp.link import HUB_NBMA, entry, nbma, tunnel_address
from tests.nhrp.secure_link import SecureLink

SPOKES = (2, 3, 4)
INTERVAL_S = 4
SILENCE_S = 2 + 4 + 8 + INTERVAL_S
"""The longest that a spoke takes to find a server silent."""


@given(st.integers(0, 2**32), st.floats(0.0, 0.8))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_all_is_well_again_after_loss_lost_sas_and_a_restarted_hub(seed: int, loss: float) -> None:
    chance = random.Random(seed)
    link = SecureLink()
    link.station(1, holdtime_s=12)
    for number in SPOKES:
        link.station(number, holdtime_s=12)
    link.lost = lambda sent: chance.random() < loss
    for _ in range(20):
        link.run(chance.uniform(0, 3))
        number, other = chance.sample(SPOKES, 2)
        link.ping(number, tunnel_address(other))
        match chance.randrange(5):
            case 0:
                link.tear(*chance.sample([nbma(station) for station in (1, *SPOKES)], 2))
            case 1:
                link.remove(HUB_NBMA)  # the spokes keep their halves of the SAs
                link.station(1, holdtime_s=12)
            case 2:
                link.grants = lambda initiator, responder: chance.random() < 0.5
            case _:
                pass
        ways = link.engines[nbma(number)].forwarding()["Tunnel0"].neighbours
        assert ways[tunnel_address(other)] in (HUB_NBMA, nbma(other))
    # What a spoke asks waits for the SA. Only what is passed on, answered or taken back may find none.
    asked = {PacketType.REGISTRATION_REQUEST, PacketType.RESOLUTION_REQUEST}
    assert not any(sent.packet.type in asked and sent.source != HUB_NBMA for sent in link.homeless)

    link.lost = lambda sent: False
    link.grants = lambda initiator, responder: True
    # A server that was found silent just now is not given up again within a minute.
    link.run(c.PEER_DEAD_AGAIN_S + SILENCE_S)
    hub = link.engines[HUB_NBMA]
    for number in SPOKES:
        known = entry(hub, tunnel_address(number), link.now)
        assert known is not None and (known.nbma, known.secured) == (nbma(number), True)
        assert link.engines[nbma(number)].state(link.now).interfaces["Tunnel0"].nhs[0].status == "RE"
    assert link.wanted(1) == {nbma(number) for number in SPOKES}
    link.run(c.INCOMPLETE_S + c.SA_AWAITED_S)  # what was asked in vain has lapsed
    for number in SPOKES:
        for other in set(SPOKES) - {number}:
            link.ping(number, tunnel_address(other))
    link.run(2)
    for number in SPOKES:
        for other in set(SPOKES) - {number}:
            assert link.ping(number, tunnel_address(other)) == [nbma(other)]
