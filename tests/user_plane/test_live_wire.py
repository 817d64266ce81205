"""What leaves a tunnel, read from the cable with a packet socket."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from typing import TypeVar

import pytest

from iosish.forwarding import ipv4
from iosish.lab import namespaces
from tests.user_plane.node import CEILING_S, Namespace, eventually
from tests.user_plane.test_live_tunnels import (
    HUB,
    SPOKE,
    TO_HUB,
    TO_SPOKE,
    Pair,
    cloud,
    hub_picture,
    picture,
    spoke_picture,
)

pytestmark = pytest.mark.live

ETH_P_IP = 0x0800
OTHER = IPv4Address("172.16.0.3")
KEYED = bytes.fromhex("2000080000000001")
Given = TypeVar("Given")


def inside(space: Namespace | str, do: Callable[[], Given]) -> Given:
    """Do something in a namespace, or the one of that name; a socket made there stays there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        namespaces.enter(space if isinstance(space, str) else space.name)
        return do()
    finally:
        namespaces.setns(here, namespaces.CLONE_NEWNET)
        os.close(here)


@dataclass(frozen=True)
class Seen:
    """A GRE packet on the cable."""

    destination: IPv4Address
    tos: int
    ttl: int
    df: bool
    gre: bytes
    inner: bytes


class Cable:
    """GRE that arrives on a device."""

    def __init__(self, space: Namespace, device: str = "Fa0-0") -> None:
        self._socket = inside(space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)))
        self._socket.bind((device, ETH_P_IP))
        self._socket.settimeout(CEILING_S)

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next(self) -> Seen:
        """The next GRE packet that came in, with key 1."""
        while True:
            packet, (_, _, kind, *_) = self._socket.recvfrom(65536)
            if kind == socket.PACKET_HOST and packet[9] == ipv4.GRE:
                return Seen(
                    IPv4Address(packet[16:20]),
                    packet[1],
                    packet[8],
                    ipv4.has_df(packet),
                    packet[20:28],
                    packet[28 : int.from_bytes(packet[2:4], "big")],
                )


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One for all tests here: each applies a picture of its own."""
    with cloud() as pair:
        yield pair


@pytest.fixture
def cable(pair: Pair) -> Iterator[Cable]:
    pair.hub.space.ip("link", "set", "Fa0-0", "up")
    with Cable(pair.hub.space) as cable:
        yield cable


def test_the_outer_header_of_a_packet(pair: Pair, cable: Cable) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1", "-Q", "0xb8", "-M", "do")
    seen = cable.next()
    assert (seen.destination, seen.tos, seen.ttl, seen.df, seen.gre) == (HUB, 0xB8, 255, False, KEYED)
    assert seen.inner[1] == 0xB8 and ipv4.has_df(seen.inner)


def test_the_outer_header_takes_what_the_tunnel_says(pair: Pair, cable: Cable) -> None:
    pair.apply(tos=0x20, ttl=64)
    assert pair.spoke.space.pings("192.168.0.1", "-Q", "0xb8")
    seen = cable.next()
    assert (seen.tos, seen.ttl, seen.df) == (0x20, 64, False)


def test_path_mtu_discovery_copies_df(pair: Pair, cable: Cable) -> None:
    pair.apply(path_mtu_discovery=True)
    assert pair.spoke.space.pings("192.168.0.1", "-M", "do")
    assert cable.next().df
    assert pair.spoke.space.pings("192.168.0.1", "-M", "dont")
    assert not cable.next().df


def test_a_large_packet_without_df_is_cut_inside(pair: Pair, cable: Cable) -> None:
    pair.apply()
    # The kernel cuts for the device's MTU; each piece is a whole GRE packet.
    assert pair.spoke.space.pings("192.168.0.1", "-M", "dont", "-s", "3000")
    pieces = [cable.next().inner for _ in range(3)]
    assert [int.from_bytes(piece[2:4], "big") for piece in pieces] == [1396, 1396, 276]
    assert all(ipv4.is_fragment(piece) for piece in pieces)


def test_multicast_goes_to_each_peer_once(pair: Pair, cable: Cable) -> None:
    pair.apply()
    pair.hub.space.ip("addr", "add", f"{OTHER}/24", "dev", "Fa0-0")
    pair.spoke.apply(spoke_picture(multicast=(HUB, OTHER, HUB)), TO_HUB)
    before = pair.spoke.counters().interfaces["Tunnel0"]
    pair.spoke.space.run("ping", "-c", "1", "-W", "0.1", "-I", "Tunnel0", "224.0.0.10")
    copies = [cable.next(), cable.next()]
    assert {copy.destination for copy in copies} == {HUB, OTHER}
    assert copies[0].inner == copies[1].inner and copies[0].inner[16:20] == bytes((224, 0, 0, 10))
    counted = pair.spoke.counters().interfaces["Tunnel0"]
    assert counted.packets_out - before.packets_out == counted.multicast_out - before.multicast_out == 2


def mss_of(packet: bytes) -> int | None:
    """The MSS of a SYN without other options before it, as Linux sends it."""
    tcp = packet[20:]
    return int.from_bytes(tcp[22:24], "big") if tcp[13] & 2 and tcp[20:22] == b"\x02\x04" else None


def test_the_mss_of_a_connection_is_clamped_both_ways(pair: Pair, cable: Cable) -> None:
    """`ip tcp adjust-mss` at the spoke alone: on what leaves and on what comes."""
    pair.hub.apply(hub_picture(), TO_SPOKE)
    pair.spoke.apply(spoke_picture(adjust_mss=1000), TO_HUB)
    with ExitStack() as stack:
        listener = stack.enter_context(inside(pair.hub.space, lambda: socket.create_server(("192.168.0.1", 80))))
        client = stack.enter_context(inside(pair.spoke.space, lambda: socket.create_connection(("192.168.0.1", 80), 9)))
        server, _ = listener.accept()
        stack.enter_context(server)
        assert mss_of(cable.next().inner) == 1000
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1000
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1000
        client.sendall(b"x" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert sum(len(data) for data in iter(lambda: server.recv(65536), b"")) == 100_000


def test_several_fresh_next_hops_lose_no_packet(pair: Pair) -> None:
    addresses = [IPv4Address(f"192.168.0.{last}") for last in range(101, 121)]
    hub = hub_picture()
    inside_hub = (*hub.links["Tunnel0"].addresses, *(IPv4Interface(f"{address}/24") for address in addresses))
    links = {**hub.links, "Tunnel0": replace(hub.links["Tunnel0"], addresses=inside_hub)}
    pair.hub.apply(replace(hub, links=links), TO_SPOKE)
    pair.spoke.apply(spoke_picture(), {("Tunnel0", address): 9 for address in addresses})
    with ThreadPoolExecutor(len(addresses)) as together:
        answered = list(together.map(pair.spoke.space.pings, map(str, addresses)))
    assert all(answered)
    assert {address for _, address in pair.spoke.told().missed} >= set(addresses)


def test_no_frame_and_no_packet_ends_the_forwarder(pair: Pair) -> None:
    """Noise from inside on the TAP and from outside as GRE: counted, and the tunnel goes on."""
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    noise = random.Random(3)
    hub_forwarder, spoke_forwarder = pair.hub.forwarder(), pair.spoke.forwarder()
    heads = (b"", KEYED, bytes.fromhex("2000200100000001"), bytes.fromhex("b000080000000000000000010000"), bytes(4))
    with ExitStack() as stack:
        raw = stack.enter_context(
            inside(pair.spoke.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.GRE))
        )
        frames = stack.enter_context(inside(pair.spoke.space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
        frames.bind(("Tunnel0", 0))
        for size in range(300):
            inner = bytes((noise.choice((0x45, 0x46, 0x4F, 0x60, 0)),)) + noise.randbytes(size)
            raw.sendto(noise.choice(heads) + inner, (str(HUB), 0))
            mac = noise.choice((b"\x02\x00\x00\x00\x00\x09", b"\x02\x00\x00\x00\x00\x00", b"\xff" * 6, b"\x04" * 6))
            frames.send(mac + bytes(6) + noise.choice((b"\x08\x00", b"\x86\xdd", b"\x08\x06")) + inner)
    assert pair.spoke.space.pings("192.168.0.1")
    assert (pair.hub.forwarder(), pair.spoke.forwarder()) == (hub_forwarder, spoke_forwarder)
    eventually(lambda: sum(pair.hub.counters().drops.values()) > 100, "drops counted")


def test_a_frame_to_nobody_we_know_leaves_by_no_adjacency(pair: Pair, cable: Cable) -> None:
    """Index 1 belongs to some peer of a multipoint tunnel; only a point-to-point tunnel takes it for every frame."""
    pair.apply()
    pair.spoke.apply(picture(SPOKE, IPv4Address("192.168.0.2"), {1: HUB}))
    packet = ipv4.build(IPv4Address("192.168.0.2").packed, IPv4Address("192.168.0.1").packed, ipv4.UDP, bytes(8))
    with inside(pair.spoke.space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as frames:
        frames.bind(("Tunnel0", 0))
        frames.send(b"\x04" * 6 + bytes(6) + b"\x08\x00" + packet)
        frames.send(b"\x02\x00\x00\x00\x00\x01" + bytes(6) + b"\x08\x00" + packet[:-1] + b"\x01")
    assert cable.next().inner[-1] == 1
