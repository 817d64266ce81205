"""Who leaves a tunnel says so by the tunnel as it was: its peers forget it at once, not when holding times are over."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab
from tests.simulation import encrypted_lab as el
from tests.simulation.encrypted_lab import Read

LOOPBACK = "interface Loopback9\n ip address 10.9.2.2 255.255.255.255"
TUNNEL = "interface Tunnel0\n "
#: After each of them the spoke is no longer who it was.
LEAVING = (
    TUNNEL + "shutdown",
    TUNNEL + "tunnel key 9",
    TUNNEL + "no tunnel source",
    TUNNEL + "tunnel source Loopback9",
    TUNNEL + "tunnel mode gre ip",
    TUNNEL + "no ip nhrp network-id",
    TUNNEL + "no ip address",
    "no interface Tunnel0",
)
UNPROTECTED = TUNNEL + "no tunnel protection ipsec profile MyProfile"


@pytest.fixture
def encrypted(read: Read) -> SimLab:
    lab = el.make(read, {"R2": LOOPBACK})
    el.run(lab, 15)
    return lab


@pytest.fixture
def clear(classic: dict[str, str], read: Read) -> SimLab:
    texts = {name: el.with_lines(text, LOOPBACK if name == "R2" else "") for name, text in classic.items()}
    lab = SimLab(World(1), [read(text) for text in texts.values()])
    el.run(lab, 15)
    return lab


def knows(lab: SimLab, name: str, nbma: str = el.NBMA["R2"]) -> bool:
    """Whether a router takes R2 for who it was, or for who it is by another source."""
    entries = lab[name].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].entries
    return ("192.168.0.2", nbma) in {(str(entry.via), str(entry.nbma)) for entry in entries}


@pytest.mark.parametrize("lines", LEAVING)
def test_a_spoke_that_leaves_is_forgotten_at_once(grammar: Grammar, clear: SimLab, lines: str) -> None:
    expect_forgotten(grammar, clear, lines)


@pytest.mark.parametrize("lines", (*LEAVING, UNPROTECTED))
def test_and_in_the_encrypted_lab(grammar: Grammar, encrypted: SimLab, lines: str) -> None:
    leaks = el.Leaks(encrypted)
    expect_forgotten(grammar, encrypted, lines)
    assert not leaks or lines == UNPROTECTED


def expect_forgotten(grammar: Grammar, lab: SimLab, lines: str) -> None:
    """R2 has a direct tunnel with R4, then it leaves."""
    flow = el.Flow(lab["R2"], "192.168.0.4")
    el.run(lab, 2)
    flow.stop()
    assert knows(lab, "R1") and knows(lab, "R4")
    lab["R2"].configure(load(grammar, lines, lab["R2"].router.config).config)
    el.run(lab, 0.5)
    assert not knows(lab, "R1") and not knows(lab, "R4")


def test_a_registration_is_taken_back_whose_answer_has_no_way(grammar: Grammar, clear: SimLab) -> None:
    """R5 has no route to the other source: requests from there arrive, and replies do not. A unique registration that
    stayed would keep the right one out for two hours."""
    spoke = clear["R2"]
    spoke.configure(load(grammar, TUNNEL + "tunnel source Loopback9", spoke.router.config).config)
    el.run(clear, 1)
    assert knows(clear, "R1", "10.9.2.2") and not el.answers(clear, "R2")
    spoke.configure(load(grammar, TUNNEL + "tunnel source 172.16.25.2", spoke.router.config).config)
    el.run(clear, 1)
    assert knows(clear, "R1") and el.answers(clear, "R2")
