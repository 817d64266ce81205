"""Both ends begin at the same instant, and lines that lose, double and reorder: in the end the SAs agree."""

from __future__ import annotations

import pytest

from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import (
    PROTECTED,
    Flow,
    Leaks,
    Read,
    agreed,
    answers,
    everywhere,
    flow,
    isakmp,
    make,
    run,
    within,
)
from tests.simulation.test_cloud import ALL, registered

SPOKES = ("R2", "R3", "R4")


def lifetimes(phase_1: int, phase_2: int) -> str:
    return (
        f"crypto isakmp policy 10\n lifetime {phase_1}\ncrypto ipsec security-association lifetime seconds {phase_2}\n"
    )


def settled(lab: SimLab) -> bool:
    """Nothing is under way any more, and each router has of each peer what the peer has of it."""
    for name in PROTECTED:
        if any(sa.state != "QM_IDLE" for sa in isakmp(lab, name)):
            return False
        for peer in PROTECTED:
            state = flow(lab, name, peer)
            if state is not None and state.inbound and not agreed(lab, name, peer):
                return False
    return registered(lab) == ALL and all(answers(lab, name) for name in SPOKES)


@pytest.mark.parametrize("seed", range(12))
def test_two_spokes_begin_with_each_other_at_the_same_instant(read: Read, seed: int) -> None:
    """Each pings the other; what each learns of the other comes by the hub, so that their first messages meet."""
    lab = make(read, seed=seed, delay_s=0.001 + 0.004 * (seed % 7))
    run(lab, 15.0)
    leaks = Leaks(lab)
    for node in lab.nodes.values():
        node.clear_nhrp(None, None)
    run(lab, 1.0 + seed % 3)
    flows = [Flow(lab["R2"], "192.168.0.4", 0.05), Flow(lab["R4"], "192.168.0.2", 0.05)]
    run(lab, 3.0)
    assert agreed(lab, "R2", "R4")
    assert len(isakmp(lab, "R2", "R4")) <= 2
    assert len(flow(lab, "R2", "R4").inbound) <= 2  # type: ignore[union-attr] # agreed
    for pings in flows:
        pings.stop()
        assert pings.lost() == []
    assert leaks == []


@pytest.mark.parametrize("seed", range(12))
def test_both_ends_of_everything_are_cleared_at_the_same_instant(read: Read, seed: int) -> None:
    """Hub and spokes want each other, so that all begin: with phase 1 and phase 2, or with phase 2 alone."""
    lab = make(read, seed=seed)
    run(lab, 15.0)
    leaks = Leaks(lab)
    for name in PROTECTED:
        if seed % 3 == 0:
            lab[name].clear_crypto_session(None)
        elif seed % 3 == 1:
            lab[name].clear_crypto_sa(None)
        else:
            lab[name].clear_crypto_isakmp(None)
    run(lab, 6.0)
    assert settled(lab)
    pings = [Flow(lab[name], "192.168.0.1", 0.05) for name in SPOKES]
    run(lab, 60.0)
    for each in pings:
        each.stop()
        assert each.lost() == []
    assert leaks == []
    for spoke in SPOKES:
        assert len(isakmp(lab, "R1", spoke)) <= 2
        assert len(flow(lab, "R1", spoke).inbound) <= 2  # type: ignore[union-attr] # settled


@pytest.mark.parametrize("seed", range(4))
def test_rekeying_from_both_ends_at_once_for_an_hour(read: Read, seed: int) -> None:
    """Lives so short that both margins are alike: initiator and responder often meet."""
    lab = make(read, everywhere(lifetimes(300, 120)), seed=seed, delay_s=0.3)
    run(lab, 20.0)
    assert registered(lab) == ALL
    leaks = Leaks(lab)
    pings = Flow(lab["R2"], "192.168.0.4", 0.7)
    run(lab, 10.0)
    start = len(pings.sent)
    most = 0
    for _ in range(360):
        run(lab, 10.0)
        most = max([most, *(len(state.inbound) for state in lab["R2"].router.ike_state(lab.world.now).flows)])
    pings.stop()
    assert [at for at in pings.lost() if at > pings.sent[start]] == []
    assert leaks == []
    assert most <= 4


@pytest.mark.parametrize("seed", range(8))
def test_lines_that_lose_double_and_reorder(read: Read, seed: int) -> None:
    lab = make(read, everywhere(lifetimes(600, 200)), seed=seed)
    leaks = Leaks(lab)
    for wire in lab.wires.values():
        wire.loss, wire.doubling, wire.jitter_s = 0.15, 0.2, 0.05
    assert within(lab, 300.0, lambda: registered(lab) == ALL)
    flows = [Flow(lab["R2"], "192.168.0.4", 1.0), Flow(lab["R4"], "192.168.0.3", 1.3)]
    run(lab, 900.0)
    for wire in lab.wires.values():
        wire.loss = wire.doubling = wire.jitter_s = 0.0
    assert within(lab, 150.0, lambda: settled(lab))
    run(lab, 30.0)
    for pings in flows:
        since = pings.sent[-1]
        run(lab, 20.0)
        pings.stop()
        assert [at for at in pings.lost() if at > since] == []
    assert leaks == []
    for name in PROTECTED:
        node = lab[name]
        state = node.router.ike_state(lab.world.now)
        sas = sum(len(each.inbound) + len(each.outbound) for each in state.flows)
        assert len(node.plane.read_counters().sas) == sas
        assert all(len(each.inbound) <= 4 for each in state.flows)
