"""A line of one tunnel takes nothing from another one that is up."""

from __future__ import annotations

import pytest

from tests.router.bench import Boot

CLOUDS = """crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 0.0.0.0
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
crypto ipsec profile Q
 set transform-set T
crypto isakmp profile I
 match identity address 0.0.0.0
interface FastEthernet0/0
 ip address 172.16.15.2 255.255.255.252
interface Loopback0
 ip address 172.31.1.1 255.255.255.255
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 ip nhrp network-id 1
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
 tunnel protection ipsec profile P shared
interface Tunnel1
 ip address 192.168.1.1 255.255.255.0
 ip nhrp network-id 2
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
 tunnel key 7
 tunnel protection ipsec profile P shared
interface Tunnel2
 ip address 192.168.2.1 255.255.255.0
 ip nhrp network-id 3
 tunnel source Loopback0
 tunnel mode gre multipoint
 tunnel protection ipsec profile P shared
"""
TUNNEL = "interface Tunnel0\n"


@pytest.mark.parametrize(
    "line",
    [
        " tunnel protection ipsec profile Q shared",
        " tunnel protection ipsec profile P",
        " tunnel protection ipsec profile P shared isakmp-profile I",
        " no tunnel protection ipsec profile P",
        " tunnel key 7",
        " tunnel source Loopback0",
        " tunnel source 172.31.1.1",
        " shutdown",
        " tunnel mode gre ip",
    ],
)
def test_the_others_stay_what_they_are(bench: Boot, line: str) -> None:
    router = bench(CLOUDS)
    others = ("Tunnel1", "Tunnel2")

    def seen() -> list[object]:
        router.router.changed()
        desired = router.router.desired
        return [(router.router.statuses[name], desired.tunnels[name], desired.links[name]) for name in others]

    before = seen()
    assert all(router.router.statuses[name].line_up for name in ("Tunnel0", *others))
    said = router.type(TUNNEL + line)
    assert not [text for text in said if any(f"nterface {name}" in text for name in others)]
    assert seen() == before
    assert router.router.statuses["Tunnel0"].line_up is (" no tunnel" in line)
