"""One lab a group of tests, as its first test found it when each of the others begins."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.live.crypto import PROTECTED, expect_encrypted_cloud, leaks_since
from tests.live.lab import HUB, ROUTERS, SPOKES, Lab
from tests.live.wire_watch import WireWatch


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


@pytest.fixture
def clear_lab() -> Iterator[Lab]:
    """The classic lab as it is before crypto, for one test."""
    for lab in lab_of():
        lab.expect_up("R1", SPOKES.values())
        yield lab


@pytest.fixture(scope="module")
def crypto_lab() -> Iterator[Lab]:
    """The encrypted lab, with spokes that notice within seconds when their hub has forgotten them."""
    for lab in lab_of("running-configs/dmvpn-ipsec"):
        for spoke in SPOKES:
            lab.configure(spoke, "interface Tunnel0\n ip nhrp registration timeout 2")
            lab.console(spoke, "write memory")
        yield lab


@pytest.fixture
def wire(crypto_lab: Lab) -> Iterator[WireWatch]:
    """What passes while a test runs; nothing of it may be readable."""
    expect_encrypted_cloud(crypto_lab)
    began = time.time()
    with WireWatch(crypto_lab) as watch:
        yield watch
        leaks = leaks_since(watch, dict.fromkeys(PROTECTED, began))
        assert not leaks, "\n".join(leaks[:20])


@pytest.fixture
def crypto(crypto_lab: Lab, wire: WireWatch) -> Lab:
    """The encrypted lab at rest, watched: three spokes registered."""
    for router in PROTECTED:
        crypto_lab.look(router, "clear counters", "clear logging")
    return crypto_lab
