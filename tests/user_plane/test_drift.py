"""How drift is planned, told and fought over; what of the kernel's events concerns a router. No kernel."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.desired import Desired, KernelRoute, LinkKind
from iosish.plane.patience import Patience
from iosish.plane.plan import (
    AddAddress,
    AddGuard,
    AddImplied,
    CreateDevice,
    Device,
    Hop,
    Implied,
    ImpliedKind,
    RenameDevice,
    SetMac,
    SetMtu,
    SetNeighbour,
    SetResolves,
    SetRoute,
    SetUp,
    Step,
)
from iosish.plane.user.events import BURST, Concern, Events
from tests.user_plane.paper_kernel import PaperKernel
from tests.user_plane.test_plan import GUARD, GUARDED, INSIDE, OUTSIDE, PEER, eth0, multipoint, physical, tunnel

ROUTED, HOPS = IPv4Network("10.1.0.0/16"), frozenset({Hop("Tunnel0", PEER)})
WANTED = Desired(
    links={"FastEthernet0/0": physical(OUTSIDE, mtu=1450), "Tunnel0": tunnel(0, INSIDE)},
    routes=frozenset({KernelRoute(ROUTED, "Tunnel0", PEER), GUARD}),
    neighbours={("Tunnel0", PEER): 7},
    tunnels={"Tunnel0": multipoint()},
)


@pytest.fixture
def kernel() -> PaperKernel:
    """As wanted."""
    made = PaperKernel(eth0())
    made.reach(WANTED)
    assert made.plan(WANTED) == ()
    return made


def changed(kernel: PaperKernel, device: str, **values: object) -> tuple[Step, ...]:
    """The plan after values of a device were changed from outside."""
    kernel.devices[device] = replace(kernel.devices[device], **values)  # type: ignore[arg-type]
    return kernel.plan(WANTED)


def test_values_of_a_device(kernel: PaperKernel) -> None:
    assert changed(kernel, "Tunnel0", mtu=1000) == (SetMtu("Tunnel0", 1400),)
    kernel.reach(WANTED)
    assert changed(kernel, "Tunnel0", mac="02:01:00:00:00:99") == (SetMac("Tunnel0"),)
    kernel.reach(WANTED)
    assert changed(kernel, "Tunnel0", resolves=False) == (SetResolves("Tunnel0", True),)
    kernel.reach(WANTED)
    assert changed(kernel, "Tunnel0", up=False) == (SetUp("Tunnel0", True),)
    kernel.reach(WANTED)
    assert changed(kernel, "eth0", mtu=1500, up=False) == (SetMtu("eth0", 1450), SetUp("eth0", True))


def test_a_deleted_device(kernel: PaperKernel) -> None:
    del kernel.devices["Tunnel0"], kernel.addresses["Tunnel0"]
    kernel._forget("Tunnel0")
    assert kernel.reach(WANTED) == (
        CreateDevice("Tunnel0", LinkKind.TUNNEL),
        SetResolves("Tunnel0", True),
        SetMac("Tunnel0"),
        SetMtu("Tunnel0", 1400),
        AddAddress("Tunnel0", INSIDE),
        SetUp("Tunnel0", True),
        SetRoute("Tunnel0", ROUTED, HOPS, precedes=True),
        SetNeighbour("Tunnel0", PEER, 7),
    )


def test_a_renamed_device_gets_its_name_back_before_all_but_guards(kernel: PaperKernel) -> None:
    kernel.devices["stolen"] = replace(kernel.devices.pop("Tunnel0"), name="stolen", mtu=1000)
    kernel.addresses["stolen"] = kernel.addresses.pop("Tunnel0")
    kernel.guards.clear()
    assert kernel.reach(WANTED) == (AddGuard(None, GUARDED), RenameDevice("Tunnel0", "stolen"))
    assert kernel.plan(WANTED) == (SetMtu("Tunnel0", 1400),)


def test_a_device_of_others_that_took_the_name_is_left_alone(kernel: PaperKernel) -> None:
    """Deleted or renamed: the index tells ours from theirs."""
    kernel.devices["stolen"] = replace(kernel.devices["Tunnel0"], name="stolen")
    kernel._forget("Tunnel0")
    kernel.devices["Tunnel0"] = Device("Tunnel0", 99, False, False, 1500)
    assert {step.device for step in kernel.plan(WANTED)} <= {None}
    assert [step for step in kernel.plan(Desired()) if step.device == "Tunnel0"] == []
    del kernel.devices["stolen"]
    assert {step.device for step in kernel.plan(WANTED)} <= {None}


def test_an_address(kernel: PaperKernel) -> None:
    stranger = IPv4Interface("172.20.0.1/24")
    kernel.addresses["eth0"] = (stranger,)
    kernel.addresses["Tunnel0"] = ()
    assert kernel.reach(WANTED) == (AddAddress("eth0", OUTSIDE), AddAddress("Tunnel0", INSIDE))
    assert stranger in kernel.addresses["eth0"]


def test_the_routes_of_an_address_the_local_one_first(kernel: PaperKernel) -> None:
    other = IPv4Interface("172.20.0.1/24")
    kernel.missing = {
        Implied("eth0", other, ImpliedKind.NETWORK),  # not ours
        Implied("Tunnel0", INSIDE, ImpliedKind.NETWORK),
        Implied("Tunnel0", INSIDE, ImpliedKind.HOST),
    }
    assert kernel.reach(WANTED) == (
        AddImplied("Tunnel0", INSIDE, ImpliedKind.HOST),
        AddImplied("Tunnel0", INSIDE, ImpliedKind.NETWORK),
    )


def test_a_route_precedes_what_took_its_place_but_not_what_was_there_before(kernel: PaperKernel) -> None:
    del kernel.routes[ROUTED]
    assert kernel.plan(WANTED) == (SetRoute("Tunnel0", ROUTED, HOPS, precedes=True),)
    kernel.installed.clear()
    assert kernel.plan(WANTED) == (SetRoute("Tunnel0", ROUTED, HOPS),)
    kernel.routes[ROUTED] = frozenset({Hop("eth0", IPv4Address("172.16.0.9"))})
    assert kernel.plan(WANTED) == (SetRoute("Tunnel0", ROUTED, HOPS, replaces=True),)


def test_a_guard_and_a_neighbour(kernel: PaperKernel) -> None:
    kernel.guards.clear()
    kernel.neighbours["Tunnel0", PEER] = 8
    assert kernel.plan(WANTED) == (AddGuard(None, GUARDED), SetNeighbour("Tunnel0", PEER, 7))


# Patience


def test_patience() -> None:
    patience = Patience(free=2, first_s=1.0, most_s=4.0, calm_s=10.0)
    assert patience.ready_at("x") == 0.0
    assert [patience.tried("x", 100.0) for _ in range(2)] == [1, 2]
    assert patience.ready_at("x") == 100.0
    waits = []
    for _ in range(4):
        now = patience.ready_at("x")
        patience.tried("x", now)
        waits.append(patience.ready_at("x") - now)
    assert waits == [1.0, 2.0, 4.0, 4.0]
    assert patience.tried("x", patience.ready_at("x") + 10.5) == 1  # it was calm
    patience.forget("x")
    assert patience.ready_at("x") == 0.0


# Events

OWN, PROTOCOL = 4711, 73
NEWLINK, DELLINK, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH, DELNEIGH, GETNEIGH = 16, 17, 21, 24, 25, 28, 29, 30
CONCERN = Concern(
    indexes=frozenset({5}),
    names=frozenset({b"Tunnel0", b"eth0"}),
    networks=frozenset({(bytes((10, 1, 0, 0)), 16), (bytes(4), 0)}),
    tunnels=frozenset({5}),
)


def message(kind: int, body: bytes, *attributes: tuple[int, bytes], sender: int = 99) -> bytes:
    for number, value in attributes:
        body += struct.pack("=HH", len(value) + 4, number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", len(body) + 16, kind, 0, 0, sender) + body


def link(kind: int, index: int, name: str, **more: int) -> bytes:
    return message(kind, struct.pack("=BxHiII", 0, 1, index, 0, 0), (3, name.encode() + b"\0"), **more)


def route(kind: int, network: str, protocol: int, **more: int) -> bytes:
    to = IPv4Network(network)
    body = struct.pack("=8BI", socket.AF_INET, to.prefixlen, 0, 0, 254, protocol, 0, 1, 0)
    return message(kind, body, *([(1, to.network_address.packed)] if to.prefixlen else []), **more)


def neighbour(kind: int, index: int, address: str, state: int = 0x80, mac: bytes = b"", **more: int) -> bytes:
    body = struct.pack("=BxxxiHBB", socket.AF_INET, index, state, 0, 1)
    return message(kind, body, (1, IPv4Address(address).packed), *([(2, mac)] if mac else []), **more)


def heard(*datagrams: bytes | OSError, port: int = 0) -> Events:
    listener = Mock()
    given: list[object] = [data if isinstance(data, OSError) else (data, (port, 0)) for data in datagrams]
    listener.recvfrom = Mock(side_effect=[*given, *[BlockingIOError()] * (BURST + 1)])
    events = Events(listener, frozenset({OWN}), PROTOCOL)
    events.concern = CONCERN
    return events


@pytest.mark.parametrize(
    ("data", "concerns"),
    [
        (link(DELLINK, 5, "whatever"), True),
        (link(NEWLINK, 9, "eth0"), True),
        (link(NEWLINK, 9, "docker0"), False),
        (message(DELADDR, struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 5)), True),
        (message(DELADDR, struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 6)), False),
        (message(DELADDR, struct.pack("=BBBBI", socket.AF_INET6, 64, 0, 0, 5)), False),
        (route(DELROUTE, "10.99.0.0/16", PROTOCOL), True),
        (route(NEWROUTE, "10.1.0.0/16", 4), True),
        (route(NEWROUTE, "10.1.0.0/24", 4), False),
        (route(DELROUTE, "0.0.0.0/0", 3), True),
        (route(DELROUTE, "0.0.0.0/0", 3, sender=OWN), False),
        (route(DELROUTE, "10.99.0.0/16", 4) + link(DELLINK, 5, "whatever"), True),
    ],
)
def test_what_concerns_a_router(data: bytes, concerns: bool) -> None:
    assert heard(data).read().changed is concerns


def test_neighbours() -> None:
    mac = bytes.fromhex("020000000007")
    news = heard(
        neighbour(GETNEIGH, 5, "192.168.0.2", 1, sender=0),
        neighbour(NEWNEIGH, 5, "192.168.0.2", 0x80, mac),
        neighbour(NEWNEIGH, 5, "192.168.0.2", 0x04, mac),
        neighbour(DELNEIGH, 5, "192.168.0.3", 0x80, mac),
        neighbour(NEWNEIGH, 6, "172.16.0.3", 0x80, mac),
        neighbour(DELNEIGH, 5, "192.168.0.3", 0x80, mac, sender=OWN),
    ).read()
    assert news.missed == [(5, IPv4Address("192.168.0.2"))]
    assert news.altered == [
        (5, IPv4Address("192.168.0.2"), mac),
        (5, IPv4Address("192.168.0.2"), None),
        (5, IPv4Address("192.168.0.3"), None),
    ]
    assert not news.changed


def test_lost_events_lead_to_a_look_at_everything_and_the_next_are_read() -> None:
    news = heard(OSError(105, "No buffer space"), neighbour(GETNEIGH, 5, "192.168.0.2", 1)).read()
    assert news.changed and news.missed == [(5, IPv4Address("192.168.0.2"))]


def test_what_is_not_from_the_kernel_is_not_believed() -> None:
    assert not heard(link(DELLINK, 5, "Tunnel0"), port=4712).read().changed


@given(st.lists(st.binary(max_size=80), max_size=5), st.integers(16, 31))
def test_any_octets(bodies: list[bytes], kind: int) -> None:
    heard(b"".join(message(kind, body) for body in bodies)).read()
    for body in bodies:
        heard(body).read()
