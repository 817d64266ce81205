"""Plans: from two pictures to ordered steps. No kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from iosish.desired import Desired, KernelRoute, Link, LinkKind
from iosish.forwarding.tables import Tunnel
from iosish.plane.plan import (
    AddAddress,
    AddGuard,
    CreateDevice,
    Device,
    Hop,
    RemoveAddress,
    RemoveDevice,
    RemoveGuard,
    SetMac,
    SetMtu,
    SetNeighbour,
    SetResolves,
    SetRoute,
    SetUp,
)
from tests.user_plane.paper_kernel import DEVICES, PaperKernel

OUTSIDE = IPv4Interface("172.16.0.1/30")
INSIDE = IPv4Interface("192.168.0.1/24")
PEER = IPv4Address("192.168.0.2")


def physical(*addresses: IPv4Interface, up: bool = True, mtu: int | None = None) -> Link:
    return Link("FastEthernet0/0", LinkKind.PHYSICAL, up, mtu, addresses)


def tunnel(number: int = 0, *addresses: IPv4Interface, up: bool = True) -> Link:
    return Link(f"Tunnel{number}", LinkKind.TUNNEL, up, 1400, addresses)


def eth0(*, up: bool = True) -> Device:
    return Device("eth0", 2, up, up, 1500)


def multipoint(number: int = 0) -> Tunnel:
    return Tunnel(f"Tunnel{number}", OUTSIDE.ip, multipoint=True)


def test_a_router_from_nothing_in_the_order_that_the_kernel_needs() -> None:
    kernel = PaperKernel(eth0(up=False))
    desired = Desired(
        links={"FastEthernet0/0": physical(OUTSIDE), "Tunnel0": tunnel(0, INSIDE)},
        routes=frozenset({KernelRoute(IPv4Network("10.0.0.0/8"), "Tunnel0", PEER)}),
        neighbours={("Tunnel0", PEER): 7},
        tunnels={"Tunnel0": multipoint()},
    )
    assert kernel.reach(desired) == (
        CreateDevice("Tunnel0", LinkKind.TUNNEL),
        SetResolves("Tunnel0", True),
        SetMac("Tunnel0"),
        SetMtu("Tunnel0", 1400),
        AddAddress("eth0", OUTSIDE),
        AddAddress("Tunnel0", INSIDE),
        SetUp("eth0", True),
        SetUp("Tunnel0", True),
        SetRoute("Tunnel0", IPv4Network("10.0.0.0/8"), frozenset({Hop("Tunnel0", PEER)})),
        SetNeighbour("Tunnel0", PEER, 7),
    )
    assert kernel.plan(desired) == ()


def test_an_address_that_was_there_is_used_and_stays() -> None:
    kernel = PaperKernel(eth0())
    other = IPv4Interface("10.1.1.1/24")
    kernel.addresses["eth0"] = (OUTSIDE, other)
    assert kernel.plan(Desired(links={"FastEthernet0/0": physical(OUTSIDE)})) == ()
    assert kernel.plan(Desired()) == ()


def test_an_address_that_we_added_goes_when_it_is_not_wanted() -> None:
    kernel = PaperKernel(eth0())
    kernel.reach(Desired(links={"FastEthernet0/0": physical(OUTSIDE)}))
    new = IPv4Interface("172.16.0.5/30")
    assert kernel.reach(Desired(links={"FastEthernet0/0": physical(new)})) == (
        RemoveAddress("eth0", OUTSIDE),
        AddAddress("eth0", new),
    )
    assert kernel.reach(Desired()) == (RemoveAddress("eth0", new),)
    assert "eth0" in kernel.devices


def test_a_device_with_the_name_of_a_tunnel_is_left_alone() -> None:
    kernel = PaperKernel(Device("Tunnel0", 3, False, False, 1476))
    desired = Desired(
        links={"Tunnel0": tunnel(0, INSIDE), "Tunnel1": tunnel(1)},
        routes=frozenset({KernelRoute(IPv4Network("10.0.0.0/8"), "Tunnel0", PEER)}),
        neighbours={("Tunnel0", PEER): 7},
        tunnels={"Tunnel0": multipoint(), "Tunnel1": multipoint(1)},
    )
    assert {step.device for step in kernel.reach(desired)} == {"Tunnel1"}
    assert kernel.plan(desired) == ()
    del kernel.devices["Tunnel0"]
    kernel.reach(desired)
    assert kernel.neighbours == {("Tunnel0", PEER): 7}


def test_a_missing_device_is_waited_for() -> None:
    route = KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", IPv4Address("172.16.0.2"))
    desired = Desired(links={"FastEthernet0/0": physical(OUTSIDE, mtu=1400)}, routes=frozenset({route}))
    assert [step for step in PaperKernel().plan(desired) if not isinstance(step, SetRoute)] == []
    kernel = PaperKernel(eth0(up=False))
    kernel.reach(desired)
    assert kernel.plan(desired) == ()
    assert kernel.devices["eth0"] == replace(eth0(), mtu=1400)


def test_a_route_over_a_missing_device_is_not_tried() -> None:
    route = KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", IPv4Address("172.16.0.2"))
    desired = Desired(links={"FastEthernet0/0": physical(OUTSIDE)}, routes=frozenset({route}))
    assert PaperKernel().plan(desired) == ()


def test_what_was_changed_on_a_device_of_others_is_put_back() -> None:
    kernel = PaperKernel(eth0(up=False))
    kernel.reach(Desired(links={"FastEthernet0/0": physical(OUTSIDE, mtu=1400)}))
    without = Desired(links={"FastEthernet0/0": physical(OUTSIDE)})
    assert kernel.reach(without) == (SetMtu("eth0", 1500),)
    kernel.devices["eth0"] = replace(kernel.devices["eth0"], mtu=1300)  # somebody else's business
    assert kernel.plan(without) == ()
    assert kernel.reach(Desired()) == (RemoveAddress("eth0", OUTSIDE), SetUp("eth0", False))
    assert kernel.plan(Desired()) == ()


def test_another_device_of_the_same_name_is_as_it_is() -> None:
    kernel = PaperKernel(eth0(up=False))
    kernel.reach(Desired(links={"FastEthernet0/0": physical(mtu=1400)}))
    kernel.devices["eth0"] = Device("eth0", 9, True, True, 9000)
    assert kernel.plan(Desired()) == ()


def test_shutdown_keeps_addresses_and_asks_for_no_routes() -> None:
    kernel = PaperKernel(eth0())
    route = KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", IPv4Address("172.16.0.2"))
    up = Desired(links={"FastEthernet0/0": physical(OUTSIDE)}, routes=frozenset({route}))
    kernel.reach(up)
    down = replace(up, links={"FastEthernet0/0": physical(OUTSIDE, up=False)})
    kernel.reach(down)
    assert kernel.plan(down) == ()
    assert kernel.addresses["eth0"] == (OUTSIDE,)
    kernel.reach(up)
    assert kernel.plan(up) == () and kernel.routes


def test_the_kernel_fills_in_the_device_of_a_gateway() -> None:
    network, gateway = IPv4Network("10.0.0.0/8"), IPv4Address("172.16.0.2")
    kernel = PaperKernel(eth0())
    kernel.routes[network] = frozenset({Hop("eth0", gateway)})
    assert kernel.plan(Desired(routes=frozenset({KernelRoute(network, None, gateway)}))) == ()
    other = KernelRoute(network, None, IPv4Address("172.16.0.3"))
    assert kernel.plan(Desired(routes=frozenset({other}))) == (
        SetRoute(None, network, frozenset({Hop(None, other.next_hop)}), replaces=True),
    )


def test_two_next_hops_are_one_route() -> None:
    network = IPv4Network("10.0.0.0/8")
    hops = (IPv4Address("172.16.0.2"), IPv4Address("172.16.0.3"))
    desired = Desired(
        links={"FastEthernet0/0": physical(OUTSIDE)},
        routes=frozenset(KernelRoute(network, "FastEthernet0/0", hop) for hop in hops),
    )
    kernel = PaperKernel(eth0())
    kernel.reach(desired)
    assert kernel.routes == {network: frozenset(Hop("eth0", hop) for hop in hops)}
    assert kernel.plan(desired) == ()


def test_a_point_to_point_tunnel_has_no_neighbours_and_resolves_nothing() -> None:
    kernel = PaperKernel()
    both = Desired(links={"Tunnel0": tunnel(0, INSIDE)}, neighbours={("Tunnel0", PEER): 1})
    kernel.reach(replace(both, tunnels={"Tunnel0": multipoint()}))
    assert kernel.neighbours == {("Tunnel0", PEER): 1}
    kernel.reach(replace(both, tunnels={"Tunnel0": replace(multipoint(), multipoint=False)}))
    assert kernel.neighbours == {}
    assert not kernel.devices["Tunnel0"].resolves


GUARDED = IPv4Network("10.0.0.0/8")
GUARD = KernelRoute(GUARDED, guard=True)


def test_a_guard_comes_before_the_tunnel_and_goes_after_it() -> None:
    kernel = PaperKernel(eth0())
    desired = Desired(
        links={"FastEthernet0/0": physical(OUTSIDE), "Tunnel0": tunnel(0, INSIDE)},
        routes=frozenset({KernelRoute(GUARDED, "Tunnel0", PEER), GUARD, KernelRoute(INSIDE.network, guard=True)}),
        tunnels={"Tunnel0": multipoint()},
    )
    steps = kernel.reach(desired)
    assert steps[:2] == (AddGuard(None, GUARDED), AddGuard(None, INSIDE.network))
    assert kernel.routes == {GUARDED: frozenset({Hop("Tunnel0", PEER)})}
    assert kernel.plan(desired) == ()
    steps = kernel.reach(Desired())
    assert steps[-2:] == (RemoveGuard(None, GUARDED), RemoveGuard(None, INSIDE.network))
    assert RemoveDevice("Tunnel0") in steps
    assert kernel.guards == set()


def test_a_guard_stays_while_its_tunnel_is_down_and_while_routes_change() -> None:
    kernel = PaperKernel(eth0())
    up = Desired(
        links={"FastEthernet0/0": physical(OUTSIDE), "Tunnel0": tunnel(0, INSIDE)},
        routes=frozenset({KernelRoute(GUARDED, "Tunnel0", PEER), GUARD}),
        tunnels={"Tunnel0": multipoint()},
    )
    kernel.reach(up)
    down = replace(up, links={**up.links, "Tunnel0": tunnel(0, INSIDE, up=False)})
    other = replace(up, routes=frozenset({KernelRoute(GUARDED), GUARD}))
    for desired in (down, up, other, replace(up, routes=frozenset({GUARD}))):
        assert not [step for step in kernel.reach(desired) if isinstance(step, AddGuard | RemoveGuard)]
    assert kernel.guards == {GUARDED} and not kernel.routes


def test_a_guard_of_an_earlier_life_is_taken_over() -> None:
    kernel = PaperKernel(eth0())
    kernel.guards = {GUARDED}
    assert kernel.plan(Desired(routes=frozenset({GUARD}))) == ()
    assert kernel.plan(Desired()) == (RemoveGuard(None, GUARDED),)


links = st.one_of(
    st.builds(
        lambda addresses, up, mtu: physical(*addresses, up=up, mtu=mtu),
        st.lists(st.sampled_from([OUTSIDE, IPv4Interface("10.1.1.1/24")]), unique=True),
        st.booleans(),
        st.sampled_from([None, 1400]),
    ),
    st.builds(lambda up: Link("Loopback0", LinkKind.LOOPBACK, up, None, (IPv4Interface("1.1.1.1/32"),)), st.booleans()),
    st.builds(lambda number, up: tunnel(number, INSIDE, up=up), st.integers(0, 1), st.booleans()),
)
routes = st.builds(
    KernelRoute,
    st.sampled_from([IPv4Network("10.0.0.0/8"), IPv4Network("0.0.0.0/0")]),
    st.sampled_from([*DEVICES]),
    st.sampled_from([None, PEER]),
) | st.builds(
    KernelRoute,
    st.sampled_from([IPv4Network("10.0.0.0/8"), IPv4Network("0.0.0.0/0")]),
    guard=st.booleans(),
)
pictures = st.builds(
    lambda links, routes, neighbours, kinds: Desired(
        {link.name: link for link in links},
        frozenset(routes),
        {(name, PEER): adjacency for name, adjacency in neighbours.items()},
        {name: replace(multipoint(int(name[-1])), multipoint=kind) for name, kind in kinds.items()},
    ),
    st.lists(links, max_size=5),
    st.lists(routes, max_size=3),
    st.dictionaries(st.sampled_from(["Tunnel0", "Tunnel1"]), st.integers(1, 9)),
    st.fixed_dictionaries({"Tunnel0": st.booleans(), "Tunnel1": st.booleans()}),
)


@given(st.booleans(), st.lists(pictures, min_size=1, max_size=4))
def test_a_plan_after_its_own_apply_is_empty_and_in_the_end_nothing_is_left(
    there: bool, several: list[Desired]
) -> None:
    kernel = PaperKernel(eth0()) if there else PaperKernel()
    before = kernel.observed()
    for desired in several:
        kernel.reach(desired)
        kernel.reach(desired)  # what went down with a device in the first round comes back
        assert kernel.plan(desired) == ()
    kernel.reach(Desired())
    assert replace(kernel.observed(), addresses={}) == replace(before, addresses={})
    assert not any(kernel.addresses.values())
