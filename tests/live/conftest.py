"""One lab a group of tests, as its first test found it when each of the others begins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.lab import Lab

ROUTERS = ("R1", "R2", "R3", "R4", "R5")
HUB = "192.168.0.1"
SPOKES = {"R2": "192.168.0.2", "R3": "192.168.0.3", "R4": "192.168.0.4"}


def lab_of(*arguments: str) -> Iterator[Lab]:
    """A lab that is up, until the test group is through."""
    made = Lab()
    try:
        made.up(*arguments)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="package")
def classic_lab() -> Iterator[Lab]:
    yield from lab_of()


@pytest.fixture(scope="package")
def classic_configurations(classic_lab: Lab) -> dict[str, list[str]]:
    """The lines of every router's running-config when the lab came up."""
    return {router: classic_lab.running(router) for router in ROUTERS}


@pytest.fixture
def classic(classic_lab: Lab, classic_configurations: dict[str, list[str]]) -> Iterator[Lab]:
    """The classic lab: three spokes registered, nothing learnt beyond that; the test takes back what it configures."""
    rest(classic_lab)
    yield classic_lab
    assert {router: classic_lab.running(router) for router in ROUTERS} == classic_configurations


def rest(lab: Lab) -> None:
    """Forget the shortcuts of the classic lab, and wait until every spoke is known to the hub."""
    for spoke in SPOKES:
        lab.settle(spoke)
        lab.look(spoke, "clear ip nhrp", "clear counters", "clear logging")
    lab.look("R1", "clear counters", "clear logging")
    lab.expect_up("R1", SPOKES.values())
    for spoke in SPOKES:
        lab.expect_peers(spoke, {HUB: ("172.16.15.2", "UP", "S")})
