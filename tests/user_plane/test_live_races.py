"""Things that happen at the same time: nothing is lost between two pictures, and what is not ours is not touched."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from unittest.mock import Mock

import pytest

from iosish.desired import Desired, KernelRoute
from iosish.engine import Datagram
from iosish.plane.user import channel, forwarder
from iosish.plane.user.forwarder_link import ForwarderLink
from tests.user_plane.node import CEILING_S, eventually
from tests.user_plane.test_live_tunnels import (
    HUB,
    HUB_INSIDE,
    SPOKE,
    SPOKE_INSIDE,
    TO_HUB,
    TO_SPOKE,
    Pair,
    hub_picture,
    pair,
    picture,
    spoke_picture,
)

__all__ = ["pair"]

pytestmark = pytest.mark.live

MOVED = IPv4Address("172.16.0.9")


def test_nhrp_waits_until_its_source_is_there(pair: Pair) -> None:
    """A registration that follows a new tunnel source at once leaves with it."""
    pair.apply()
    moved = picture(MOVED, SPOKE_INSIDE, {9: HUB})
    pair.spoke.breath(moved, Datagram("Tunnel0", HUB, MOVED, b"registration"))
    got = eventually(lambda: pair.hub.told().received, "NHRP")
    assert got == [Datagram("Tunnel0", MOVED, HUB, b"registration")]


def test_a_new_source_is_taken_by_what_follows(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    pair.spoke.apply(picture(MOVED, SPOKE_INSIDE, {9: HUB}), TO_HUB)
    pair.hub.apply(picture(HUB, HUB_INSIDE, {8: MOVED}), {("Tunnel0", SPOKE_INSIDE): 8})
    assert pair.spoke.space.pings("192.168.0.1")
    assert pair.spoke.rest() == ()


def test_no_packet_is_lost_while_its_adjacency_changes(pair: Pair) -> None:
    """Each picture knows only the adjacency that its neighbour takes: the old one goes when nobody takes it."""
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    flood = subprocess.Popen(
        ["ip", "netns", "exec", pair.spoke.space.name, "ping", "-q", "-i", "0.001", "-c", "1000", "192.168.0.1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    adjacency = 100
    while flood.poll() is None:
        adjacency += 1
        one = picture(SPOKE, SPOKE_INSIDE, {adjacency: HUB})
        pair.spoke.apply(replace(one, neighbours={("Tunnel0", HUB_INSIDE): adjacency}))
    assert flood.stdout is not None and ", 0% packet loss" in flood.stdout.read()
    assert adjacency > 120


def test_a_tunnel_whose_device_is_of_others_is_not_touched_until_it_is_free(pair: Pair) -> None:
    space = pair.spoke.space
    space.ip("tuntap", "add", "Tunnel0", "mode", "tap")
    pair.apply()
    assert "192.168.0.2" not in space.ip("addr", "show", "Tunnel0")
    assert "UP" not in space.ip("-br", "link", "show", "Tunnel0")
    state = pair.spoke.told().link("Tunnel0")
    assert state is not None and not state.present and state.reason == "a device Tunnel0 of others is in the way"
    space.ip("link", "del", "Tunnel0")
    eventually(lambda: (state := pair.spoke.told().link("Tunnel0")) and state.present, "our own device")
    assert space.pings("192.168.0.1")


def test_a_route_of_others_is_not_replaced(pair: Pair) -> None:
    space = pair.spoke.space
    space.ip("link", "set", "Fa0-0", "up")
    space.ip("addr", "add", f"{SPOKE}/24", "dev", "Fa0-0")
    space.ip("route", "add", "default", "via", "172.16.0.77", "dev", "Fa0-0")
    to_hub = KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", HUB)
    pair.spoke.apply(replace(spoke_picture(), routes=frozenset({to_hub})))
    shown = space.ip("route", "show", "default").splitlines()
    assert len(shown) == 1 and shown[0].startswith("default via 172.16.0.77 dev Fa0-0")
    state = pair.spoke.told().link("FastEthernet0/0")
    assert state is not None and state.reason == "cannot install the route (0.0.0.0/0): File exists"
    space.ip("route", "del", "default")
    eventually(lambda: "via 172.16.0.1 dev Fa0-0 proto 73" in space.ip("route", "show", "default"), "our route")
    # Our own route is replaced in place.
    other = replace(to_hub, next_hop=IPv4Address("172.16.0.5"))
    pair.spoke.apply(replace(spoke_picture(), routes=frozenset({other})))
    assert "via 172.16.0.5" in space.ip("route", "show", "default")
    assert pair.spoke.rest() == ()


def test_a_forwarder_lets_go_of_a_device_that_is_gone(pair: Pair) -> None:
    """Also while the control side is busy: a dead TAP would keep it awake."""
    pair.apply()
    pid = pair.spoke.forwarder()
    assert pid is not None
    os.kill(pair.spoke.pid, signal.SIGSTOP)
    try:
        assert taps_of(pid) == 1
        pair.spoke.space.ip("link", "del", "Tunnel0")
        eventually(lambda: taps_of(pid) == 0, "the descriptor closed")
    finally:
        os.kill(pair.spoke.pid, signal.SIGCONT)
    assert eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "a ping over the new device")


def taps_of(pid: int) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(descriptor.readlink()) == "/dev/net/tun"
        except OSError:
            continue
    return found


def test_what_a_forwarder_needs_is_not_lost_among_what_it_may_miss(pair: Pair) -> None:
    """While it does not listen, NHRP beyond a bound is lost, but no table and no device."""
    pair.apply()
    pid = pair.spoke.forwarder()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    bulk = [Datagram("Tunnel0", HUB, SPOKE, bytes(1000)) for _ in range(6000)]
    other = picture(SPOKE, SPOKE_INSIDE, {55: HUB})
    links = {**other.links, "Tunnel1": replace(other.links["Tunnel0"], name="Tunnel1", addresses=())}
    tunnels = {**other.tunnels, "Tunnel1": replace(other.tunnels["Tunnel0"], name="Tunnel1", key=9)}
    try:
        pair.spoke.breath(*bulk, replace(other, links=links, tunnels=tunnels))
    finally:
        os.kill(pid, signal.SIGCONT)
    pair.spoke.apply(replace(other, links=links, tunnels=tunnels), {("Tunnel0", HUB_INSIDE): 55})
    assert eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "a ping with the new table")
    assert taps_of(pid) == 2


def test_a_forwarder_says_why_it_ends() -> None:
    own, its = channel.pair()
    with own, its:
        pid = forwarder.fork(its)
        own.send(channel.pack(channel.TABLES, "no tables"))
        eventually(lambda: os.waitpid(pid, os.WNOHANG) != (0, 0), "its end")
        kind, why = channel.unpack(own.recv(channel.MESSAGE_BYTES))
    assert kind == channel.ENDED and why.startswith("ValueError: ")


def test_a_forwarder_that_cannot_get_its_tables_does_not_go_on_with_those_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may be what protects a tunnel."""
    monkeypatch.setattr(channel, "BUFFER_BYTES", 1)  # the kernel gives a little more
    tunnel = replace(spoke_picture().tunnels["Tunnel0"], crypto_map="Tunnel0-head-0")
    peers = {index: IPv4Address(index) for index in range(1, 1000)}
    sink = Mock()

    async def carried() -> None:
        link = ForwarderLink(sink, list)
        link.start()
        first = link.pid
        try:
            link.carry({"Tunnel0": replace(tunnel, adjacencies=peers)})
            async with asyncio.timeout(CEILING_S):
                while link.pid == first:  # noqa: ASYNC110 # a sink is told no event of it
                    await asyncio.sleep(0.01)
        finally:
            link.end()

    asyncio.run(carried())
    assert "a message to it is too large" in sink.noticed.call_args.args[0].text


def test_an_error_in_the_plane_is_told_and_work_goes_on(pair: Pair) -> None:
    pair.spoke.hurt(1)
    pair.spoke.apply(spoke_picture(), TO_HUB)
    pair.hub.apply(hub_picture(), TO_SPOKE)
    eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "the work done")
    assert [event.mnemonic for event in pair.spoke.told().noticed] == ["PLANE"]


def test_a_hundred_pictures_of_a_tunnel_that_comes_and_goes(pair: Pair) -> None:
    pair.apply()
    without = Desired({"FastEthernet0/0": spoke_picture().links["FastEthernet0/0"]})
    pair.spoke.apply_often([without, spoke_picture()] * 50)
    assert pair.spoke.rest() == ()
    pair.spoke.apply(without)
    assert "Tunnel0" not in pair.spoke.space.ip("link")
    pair.spoke.apply(spoke_picture(), TO_HUB)
    assert pair.spoke.space.pings("192.168.0.1")
    pid = pair.spoke.forwarder()
    assert pid is not None and taps_of(pid) == 1
