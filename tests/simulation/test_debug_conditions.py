"""`debug dmvpn condition` in the encrypted lab: of all that NHRP, crypto and tunnels tell, what is about one peer."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from iosish.config.model import Config
from iosish.engine import DebugEvent
from iosish.log.conditions import wants
from iosish.log.topics import TOPICS
from iosish.sim.node import Node
from iosish.snapshot import DebugCondition, Debugging
from tests.simulation.encrypted_lab import NBMA, make


@pytest.fixture
def hub(read: Callable[[str], Config]) -> Node:
    """A hub to which three spokes came, with all that it had to tell."""
    lab = make(read)
    hub = lab["R1"]
    hub.debug(frozenset(TOPICS))
    lab.world.run_until(20.0)
    return hub


def shown(hub: Node, *conditions: tuple[str, IPv4Address | str]) -> list[DebugEvent]:
    debugging = Debugging(frozenset(TOPICS), tuple(DebugCondition("dmvpn", *each) for each in conditions))
    router = hub.router
    return [line for line in hub.debugs if wants(debugging, line, router.tunnels_to(line.peer) if line.peer else {})]


def test_each_peer_has_its_lines_and_together_they_are_all(hub: Node) -> None:
    spokes = [("peer nbma", IPv4Address(NBMA[name])) for name in ("R2", "R3", "R4")]
    parts = [shown(hub, spoke) for spoke in spokes]
    for (_, nbma), part in zip(spokes, parts, strict=True):
        assert {line.topic for line in part} >= {"nhrp", "nhrp packet", "nhrp cache", "crypto isakmp", "crypto socket"}
        assert {line.peer for line in part} == {nbma}
    unmatched = shown(hub, ("unmatched", ""))
    assert sum(map(len, parts)) + len(unmatched) == len(hub.debugs)
    assert shown(hub, *spokes, ("unmatched", "")) == shown(hub) == hub.debugs


def test_a_peer_by_its_tunnel_address_and_all_of_a_tunnel(hub: Node) -> None:
    assert shown(hub, ("peer tunnel", IPv4Address("192.168.0.2"))) == shown(hub, ("peer nbma", IPv4Address(NBMA["R2"])))
    of_tunnel = shown(hub, ("interface", "Tunnel0"))
    assert of_tunnel == [line for line in hub.debugs if line.peer is not None]
    assert shown(hub, ("interface", "Tunnel1")) == shown(hub, ("peer tunnel", IPv4Address("192.168.0.9"))) == []
