"""Crypto sockets between made-up tunnels and a made-up IKE: who asks whom for what, in order."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.crypto_sockets import CryptoSockets
from iosish.ike.config import CryptoMap
from iosish.ike.events import Flow

LOCAL = IPv4Address("172.16.25.2")
HUB = IPv4Address("172.16.15.2")
SPOKE = IPv4Address("172.16.35.2")
TAG = "Tunnel0-head-0"
TO_HUB = Flow(TAG, LOCAL, HUB)


def crypto_map(tag: str = TAG, *interfaces: str, local: IPv4Address = LOCAL) -> CryptoMap:
    return CryptoMap(tag, "P", interfaces or ("Tunnel0",), local, ())


class Bench:
    """Sockets, and what they said to either side."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Flow]] = []
        self.told: list[tuple[str, IPv4Address, bool]] = []
        self.sockets = CryptoSockets(self, self)

    def request(self, flow: Flow, now: float) -> None:
        self.asked.append(("request", flow))

    def release(self, flow: Flow, now: float) -> None:
        self.asked.append(("release", flow))

    def secured(self, interface: str, nbma: IPv4Address, up: bool, now: float) -> None:
        self.told.append((interface, nbma, up))

    def taken(self) -> tuple[list[tuple[str, Flow]], list[tuple[str, IPv4Address, bool]]]:
        taken, self.asked, self.told = (self.asked, self.told), [], []
        return taken


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.sockets.configure({TAG: crypto_map()}, 0.0)
    return made


def test_what_debug_crypto_socket_tells(bench: Bench) -> None:
    bench.sockets.debug = frozenset({"crypto socket"})
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 0.0)
    bench.sockets.up(TO_HUB, 1.0)
    bench.sockets.down(TO_HUB, 2.0)
    told = bench.sockets.debugs
    assert {(event.topic, event.peer, event.interface) for event in told} == {("crypto socket", HUB, "Tunnel0")}
    assert [event.text for event in told] == [
        "CRYPTO_SS(TUNNEL SEC): Active open, socket info: local 172.16.25.2 172.16.25.2/255.255.255.255/0, "
        "remote 172.16.15.2 172.16.15.2/255.255.255.255/0, prot 47, ifc Tu0",
        "CRYPTO_SS(TUNNEL SEC): Sending Socket Up message",
        "CRYPTO_SS(TUNNEL SEC): Sending Socket Down message",
    ]


def test_what_a_tunnel_wants_is_asked_for_once_and_let_go_once(bench: Bench) -> None:
    wanted = frozenset({HUB, SPOKE})
    bench.sockets.follow({"Tunnel0": wanted}, 0.0)
    bench.sockets.follow({"Tunnel0": wanted}, 1.0)
    assert bench.taken()[0] == [("request", TO_HUB), ("request", Flow(TAG, LOCAL, SPOKE))]
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 2.0)
    assert bench.taken()[0] == [("release", Flow(TAG, LOCAL, SPOKE))]
    bench.sockets.follow({}, 3.0)
    assert bench.taken()[0] == [("release", TO_HUB)]


def test_a_flow_that_comes_up_is_told_and_logged_as_ios_does(bench: Bench) -> None:
    bench.sockets.up(TO_HUB, 0.0)
    bench.sockets.up(TO_HUB, 1.0)  # a rekey is no news
    bench.sockets.down(TO_HUB, 2.0)
    bench.sockets.down(TO_HUB, 3.0)
    assert bench.taken()[1] == [("Tunnel0", HUB, True), ("Tunnel0", HUB, False)]
    assert [f"%{line.facility}-{line.severity}-{line.mnemonic}: {line.text}" for line in bench.sockets.events] == [
        f"%DMVPN-5-CRYPTO_SS:  Tunnel0: local address : 172.16.25.2 remote address : 172.16.15.2 socket is {state}"
        for state in ("UP", "DOWN")
    ]


def test_a_tunnel_that_wants_a_peer_who_was_first_is_told_at_once(bench: Bench) -> None:
    bench.sockets.up(TO_HUB, 0.0)
    bench.taken()
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 1.0)
    assert bench.taken() == ([("request", TO_HUB)], [("Tunnel0", HUB, True)])


def test_a_packet_without_an_sa_wakes_what_ended_idle(bench: Bench) -> None:
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 0.0)
    bench.sockets.up(TO_HUB, 1.0)
    bench.sockets.missed("Tunnel0", HUB, 2.0)  # one that just came up
    bench.sockets.down(TO_HUB, 3.0)
    bench.taken()
    bench.sockets.missed("Tunnel0", SPOKE, 4.0)  # nobody wants that one
    bench.sockets.missed("Tunnel9", HUB, 4.0)
    assert bench.taken()[0] == []
    bench.sockets.missed("Tunnel0", HUB, 5.0)
    assert bench.taken()[0] == [("request", TO_HUB)]


def test_what_ends_idle_is_logged_but_is_still_there_for_the_tunnels(bench: Bench) -> None:
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 0.0)
    bench.sockets.up(TO_HUB, 1.0)
    bench.taken()
    bench.sockets.idle(TO_HUB)
    assert bench.taken() == ([], [])
    bench.sockets.missed("Tunnel0", HUB, 2.0)
    assert bench.taken()[0] == [("request", TO_HUB)]
    bench.sockets.up(TO_HUB, 3.0)
    bench.sockets.idle(TO_HUB)
    assert [line.text.split()[-1] for line in bench.sockets.events] == ["UP", "DOWN", "UP", "DOWN"]
    bench.sockets.down(TO_HUB, 4.0)  # it cannot be had again
    assert bench.taken()[1] == [("Tunnel0", HUB, True), ("Tunnel0", HUB, False)]


def test_tunnels_that_share_need_one_flow(bench: Bench) -> None:
    tag = "P-head-1"
    flow = Flow(tag, LOCAL, HUB)
    bench.sockets.configure({tag: crypto_map(tag, "Tunnel1", "Tunnel2")}, 0.0)
    bench.sockets.follow({"Tunnel1": frozenset({HUB}), "Tunnel2": frozenset({HUB})}, 0.0)
    assert bench.taken()[0] == [("request", flow)]
    bench.sockets.up(flow, 1.0)
    assert bench.taken()[1] == [("Tunnel1", HUB, True), ("Tunnel2", HUB, True)]
    bench.sockets.follow({"Tunnel2": frozenset({HUB})}, 2.0)
    assert bench.taken()[0] == []
    bench.sockets.follow({}, 3.0)
    assert bench.taken()[0] == [("release", flow)]


def test_a_tunnel_that_leaves_the_others_has_its_sockets_called_down_and_up_when_it_is_back(bench: Bench) -> None:
    tag = "P-head-1"
    both = {tag: crypto_map(tag, "Tunnel1", "Tunnel2")}
    wanted = {"Tunnel1": frozenset({HUB}), "Tunnel2": frozenset({HUB})}
    bench.sockets.configure(both, 0.0)
    bench.sockets.follow(wanted, 0.0)
    bench.sockets.up(Flow(tag, LOCAL, HUB), 1.0)
    bench.sockets.configure({tag: crypto_map(tag, "Tunnel2")}, 2.0)
    bench.sockets.configure(both, 3.0)
    bench.sockets.follow(wanted, 3.0)
    assert [(line.text.split()[0], line.text.split()[-1]) for line in bench.sockets.events] == [
        ("Tunnel1:", "UP"),
        ("Tunnel2:", "UP"),
        ("Tunnel1:", "DOWN"),
        ("Tunnel1:", "UP"),
    ]


def test_without_its_map_every_socket_of_a_tunnel_closes(bench: Bench) -> None:
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 0.0)
    bench.sockets.up(TO_HUB, 1.0)
    bench.taken()
    bench.sockets.configure({}, 2.0)
    assert bench.taken() == ([("release", TO_HUB)], [("Tunnel0", HUB, False)])
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 3.0)
    bench.sockets.down(TO_HUB, 4.0)
    assert bench.taken() == ([], [])


def test_another_source_begins_anew(bench: Bench) -> None:
    wanted = {"Tunnel0": frozenset({HUB})}
    bench.sockets.follow(wanted, 0.0)
    bench.taken()
    other = IPv4Address("172.16.26.2")
    bench.sockets.configure({TAG: crypto_map(local=other)}, 1.0)
    bench.sockets.follow(wanted, 1.0)
    assert bench.taken()[0] == [("release", TO_HUB), ("request", Flow(TAG, other, HUB))]


def test_a_changed_profile_keeps_the_sockets(bench: Bench) -> None:
    wanted = {"Tunnel0": frozenset({HUB})}
    bench.sockets.follow(wanted, 0.0)
    bench.taken()
    bench.sockets.configure({TAG: CryptoMap(TAG, "Q", ("Tunnel0",), LOCAL, ())}, 1.0)
    bench.sockets.follow(wanted, 1.0)
    assert bench.taken() == ([], [])


def test_what_show_counts(bench: Bench) -> None:
    bench.sockets.follow({"Tunnel0": frozenset({HUB})}, 0.0)
    bench.sockets.up(TO_HUB, 1.0)
    bench.sockets.configure({}, 2.0)
    assert bench.sockets.counts == {
        "Listen Start": 1,
        "Listen Ready": 1,
        "Listen Stop": 1,
        "Socket Open": 1,
        "Socket Up": 1,
        "Socket Down": 1,
        "Socket Close": 1,
    }
