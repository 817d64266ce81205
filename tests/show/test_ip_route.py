"""`show ip route`: the table, one route, the summary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iosish.show.ip_route import classful, ip_route, summary
from iosish.snapshot import Route
from tests.show.routers import branch, host, hub, ip

CODES = """\
Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP
       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area 
       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2
       E1 - OSPF external type 1, E2 - OSPF external type 2
       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2
       ia - IS-IS inter area, * - candidate default, U - per-user static route
       o - ODR, P - periodic downloaded static route, H - NHRP, l - LISP
       a - application route
       + - replicated route, % - next hop override, p - overrides from PfR

"""  # noqa: W291 - IOS leaves a blank at the end of a line

GATEWAY = "Gateway of last resort is 203.0.113.1 to network 0.0.0.0\n\n"

BRANCH = """\
S*    0.0.0.0/0 [250/0] via 203.0.113.1
                [250/0] via 203.0.113.2
      7.0.0.0/32 is subnetted, 1 subnets
C        7.7.7.7 is directly connected, Loopback0
      10.0.0.0/8 is variably subnetted, 4 subnets, 3 masks
S        10.0.0.0/9 [1/0] via 10.9.0.1, Tunnel10
C        10.9.0.0/24 is directly connected, Tunnel10
L        10.9.0.7/32 is directly connected, Tunnel10
H        10.9.8.0/24 [250/255] via 10.9.0.3, 00:00:06
S     172.16.0.0/16 is directly connected, Null0
S     192.168.4.0/22 [5/0] via 10.9.0.1
S     198.18.1.0/24 [1/0] via 10.9.0.1
      203.0.113.0/24 is variably subnetted, 2 subnets, 2 masks
C        203.0.113.0/24 is directly connected, GigabitEthernet0/1
L        203.0.113.7/32 is directly connected, GigabitEthernet0/1
"""

STATIC = """\
S*    0.0.0.0/0 [250/0] via 203.0.113.1
                [250/0] via 203.0.113.2
      10.0.0.0/8 is variably subnetted, 4 subnets, 3 masks
S        10.0.0.0/9 [1/0] via 10.9.0.1, Tunnel10
S     172.16.0.0/16 is directly connected, Null0
S     192.168.4.0/22 [5/0] via 10.9.0.1
S     198.18.1.0/24 [1/0] via 10.9.0.1
"""

DEFAULT = """\
Routing entry for 0.0.0.0/0, supernet
  Known via "static", distance 250, metric 0, candidate default path
  Routing Descriptor Blocks:
  * 203.0.113.1
      Route metric is 0, traffic share count is 1
    203.0.113.2
      Route metric is 0, traffic share count is 1
"""

TAGGED = """\
Routing entry for 192.168.4.0/22, supernet
  Known via "static", distance 5, metric 0
  Tag 77
  Routing Descriptor Blocks:
  * 10.9.0.1
      Route metric is 0, traffic share count is 1
      Route tag 77
"""

CONNECTED = """\
Routing entry for 10.9.0.0/24
  Known via "connected", distance 0, metric 0 (connected, via interface)
  Routing Descriptor Blocks:
  * directly connected, via Tunnel10
      Route metric is 0, traffic share count is 1
"""

WHOLE_CLASS = """\
Routing entry for 10.0.0.0/8, 4 known subnets
  Attached (2 connections)
  Variably subnetted with 3 masks
S        10.0.0.0/9 [1/0] via 10.9.0.1, Tunnel10
C        10.9.0.0/24 is directly connected, Tunnel10
L        10.9.0.7/32 is directly connected, Tunnel10
H        10.9.8.0/24 [250/255] via 10.9.0.3, 00:00:06
"""

SUMMARY = [
    "IP routing table name is default (0x0)",
    "IP routing table maximum-paths is 32",
    "Route Source    Networks    Subnets     Replicates  Overhead    Memory (bytes)",
    "connected       1           4           0           0",
    "static          4           1           0           0",
    "nhrp            0           1           0           0",
    "internal        3",
    "Total           8           6           0           0",
]


def test_the_table() -> None:
    assert ip_route(branch()) == CODES + GATEWAY + BRANCH


def test_no_gateway_and_no_route() -> None:
    assert ip_route(replace(hub(), routes=())) == CODES + "Gateway of last resort is not set\n\n"


def test_a_default_route_out_of_an_interface() -> None:
    routes = (Route("S", host("0.0.0.0/0"), interface="Tunnel0", distance=1),)
    assert ip_route(replace(hub(), routes=routes)).endswith(
        "Gateway of last resort is 0.0.0.0 to network 0.0.0.0\n\nS*    0.0.0.0/0 is directly connected, Tunnel0\n"
    )


def test_only_static_routes_under_headings_that_count_all() -> None:
    assert ip_route(branch(), static=True) == CODES + GATEWAY + STATIC


def test_only_connected_routes() -> None:
    codes = [line[0] for line in ip_route(branch(), connected=True).splitlines() if line[:1] in ("C", "L", "S", "H")]
    assert codes[1:] == ["C", "C", "L", "C", "L"]  # the first one is the C of "Codes:"


@pytest.mark.parametrize(
    ("address", "screen"),
    [
        ("0.0.0.0", DEFAULT),
        ("192.168.5.5", TAGGED),
        ("10.9.0.5", CONNECTED),
        ("10.0.0.0", WHOLE_CLASS),
        ("10.200.1.1", "% Subnet not in table\n"),
        ("8.8.8.8", "% Network not in table\n"),
    ],
)
def test_the_route_to_an_address(address: str, screen: str) -> None:
    assert ip_route(branch(), address=ip(address)) == screen


def test_a_mask_asks_for_exactly_that_network() -> None:
    assert ip_route(branch(), ip("10.9.0.0"), ip("255.255.255.0")) == CONNECTED
    assert ip_route(branch(), ip("10.9.0.0"), ip("255.255.0.0")) == "% Subnet not in table\n"
    assert ip_route(branch(), ip("0.0.0.0"), ip("0.0.0.0")) == DEFAULT


def test_summary() -> None:
    lines = summary(branch()).splitlines()
    assert [line.rsplit(maxsplit=1)[0].rstrip() for line in lines[3:]] == SUMMARY[3:]
    assert lines[:3] == SUMMARY[:3]
    memory = [int(line.split()[-1]) for line in lines[3:]]
    assert memory[-1] == sum(memory[:-1])


@pytest.mark.parametrize(
    ("network", "parent"),
    [
        ("10.1.2.0/24", "10.0.0.0/8"),
        ("127.0.0.1/32", "127.0.0.0/8"),
        ("128.1.2.3/32", "128.1.0.0/16"),
        ("192.0.2.128/25", "192.0.2.0/24"),
        ("192.168.0.0/16", "192.168.0.0/16"),
        ("224.0.0.5/32", "224.0.0.5/32"),
    ],
)
def test_classful(network: str, parent: str) -> None:
    assert classful(host(network)) == host(parent)
