"""A spoke that has the key and wants what is meant for another one, on whole routers."""

from __future__ import annotations

import pytest

from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import NBMA, Flow, Leaks, Read, make, run, texts
from tests.simulation.test_cloud import ALL, entries, registered


@pytest.fixture
def lab(read: Read) -> SimLab:
    """The encrypted lab, 15 s after power-on."""
    lab = make(read)
    run(lab, 15.0)
    assert registered(lab) == ALL
    return lab


def test_who_takes_the_tunnel_address_of_another_gets_nothing_of_it(lab: SimLab, read: Read) -> None:
    flow, leaks = Flow(lab["R1"], "192.168.0.3"), Leaks(lab)
    run(lab, 5.0)
    lab["R4"].configure(read(texts()["R4"].replace("192.168.0.4", "192.168.0.3")))
    run(lab, 60.0)
    flow.stop()
    assert flow.lost() == []
    assert leaks == []
    assert str(entries(lab, "R1")["192.168.0.3"].nbma) == NBMA["R3"]
