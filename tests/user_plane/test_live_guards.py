"""Guards: what a protected tunnel would have carried leaves by no other way, also when nobody is there to watch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from iosish.desired import Desired, KernelRoute
from tests.user_plane.changes import Changes
from tests.user_plane.eyes import Eyes
from tests.user_plane.node import Namespace, Node, cabled, eventually
from tests.user_plane.test_live_tunnels import HUB, HUB_INSIDE, spoke_picture

pytestmark = pytest.mark.live

CLOUD, FAR, EVERYWHERE = (IPv4Network(text) for text in ("192.168.0.0/24", "10.9.0.0/16", "0.0.0.0/0"))
GUARD = "blackhole {} proto 73 metric 4294967294"


def guarded(*networks: IPv4Network) -> Desired:
    """A protected tunnel that has no SA, a route by it, a default route by the cable, and guards."""
    routes = {
        KernelRoute(EVERYWHERE, "FastEthernet0/0", HUB),
        KernelRoute(FAR, "Tunnel0", HUB_INSIDE),
        *(KernelRoute(network, guard=True) for network in networks),
    }
    return replace(spoke_picture(crypto_map="Tunnel0-head-0"), routes=frozenset(routes))


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    """The spoke's, and the one at the other end of its cable."""
    with ExitStack() as stack:
        left, right = (stack.enter_context(Namespace()) for _ in range(2))
        stack.enter_context(cabled((left, "Fa0-0"), (right, "Fa0-0")))
        right.ip("link", "set", "Fa0-0", "up")
        right.ip("addr", "add", f"{HUB}/24", "dev", "Fa0-0")
        yield left, right


@pytest.fixture
def space(spaces: tuple[Namespace, Namespace]) -> Namespace:
    return spaces[0]


@pytest.fixture
def eyes(spaces: tuple[Namespace, Namespace]) -> Iterator[Eyes]:
    with Eyes(spaces[1]) as eyes:
        yield eyes


def kill(node: Node, space: Namespace) -> None:
    os.kill(node.pid, signal.SIGKILL)
    eventually(lambda: "Tunnel0" not in space.ip("link"), "the end of the TAP")


def leaks(space: Namespace, eyes: Eyes) -> set[str]:
    """Which inner addresses are seen on the cable when somebody wants to reach them."""
    eyes.forget()
    wanted = ("192.168.0.1", "10.9.0.1")
    for address in wanted:
        space.run("ping", "-n", "-c", "1", "-W", "0.2", address)
    return {str(address) for address in eyes.destinations()} & set(wanted)


def test_without_guards_a_killed_router_leaks(space: Namespace, eyes: Eyes) -> None:
    with Node(space) as node:
        node.apply(guarded())
        assert not leaks(space, eyes)
        kill(node, space)
        assert leaks(space, eyes) == {"192.168.0.1", "10.9.0.1"}


def test_nothing_is_forwarded_before_there_are_guards(space: Namespace) -> None:
    """What comes from a LAN follows the default route until then."""

    def forwards() -> bool:
        return space.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"

    # A new namespace takes over what the machine does.
    space.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
    with Node(space) as node:
        assert not forwards()
        node.apply(guarded(CLOUD))
        assert forwards() and GUARD.format(CLOUD) in space.ip("route")
        node.stop()
        assert not forwards()


def test_with_guards_nothing_leaves_by_the_default_route(space: Namespace, eyes: Eyes) -> None:
    """Killed, started again, reloaded: the guards never go, and the router takes them for its own."""
    with Changes(space.name) as changes:
        with Node(space) as node:
            node.apply(guarded(CLOUD, FAR))
            assert node.rest() == ()
            assert not leaks(space, eyes)
            kill(node, space)
            assert not leaks(space, eyes)
        with Node(space) as node:
            assert node.rest() != ()  # the guards of before, until the router says what it wants
            assert not leaks(space, eyes)
            node.apply(guarded(CLOUD, FAR))
            assert node.rest() == ()
            node.stop(final=False)
            assert not leaks(space, eyes)
        routes = space.ip("route").splitlines()
        assert [line.strip() for line in routes if "73" in line] == [GUARD.format(FAR), GUARD.format(CLOUD)]
        seen = changes.seen()
    assert not [what for what in seen if what[0] == "RTM_DELROUTE" and what[1].endswith("*")]
    for network in (CLOUD, FAR):
        made = [place for place, what in enumerate(seen) if what == ("RTM_NEWROUTE", f"{network}*")]
        assert len(made) == 1  # once, whatever came
        assert made[0] < seen.index(("RTM_NEWLINK", "Tunnel0")) < seen.index(("RTM_NEWROUTE", str(network)))


def test_a_final_end_takes_the_guards_away_after_the_devices(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(guarded(CLOUD, FAR))
        with Changes(space.name) as changes:
            node.stop()
            assert "73" not in space.ip("route")
            seen = changes.seen()
    for network in (CLOUD, FAR):
        assert seen.index(("RTM_DELLINK", "Tunnel0")) < seen.index(("RTM_DELROUTE", f"{network}*"))


def test_a_tunnel_that_is_down_is_guarded(space: Namespace, eyes: Eyes) -> None:
    with Node(space) as node:
        picture = guarded(CLOUD, FAR)
        node.apply(picture)
        down = replace(picture, links={**picture.links, "Tunnel0": replace(picture.links["Tunnel0"], up=False)})
        node.apply(down)
        assert not leaks(space, eyes)
        node.apply(replace(down, routes=frozenset(route for route in down.routes if not route.guard)))
        assert leaks(space, eyes)


def test_a_guard_of_everything_leaves_the_default_route_alone(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(guarded(EVERYWHERE))
        assert node.rest() == ()
        assert space.pings(str(HUB))
        assert f"via {HUB} dev Fa0-0" in space.ip("route", "get", "203.0.113.1")
        space.ip("route", "del", "default", "dev", "Fa0-0")
        eventually(lambda: f"via {HUB}" in space.ip("route", "show", "default"), "our own again")


def test_a_guard_taken_away_is_made_again(space: Namespace) -> None:
    with Node(space) as node:
        node.apply(guarded(CLOUD))
        space.ip("route", "del", "blackhole", str(CLOUD), "metric", "4294967294")
        eventually(lambda: "blackhole" in space.ip("route"), "the guard")


def test_routes_to_a_guarded_prefix_come_and_go_beside_the_guard(space: Namespace) -> None:
    """Of us, of others, and one that discards as well."""
    with Node(space) as node:
        node.apply(guarded(FAR))
        for routes in (
            {KernelRoute(FAR)},
            {KernelRoute(FAR, "FastEthernet0/0", HUB)},
            set[KernelRoute](),
        ):
            node.apply(replace(guarded(FAR), routes=frozenset({KernelRoute(FAR, guard=True), *routes})))
            assert node.rest() == ()
            assert space.ip("route").count(str(FAR)) == 1 + len(routes)
        space.ip("route", "add", "blackhole", str(FAR), "metric", "7")
        node.apply(replace(guarded(), routes=frozenset()))
        assert space.ip("route", "show", str(FAR)) == f"blackhole {FAR} metric 7"


def test_a_protected_tunnel_that_cannot_be_guarded_is_not_made(space: Namespace) -> None:
    """A route of others stands where the guard belongs."""
    space.ip("route", "add", "blackhole", str(CLOUD), "metric", "4294967294")
    with Node(space) as node:
        node.apply(guarded(CLOUD))
        assert "Tunnel0" not in space.ip("link")
        state = node.told().link("Tunnel0")
        assert state is not None and state.reason == f"cannot guard the prefix ({CLOUD}): File exists"
        space.ip("route", "del", "blackhole", str(CLOUD), "metric", "4294967294")
        eventually(lambda: "Tunnel0" in space.ip("link"), "the tunnel")
