"""Hours of an encrypted lab: SAs of both phases end and are followed by others, while pings pass and none is lost."""

from __future__ import annotations

import pytest

from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import (
    PROTECTED,
    Flow,
    Leaks,
    Read,
    agreed,
    everywhere,
    idle,
    isakmp,
    make,
    run,
    spis,
)
from tests.simulation.test_cloud import ALL, registered

SHORT = """crypto isakmp policy 10
 lifetime {phase1}
crypto ipsec security-association lifetime seconds {phase2}
"""


def most_sas(lab: SimLab, seconds: float, every_s: float = 5.0) -> tuple[int, int]:
    """Run, and tell how many SAs of phase 1 and 2 a router had with one peer at most."""
    most_1 = most_2 = 0
    end = lab.world.now + seconds
    while lab.world.now < end:
        run(lab, every_s)
        for name in PROTECTED:
            state = lab[name].router.ike_state(lab.world.now)
            peers = [sa.peer for sa in state.isakmp if sa.active]
            most_1 = max([most_1, *(peers.count(peer) for peer in peers)])
            most_2 = max([most_2, *(len(flow.inbound) for flow in state.flows)])
    return most_1, most_2


def plane_sas(lab: SimLab, name: str) -> int:
    """How many SAs the data plane has."""
    return len(lab[name].plane.read_counters().sas)


def ike_sas(lab: SimLab, name: str) -> int:
    """How many of them IKE knows of."""
    flows = lab[name].router.ike_state(lab.world.now).flows
    return sum(len(flow.inbound) + len(flow.outbound) for flow in flows)


@pytest.mark.parametrize("seed", range(2))
def test_rekeying_by_time_for_hours_loses_nothing(read: Read, seed: int) -> None:
    lab = make(read, everywhere(SHORT.format(phase1=1000, phase2=300)), seed=seed)
    leaks = Leaks(lab)
    run(lab, 15.0)
    to_hub, to_spoke, back = (
        Flow(lab["R2"], "192.168.0.1", 1.0),
        Flow(lab["R3"], "192.168.0.4", 1.3),
        Flow(lab["R4"], "192.168.0.3", 1.7),
    )
    run(lab, 5.0)
    first = spis(lab, "R2", "R1") | spis(lab, "R3", "R4")
    most_1, most_2 = most_sas(lab, 2 * 3600.0)
    for pings in (to_hub, to_spoke, back):
        pings.stop()
        assert pings.lost() == []
    assert leaks == []
    assert most_1 <= 3 and most_2 <= 3  # two that both ends made at once, and their successor
    assert not first & (spis(lab, "R2", "R1") | spis(lab, "R3", "R4"))
    assert agreed(lab, "R1", "R2") and agreed(lab, "R3", "R4")
    for name in PROTECTED:
        assert plane_sas(lab, name) == ike_sas(lab, name)


def test_the_lives_of_the_classic_lab_for_more_than_a_day(read: Read) -> None:
    """86,400 s of phase 1, 3,600 s of phase 2."""
    lab = make(read)
    leaks = Leaks(lab)
    run(lab, 15.0)
    pings = Flow(lab["R2"], "192.168.0.3", 20.0)
    ids = {name: idle(lab, "R1", name) for name in ("R2", "R3", "R4")}
    most_1, most_2 = most_sas(lab, 26 * 3600.0, every_s=60.0)
    pings.stop()
    assert pings.lost() == []
    assert leaks == []
    assert most_1 <= 3 and most_2 <= 3
    assert registered(lab) == ALL
    for name, before in ids.items():
        assert not before & idle(lab, "R1", name) and idle(lab, "R1", name), name


@pytest.mark.parametrize("seed", range(2))
def test_rekeying_by_volume_loses_nothing(read: Read, seed: int) -> None:
    """2,560 kB, of which the last 256 are for the rekeying."""
    lab = make(read, everywhere("crypto ipsec security-association lifetime kilobytes 2560\n"), seed=seed)
    leaks = Leaks(lab)
    run(lab, 15.0)
    pings = Flow(lab["R2"], "192.168.0.4", 0.02, size=1300)
    run(lab, 2.0)
    seen = spis(lab, "R2", "R4")
    for _ in range(30):
        run(lab, 10.0)
        seen |= spis(lab, "R2", "R4")
    pings.stop()
    assert pings.lost() == []
    assert leaks == []
    assert len(seen) >= 300 / (2560 / (1300 / 0.02 / 1000)) - 1  # one for each 2,560 kB
    assert len(spis(lab, "R2", "R4")) <= 4  # both ends renew at the same packet: two pairs, and for 30 s the two before
    for name in PROTECTED:
        assert plane_sas(lab, name) == ike_sas(lab, name)


def test_a_spoke_that_ends_phase_1_earlier_than_the_hub_is_followed(read: Read) -> None:
    lab = make(read, {"R2": SHORT.format(phase1=120, phase2=3600), "R1": SHORT.format(phase1=86400, phase2=200)})
    leaks = Leaks(lab)
    run(lab, 15.0)
    pings = Flow(lab["R2"], "192.168.0.1", 0.5)
    most_1, most_2 = most_sas(lab, 1800.0)
    pings.stop()
    assert pings.lost() == []
    assert leaks == []
    assert most_1 <= 2 and most_2 <= 2


@pytest.mark.parametrize("seed", range(4))
def test_rekeying_on_a_bad_line_ends_with_sas_that_agree(read: Read, seed: int) -> None:
    """A tenth of all packets is lost, exchanges among them; what is not lost on the line arrives."""
    lab = make(read, everywhere(SHORT.format(phase1=1000, phase2=300)), seed=seed)
    leaks = Leaks(lab)
    run(lab, 15.0)
    for wire in lab.wires.values():
        wire.loss = 0.1
    most_1, most_2 = most_sas(lab, 3600.0)
    for wire in lab.wires.values():
        wire.loss = 0.0
    run(lab, 60.0)
    assert registered(lab) == ALL
    pings = Flow(lab["R2"], "192.168.0.3", 0.2)
    run(lab, 700.0)
    pings.stop()
    assert pings.lost() == []
    assert leaks == []
    assert most_1 <= 4 and most_2 <= 4
    for name in PROTECTED:
        assert plane_sas(lab, name) == ike_sas(lab, name)
        assert len(isakmp(lab, name)) <= 6
