"""The encrypted DMVPN cloud in memory: IKE, ESP and NHRP together, on routers without a kernel."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.icmp.ping import PingRequest
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import Leaks, Read, idle, make, run, texts
from tests.simulation.test_cloud import ALL, entries, registered


@pytest.fixture
def lab(read: Read) -> SimLab:
    """The encrypted lab, 15 s after power-on."""
    lab = make(read)
    run(lab, 15.0)
    return lab


def test_b1_three_peers_and_three_qm_idle_within_six_seconds(read: Read) -> None:
    lab = make(read)
    leaks = Leaks(lab)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 6.0)
    assert all(len(idle(lab, "R1", spoke)) == 1 for spoke in ("R2", "R3", "R4"))
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert leaks == []


def test_b3_spokes_build_their_own_pair_and_no_ping_is_lost(lab: SimLab) -> None:
    leaks = Leaks(lab)
    assert "(50/50)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4"), repeat=50))
    assert idle(lab, "R2", "R4")
    assert "192.168.0.4" in entries(lab, "R2") and "192.168.0.2" in entries(lab, "R4")
    assert leaks == []


TRANSPORT = "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode transport\n"
REQUIRE = "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode transport require\n"


@pytest.mark.parametrize(
    ("spoke", "hub", "works"),
    [
        ("", "", True),
        (TRANSPORT, TRANSPORT, True),
        ("", TRANSPORT, True),  # who has transport takes either
        (TRANSPORT, "", False),  # who has tunnel takes tunnel alone
        ("", REQUIRE, False),
        (TRANSPORT, REQUIRE, True),
        (REQUIRE, TRANSPORT, True),
    ],
)
def test_b2_modes_meet_as_ios_documents(read: Read, spoke: str, hub: str, works: bool) -> None:
    lab = make(read, {"R1": hub, "R2": spoke, "R3": spoke, "R4": spoke})
    lab.world.run_until(30.0)
    assert registered(lab) == (ALL if works else set())


def test_b6_a_wrong_key_keeps_one_spoke_down(read: Read) -> None:
    changed = {**texts(), "R3": texts()["R3"].replace("P4ssw0rd", "WrongWord")}
    lab = SimLab(World(1), [read(text) for text in changed.values()])
    lab.world.run_until(60.0)
    assert registered(lab) == ALL - {"192.168.0.3"}
    for router, peer in (("R1", "172.16.35.2"), ("R3", "172.16.15.2")):
        assert any(event.facility == "CRYPTO" and peer in event.text for _, event in lab[router].events), router


@pytest.mark.parametrize("seed", range(3))
def test_lost_packets_delay_and_do_not_prevent(read: Read, seed: int) -> None:
    lab = make(read, seed=seed, loss=0.2)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 300.0)
