"""A hub with very many spokes around the Internet, all of them whole routers in one world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address

from iosish.config.model import Config
from iosish.plane.memory.world import World
from iosish.sim.node import Node
from tests.simulation.internet import Internet

Read = Callable[[str], Config]

GIVEN_UP = frozenset(
    {"setup failures", "quick modes failed", "half-open expired", "half-open limit", "rate limit", "queue is full"}
)
"""Counters of IKE that nothing but trouble moves."""

HUB = IPv4Address("172.16.0.2")
HUB_INSIDE = IPv4Address("192.168.0.1")
FIRST = IPv4Address("10.0.0.2")

CRYPTO = """crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 0.0.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
"""

TUNNEL = """interface Tunnel0
 ip address {inside} 255.255.0.0
 ip nhrp network-id 1
{nhrp} tunnel source {outside}
 tunnel mode gre multipoint
 tunnel protection ipsec profile MyProfile
"""

SPOKE_NHRP = f""" ip nhrp map {HUB_INSIDE} {HUB}
 ip nhrp map multicast {HUB}
 ip nhrp nhs {HUB_INSIDE}
 ip nhrp registration timeout 5
"""


def text(hostname: str, outside: IPv4Address, inside: IPv4Address, nhrp: str, crypto: str = CRYPTO) -> str:
    return (
        f"hostname {hostname}\n{crypto}"
        f"interface FastEthernet0/0\n ip address {outside} 255.255.255.252\n"
        f"{TUNNEL.format(inside=inside, outside=outside, nhrp=nhrp)}"
        f"ip route 0.0.0.0 0.0.0.0 {outside - 1}\nend\n"
    )


class Star:
    """`spokes` counts from 0. `hub_thinks_s` is how long the hub takes for each batch of what came in, and of
    Diffie-Hellman: 4 ms are what a fast machine needs."""

    def __init__(
        self,
        world: World,
        read: Read,
        spokes: int,
        *,
        loss: float = 0.0,
        hub_thinks_s: float = 0.0,
        crypto: str = CRYPTO,
    ) -> None:
        self.world = world
        self.internet = Internet(world, loss=loss)
        self._hub_thinks_s = hub_thinks_s
        self._hub_config = read(text("HUB", HUB, HUB_INSIDE, " ip nhrp map multicast dynamic\n", crypto))
        self._hub_wire = self.internet.cable(HUB)
        self.hub = self._new_hub()
        self.spokes = [self._spoke(number, read, crypto) for number in range(spokes)]

    def outside(self, number: int) -> IPv4Address:
        return FIRST + 4 * number

    def inside(self, number: int) -> IPv4Address:
        return HUB_INSIDE + 1 + number

    def _new_hub(self) -> Node:
        wires = {"FastEthernet0/0": self._hub_wire}
        return Node(self.world, self._hub_config, wires, thinks_s=self._hub_thinks_s)

    def _spoke(self, number: int, read: Read, crypto: str) -> Node:
        outside = self.outside(number)
        config = read(text(f"S{number}", outside, self.inside(number), SPOKE_NHRP, crypto))
        return Node(self.world, config, {"FastEthernet0/0": self.internet.cable(outside)})

    # The hub

    def hub_off(self) -> None:
        self.hub.power_off()

    def hub_on(self) -> None:
        self.hub = self._new_hub()

    def registered(self) -> int:
        """How many spokes the hub knows, each by an SA."""
        interface = self.hub.router.nhrp_state(self.world.now).interfaces.get("Tunnel0")
        entries = interface.entries if interface is not None else ()
        return sum(entry.up and "registered" in entry.flags for entry in entries)

    def answered(self) -> int:
        """How many spokes hear from the hub."""
        return sum(answers for spoke in self.spokes for _, _, answers in spoke.router.servers())

    def all_up_within(self, seconds: float) -> float | None:
        """After how many simulated seconds all spokes are up; None: not in that time."""
        began = self.world.now
        while self.answered() < len(self.spokes) or self.registered() < len(self.spokes):
            if self.world.now - began >= seconds:
                return None
            self.world.run_until(self.world.now + 0.25)
        return self.world.now - began

    def given_up(self) -> Counter[str]:
        """Exchanges that came to nothing, by why: of the hub, and of all spokes together."""
        found: Counter[str] = Counter()
        for node in (self.hub, *self.spokes):
            for what, count in node.router.ike_state(self.world.now).counters.items():
                if what in GIVEN_UP:
                    found[what] += count
        return found
