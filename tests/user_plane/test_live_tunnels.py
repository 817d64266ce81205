"""Tunnels between real user planes: each in a namespace of its own, one cable, adjacencies given by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from iosish.desired import Desired, KernelRoute, Link, LinkKind
from iosish.engine import Datagram
from iosish.forwarding.tables import Tunnel
from tests.user_plane.node import Answers, Namespace, Node, cabled, eventually

pytestmark = pytest.mark.live

HUB, SPOKE = IPv4Address("172.16.0.1"), IPv4Address("172.16.0.2")
HUB_INSIDE, SPOKE_INSIDE = IPv4Address("192.168.0.1"), IPv4Address("192.168.0.2")


def picture(own: IPv4Address, inside: IPv4Address, peers: dict[int, IPv4Address], **tunnel: object) -> Desired:
    """FastEthernet0/0 and Tunnel0, multipoint with key 1, unless `tunnel` says otherwise."""
    settings: dict[str, object] = {
        "key": 1,
        "multipoint": True,
        "adjacencies": peers,
        "multicast": tuple(peers.values()),
    }
    return Desired(
        links={
            "FastEthernet0/0": Link(
                "FastEthernet0/0", LinkKind.PHYSICAL, True, addresses=(IPv4Interface(f"{own}/24"),)
            ),
            "Tunnel0": Link("Tunnel0", LinkKind.TUNNEL, True, 1400, (IPv4Interface(f"{inside}/24"),)),
        },
        tunnels={"Tunnel0": Tunnel("Tunnel0", own, address=inside, mtu=1400, **{**settings, **tunnel})},  # type: ignore[arg-type]
    )


def hub_picture(**tunnel: object) -> Desired:
    return picture(HUB, HUB_INSIDE, {7: SPOKE}, **tunnel)


def spoke_picture(**tunnel: object) -> Desired:
    return picture(SPOKE, SPOKE_INSIDE, {9: HUB}, **tunnel)


TO_SPOKE: Answers = {("Tunnel0", SPOKE_INSIDE): 7}
TO_HUB: Answers = {("Tunnel0", HUB_INSIDE): 9}


@dataclass
class Pair:
    hub: Node
    spoke: Node

    def apply(self, **tunnel: object) -> None:
        self.hub.apply(hub_picture(**tunnel), TO_SPOKE)
        self.spoke.apply(spoke_picture(**tunnel), TO_HUB)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with cloud() as pair:
        yield pair


@contextmanager
def cloud() -> Iterator[Pair]:
    """A hub and a spoke, on one cable."""
    with ExitStack() as stack:
        left, right = (stack.enter_context(Namespace()) for _ in range(2))
        stack.enter_context(cabled((left, "Fa0-0"), (right, "Fa0-0")))
        yield Pair(stack.enter_context(Node(left)), stack.enter_context(Node(right)))


def test_the_first_packet_waits_for_its_next_hop_and_arrives(pair: Pair) -> None:
    pair.apply()
    # One packet each way, none sent again: the first waits at the spoke, its answer at the hub.
    assert pair.spoke.space.pings("192.168.0.1")
    assert ("Tunnel0", HUB_INSIDE) in pair.spoke.told().missed
    assert ("Tunnel0", SPOKE_INSIDE) in pair.hub.told().missed
    assert "lladdr 02:00:00:00:00:09 PERMANENT" in pair.spoke.space.ip("neigh", "show", "192.168.0.1")
    eventually(lambda: ("Tunnel0", frozenset({HUB})) in pair.spoke.told().used, "the used adjacency")
    counted = pair.spoke.counters().interfaces["Tunnel0"]
    assert (counted.packets_out, counted.packets_in) == (1, 1)


def test_no_packet_overtakes_the_table_with_its_adjacency(pair: Pair) -> None:
    """The forwarder finds, in this order: a multicast packet, the table of an adjacency, a packet that takes it."""
    pair.apply()
    pair.spoke.apply(spoke_picture(adjacencies={}))
    forwarder = pair.spoke.forwarder()
    assert forwarder is not None
    os.kill(forwarder, signal.SIGSTOP)
    pair.spoke.space.run("ping", "-c", "1", "-W", "0.1", "-I", "Tunnel0", "224.0.0.5")
    pair.spoke.apply(replace(spoke_picture(), neighbours=dict(TO_HUB)))
    before = echoes_sent(pair.spoke.space)
    with ThreadPoolExecutor() as aside:
        answered = aside.submit(pair.spoke.space.pings, "192.168.0.1")
        eventually(lambda: echoes_sent(pair.spoke.space) > before, "the packet")
        os.kill(forwarder, signal.SIGCONT)
        assert answered.result()


def echoes_sent(space: Namespace) -> int:
    names, values = (
        line.split() for line in space.run("cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Icmp:")
    )
    return int(values[names.index("OutEchos")])


def test_a_point_to_point_tunnel_asks_nobody(pair: Pair) -> None:
    pair.hub.apply(picture(HUB, HUB_INSIDE, {1: SPOKE}, multipoint=False))
    pair.spoke.apply(picture(SPOKE, SPOKE_INSIDE, {1: HUB}, multipoint=False))
    assert pair.spoke.space.pings("192.168.0.1")
    assert pair.spoke.told().missed == []
    assert pair.spoke.rest() == ()


def test_a_tunnel_changes_between_its_two_modes_live(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    pair.spoke.apply(picture(SPOKE, SPOKE_INSIDE, {1: HUB}, multipoint=False))
    assert pair.spoke.rest() == ()
    assert pair.spoke.space.pings("192.168.0.1")
    pair.spoke.apply(spoke_picture(), TO_HUB)
    assert pair.spoke.space.pings("192.168.0.1")
    assert pair.spoke.rest() == ()


def test_multicast_and_broadcast_take_the_list(pair: Pair) -> None:
    pair.apply()
    before = pair.hub.counters().interfaces["Tunnel0"].multicast_in
    assert pair.spoke.space.run("ping", "-c", "1", "-W", "1", "-I", "Tunnel0", "224.0.0.5").returncode in (0, 1)
    assert pair.spoke.counters().interfaces["Tunnel0"].multicast_out == 1
    eventually(lambda: pair.hub.counters().interfaces["Tunnel0"].multicast_in == before + 1, "the copy")


def test_another_key_is_refused_counted_and_told(pair: Pair) -> None:
    pair.apply()
    pair.spoke.apply(spoke_picture(key=2), TO_HUB)
    assert not pair.spoke.space.pings("192.168.0.1", "-W", "1")
    eventually(lambda: ("Tunnel0", "key mismatch", SPOKE) in pair.hub.told().dropped, "the refusal")
    assert pair.hub.counters().drops["key mismatch"] >= 1
    assert pair.hub.counters().interfaces["Tunnel0"].packets_in == 0


def test_a_packet_too_big_for_the_tunnel(pair: Pair) -> None:
    """With DF its sender is told the MTU; without, it arrives in pieces."""
    pair.apply()
    answer = pair.spoke.space.run("ping", "-n", "-c", "1", "-W", "4", "-M", "do", "-s", "1373", "192.168.0.1")
    assert "mtu=1400" in (answer.stdout + answer.stderr).replace("mtu = ", "mtu=")
    assert pair.spoke.space.pings("192.168.0.1", "-M", "do", "-s", "1372")
    assert pair.spoke.space.pings("192.168.0.1", "-M", "dont", "-s", "5000")


def test_the_rules_answer_what_the_device_lets_pass(pair: Pair) -> None:
    """A device larger than `ip mtu`: the tunnel itself answers 3/4, and the sender learns from it."""
    pair.apply()
    wide = spoke_picture()
    wide = replace(wide, links={**wide.links, "Tunnel0": replace(wide.links["Tunnel0"], mtu=1500)})
    pair.spoke.apply(wide, TO_HUB)
    assert pair.spoke.space.pings("192.168.0.1")
    eventually(
        lambda: (
            "mtu"
            in pair.spoke.space.run(
                "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1450", "192.168.0.1"
            ).stdout
        ),
        "fragmentation needed",
    )
    assert "mtu 1400" in pair.spoke.space.ip("route", "get", "192.168.0.1")


def test_path_mtu_discovery_heeds_the_way_to_the_peer(pair: Pair) -> None:
    """DF goes out; the cable takes 1300 octets, so the inner sender hears of 1300 - 28."""
    pair.apply(path_mtu_discovery=True)
    assert pair.spoke.space.pings("192.168.0.1")
    pair.spoke.space.ip("link", "set", "Fa0-0", "mtu", "1300")
    eventually(
        lambda: (
            "mtu"
            in pair.spoke.space.run(
                "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1350", "192.168.0.1"
            ).stdout
        ),
        "fragmentation needed",
    )
    assert "mtu 1272" in pair.spoke.space.ip("route", "get", "192.168.0.1")
    assert pair.spoke.space.pings("192.168.0.1", "-M", "do", "-s", "1200")


def test_nhrp_goes_both_ways(pair: Pair) -> None:
    pair.apply()
    pair.spoke.send(Datagram("Tunnel0", HUB, SPOKE, b"registration"))
    got = eventually(lambda: pair.hub.told().received, "NHRP")
    assert got == [Datagram("Tunnel0", SPOKE, HUB, b"registration")]


def test_a_killed_forwarder_is_replaced(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    old = pair.spoke.forwarder()
    assert old is not None
    os.kill(old, signal.SIGKILL)
    eventually(lambda: pair.spoke.forwarder() not in (None, old), "another forwarder")
    assert pair.spoke.space.pings("192.168.0.1")
    assert [event.mnemonic for event in pair.spoke.told().noticed] == ["FORWARDER"]
    assert "Tunnel0" in pair.spoke.counters().interfaces


def test_counters_are_there_again_after_one_was_asked_of_a_dead_forwarder(pair: Pair) -> None:
    pair.apply()
    pid = pair.spoke.forwarder()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert "Tunnel0" not in pair.spoke.counters().interfaces  # it does not answer in time
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pair.spoke.forwarder() not in (None, pid), "another forwarder")
    assert "Tunnel0" in pair.spoke.counters().interfaces


def test_the_forwarder_dies_with_its_router(pair: Pair) -> None:
    pair.apply()
    pid = pair.hub.forwarder()
    os.kill(pair.hub.pid, signal.SIGKILL)
    eventually(lambda: "Tunnel0" not in pair.hub.space.ip("link", "show"), "the end of the TAP, held by both")
    assert pid is not None
    eventually(lambda: not _runs(pid), "the end of the forwarder")


def test_a_forwarder_that_cannot_live_is_not_started_without_end(pair: Pair) -> None:
    pair.apply()
    for _ in range(3):
        pid = eventually(pair.spoke.forwarder, "a forwarder")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: pair.spoke.forwarder() != pid, "its end")  # type: ignore[misc]
    assert eventually(pair.spoke.forwarder, "a forwarder")
    assert eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "a ping")


def test_a_neighbour_taken_away_is_given_again(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    pair.spoke.apply(replace(spoke_picture(), neighbours=dict(TO_HUB)))
    pair.spoke.space.ip("neigh", "del", "192.168.0.1", "dev", "Tunnel0")
    assert pair.spoke.space.pings("192.168.0.1")
    assert pair.spoke.rest() == ()


def test_a_tunnel_device_taken_away_comes_back(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    for _ in range(3):
        pair.spoke.space.ip("link", "del", "Tunnel0")
        assert eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "a ping over the new device")
    descriptors = list(Path(f"/proc/{pair.spoke.pid}/fd").iterdir())
    assert sum(_leads_to(descriptor, "/dev/net/tun") for descriptor in descriptors) == 1


def _runs(pid: int) -> bool:
    """Whether a process is there and not just waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _leads_to(descriptor: Path, target: str) -> bool:
    try:
        return str(descriptor.readlink()) == target
    except OSError:
        return False


def test_routes_lead_through_the_tunnel_between_loopbacks(pair: Pair) -> None:
    """What stands behind a spoke is reached through a static route over the tunnel; Null0 discards."""
    pair.apply()
    for node, base, far, via, answers in (
        (pair.hub, hub_picture(), "10.0.2.0/24", SPOKE_INSIDE, TO_SPOKE),
        (pair.spoke, spoke_picture(), "10.0.1.0/24", HUB_INSIDE, TO_HUB),
    ):
        own = "10.0.1.1/24" if node is pair.hub else "10.0.2.1/24"
        loopback = Link("Loopback0", LinkKind.LOOPBACK, True, addresses=(IPv4Interface(own),))
        routes = {KernelRoute(IPv4Network(far), "Tunnel0", via), KernelRoute(IPv4Network("10.9.0.0/16"))}
        node.apply(
            replace(base, links={**base.links, "Loopback0": loopback}, routes=frozenset(routes)),
            answers,
        )
        assert node.rest() == ()
    assert pair.spoke.space.pings("10.0.1.1", "-I", "10.0.2.1")
    assert "blackhole 10.9.0.0/16" in pair.spoke.space.ip("route", "show")
    loopback_state = pair.spoke.told().link("Loopback0")
    assert loopback_state is not None and loopback_state.present and loopback_state.carrier
