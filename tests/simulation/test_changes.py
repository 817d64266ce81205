"""Crypto lines change at random under a running lab: nothing is ever readable, and what is put right comes back."""

from __future__ import annotations

import random

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.plane.memory.wire import Capture
from tests.simulation import encrypted_lab as el
from tests.simulation.encrypted_lab import Read

#: What somebody may type under a running tunnel; not `no tunnel protection`, nor `shutdown`, which lets the prefixes
#: follow the routing table.
LINES = (
    "no crypto isakmp policy 10",
    "crypto isakmp policy 10\n encr aes 256\n hash sha256\n authentication pre-share\n group 14\n lifetime 120",
    "crypto isakmp policy 20\n authentication pre-share\n group 2",
    "crypto isakmp key An0ther address 172.16.0.0 255.255.0.0",
    "no crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0",
    "crypto isakmp key P4ssw0rd address 0.0.0.0",
    "crypto ipsec transform-set MyTransformSet esp-3des esp-md5-hmac\n mode transport",
    "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode transport require",
    "crypto ipsec transform-set MyTransformSet ah-sha-hmac",
    "no crypto ipsec transform-set MyTransformSet",
    "no crypto ipsec profile MyProfile",
    "crypto ipsec profile MyProfile\n set pfs group14\n set security-association lifetime seconds 120",
    "crypto ipsec profile MyProfile\n set isakmp-profile Absent",
    "crypto ipsec profile MyProfile\n set udp-encapsulation force\n set security-association idle-time 60",
    "crypto isakmp keepalive 10 periodic",
    "crypto isakmp identity hostname",
    "no crypto isakmp enable",
    "crypto isakmp enable",
    "interface Tunnel0\n tunnel protection ipsec profile Absent",
    "interface Tunnel0\n tunnel protection ipsec profile MyProfile shared",
    "interface Tunnel0\n tunnel key 7",
    "interface Tunnel0\n no tunnel key",
    "interface FastEthernet0/0\n shutdown",
    "interface FastEthernet0/0\n no shutdown",
)
BEHIND_HUB = "ip route 10.9.0.0 255.255.0.0 192.168.0.1"


class Astray(el.Leaks):
    """Packets for what lies behind the hub's tunnel, on the wires."""

    def append(self, capture: Capture) -> None:
        if capture.packet[16:18] == bytes((10, 9)):
            list.append(self, capture)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_typed_nothing_is_readable_and_the_lines_of_before_bring_it_back(
    grammar: Grammar, read: Read, seed: int
) -> None:
    chance = random.Random(seed)
    lab = el.make(read, {"R1": "ip route 10.9.0.0 255.255.0.0 Null0", "R2": BEHIND_HUB, "R4": BEHIND_HUB}, seed=seed)
    before = {name: lab[name].router.config for name in el.PROTECTED}
    el.run(lab, 5)
    leaks, astray = el.Leaks(lab), Astray(lab)
    pings = (("R2", "192.168.0.4"), ("R3", "192.168.0.1"), ("R4", "10.9.0.1"))
    flows = [el.Flow(lab[name], destination, every_s=0.5) for name, destination in pings]
    for _ in range(60):
        name, lines = chance.choice(el.PROTECTED), chance.choice(LINES)
        loaded = load(grammar, lines, lab[name].router.config)
        assert not loaded.refused()
        lab[name].configure(loaded.config)
        if chance.random() < 0.3:
            el.clear(lab[chance.choice(el.PROTECTED)], chance.choice(el.CLEARS))
        if chance.random() < 0.1:
            lab[name].plane.lose_sas()
        el.run(lab, chance.choice((0.0, 0.01, 0.3, 3.0, 12.0)))
    for name in el.PROTECTED:
        lab[name].configure(before[name])
    assert el.within(lab, 130, lambda: all(el.answers(lab, name) for name in ("R2", "R3", "R4")))
    for flow in flows:
        flow.stop()
    tail = el.Flow(lab["R2"], "192.168.0.4")
    el.run(lab, 3)
    tail.stop()
    assert not tail.lost()
    assert not leaks and not astray
