"""UDP 500 and 4500 of a plane in a namespace: IKE both ways, and what shares the port with it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from iosish.desired import Desired, KernelRoute
from iosish.engine import UdpDatagram
from iosish.forwarding import ipv4
from iosish.plane.udp_4500 import MESSAGE_MAX
from tests.user_plane.eyes import Eyes
from tests.user_plane.node import Namespace, Node, eventually
from tests.user_plane.test_live_tunnels import (
    HUB,
    HUB_INSIDE,
    SPOKE,
    SPOKE_INSIDE,
    Pair,
    cloud,
    hub_picture,
    picture,
    spoke_picture,
)
from tests.user_plane.test_live_wire import inside

pytestmark = pytest.mark.live

MESSAGE = bytes(range(1, 17)) + b"\x01\x10\x02\x00" + bytes(4) + (28).to_bytes(4, "big")


def open_(picture: Desired) -> Desired:
    return replace(picture, ike=True)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with cloud() as pair:
        pair.hub.apply(open_(hub_picture()))
        pair.spoke.apply(open_(spoke_picture()))
        yield pair


def spoke_says(port: int, payload: bytes, **changed: Any) -> UdpDatagram:
    return replace(UdpDatagram(SPOKE, port, HUB, port, payload), **changed)


def heard(node: Node, count: int) -> list[UdpDatagram]:
    eventually(lambda: len(node.told().ike) >= count, f"{count} messages")
    return node.told().ike


def listening(space: Namespace) -> set[str]:
    """Ports of UDP and raw protocols on which somebody listens."""
    lines = (space.run("ss", "-Hnul").stdout + space.run("ss", "-Hwl").stdout).splitlines()
    return {line.split()[3].rpartition(":")[2] for line in lines}


def test_messages_go_both_ways_on_both_ports(pair: Pair) -> None:
    with Eyes(pair.hub.space) as eyes:
        for port in (500, 4500):
            pair.spoke.breath(spoke_says(port, MESSAGE))
        pair.spoke.breath(spoke_says(4500, b""))
        assert heard(pair.hub, 2) == [UdpDatagram(HUB, port, SPOKE, port, MESSAGE) for port in (500, 4500)]
        eventually(lambda: eyes.protocols()[ipv4.UDP] == 3, "the keepalive")
        packets = eyes.seen()
    pair.hub.breath(UdpDatagram(HUB, 500, SPOKE, 500, MESSAGE), UdpDatagram(HUB, 4500, SPOKE, 4500, MESSAGE))
    assert sorted(message.local_port for message in heard(pair.spoke, 2)) == [500, 4500]
    assert [packet[28:] for packet in packets if packet[9] == ipv4.UDP] == [MESSAGE, bytes(4) + MESSAGE, b"\xff"]
    for packet in packets:
        assert (packet[1], packet[8], ipv4.has_df(packet)) == (0xC0, 255, False)
        assert packet[26:28] != bytes(2)  # IKE has a checksum, ESP in UDP none
    assert ("closed", None) in pair.hub.told().sas
    assert pair.hub.counters().drops == {}


def test_a_message_leaves_from_the_address_that_it_names(pair: Pair) -> None:
    pair.spoke.space.ip("addr", "add", "172.16.0.22/24", "dev", "Fa0-0")
    second = IPv4Address("172.16.0.22")
    for port in (500, 4500):
        pair.spoke.breath(spoke_says(port, MESSAGE, local=second))
    assert {message.peer for message in heard(pair.hub, 2)} == {second}
    # and one to an address of ours that is not there (any more) is lost, and nothing else
    pair.spoke.breath(*(spoke_says(port, MESSAGE, local=IPv4Address("172.16.0.23")) for port in (500, 4500)))
    pair.spoke.breath(*(spoke_says(port, MESSAGE) for port in (500, 4500)))
    assert [message.peer for message in heard(pair.hub, 4)[2:]] == [SPOKE, SPOKE]


def test_a_large_message_arrives_in_fragments_and_a_larger_one_not_at_all(pair: Pair) -> None:
    large = MESSAGE + bytes(MESSAGE_MAX - len(MESSAGE))
    for port in (500, 4500):
        pair.spoke.breath(spoke_says(port, large))
        raw_udp(pair.spoke.space, port, bytes(4 if port == 4500 else 0) + large + b"\0")
    assert {message.payload for message in heard(pair.hub, 2)} == {large}
    pair.spoke.breath(spoke_says(500, MESSAGE), spoke_says(4500, MESSAGE))
    assert len(heard(pair.hub, 4)) == 4


def raw_udp(space: Namespace, port: int, *payloads: bytes) -> None:
    with inside(space, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        for payload in payloads:
            stranger.sendto(payload, (str(HUB), port))


def test_noise_on_the_ports_is_dropped(pair: Pair) -> None:
    noise = (b"", b"\xff\xff", bytes(4), bytes(20), b"\0\0\0\x01\0", os.urandom(27))
    raw_udp(pair.spoke.space, 500, *noise)
    raw_udp(pair.spoke.space, 4500, *noise, b"\xff")
    raw_udp(pair.spoke.space, 4500, b"\0\0\0\x07" + bytes(4))
    eventually(lambda: pair.hub.counters().drops.get("invalid SPI"), "the ESP")
    assert pair.hub.counters().drops["bad IKE"] >= 5
    assert pair.hub.told().ike == []
    pair.spoke.breath(spoke_says(500, MESSAGE), spoke_says(4500, MESSAGE))
    assert len(heard(pair.hub, 2)) == 2


def test_a_message_waits_for_the_address_that_it_leaves_from(pair: Pair) -> None:
    """The first message of an exchange follows a new tunnel source at once: it is not lost."""
    moved = IPv4Address("172.16.0.9")
    pair.spoke.breath(
        open_(picture(moved, SPOKE_INSIDE, {9: HUB})),
        *(spoke_says(port, MESSAGE, local=moved) for port in (500, 4500)),
    )
    assert {message.peer for message in heard(pair.hub, 2)} == {moved}


def _both_seen(eyes: Eyes, destination: IPv4Address) -> bool:
    return sum(packet[16:20] == destination.packed for packet in eyes.seen()) == 2


def test_a_message_waits_for_the_route_that_an_address_took_along(pair: Pair) -> None:
    """The kernel lets a default route go with the address of its subnet, although another one comes."""
    beyond = IPv4Address("203.0.113.1")
    default = frozenset({KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", HUB)})

    def at(own: IPv4Address) -> Desired:
        return replace(open_(picture(own, SPOKE_INSIDE, {9: HUB})), routes=default)

    pair.spoke.apply(at(SPOKE))
    for last in range(10, 20):
        moved = IPv4Address(f"172.16.0.{last}")
        with Eyes(pair.hub.space) as eyes:
            said = (UdpDatagram(moved, port, beyond, port, MESSAGE) for port in (500, 4500))
            pair.spoke.breath(at(moved), *said)
            eventually(partial(_both_seen, eyes, beyond), "both messages")


def test_a_farewell_leaves_before_the_ports_close(pair: Pair) -> None:
    """Also one that had to wait for a picture."""
    moved = IPv4Address("172.16.0.9")
    before = open_(picture(moved, SPOKE_INSIDE, {9: HUB}))
    farewells = (spoke_says(port, MESSAGE, local=moved) for port in (500, 4500))
    pair.spoke.breath(before, *farewells, replace(before, ike=False))
    assert {message.peer for message in heard(pair.hub, 2)} == {moved}
    eventually(lambda: listening(pair.spoke.space) == {"gre"}, "the end of the ports")


def test_nothing_listens_without_crypto(pair: Pair) -> None:
    eventually(lambda: listening(pair.hub.space) == {"500", "4500", "gre", "esp"}, "all sockets")
    pair.hub.apply(hub_picture())
    eventually(lambda: listening(pair.hub.space) == {"gre"}, "the end of the others")
    pair.hub.apply(open_(hub_picture()))
    pair.spoke.breath(spoke_says(500, MESSAGE), spoke_says(4500, MESSAGE))
    assert len(heard(pair.hub, 2)) == 2


@pytest.mark.parametrize("port", [500, 4500])
def test_a_port_that_another_has_is_said_and_waited_for(port: int) -> None:
    def taken() -> socket.socket:
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("", port))
        return other

    with ExitStack() as stack:
        space = stack.enter_context(Namespace())
        other = stack.enter_context(inside(space, taken))
        node = stack.enter_context(Node(space))
        node.apply(open_(picture(HUB, HUB_INSIDE, {})))
        text = f"UDP port {port} is taken by another program (another IKE daemon?): it is tried again until that ends"
        eventually(lambda: node.told().sas, "the reason")
        assert node.told().sas == [("closed", text)]
        other.close()
        eventually(lambda: len(node.told().sas) == 2, "the ports")
        assert node.told().sas[1] == ("closed", None)


def test_the_ports_outlive_the_forwarder(pair: Pair) -> None:
    """What comes while there is none waits on the socket for the next one."""
    old = pair.hub.forwarder()
    assert old is not None
    os.kill(pair.hub.pid, signal.SIGSTOP)  # the control side sees it later
    try:
        os.kill(old, signal.SIGKILL)
        pair.spoke.breath(spoke_says(500, MESSAGE), spoke_says(4500, MESSAGE))
    finally:
        os.kill(pair.hub.pid, signal.SIGCONT)
    assert {message.local_port for message in heard(pair.hub, 2)} == {500, 4500}
    assert pair.hub.told().sas == [("closed", None), ("lost", None)]
    pair.hub.breath(UdpDatagram(HUB, 4500, SPOKE, 4500, MESSAGE))
    assert heard(pair.spoke, 1)


def test_two_routers_have_their_own_ports() -> None:
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node(stack.enter_context(Namespace()))) for _ in range(2)]
        for node in nodes:
            node.apply(open_(picture(HUB, HUB_INSIDE, {})))
        eventually(lambda: all(node.told().sas == [("closed", None)] for node in nodes), "both")
