"""Five files that are nothing like the classic lab's: names, interface kinds, tunnel numbers and key, authentication,
loopbacks behind the spokes reached through static routes, abbreviated lines, CRLF, headings of a pasted screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.l2 import GRE

from tests.live.conftest import lab_of
from tests.live.lab import Lab, until
from tests.live.test_classic import echo_paths

pytestmark = pytest.mark.live

FILES = Path(__file__).parent / "other_lab"
HUB = "172.31.0.1"
LOOPBACKS = {"HQ-Core": "10.10.0.1", "north": "10.10.0.2", "East-Branch": "10.10.0.3", "S.West": "10.10.0.4"}
SPOKES = {
    "172.31.0.2": ("198.51.100.2", "UP", "D"),
    "172.31.0.3": ("192.0.2.10", "UP", "D"),
    "172.31.0.4": ("192.0.2.18", "UP", "D"),
}


@pytest.fixture(scope="module")
def branches() -> Iterator[Lab]:
    yield from lab_of(str(FILES))


def test_the_files_are_in_the_shapes_that_this_is_about() -> None:
    assert b"\r\n" in (FILES / "east.cfg").read_bytes()
    assert b"\n\tip address" in (FILES / "west.cfg").read_bytes()
    assert b"int tu2\n" in (FILES / "north.cfg").read_bytes()


def test_every_branch_is_up(branches: Lab) -> None:
    branches.expect_peers("HQ-Core", SPOKES)
    screen = branches.console("hq-core", "show dmvpn")
    assert "Interface: Tunnel100, IPv4 NHRP Details \nType:Hub, NHRP Peers:3, \n" in screen
    for name, tunnel in (("north", "Tunnel2"), ("East-Branch", "Tunnel77"), ("S.West", "Tunnel4")):
        branches.expect_up(name, [HUB])
        assert f"Interface: {tunnel}, IPv4 NHRP Details \nType:Spoke, NHRP Peers:1, \n" in branches.console(
            name, "show dmvpn"
        )


def test_a_spoke_looks_as_if_its_lines_had_been_written_in_full(branches: Lab) -> None:
    assert branches.running("north") == [
        "hostname north",
        "interface Loopback0",
        " ip address 10.10.0.2 255.255.255.255",
        "interface Tunnel2",
        " ip address 172.31.0.2 255.255.255.0",
        " ip mtu 1400",
        " ip nhrp authentication br4nch",
        " ip nhrp map 172.31.0.1 203.0.113.2",
        " ip nhrp map multicast 203.0.113.2",
        " ip nhrp network-id 4711",
        " ip nhrp holdtime 300",
        " ip nhrp nhs 172.31.0.1",
        " tunnel source Serial0/0/0",
        " tunnel mode gre multipoint",
        " tunnel key 815",
        "interface Serial0/0/0",
        " ip address 198.51.100.2 255.255.255.252",
        "ip route 0.0.0.0 0.0.0.0 198.51.100.1",
        "ip route 10.10.0.0 255.255.255.0 172.31.0.1",
        "ip route 10.10.0.3 255.255.255.255 172.31.0.3",
        "ip route 10.10.0.4 255.255.255.255 172.31.0.4",
        "end",
    ]
    assert " ip nhrp nhs 172.31.0.1 nbma 203.0.113.2 multicast" in branches.running("East-Branch")
    assert "ip route 10.10.0.2 255.255.255.255 Tunnel4 172.31.0.2" in branches.running("S.West")


@pytest.mark.parametrize("router", LOOPBACKS)
def test_from_loopback_to_loopback(branches: Lab, router: str) -> None:
    others = [address for name, address in LOOPBACKS.items() if name != router]
    screen = branches.console(router, *(f"ping {address} source Loopback0" for address in others))
    assert screen.count(f"Packet sent with a source address of {LOOPBACKS[router]} \n!!!!!\n") == len(others)
    assert screen.count("Success rate is 100 percent (5/5)") == len(others)


def test_packets_between_branches_go_direct_with_the_key(branches: Lab) -> None:
    branches.look("north", "clear ip nhrp")
    branches.look("S.West", "clear ip nhrp")
    branches.expect_up("north", [HUB])
    assert "(5/5)" in branches.console("north", "ping 10.10.0.4 source Loopback0")
    branches.expect_peers("north", {HUB: ("203.0.113.2", "UP", "S"), "172.31.0.4": ("192.0.2.18", "UP", "D")})
    branches.expect_up("S.West", [HUB, "172.31.0.2"])
    with branches.capture("Provider", "Serial1/0") as wire:
        assert "(5/5)" in branches.console("north", "ping 10.10.0.4 source Loopback0")
        until(lambda: len(echo_paths(wire.packets(), 0)) >= 5, "five replies passed")
    # The hub's own part, NHRP, passes as well when a registration is due.
    north, west = "198.51.100.2", "192.0.2.18"
    assert echo_paths(wire.packets(), 8) == [(north, west)] * 5
    assert echo_paths(wire.packets(), 0) == [(west, north)] * 5
    assert {(p[GRE].key_present, p[GRE].key) for p in wire.packets() if GRE in p} == {(1, 815)}
    assert re.search(
        r"^S +10\.10\.0\.4/32 \[1/0\] via 172\.31\.0\.4$", branches.console("north", "show ip route"), re.M
    )


def test_another_password_keeps_a_branch_out(branches: Lab) -> None:
    tunnel = "interface Tunnel2\n"
    with branches.configured(
        "north",
        f"{tunnel} shutdown\n ip nhrp authentication 0ther\n no shutdown",
        f"{tunnel} shutdown\n ip nhrp authentication br4nch\n no shutdown",
    ):
        branches.expect_peers("north", {HUB: ("203.0.113.2", "NHRP", "S")})
        refused = "%IOSISH-4-NHRP_REFUSED: Tunnel100: NHRP packet from 198.51.100.2 refused: authentication"
        until(lambda: refused in branches.look("HQ-Core", "show logging"), "the hub says why")
    branches.expect_up("north", [HUB])
    branches.expect_up("HQ-Core", SPOKES)
