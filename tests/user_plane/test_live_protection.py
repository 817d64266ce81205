"""Protected tunnels between two planes in namespaces, with SAs made by hand: what is seen on the cable, and when."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from threading import Thread
from typing import Any

import pytest

from iosish.desired import Desired, EspRefusal, SaChange
from iosish.engine import Datagram
from iosish.forwarding import ipv4
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation
from iosish.ipsec.transforms import Mode
from iosish.plane.user import channel, forwarder
from tests.ipsec.associations import AES_SHA, GCM, other_end, outbound
from tests.user_plane.eyes import Eyes
from tests.user_plane.node import Node, eventually
from tests.user_plane.test_live_tunnels import (
    HUB,
    HUB_INSIDE,
    SPOKE,
    TO_HUB,
    TO_SPOKE,
    Pair,
    cloud,
    hub_picture,
    spoke_picture,
)
from tests.user_plane.test_live_wire import inside

pytestmark = pytest.mark.live

MAP = "Tunnel0-head-0"
IN_UDP = (4500, 4500)
TOO_BIG = ("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1250", "192.168.0.1")


def protected(picture: Desired) -> Desired:
    tunnel = replace(picture.tunnels["Tunnel0"], crypto_map=MAP)
    return replace(picture, tunnels={"Tunnel0": tunnel}, ike=True)


def protect(pair: Pair, **tunnel: Any) -> None:
    """The line `tunnel protection` at both ends; nobody has an SA."""
    pair.hub.apply(protected(hub_picture(**tunnel)), TO_SPOKE)
    pair.spoke.apply(protected(spoke_picture(**tunnel)), TO_HUB)


def fresh(sa: SecurityAssociation) -> SecurityAssociation:
    transform = sa.transform
    return replace(
        sa,
        encryption_key=os.urandom(transform.encryption_octets),
        integrity_key=os.urandom(transform.integrity_octets),
    )


def two_ways(spi: int = 0x1001, **changed: Any) -> tuple[SecurityAssociation, SecurityAssociation]:
    """Outbound SAs of the hub and of the spoke, with keys that nobody had before."""
    ends = {"local": HUB, "peer": SPOKE, "selector_local": HUB, "selector_peer": SPOKE, **changed}
    from_hub = fresh(outbound(spi=spi, **ends))
    return from_hub, replace(other_end(from_hub), inbound=False, spi=spi + 0x1000)


def secure(pair: Pair, spi: int = 0x1001, **changed: Any) -> None:
    """A pair of SAs at both ends; nobody sends by one that the other does not have."""
    from_hub, from_spoke = two_ways(spi, **changed)
    pair.hub.breath(SaChange((other_end(from_spoke),)))
    pair.hub.counters()  # it has been taken
    pair.spoke.breath(SaChange((other_end(from_hub), from_spoke)))
    pair.spoke.counters()
    pair.hub.breath(SaChange((from_hub,)))


@pytest.fixture(scope="module")
def cable() -> Iterator[Pair]:
    with cloud() as pair:
        yield pair


@pytest.fixture
def pair(cable: Pair) -> Pair:
    """Without any SA, and with nothing to be told of tests before."""
    every = tuple(cable.hub.counters().sas), tuple(cable.spoke.counters().sas)
    cable.hub.breath(SaChange(removed=every[0]))
    cable.spoke.breath(SaChange(removed=every[1]))
    protect(cable)
    return cable


@pytest.fixture
def eyes(pair: Pair) -> Iterator[Eyes]:
    """At the hub: what the spoke sends."""
    pair.hub.space.ip("link", "set", "Fa0-0", "up")
    with Eyes(pair.hub.space) as eyes:
        yield eyes


def pinging(pair: Pair, *options: str) -> subprocess.Popen[str]:
    """From the spoke to the hub, inside."""
    command = ["ip", "netns", "exec", pair.spoke.space.name, "ping", "-q", *options, "192.168.0.1"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextmanager
def told(node: Node, what: str) -> Iterator[list[Any]]:
    """What is told within the block; complete after it."""
    before = len(node.told().sas)
    values: list[Any] = []
    yield values
    values += [value for kind, value in node.told().sas[before:] if kind == what]


@pytest.mark.parametrize("transform", [GCM, AES_SHA], ids=["gcm", "cbc"])
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("ports", [None, IN_UDP], ids=["esp", "udp"])
def test_a_ping_crosses_as_esp_alone(
    pair: Pair, eyes: Eyes, transform: Any, mode: Mode, ports: tuple[int, int] | None
) -> None:
    secure(pair, mode=mode, udp_ports=ports, transform=transform)
    assert pair.spoke.space.pings("192.168.0.1", "-Q", "0xb8", "-M", "do")
    (packet,) = eyes.seen()
    assert (packet[9], packet[1], packet[8], ipv4.has_df(packet)) == (17 if ports else 50, 0xB8, 255, False)
    at = 20
    if ports:
        assert packet[20:28] == bytes.fromhex("11941194") + (len(packet) - 20).to_bytes(2, "big") + bytes(2)
        at = 28
    assert packet[at : at + 8] == bytes.fromhex("0000200100000001")
    assert HUB_INSIDE.packed not in packet and b"\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" not in packet
    assert pair.spoke.space.pings("192.168.0.1", "-s", "3000", "-M", "dont")
    assert set(eyes.protocols()) == {17 if ports else 50}


def test_a_packet_without_sa_waits_and_asks_for_one(pair: Pair, eyes: Eyes) -> None:
    with told(pair.spoke, "missed") as missed:
        ping = pinging(pair, "-c", "3", "-i", "0.1", "-W", "4")
        eventually(lambda: ("missed", ("Tunnel0", HUB)) in pair.spoke.told().sas, "the question")
        assert not eyes.seen()
        secure(pair)
        out, _ = ping.communicate(timeout=15)
    assert " 0% packet loss" in out
    assert missed == [("Tunnel0", HUB)]
    assert set(eyes.protocols()) == {ipv4.ESP}


def test_nhrp_goes_protected_and_says_so(pair: Pair, eyes: Eyes) -> None:
    before = len(pair.hub.told().received)
    pair.spoke.breath(Datagram("Tunnel0", HUB, SPOKE, b"waits"))
    secure(pair)
    pair.spoke.breath(Datagram("Tunnel0", HUB, SPOKE, b"follows"))
    eventually(lambda: len(pair.hub.told().received) == before + 2, "both")
    assert pair.hub.told().received[before:] == [
        Datagram("Tunnel0", SPOKE, HUB, payload, protected=True) for payload in (b"waits", b"follows")
    ]
    assert {(packet[9], packet[1]) for packet in eyes.seen()} == {(ipv4.ESP, 0xC0)}


def test_a_farewell_goes_by_the_sa_that_is_taken_out_after_it(pair: Pair, eyes: Eyes) -> None:
    """Also when it has to wait for a picture."""
    secure(pair)
    keys = tuple(pair.spoke.counters().sas)
    farewell = Datagram("Tunnel0", HUB, SPOKE, b"farewell")
    pair.spoke.breath(protected(spoke_picture(tos=7)), farewell, SaChange(removed=keys))
    eventually(lambda: farewell.payload in {datagram.payload for datagram in pair.hub.told().received}, "it")
    eventually(lambda: pair.spoke.counters().sas == {}, "the end of the SAs")


def test_clear_gre_is_dropped_in_silence_and_counted(pair: Pair) -> None:
    secure(pair)
    before = pair.hub.counters().drops.get("not protected", 0)
    with (
        Eyes(pair.spoke.space) as answers,
        inside(pair.spoke.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.GRE)) as raw,
    ):
        inner = ipv4.build(bytes((192, 168, 0, 2)), bytes((192, 168, 0, 1)), ipv4.ICMP, b"\x08\0\xf7\xff" + bytes(4))
        for kind, payload in (("0800", inner), ("2001", b"nhrp")):
            raw.sendto(bytes.fromhex(f"2000{kind}00000001") + payload, (str(HUB), 0))
        eventually(lambda: pair.hub.counters().drops.get("not protected", 0) == before + 2, "both dropped")
        assert pair.spoke.space.pings("192.168.0.1")
        assert set(answers.protocols()) == {ipv4.ESP}
    assert pair.hub.told().received == [datagram for datagram in pair.hub.told().received if datagram.protected]
    eventually(lambda: ("Tunnel0", "not protected", SPOKE) in pair.hub.told().dropped, "the refusal")


def test_what_is_used_is_told_and_counted(pair: Pair) -> None:
    with told(pair.spoke, "used") as used:
        secure(pair)
        assert pair.spoke.space.pings("192.168.0.1")
        keys = {SaKey(0x2001, False, HUB), SaKey(0x1001, True, HUB)}
        counted: dict[SaKey, SaCounters] = pair.spoke.counters().sas
        assert set(counted) == keys and {sa.packets for sa in counted.values()} == {1}
        eventually(lambda: last_told(pair.spoke.told().sas) == counted, "the report")
    assert all(report for report in used)  # nothing is told of what carried nothing


def last_told(told: list[tuple[str, Any]]) -> dict[SaKey, SaCounters]:
    """What was told last of each SA that was used; the two directions may come in two reports."""
    last: dict[SaKey, SaCounters] = {}
    for kind, report in told:
        if kind == "used":
            last.update(report)
    return last


def test_a_worn_sa_is_told_at_once_and_once(pair: Pair) -> None:
    with told(pair.spoke, "worn") as worn:
        secure(pair, soft_octets=300)
        for _ in range(4):
            assert pair.spoke.space.pings("192.168.0.1")
    assert worn == [SaKey(0x2001, False, HUB)]


def test_refused_esp_is_told_but_never_in_a_flood(pair: Pair) -> None:
    with told(pair.hub, "refused") as refused:
        with inside(pair.spoke.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.ESP)) as raw:
            for sequence in range(1, 301):
                raw.sendto(b"\0\0\x77\x77" + sequence.to_bytes(4, "big") + bytes(32), (str(HUB), 0))
        eventually(lambda: pair.hub.counters().drops.get("invalid SPI", 0) >= 300, "all dropped")
    assert refused == [EspRefusal("invalid SPI", HUB, SPOKE, 0x7777, 1)]


def test_no_esp_and_no_datagram_ends_the_forwarder(pair: Pair) -> None:
    """Noise, and real packets with one octet changed: counted, and the tunnel goes on."""
    secure(pair, udp_ports=IN_UDP)
    with Eyes(pair.hub.space) as eyes:
        assert pair.spoke.space.pings("192.168.0.1")
        (sample,) = (packet[28:] for packet in eyes.seen() if packet[9] == ipv4.UDP)
    noise = random.Random(4)
    before = pair.hub.forwarder(), pair.spoke.forwarder(), sum(pair.hub.counters().drops.values())
    with (
        inside(pair.spoke.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.ESP)) as raw,
        inside(pair.spoke.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.UDP)) as udp,
    ):
        for size in range(300):
            spoilt = bytearray(sample)
            spoilt[noise.randrange(len(spoilt))] ^= 1 << noise.randrange(8)
            for payload in (noise.randbytes(size), bytes(spoilt), sample[: size % len(sample)], bytes(4) + bytes(size)):
                raw.sendto(payload, (str(HUB), 0))
                udp.sendto(ipv4.udp(4500, 4500, payload), (str(HUB), 0))
    assert pair.spoke.space.pings("192.168.0.1")
    assert (pair.hub.forwarder(), pair.spoke.forwarder()) == before[:2]
    assert sum(pair.hub.counters().drops.values()) > before[2] + 1000


def test_no_esp_overtakes_the_sa_that_it_needs(pair: Pair) -> None:
    """The hub's forwarder finds many SAs in the channel, the right one last, and the packet: all at the same time."""
    from_hub, from_spoke = two_ways()
    pid = pair.hub.forwarder()
    assert pid is not None
    others = [SaChange((replace(other_end(from_spoke), spi=spi),)) for spi in range(0x9000, 0x9000 + 200)]
    pair.spoke.breath(SaChange((other_end(from_hub), from_spoke)))
    os.kill(pid, signal.SIGSTOP)
    try:
        pair.hub.breath(*others, SaChange((other_end(from_spoke), from_hub)))
        ping = pinging(pair, "-c", "1", "-W", "4")
        eventually(lambda: pair.spoke.counters().sas[SaKey(0x2001, False, HUB)].packets == 1, "the packet")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert " 0% packet loss" in ping.communicate(timeout=15)[0]
    assert not [key for key, sa in pair.hub.counters().sas.items() if sa.integrity_errors or sa.identity_errors]


def test_an_sa_taken_out_carries_nothing_more(pair: Pair, eyes: Eyes) -> None:
    secure(pair)
    assert pair.spoke.space.pings("192.168.0.1")
    secure(pair, 0x1002)
    pair.spoke.breath(SaChange(removed=(SaKey(0x2001, False, HUB), SaKey(0x1001, True, HUB))))
    eyes.forget()
    assert pair.spoke.space.pings("192.168.0.1")
    assert [packet[20:24].hex() for packet in eyes.seen()] == ["00002002"]
    pair.spoke.breath(SaChange(removed=(SaKey(0x2002, False, HUB),)))
    eyes.forget()
    assert not pair.spoke.space.pings("192.168.0.1", "-W", "1")
    assert not eyes.seen()


def test_path_mtu_of_a_protected_tunnel(pair: Pair) -> None:
    """DF goes out; the cable takes 1300 octets, so the inner sender hears of what is left by ESP."""
    protect(pair, path_mtu_discovery=True)
    try:
        for spi, ports in ((0x1001, None), (0x1002, IN_UDP)):
            secure(pair, spi, udp_ports=ports)
            assert pair.spoke.space.pings("192.168.0.1", "-M", "do", "-s", "1000")
            pair.spoke.space.ip("link", "set", "Fa0-0", "mtu", "1300")
            eventually(lambda: "mtu" in pair.spoke.space.run(*TOO_BIG).stdout, "fragmentation needed")
            shown = pair.spoke.space.ip("route", "get", "192.168.0.1").split()
            mtu = int(shown[shown.index("mtu") + 1])
            assert 1200 <= mtu < 1250, mtu
            assert pair.spoke.space.pings("192.168.0.1", "-M", "do", "-s", str(mtu - 28))
            pair.spoke.space.ip("link", "set", "Fa0-0", "mtu", "1500")
            pair.spoke.space.ip("route", "flush", "cache")
    finally:
        pair.spoke.space.ip("link", "set", "Fa0-0", "mtu", "1500")


@pytest.mark.parametrize("discovery", [True, False])
def test_a_stream_over_a_cable_that_takes_less_loses_no_octet(pair: Pair, discovery: bool) -> None:
    """The kernel cuts no datagrams for a cable that each of them is too large for: they leave alone, or smaller."""
    protect(pair, path_mtu_discovery=discovery)
    secure(pair, udp_ports=IN_UDP)
    octets = random.Random(5).randbytes(1 << 20) * 8
    try:
        for node in (pair.hub, pair.spoke):
            node.space.ip("link", "set", "Fa0-0", "mtu", "1300")
        with ExitStack() as stack:
            listener = stack.enter_context(inside(pair.hub.space, lambda: socket.create_server(("192.168.0.1", 0))))
            connect = partial(socket.create_connection, listener.getsockname(), 9)
            client = stack.enter_context(inside(pair.spoke.space, connect))
            server = stack.enter_context(listener.accept()[0])
            sender = Thread(target=client.sendall, args=(octets,))
            sender.start()
            received = bytearray()
            while len(received) < len(octets):
                received += server.recv(1 << 20)
            sender.join()
        assert received == octets
    finally:
        for node in (pair.hub, pair.spoke):
            node.space.ip("link", "set", "Fa0-0", "mtu", "1500")
            node.space.ip("route", "flush", "cache")


def test_a_clear_packet_that_waits_for_arp_does_not_leave_after_the_line(pair: Pair, eyes: Eyes) -> None:
    """The peer's address does not answer yet; when it does, the tunnel is protected."""
    silent = replace(hub_picture().links["FastEthernet0/0"], addresses=())
    pair.hub.apply(Desired({"FastEthernet0/0": silent}))
    pair.spoke.apply(spoke_picture(), TO_HUB)
    pair.spoke.space.ip("neigh", "flush", "dev", "Fa0-0")
    pair.spoke.breath(Datagram("Tunnel0", HUB, SPOKE, b"registration"))
    eventually(lambda: "INCOMPLETE" in pair.spoke.space.ip("neigh", "show", str(HUB)), "the question who has it")
    pair.spoke.apply(protected(spoke_picture()), TO_HUB)
    pair.hub.apply(protected(hub_picture()), TO_SPOKE)
    secure(pair)
    assert pair.spoke.space.pings("192.168.0.1")  # what waited left before it
    assert set(eyes.protocols()) == {ipv4.ESP}


@pytest.mark.parametrize("ports", [None, IN_UDP], ids=["esp", "udp"])
def test_a_router_on_the_way_tells_its_mtu(pair: Pair, eyes: Eyes, ports: tuple[int, int] | None) -> None:
    """ICMP 3/4 that quotes a packet of ours, as far as SPI and sequence number; one that guesses changes nothing."""
    protect(pair, path_mtu_discovery=True)
    secure(pair, udp_ports=ports)
    assert pair.spoke.space.pings("192.168.0.1", "-M", "do")
    (packet,) = eyes.seen()
    at = 28 if ports else 20
    guessed = packet[:at] + bytes(8) + packet[at + 8 :]
    with inside(pair.hub.space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, ipv4.ICMP)) as raw:
        for about, mtu in ((guessed, 700), (packet, 900)):
            told = ipv4.icmp_error(HUB.packed, about, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
            assert told is not None
            raw.sendto(told[20:], (str(SPOKE), 0))
            for _ in range(2):
                pair.spoke.counters()  # when the forwarder answers a second time, it has taken the ICMP
            if about is guessed:  # the kernel asks for no proof, and is not asked
                assert "mtu 700" in pair.spoke.space.ip("route", "get", str(HUB))
                assert pair.spoke.space.pings("192.168.0.1", "-M", "do", "-s", "1200")
    eventually(lambda: "mtu" in pair.spoke.space.run(*TOO_BIG).stdout, "fragmentation needed")
    shown = pair.spoke.space.ip("route", "get", "192.168.0.1").split()
    assert 780 < int(shown[shown.index("mtu") + 1]) < 860
    pair.spoke.space.ip("route", "flush", "cache")


class Flood:
    """Pings without end from the spoke, as fast as they go."""

    def __init__(self, pair: Pair) -> None:
        self._process = pinging(pair, "-i", "0.002", "-W", "1")

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


def test_from_the_line_on_nothing_leaves_in_clear(pair: Pair, eyes: Eyes) -> None:
    """Neither while there is no SA, nor with one, nor when it goes; the last clear packet is one of before the line."""
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    with Flood(pair):
        eventually(lambda: eyes.protocols()[ipv4.GRE] > 20, "clear packets")
        protect(pair)
        assert pair.spoke.counters() is not None  # the forwarder has answered: it has its tables
        eyes.forget()
        secure(pair)
        eventually(lambda: eyes.protocols()[ipv4.ESP] > 20, "ESP")
        pair.spoke.breath(SaChange(removed=tuple(pair.spoke.counters().sas)))
        secure(pair, 0x1002)
        eventually(lambda: eyes.protocols()[ipv4.ESP] > 40, "ESP again")
    assert set(eyes.protocols()) == {ipv4.ESP}


def test_a_forwarder_that_dies_takes_its_sas_along_and_leaves_nothing_open(pair: Pair, eyes: Eyes) -> None:
    secure(pair)
    with told(pair.spoke, "lost") as lost, Flood(pair):
        eventually(lambda: eyes.protocols()[ipv4.ESP] > 20, "ESP")
        old = pair.spoke.forwarder()
        assert old is not None
        os.kill(old, signal.SIGKILL)
        eventually(lambda: another(pair.spoke, old), "another forwarder")
        eventually(lambda: "Tunnel0" in pair.spoke.counters().interfaces, "its tables")
        assert pair.spoke.counters().sas == {}
        sent = eyes.protocols()
        secure(pair, 0x1002)
        eventually(lambda: eyes.protocols()[ipv4.ESP] > sent[ipv4.ESP] + 20, "ESP with new keys")
    assert lost == [None]
    assert set(eyes.protocols()) == {ipv4.ESP}
    # no sequence number of an SA was used twice
    numbers = Counter(packet[20:28] for packet in eyes.seen())
    assert set(numbers.values()) == {1}


def another(node: Node, old: int) -> int | None:
    """The pid of a forwarder that is not the old one."""
    pid = node.forwarder()
    return pid if pid != old else None


def test_what_is_secured_while_no_forwarder_is_there_waits_for_the_next(pair: Pair) -> None:
    """It died twice within a second: the third one is not started at once."""
    first = pair.spoke.forwarder()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: another(pair.spoke, first), "another forwarder")
    os.kill(second, signal.SIGKILL)
    eventually(lambda: pair.spoke.forwarder() is None, "its end")
    secure(pair)
    eventually(pair.spoke.forwarder, "the third")
    assert pair.spoke.space.pings("192.168.0.1")


def test_many_sas_at_once(pair: Pair) -> None:
    """More than one message holds, and the one that counts is the last."""
    from_hub, from_spoke = two_ways()
    many = tuple(
        replace(fresh(from_spoke), spi=0x10000 + number, peer=IPv4Address("10.0.0.0") + number)
        for number in range(3000)
    )
    pair.spoke.breath(SaChange((*many, other_end(from_hub), from_spoke)))
    pair.hub.breath(SaChange((other_end(from_spoke), from_hub)))
    assert pair.spoke.space.pings("192.168.0.1")
    assert len(pair.spoke.counters().sas) == 3002


def test_the_text_of_a_forwarder_that_ends_holds_no_key() -> None:
    own, its = channel.pair()
    with own, its:
        pid = forwarder.fork(its)
        secret = b"a key that nobody reads"
        own.send(channel.pack(channel.SECURE, ([(secret, secret)], [])))
        eventually(lambda: os.waitpid(pid, os.WNOHANG) != (0, 0), "its end")
        kind, why = channel.unpack(own.recv(channel.MESSAGE_BYTES))
    assert (kind, why) == (channel.ENDED, "RuntimeError: an SA was not taken: ValueError")
