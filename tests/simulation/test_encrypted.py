"""The encrypted DMVPN cloud in memory: IKE, ESP and NHRP together, on routers without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType

import pytest

from iosish import resources
from iosish.config.model import Config
from iosish.forwarding import ipv4
from iosish.icmp.ping import PingRequest
from iosish.plane.memory.wire import Capture
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab
from tests.simulation.test_cloud import ALL, entries, registered

Read = Callable[[str], Config]
INSIDE = IPv4Network("192.168.0.0/24")


@pytest.fixture(scope="session")
def encrypted() -> dict[str, str]:
    """The five configurations with crypto as text, by router."""
    folder = resources.folder("running-configs") / "dmvpn-ipsec"
    return {file.stem: file.read_text() for file in sorted(folder.glob("*.cfg"))}


def make(
    encrypted: dict[str, str],
    read: Read,
    added: Mapping[str, str] = MappingProxyType({}),
    seed: int = 1,
    loss: float = 0.0,
) -> SimLab:
    """The encrypted lab with lines added to some routers, at power-on."""
    texts = {name: text.replace("\nend", f"\n{added.get(name, '')}\nend") for name, text in encrypted.items()}
    return SimLab(World(seed), [read(text) for text in texts.values()], loss=loss)


@pytest.fixture
def lab(encrypted: dict[str, str], read: Read) -> SimLab:
    """The encrypted lab, 15 s after power-on."""
    lab = make(encrypted, read)
    lab.world.run_until(15.0)
    return lab


def readable(packet: bytes) -> bool:
    """Whether a packet on a wire is clear GRE, or has an inner address outside of ESP."""
    ends = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return packet[9] == ipv4.GRE or any(end in INSIDE for end in ends)


def tapped(lab: SimLab) -> list[Capture]:
    """All that passes on all wires from now on."""
    captured: list[Capture] = []
    for wire in lab.wires.values():
        wire.tap(captured)
    return captured


def leaks(captured: list[Capture]) -> list[str]:
    return [f"{seen.time:.3f} {seen.direction}: {seen.packet.hex()}" for seen in captured if readable(seen.packet)]


def states(lab: SimLab, name: str) -> dict[str, set[str]]:
    """The states of a router's ISAKMP SAs by peer."""
    found: dict[str, set[str]] = {}
    for sa in lab[name].router.ike_state(lab.world.now).isakmp:
        if sa.active:
            found.setdefault(str(sa.peer), set()).add(sa.state)
    return found


def test_b1_three_peers_and_three_qm_idle_within_six_seconds(encrypted: dict[str, str], read: Read) -> None:
    lab = make(encrypted, read)
    captured = tapped(lab)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 6.0)
    idle = {peer for peer, found in states(lab, "R1").items() if "QM_IDLE" in found}
    assert idle == {"172.16.25.2", "172.16.35.2", "172.16.45.2"}
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert leaks(captured) == []


def test_b3_spokes_build_their_own_pair_and_no_ping_is_lost(lab: SimLab) -> None:
    captured = tapped(lab)
    assert "(50/50)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4"), repeat=50))
    assert "QM_IDLE" in states(lab, "R2")["172.16.45.2"]
    assert "192.168.0.4" in entries(lab, "R2") and "192.168.0.2" in entries(lab, "R4")
    assert leaks(captured) == []


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
def test_b2_modes_meet_as_ios_documents(
    encrypted: dict[str, str], read: Read, spoke: str, hub: str, works: bool
) -> None:
    lab = make(encrypted, read, {"R1": hub, "R2": spoke, "R3": spoke, "R4": spoke})
    lab.world.run_until(30.0)
    assert registered(lab) == (ALL if works else set())


def test_b6_a_wrong_key_keeps_one_spoke_down(encrypted: dict[str, str], read: Read) -> None:
    texts = {**encrypted, "R3": encrypted["R3"].replace("P4ssw0rd", "WrongWord")}
    lab = SimLab(World(1), [read(text) for text in texts.values()])
    lab.world.run_until(60.0)
    assert registered(lab) == ALL - {"192.168.0.3"}
    for router, peer in (("R1", "172.16.35.2"), ("R3", "172.16.15.2")):
        assert any(event.facility == "CRYPTO" and peer in event.text for _, event in lab[router].events), router


@pytest.mark.parametrize("seed", range(3))
def test_lost_packets_delay_and_do_not_prevent(encrypted: dict[str, str], read: Read, seed: int) -> None:
    lab = make(encrypted, read, seed=seed, loss=0.2)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 300.0)
