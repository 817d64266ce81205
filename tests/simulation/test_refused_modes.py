"""A hub that says tunnel mode refuses a spoke that asks for transport mode, however far a forwarder is behind.

The hub itself may ask that spoke, which takes either. So when it is to have forgotten all, it must have nobody to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from iosish.desired import SaChange
from iosish.sim.node import Node
from tests.simulation.encrypted_lab import Read, clear, flow, logged, make, run, texts, with_lines
from tests.simulation.test_cloud import ALL, entries, registered

MODES = {"R2": "tunnel", "R3": "transport", "R4": "transport require"}
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


@pytest.mark.parametrize("seed", range(8))
def test_a_hub_that_forgot_all_asks_nobody_whom_it_would_refuse(read: Read, seed: int) -> None:
    added = {"R1": "transport"} | MODES
    lab = make(read, {name: LINES.format(mode) for name, mode in added.items()}, seed=seed, delay_s=0.001)
    random = Random(seed)
    run(lab, 15.0)
    assert registered(lab) == ALL
    for node in lab.nodes.values():
        fall_behind(node, 0.05)
    lab["R1"].configure(read(with_lines(texts()["R1"], LINES.format("tunnel"))))
    since = lab.world.now
    for name in ("R1", *MODES):  # two lines of one console, then the console of the next router
        clear(lab[name], "clear crypto session")
        clear(lab[name], "clear ip nhrp")
        run(lab, 0.3 * random.random())
    for _ in range(50):
        run(lab, 0.2)
        assert set(entries(lab, "R1")) <= {"192.168.0.2"}, f"{lab.world.now - since:.1f} s later"
    assert registered(lab) == {"192.168.0.2"}
    assert logged(lab, "R1", "IKMP_MODE_FAILURE", since)
    for spoke in ("R3", "R4"):
        assert flow(lab, "R1", spoke) is None
        assert logged(lab, spoke, "IKMP_MODE_FAILURE", since)
