"""Whatever is done to the encrypted lab, in whatever order: nothing readable leaves, and in the end all is well."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from iosish.icmp.ping import PingRequest
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import (
    CLEARS,
    PROTECTED,
    Flow,
    Leaks,
    Read,
    agreed,
    answers,
    clear,
    make,
    run,
    spis,
    texts,
    with_lines,
    within,
)
from tests.simulation.test_cloud import ALL, registered

SPOKES = ("R2", "R3", "R4")
OFTEN = "interface Tunnel0\n ip nhrp registration timeout 5\n"
SHORT = "crypto isakmp policy 10\n lifetime 120\ncrypto ipsec security-association lifetime seconds 120\n"
DEAD = "crypto isakmp keepalive 10 2 periodic\n"

#: Lines that make a router of the lab another one for a while. A tunnel that is shut by hand follows the routing table,
#: as on IOS, which here leads nowhere.
CHANGES = (
    "interface Tunnel0\n shutdown\nip route 192.168.0.0 255.255.255.0 Null0\n",
    "interface FastEthernet0/0\n shutdown\n",
    "crypto isakmp policy 10\n encr aes\n group 14\n",
    "no crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0\ncrypto isakmp key Wrong address 0.0.0.0\n",
    "crypto ipsec transform-set MyTransformSet esp-aes 256 esp-sha256-hmac\n mode transport\n",
    "crypto ipsec profile MyProfile\n set pfs group14\n",
    "no crypto ipsec profile MyProfile\n",
    "crypto ipsec profile MyProfile\n set security-association lifetime seconds 120\n",
    "interface Tunnel0\n tunnel key 5\n",
    "interface Tunnel0\n ip nhrp authentication other\n",
)


class Storm:
    """Every few seconds something happens to the lab, chosen by chance."""

    def __init__(self, lab: SimLab, read: Read, base: str, seed: int) -> None:
        self.lab, self.read = lab, read
        self.base = {name: with_lines(text, base if name in PROTECTED else "") for name, text in texts().items()}
        self.chance = random.Random(seed)
        self.said: list[str] = []
        self.deeds: tuple[Callable[[], str], ...] = (
            self.clear,
            self.clear,
            self.restart,
            self.cut,
            self.lose,
            self.reconfigure,
            self.reconfigure,
            self.ping,
            self.lose_sas,
        )

    def blow(self, seconds: float) -> None:
        end = self.lab.world.now + seconds
        while self.lab.world.now < end:
            deed = self.chance.choice(self.deeds)()
            self.said.append(f"{self.lab.world.now:.2f} {deed}")
            run(self.lab, self.chance.expovariate(1 / 4.0))

    def calm(self) -> None:
        """All lines whole, all routers with their own configuration."""
        for wire in self.lab.wires.values():
            wire.join()
            wire.loss = wire.doubling = wire.jitter_s = 0.0
        for name, text in self.base.items():
            self.lab[name].configure(self.read(text))

    def one(self) -> str:
        return self.chance.choice(PROTECTED)

    def clear(self) -> str:
        name, command = self.one(), self.chance.choice(CLEARS)
        clear(self.lab[name], command)
        return f"{name} {command}"

    def restart(self) -> str:
        name = self.one()
        self.lab.restart(name, off_s=self.chance.choice((0.0, 0.5, 8.0)))
        return f"{name} restart"

    def cut(self) -> str:
        wire = self.chance.choice(list(self.lab.wires.values()))
        if self.chance.random() < 0.5:
            wire.cut()
            return f"cut {wire.name}"
        wire.join()
        return f"join {wire.name}"

    def lose(self) -> str:
        wire = self.chance.choice(list(self.lab.wires.values()))
        wire.loss, wire.doubling, wire.jitter_s = self.chance.choice(((0.0, 0.0, 0.0), (0.3, 0.2, 0.05), (0.9, 0, 0)))
        return f"loss {wire.loss} {wire.name}"

    def reconfigure(self) -> str:
        name = self.one()
        lines = self.chance.choice((*CHANGES, *[""] * len(CHANGES)))
        self.lab[name].configure(self.read(with_lines(self.base[name], lines)))
        return f"{name} {lines!r}"

    def ping(self) -> str:
        name, target = self.one(), self.chance.randint(1, 4)
        self.lab[name].plane.icmp_received = None
        Flow(self.lab[name], f"192.168.0.{target}", 0.5).stop_after(10)
        return f"{name} ping {target}"

    def lose_sas(self) -> str:
        name = self.one()
        self.lab[name].plane.lose_sas()
        return f"{name} forwarder died"


@pytest.mark.parametrize("base", [OFTEN, OFTEN + DEAD, OFTEN + SHORT + DEAD], ids=["plain", "keepalive", "short"])
@pytest.mark.parametrize("seed", range(6))
def test_after_the_storm(read: Read, seed: int, base: str) -> None:
    weather(read, seed, base)


def weather(read: Read, seed: int, base: str) -> None:
    lab = make(read, dict.fromkeys(PROTECTED, base), seed=seed)
    leaks = Leaks(lab)
    storm = Storm(lab, read, base, seed)
    run(lab, 5.0)
    storm.blow(120.0)
    storm.calm()
    done = within(lab, 150.0, lambda: registered(lab) == ALL and all(answers(lab, name) for name in SPOKES))
    assert done, storm.said
    run(lab, 90.0)
    assert registered(lab) == ALL and all(answers(lab, name) for name in SPOKES), storm.said
    assert leaks == [], storm.said
    for spoke in SPOKES:
        assert agreed(lab, spoke, "R1"), (spoke, storm.said)
        assert "(5/5)" in lab[spoke].ping(PingRequest(IPv4Address("192.168.0.1"))), (spoke, storm.said)
    if DEAD in base:
        for one in SPOKES:
            for other in SPOKES:
                request = PingRequest(IPv4Address(f"192.168.0.{other[1]}"))
                lab[one].ping(request)  # if a delete was lost in the storm, this finds out
                assert "(5/5)" in lab[one].ping(request), (one, other, storm.said)
                assert len(spis(lab, one, other)) <= 4
    for name in PROTECTED:
        node = lab[name]
        flows = node.router.ike_state(lab.world.now).flows
        sas = sum(len(each.inbound) + len(each.outbound) for each in flows)
        assert len(node.plane.read_counters().sas) == sas, (name, storm.said)
