"""Devices, addresses and routes of a real kernel: what the plane makes of them, adopts, and leaves behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from iosish.desired import Desired, KernelRoute, Link, LinkKind
from iosish.forwarding.tables import Tunnel
from iosish.plane.user import tap
from tests.user_plane.node import Namespace, Node, cabled, eventually

pytestmark = pytest.mark.live

OUTSIDE = IPv4Interface("172.16.0.1/24")


def physical(*addresses: IPv4Interface, up: bool = True, mtu: int | None = None, name: str = "FastEthernet0/0") -> Link:
    return Link(name, LinkKind.PHYSICAL, up, mtu, addresses)


def wanted(*links: Link, routes: tuple[KernelRoute, ...] = ()) -> Desired:
    return Desired({link.name: link for link in links}, frozenset(routes))


def everything() -> Desired:
    loopback = Link("Loopback0", LinkKind.LOOPBACK, True, addresses=(IPv4Interface("10.0.0.1/24"),))
    tunnels = tuple(
        Link(f"Tunnel{number}", LinkKind.TUNNEL, True, 1400, (IPv4Interface(f"192.168.{number}.1/24"),))
        for number in range(2)
    )
    routes = (
        KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", IPv4Address("172.16.0.2")),
        KernelRoute(IPv4Network("10.1.0.0/16"), None, IPv4Address("172.16.0.3")),
        KernelRoute(IPv4Network("10.2.0.0/16"), "Tunnel0", IPv4Address("192.168.0.2")),
        KernelRoute(IPv4Network("10.3.0.0/16"), "Tunnel1"),
        KernelRoute(IPv4Network("10.4.0.0/16")),
        KernelRoute(IPv4Network("10.5.0.0/16"), "FastEthernet0/0", IPv4Address("172.16.0.2")),
        KernelRoute(IPv4Network("10.5.0.0/16"), "FastEthernet0/0", IPv4Address("172.16.0.3")),
        KernelRoute(IPv4Network("10.6.0.0/16"), "FastEthernet0/0"),
    )
    return replace(
        wanted(physical(OUTSIDE, IPv4Interface("172.16.0.7/24"), mtu=1450), loopback, *tunnels, routes=routes),
        neighbours={("Tunnel0", IPv4Address(f"192.168.0.{last}")): last for last in range(2, 250)},
        tunnels={
            "Tunnel0": Tunnel("Tunnel0", OUTSIDE.ip, multipoint=True),
            "Tunnel1": Tunnel("Tunnel1", OUTSIDE.ip, adjacencies={1: IPv4Address("172.16.0.2")}),
        },
    )


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    """Two, the first with a cable Fa0-0 to the second's far."""
    with ExitStack() as stack:
        here, there = (stack.enter_context(Namespace()) for _ in range(2))
        stack.enter_context(cabled((here, "Fa0-0"), (there, "far")))
        there.ip("link", "set", "far", "up")
        yield here, there


@pytest.fixture
def space(spaces: tuple[Namespace, Namespace]) -> Namespace:
    return spaces[0]


def seen(space: Namespace) -> list[str]:
    """All that a plane could leave behind."""
    shown = [space.ip(*what.split()) for what in ("-br -4 addr", "-br link", "route", "neigh show nud permanent")]
    return [" ".join(line.split()) for text in shown for line in text.splitlines()]


def test_a_plan_after_its_own_apply_is_empty(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(everything())
        assert node.rest() == ()
        shown = space.ip("route")
        assert "default via 172.16.0.2 dev Fa0-0 proto 73" in shown
        assert "10.1.0.0/16 via 172.16.0.3 dev Fa0-0" in shown
        assert "10.3.0.0/16 dev Tunnel1 proto 73 scope link" in shown
        assert "blackhole 10.4.0.0/16" in shown
        assert shown.count("nexthop via") == 2
        states = {name: node.told().link(name) for name in everything().links}
        assert all(state and state.present and state.carrier and state.reason is None for state in states.values())
        physical_state = states["FastEthernet0/0"]
        assert physical_state is not None and physical_state.mtu == 1450
        # Cut and sealed, what a tunnel is given uncut is for one call.
        assert all(f"gso_max_size {tap.LARGE_MAX} " in space.ip("-d", "link", "show", f"Tunnel{n}") for n in range(2))


def test_a_router_that_wants_nothing_is_settled_too(space: Namespace) -> None:
    with Node(space) as node:
        assert node.rest() == ()


def test_nothing_is_left_behind_and_what_was_there_stays(space: Namespace) -> None:
    space.ip("link", "set", "Fa0-0", "up", "mtu", "1450")
    space.ip("addr", "add", "172.16.0.1/24", "dev", "Fa0-0")
    space.ip("addr", "add", "172.20.0.1/24", "dev", "Fa0-0")
    space.ip("route", "add", "10.99.0.0/16", "via", "172.20.0.9")
    before = seen(space)
    settings = space.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout
    with Node(space) as node:
        node.apply(everything())
        assert seen(space) != before
        assert space.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"
        node.stop()
        assert seen(space) == before
        assert not Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
        after = space.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/send_redirects").stdout
        assert after == settings


def test_what_was_changed_on_a_device_is_put_back(space: Namespace) -> None:
    before = seen(space)
    with Node(space) as node:
        node.apply(everything())
        assert "mtu 1450" in space.ip("link", "show", "Fa0-0")
        node.apply(wanted(physical(OUTSIDE)))  # `no mtu`
        assert "mtu 1500" in space.ip("link", "show", "Fa0-0")
        node.stop()
        assert seen(space) == before


def test_a_router_killed_leaves_no_device_and_its_routes_are_cleared_by_the_next(space: Namespace) -> None:
    node = Node(space)
    node.apply(everything())
    node._process.kill()
    node._process.wait()
    eventually(lambda: "Tunnel0" not in space.ip("link"), "the end of the devices")
    assert "proto 73" in space.ip("route")
    with Node(space) as after:
        after.apply(wanted(physical(OUTSIDE)))
        assert "proto 73" not in space.ip("route")
        assert after.rest() == ()


def test_a_device_that_is_not_there_is_told_and_taken_when_it_comes(spaces: tuple[Namespace, Namespace]) -> None:
    here, there = spaces
    serial = physical(IPv4Interface("172.17.0.1/24"), name="Serial1/0")
    with Node(here) as node:
        node.apply(wanted(physical(OUTSIDE), serial))
        state = node.told().link("Serial1/0")
        assert state is not None and not state.present and state.reason == "no device Se1-0"
        with cabled((here, "Se1-0"), (there, "far2")):
            there.ip("link", "set", "far2", "up")
        there.ip("addr", "add", "172.17.0.2/24", "dev", "far2")
        eventually(lambda: (state := node.told().link("Serial1/0")) and state.carrier, "the new device")
        assert there.pings("172.17.0.1")
        there.ip("link", "set", "far2", "down")
        eventually(lambda: (state := node.told().link("Serial1/0")) and not state.carrier, "the lost carrier")
        here.ip("link", "del", "Se1-0")
        eventually(lambda: (state := node.told().link("Serial1/0")) and not state.present, "the lost device")


def test_the_device_behind_an_interface_can_be_named(spaces: tuple[Namespace, Namespace]) -> None:
    here, _ = spaces
    here.ip("link", "set", "Fa0-0", "name", "uplink")
    with Node(here, {"FastEthernet0/0": "uplink"}) as node:
        node.apply(wanted(physical(OUTSIDE)))
        assert "172.16.0.1/24" in here.ip("addr", "show", "uplink")


def test_a_step_that_fails_is_told_and_the_others_go_on(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(wanted(physical(OUTSIDE, mtu=100_000), Link("Loopback0", LinkKind.LOOPBACK, True)))
        state, loopback = node.told().link("FastEthernet0/0"), node.told().link("Loopback0")
        assert state is not None and state.reason is not None and state.reason.startswith("cannot set the MTU")
        assert loopback is not None and loopback.carrier and loopback.reason is None


def test_the_latest_of_many_wins(space: Namespace) -> None:
    with Node(space) as node:
        node.apply_often(
            [wanted(physical(IPv4Interface(f"172.16.{number}.1/24"))) for number in range(200)]
            + [wanted(physical(OUTSIDE))]
        )
        assert node.rest() == ()
        addresses = space.ip("-br", "-4", "addr", "show", "Fa0-0").split()
        assert addresses[2:] == ["172.16.0.1/24"]
        assert len(node.told().links) < 20


def test_drift_is_put_right(space: Namespace) -> None:
    desired = everything()
    with Node(space) as node:
        node.apply(desired)
        space.ip("link", "set", "Tunnel0", "down")  # takes its routes and neighbours with it
        eventually(lambda: node.rest() == () and "UP" in space.ip("link", "show", "Tunnel0"), "the tunnel")
        space.ip("addr", "del", "172.16.0.1/24", "dev", "Fa0-0")
        eventually(lambda: node.rest() == () and "172.16.0.1/24" in space.ip("addr", "show", "Fa0-0"), "the address")
        space.ip("route", "del", "10.2.0.0/16")
        eventually(lambda: node.rest() == () and "10.2.0.0/16" in space.ip("route"), "the route")
        assert len(space.ip("neigh", "show", "dev", "Tunnel0", "nud", "permanent").splitlines()) == 248


def test_shutdown_and_back(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(everything())
        down = everything()
        links = {name: replace(link, up=False) for name, link in down.links.items()}
        routes = frozenset(route for route in down.routes if route.interface or not route.next_hop)
        node.apply(replace(down, links=links, routes=routes))
        assert node.rest() == ()
        assert all(not (state := node.told().link(name)) or not state.carrier for name in links)
        node.apply(everything())
        assert node.rest() == ()


def test_counters_and_neighbours_are_there_while_the_kernel_changes(spaces: tuple[Namespace, Namespace]) -> None:
    """Reading never gets in the way of the work, nor the work in the way of reading."""
    here, there = spaces
    there.ip("addr", "add", "172.16.0.2/24", "dev", "far")
    with Node(here) as node:
        node.apply(wanted(physical(OUTSIDE)))
        assert there.pings("172.16.0.1")
        counted = node.readings(everything(), 20)
        assert all("FastEthernet0/0" in counters.interfaces for counters, _ in counted)
        assert counted[-1][0].interfaces["FastEthernet0/0"].packets_in > 0
        entries = {entry.address: entry for entry in counted[-1][1]}
        assert entries[OUTSIDE.ip].age_s is None
        far = entries[IPv4Address("172.16.0.2")]
        assert far.mac in there.ip("link", "show", "far") and far.age_s is not None
        assert node.rest() == ()


def test_a_tunnel_sends_nothing_of_its_own(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(everything())
        settings = {
            "ipv4/conf/Tunnel0/send_redirects": "0",
            "ipv4/conf/all/send_redirects": "0",
            "ipv4/conf/Tunnel0/rp_filter": "0",
            "ipv6/conf/Tunnel0/disable_ipv6": "1",
            "ipv4/neigh/Tunnel0/app_solicit": "3",
            "ipv4/neigh/Tunnel0/mcast_solicit": "0",
        }
        for path, value in settings.items():
            assert space.run("cat", f"/proc/sys/net/{path}").stdout.strip() == value, path
        time.sleep(0.5)  # what a device sends by itself comes within half a second of its start
        assert node.counters().interfaces["Tunnel0"].packets_out == 0
        assert "empty multicast list" not in node.counters().drops


def test_a_router_stays_small(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(everything())
        forwarder = node.forwarder()
        assert forwarder is not None
        print(f"plane {pss_mb(node.pid):.1f} MB, forwarder {pss_mb(forwarder):.1f} MB")
        assert pss_mb(node.pid) + pss_mb(forwarder) < 60


def pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
