"""Routes that lead a tunnel into itself: what is logged, what stays down, and when it comes back."""

from __future__ import annotations

import pytest

from iosish.recursive_routes import HOLD_S
from tests.router.bench import Boot

POINT_TO_POINT = """interface FastEthernet0/0
 ip address 172.16.25.2 255.255.255.252
interface Tunnel0
 ip address 192.168.0.2 255.255.255.0
 tunnel source FastEthernet0/0
 tunnel destination 172.16.15.2
ip route 0.0.0.0 0.0.0.0 172.16.25.1
"""
SPOKE = """interface FastEthernet0/0
 ip address 172.16.25.2 255.255.255.252
interface Tunnel0
 ip address 192.168.0.2 255.255.255.0
 ip nhrp map 192.168.0.1 172.16.15.2
 ip nhrp map multicast 172.16.15.2
 ip nhrp network-id 1
 ip nhrp nhs 192.168.0.1
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
ip route 0.0.0.0 0.0.0.0 172.16.25.1
"""
DOWN = [
    "%TUN-5-RECURDOWN: Tunnel0 temporarily disabled due to recursive routing",
    "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to down",
]
UP = ["%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up"]


@pytest.mark.parametrize("text", [POINT_TO_POINT, SPOKE], ids=["destination", "next hop server"])
@pytest.mark.parametrize(
    "route",
    [
        "ip route 172.16.0.0 255.255.0.0 Tunnel0",
        "ip route 172.16.15.2 255.255.255.255 192.168.0.1",
        "ip route 172.16.15.0 255.255.255.0 192.168.0.9",
    ],
)
def test_a_route_to_the_far_end_through_the_tunnel_takes_it_down_until_it_is_mended(
    bench: Boot, text: str, route: str
) -> None:
    router = bench(text)
    assert router.up
    assert router.type(route) == DOWN
    assert router.router.statuses["Tunnel0"].reason == "recursive routing"
    assert router.at(60.0) == []  # one line, however long
    assert router.type("hostname other") == []
    assert router.type(f"no {route}") == UP
    assert router.up


def test_a_way_that_is_mended_at_once_is_taken_after_a_moment(bench: Boot) -> None:
    """Routes that come and go do not take the tunnel along each time."""
    router, route = bench(POINT_TO_POINT), "ip route 172.16.15.2 255.255.255.255 Tunnel0"
    assert router.type(route) == DOWN
    for _ in range(10):
        assert router.type(f"no {route}") == []
        router.now += HOLD_S / 50
        assert router.type(route) == []
        router.now += HOLD_S / 50
    assert router.type(f"no {route}") == []
    assert not router.up
    assert router.at(HOLD_S) == UP


def test_two_tunnels_that_carry_each_other_go_down(bench: Boot) -> None:
    other = """interface Tunnel1
 ip address 192.168.1.2 255.255.255.0
 tunnel source FastEthernet0/0
 tunnel destination 172.16.35.2
"""
    router = bench(POINT_TO_POINT + other)
    said = router.type("ip route 172.16.15.2 255.255.255.255 Tunnel1\nip route 172.16.35.2 255.255.255.255 Tunnel0")
    assert {line for line in said if "RECURDOWN" in line} == {
        DOWN[0].replace("Tunnel0", name) for name in ("Tunnel0", "Tunnel1")
    }


def test_a_tunnel_in_another_one_is_no_loop(bench: Boot) -> None:
    other = """interface Tunnel1
 ip address 192.168.1.2 255.255.255.0
 tunnel source FastEthernet0/0
 tunnel destination 172.16.35.2
"""
    router = bench(POINT_TO_POINT + other)
    assert router.type("ip route 172.16.15.2 255.255.255.255 Tunnel1") == []
    assert router.up


def test_a_default_route_through_the_tunnel_is_none_beside_one_to_the_far_end(bench: Boot) -> None:
    router = bench(SPOKE)
    router.type("ip route 172.16.15.2 255.255.255.255 172.16.25.1")
    assert router.type("no ip route 0.0.0.0 0.0.0.0 172.16.25.1\nip route 0.0.0.0 0.0.0.0 192.168.0.1") == []
    assert router.up


def test_what_leads_to_a_peer_through_that_peer_has_no_adjacency(bench: Boot) -> None:
    router = bench(SPOKE + "interface Tunnel0\n ip nhrp map 192.168.0.4 172.16.45.2\n")

    def peers() -> set[str]:
        router.router.changed()
        return {str(nbma) for nbma in router.router.desired.tunnels["Tunnel0"].adjacencies.values()}

    assert peers() == {"172.16.15.2", "172.16.45.2"}
    assert router.type("ip route 172.16.45.2 255.255.255.255 192.168.0.4") == []
    assert peers() == {"172.16.15.2"}
    assert router.type("no ip route 172.16.45.2 255.255.255.255 192.168.0.4") == []
    assert peers() == {"172.16.15.2", "172.16.45.2"}
