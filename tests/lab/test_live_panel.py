"""Cables without routers: what the panel does to carriers, and that packets pass."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from iosish.lab import namespaces
from iosish.lab.panel import Panel, mac_of
from iosish.lab.topology import Cable, End
from tests.lab.laboratory import eventually

pytestmark = pytest.mark.live

FA = "FastEthernet0/0"
A, B, C = ("A", FA), ("B", FA), ("C", FA)


class Bench:
    """Three namespaces with a port each, up and addressed, and a panel."""

    def __init__(self) -> None:
        self.name = f"iosish-t{secrets.token_hex(3)}"
        namespaces.share_folder()
        self.spaces = {router: namespaces.create(self.space(router))[0] for router in "ABC"}
        self.panel = Panel(self.name)
        self.panel.put([A, B, C], self.spaces)
        for number, router in enumerate("ABC", 1):
            self.ip(router, "link", "set", "Fa0-0", "up")
            self.ip(router, "addr", "add", f"10.0.0.{number}/24", "dev", "Fa0-0")

    def space(self, router: str) -> str:
        return f"{self.name}-{router}"

    def ip(self, router: str, *arguments: str) -> str:
        done = subprocess.run(["ip", "-n", self.space(router), *arguments], capture_output=True, text=True)
        return done.stdout + done.stderr

    def carriers(self) -> str:
        """The routers that have one."""
        return "".join(router for router in "ABC" if "LOWER_UP" in self.ip(router, "link", "show", "Fa0-0"))

    def reaches(self, router: str, number: int) -> bool:
        """Whether a ping is answered."""
        command = ["ip", "netns", "exec", self.space(router), "ping", "-c1", "-W1", f"10.0.0.{number}"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def comes_to_reach(self, router: str, number: int) -> None:
        """A carrier that has just come takes Linux a moment to use."""
        eventually(lambda: self.reaches(router, number), f"{router} reaches 10.0.0.{number}")

    def close(self) -> None:
        self.panel.close()
        for router, descriptor in self.spaces.items():
            os.close(descriptor)
            namespaces.remove(self.space(router))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def cable(name: str, *ends: End) -> Cable:
    return Cable(name, ends)


def test_a_port_on_no_cable_has_no_carrier(bench: Bench) -> None:
    bench.panel.arrange([])
    assert bench.carriers() == ""


def test_a_cable_gives_carrier_and_passes_packets(bench: Bench) -> None:
    bench.panel.arrange([cable("x", A, B)])
    assert bench.carriers() == "AB"
    bench.comes_to_reach("A", 2)


def test_a_plug_moves_to_another_cable(bench: Bench) -> None:
    bench.panel.arrange([cable("x", A, B)])
    bench.panel.arrange([cable("y", A, C), cable("x", B)])
    assert bench.carriers() == "ABC"
    bench.comes_to_reach("A", 3)
    assert not bench.reaches("A", 2)


def test_three_on_a_lan_hear_each_other(bench: Bench) -> None:
    bench.panel.arrange([cable("lan", A, B, C)])
    bench.comes_to_reach("A", 2)
    bench.comes_to_reach("C", 2)
    bench.comes_to_reach("C", 1)


def test_a_pulled_plug_has_no_carrier_until_it_is_back(bench: Bench) -> None:
    bench.panel.arrange([cable("x", A, B)], frozenset({A, B}))
    assert bench.carriers() == ""
    bench.panel.arrange([cable("x", A, B)], frozenset({A}))
    assert bench.carriers() == "B"
    bench.panel.arrange([cable("x", A, B)])
    assert bench.carriers() == "AB"
    bench.comes_to_reach("B", 1)


def test_jumbo_frames_pass(bench: Bench) -> None:
    bench.panel.arrange([cable("x", A, B)])
    for router in "AB":
        bench.ip(router, "link", "set", "Fa0-0", "mtu", "9000")
    command = ["ip", "netns", "exec", bench.space("A"), "ping", "-c1", "-W1", "-s8900", "-Mdo", "10.0.0.2"]
    eventually(lambda: subprocess.run(command, capture_output=True).returncode == 0, "a jumbo frame is answered")


def test_a_port_taken_and_put_again_has_the_same_mac(bench: Bench) -> None:
    mac = mac_of(bench.name, C).hex(":")
    assert mac in bench.ip("C", "link", "show", "Fa0-0")
    bench.panel.take([C])
    assert "does not exist" in bench.ip("C", "link", "show", "Fa0-0")
    bench.panel.put([C], bench.spaces)
    assert mac in bench.ip("C", "link", "show", "Fa0-0")
    assert len({mac_of(seed, end) for seed in ("a", "b") for end in (A, B, C)}) == 6


def test_nothing_speaks_on_a_cable_by_itself(bench: Bench) -> None:
    for router in "ABC":
        assert "inet6" not in bench.ip(router, "addr")
