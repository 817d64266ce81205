"""A hub that says tunnel mode refuses a spoke that asks for transport mode, however far a forwarder is behind, and
whatever was on its way when the SAs ended.

The hub itself may ask that spoke, which takes either. So when it is to have forgotten all, it must have nobody to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from random import Random

import pytest

from iosish.desired import SaChange
from iosish.sim.node import Node
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import NBMA, Read, clear, flow, logged, make, run, texts, with_lines
from tests.simulation.test_cloud import ALL, entries, registered

MODES = {"R2": "tunnel", "R3": "transport", "R4": "transport require"}
AGREED = {"192.168.0.2"}
LINES = """interface Tunnel0
 ip nhrp registration timeout 5
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
 mode {}"""


def fall_behind(node: Node, most_s: float) -> None:
    """The forwarder of a router hears late of SAs that ended, as on a machine that has much to do."""
    secure: Callable[[SaChange], None] = node.plane.secure
    random = node.world.random(f"lag of {node.router.config.hostname}")

    def late(change: SaChange) -> None:
        if change.removed:
            node.world.call_later(most_s * random.random(), lambda: secure(change))
        else:
            secure(change)

    node.plane.secure = late  # type: ignore[method-assign] # it stays the one that it is, only later


def hear_late(node: Node, most_s: float) -> None:
    """The router itself hears late, though in order, of the NHRP that its forwarder has taken in."""
    hear = node.plane.control_received
    random = node.world.random(f"what {node.router.config.hostname} hears late")
    heard_at = node.world.now

    def late(tunnel: str, peer: bytes, local: bytes, payload: bytes, protected: bool) -> None:
        nonlocal heard_at
        heard_at = max(heard_at, node.world.now + most_s * random.random())
        node.world.call_at(heard_at, lambda: hear(tunnel, peer, local, payload, protected))

    node.plane.control_received = late  # type: ignore[method-assign] # as above


def make_modes(read: Read, seed: int) -> SimLab:
    """Three spokes of one mode each, registered; a hub that takes them all."""
    added = {"R1": "transport"} | MODES
    lab = make(read, {name: LINES.format(mode) for name, mode in added.items()}, seed=seed, delay_s=0.001)
    run(lab, 15.0)
    assert registered(lab) == ALL
    return lab


def forget_all(lab: SimLab, name: str) -> None:
    """Two lines of one console."""
    clear(lab[name], "clear crypto session")
    clear(lab[name], "clear ip nhrp")


def expect_refused(lab: SimLab, since: float) -> None:
    """From here on the hub has nobody but R2, and both ends have said why."""
    for _ in range(50):
        run(lab, 0.2)
        assert set(entries(lab, "R1")) <= AGREED, f"{lab.world.now - since:.1f} s later"
    assert registered(lab) == AGREED
    assert logged(lab, "R1", "IKMP_MODE_FAILURE", since)
    for spoke in ("R3", "R4"):
        assert flow(lab, "R1", spoke) is None
        assert logged(lab, spoke, "IKMP_MODE_FAILURE", since)


@pytest.mark.parametrize("seed", range(8))
def test_a_hub_that_forgot_all_asks_nobody_whom_it_would_refuse(read: Read, seed: int) -> None:
    lab = make_modes(read, seed)
    random = Random(seed)
    for node in lab.nodes.values():
        fall_behind(node, 0.05)
        hear_late(node, 0.05)
    lab["R1"].configure(read(with_lines(texts()["R1"], LINES.format("tunnel"))))
    since = lab.world.now
    for name in ("R1", *MODES):
        forget_all(lab, name)
        run(lab, 0.3 * random.random())  # then the console of the next router
    expect_refused(lab, since)


def test_a_registration_on_its_way_when_the_hub_forgets_all_brings_nobody_back(read: Read) -> None:
    """The forwarder has opened it by the old SA, and the router comes to it after the lines that ended that one."""
    lab = make_modes(read, 1)
    lab["R1"].configure(read(with_lines(texts()["R1"], LINES.format("tunnel"))))
    hear = lab["R1"].plane.control_received
    waiting: list[tuple[str, bytes, bytes, bytes, bool]] = []

    def opened(tunnel: str, peer: bytes, local: bytes, payload: bytes, protected: bool) -> None:
        waiting.append((tunnel, peer, local, payload, protected))

    lab["R1"].plane.control_received = opened  # type: ignore[method-assign] # until the router comes to it
    spoke = IPv4Address(NBMA["R3"]).packed
    assert lab.world.run_until(lambda: any(peer == spoke for _, peer, *_ in waiting), lab.world.now + 6.0)
    since = lab.world.now
    forget_all(lab, "R1")
    lab["R1"].plane.control_received = hear  # type: ignore[method-assign] # as it was
    for received in waiting:
        hear(*received)
    expect_refused(lab, since)
