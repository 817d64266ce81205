"""`ip tcp adjust-mss` on a physical interface: connections through a router whose packets the kernel forwards."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

import pytest
from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NLMSG_ERROR
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_GETTABLE,
    NFT_MSG_NEWTABLE,
    nft_table_msg,
)

from iosish.desired import Desired, Link, LinkKind
from iosish.forwarding import ipv4
from iosish.plane.user import mss_clamp
from tests.user_plane.node import CEILING_S, Namespace, Node, cabled, eventually
from tests.user_plane.test_live_wire import ETH_P_IP, inside, mss_of

pytestmark = pytest.mark.live

LEFT, RIGHT = "10.0.1.2", "10.0.2.2"
PORT = 80
UNCLAMPED = 1460


def router(left: int | None = None, right: int | None = None) -> Desired:
    """FastEthernet0/0 to the left and 0/1 to the right, each with its `ip tcp adjust-mss`."""
    return Desired(
        {
            name: Link(name, LinkKind.PHYSICAL, True, addresses=(IPv4Interface(address),), adjust_mss=mss)
            for name, address, mss in (
                ("FastEthernet0/0", "10.0.1.1/24", left),
                ("FastEthernet0/1", "10.0.2.1/24", right),
            )
        }
    )


@dataclass(frozen=True)
class Road:
    left: Namespace
    middle: Namespace
    right: Namespace

    def opened(self, *, leftward: bool = False, mss: int | None = None) -> tuple[int | None, int | None]:
        """Open a connection to the right: the MSS of the SYN at the server, of the SYN ACK at the client.

        `mss` is the client's own idea of it.
        """
        here, there, address = (self.right, self.left, LEFT) if leftward else (self.left, self.right, RIGHT)
        with ExitStack() as stack:
            at_client, at_server = (stack.enter_context(_openings(space)) for space in (here, there))
            stack.enter_context(inside(there, lambda: socket.create_server((address, PORT))))
            client = stack.enter_context(inside(here, socket.socket))
            client.settimeout(CEILING_S)
            if mss is not None:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
            client.connect((address, PORT))
            return _mss_of_next(at_server), _mss_of_next(at_client)


def _openings(space: Namespace) -> socket.socket:
    """What comes to a host."""
    cable = inside(space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)))
    cable.bind(("eth0", ETH_P_IP))
    cable.settimeout(CEILING_S)
    return cable


def _mss_of_next(cable: socket.socket) -> int | None:
    while True:
        packet, (_, _, kind, *_) = cable.recvfrom(65536)
        if kind == socket.PACKET_HOST and packet[9] == ipv4.TCP and packet[33] & 2:
            return mss_of(packet)


@pytest.fixture
def road() -> Iterator[Road]:
    """Two hosts with a router's namespace between them."""
    with ExitStack() as stack:
        left, middle, right = (stack.enter_context(Namespace()) for _ in range(3))
        for host, device, address in ((left, "Fa0-0", LEFT), (right, "Fa0-1", RIGHT)):
            stack.enter_context(cabled((middle, device), (host, "eth0")))
            host.ip("addr", "add", f"{address}/24", "dev", "eth0")
            host.ip("link", "set", "eth0", "up")
            host.ip("route", "add", "default", "via", address.removesuffix("2") + "1")
        yield Road(left, middle, right)


def netfilter(space: Namespace) -> socket.socket:
    return inside(space, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))


def has_table(space: Namespace) -> bool:
    with netfilter(space) as netlink:
        netlink.send(mss_clamp._encoded([_about_table(NFT_MSG_GETTABLE)]))
        answer = netlink.recv(8192)
    (kind,) = struct.unpack_from("=4xH", answer)
    return bool(kind != NLMSG_ERROR)


def _about_table(kind: int, *attributes: tuple[str, Any]) -> Any:
    return mss_clamp._message(nft_table_msg, kind, [("NFTA_TABLE_NAME", mss_clamp.TABLE), *attributes])


@pytest.mark.parametrize("clamp", [{"left": 1200}, {"right": 1200}, {"left": 1300, "right": 1200}])
def test_the_mss_of_a_connection_is_lowered_both_ways(road: Road, clamp: dict[str, int]) -> None:
    with Node(road.middle) as node:
        node.apply(router(**clamp))
        assert road.opened() == (1200, 1200)
        assert road.opened(leftward=True) == (1200, 1200)


def test_a_smaller_mss_stays(road: Road) -> None:
    with Node(road.middle) as node:
        node.apply(router(left=1200))
        assert road.opened(mss=900) == (900, 1200)


def test_the_router_follows_its_configuration(road: Road) -> None:
    with Node(road.middle) as node:
        node.apply(router())
        assert not has_table(road.middle)
        assert road.opened() == (UNCLAMPED, UNCLAMPED)
        node.apply(router(left=1200))
        node.apply(router(left=1000))
        assert road.opened() == (1000, 1000)
        node.apply(router())
        assert not has_table(road.middle)
        assert road.opened() == (UNCLAMPED, UNCLAMPED)


def test_no_table_is_left_at_the_end(road: Road) -> None:
    with Node(road.middle) as node:
        node.apply(router(left=1200))
        assert has_table(road.middle)
        node.stop()
        assert not has_table(road.middle)


@pytest.mark.parametrize("next_clamp", [None, 1300])
def test_what_a_killed_router_left_is_replaced_by_the_next(road: Road, next_clamp: int | None) -> None:
    node = Node(road.middle)
    node.apply(router(left=1200))
    node._process.kill()
    node._process.wait()
    assert has_table(road.middle)
    with Node(road.middle) as after:
        after.apply(router(left=next_clamp))
        assert has_table(road.middle) is (next_clamp is not None)
        assert road.opened() == (next_clamp or UNCLAMPED, next_clamp or UNCLAMPED)


def test_a_kernel_that_refuses_is_told_and_tried_again(road: Road) -> None:
    """A table with an owner (NFT_TABLE_F_OWNER) is nobody else's, and goes with its owner's socket."""
    with Node(road.middle) as node:
        with netfilter(road.middle) as owner:
            table = _about_table(NFT_MSG_NEWTABLE, ("NFTA_TABLE_FLAGS", 2))
            table["header"]["flags"] = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK
            edges = (mss_clamp._edge(kind) for kind in (mss_clamp._BATCH_BEGIN, mss_clamp._BATCH_END))
            owner.send(mss_clamp._encoded([next(edges), table, next(edges)]))
            assert struct.unpack_from("=16xi", owner.recv(8192)) == (0,)
            node.apply(router(left=1200))
            clamped, other = (node.told().link(f"FastEthernet0/{number}") for number in range(2))
            assert clamped is not None and clamped.carrier
            assert clamped.reason == "cannot adjust the TCP MSS: Operation not permitted"
            assert other is not None and other.carrier and other.reason is None
            assert road.opened() == (UNCLAMPED, UNCLAMPED)
        eventually(lambda: (state := node.told().link("FastEthernet0/0")) and state.reason is None, "the second try")
        assert road.opened() == (1200, 1200)
