"""Watching packets: what a user plane tells of what passes its interfaces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from iosish.desired import SeenPacket
from iosish.plane.device_name import device_name
from tests.user_plane.floods import counter, flood
from tests.user_plane.node import Told, eventually
from tests.user_plane.test_live_tunnels import HUB, HUB_INSIDE, SPOKE, Pair, cloud

pytestmark = pytest.mark.live

FA, TUNNEL = "FastEthernet0/0", "Tunnel0"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with cloud() as pair:
        pair.apply()
        yield pair


def echoes(seen: list[SeenPacket], interface: str) -> list[tuple[bool, str, str]]:
    """Direction, outer source and inner ICMP type of the echoes through the tunnel."""
    found = []
    for packet in seen:
        if packet.interface == interface:
            outer = packet.data if interface == TUNNEL else packet.data[14:] if packet.data[12:14] == b"\x08\0" else b""
            if outer[9:10] == b"\x2f" and outer[28 + 9 : 28 + 10] == b"\x01":
                source = ".".join(map(str, outer[12:16]))
                found.append((packet.inbound, source, {8: "request", 0: "reply"}[outer[48]]))
    return found


def test_both_directions_of_tunnel_and_uplink_are_seen_in_order(pair: Pair) -> None:
    pair.hub.watch(FA, TUNNEL)
    assert pair.spoke.space.pings(str(HUB_INSIDE))
    told = pair.hub.caught_up()  # the tunnel's packets and the uplink's come by two ways
    exchange = [(True, str(SPOKE), "request"), (False, str(HUB), "reply")]
    assert echoes(told.seen, FA) == echoes(told.seen, TUNNEL) == exchange
    times = [packet.at for packet in told.seen if packet.interface == FA]
    assert times == sorted(times)
    assert not told.unseen
    pair.hub.watch()
    before = len(pair.hub.told().seen)  # a host has more to say on its uplink than it was asked for
    assert pair.spoke.space.pings(str(HUB_INSIDE))
    assert len(pair.hub.told().seen) == before


def test_a_device_that_comes_back_is_watched_again_and_so_is_a_tunnel_of_a_new_forwarder(pair: Pair) -> None:
    pair.spoke.watch(FA, TUNNEL)
    pid = pair.spoke.forwarder()
    assert pid is not None
    subprocess.run(["kill", "-9", str(pid)], check=True)
    eventually(lambda: pair.spoke.forwarder() not in (None, pid), "a new forwarder")
    eventually(lambda: pair.spoke.space.pings(str(HUB_INSIDE)), "a ping")
    eventually(lambda: echoes(pair.spoke.told().seen, TUNNEL), "what passed the tunnel of the new forwarder")


def test_large_packets_are_seen_as_they_are_on_the_wire(pair: Pair) -> None:
    """TCP leaves the kernel uncut and without checksums: what is seen has neither, and lacks no octet."""
    pair.spoke.watch(FA)
    code = (
        "import socket; s = socket.socket(); s.settimeout(9); s.bind(('', 5001)); s.listen(); print(flush=True)\n"
        "c, _ = s.accept(); n = 0\n"
        "while part := c.recv(65536): n += len(part)\n"
        "print(n)"
    )
    enter = ["ip", "netns", "exec"]
    server = subprocess.Popen(
        [*enter, pair.hub.space.name, sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    server.stdout.readline()
    sent = 300_000
    client = (
        f"import socket; s = socket.create_connection(('{HUB}', 5001)); s.sendall(bytes(range(250)) * {sent // 250})"
    )
    try:
        assert pair.spoke.space.run(sys.executable, "-c", client).returncode == 0
        assert server.communicate(timeout=15)[0].split()[-1] == str(sent)
    finally:
        server.kill()

    def stream() -> bytes | None:
        pieces: dict[int, bytes] = {}
        for packet in pair.spoke.told().seen:
            frame = Ether(packet.data)
            if TCP in frame and frame[TCP].dport == 5001:
                assert len(packet.data) <= 1514
                again = IP(bytes(frame[IP]))
                del again.chksum, again[TCP].chksum
                assert bytes(again) == bytes(frame[IP]), "a length or a checksum is not as on the wire"
                if frame[TCP].payload:
                    pieces[frame[TCP].seq] = bytes(frame[TCP].payload)
        whole = b"".join(pieces[number] for number in sorted(pieces))
        return whole if len(whole) == sent else None

    assert eventually(stream, "the whole stream") == bytes(range(250)) * (sent // 250)
    assert not pair.spoke.told().unseen


def accounted(told: Told, interface: str) -> int:
    """Packets of an interface that were seen, and that were told to have passed unseen."""
    seen = sum(packet.interface == interface for packet in told.seen)
    return seen + sum(count for name, count in told.unseen if name == interface)


def test_of_a_flood_all_is_seen_or_counted_as_unseen_and_it_delays_nothing(pair: Pair) -> None:
    with counter(pair.hub.space.name, device_name(FA)) as passed:
        began = passed()
        pair.hub.watch(FA)
        begun = passed()
        with flood(pair.spoke.space.name, HUB, 80_000) as sender:
            while sender.poll() is None:
                assert pair.hub.counters() is not None
        ending = passed()
        pair.hub.watch()  # what is left in the kernel's buffer is taken or counted
        ended, told = passed(), pair.hub.told()
    assert told.seen
    assert ending - begun <= accounted(told, FA) <= ended - began


@pytest.mark.parametrize(("target", "interface"), [(HUB, FA), (HUB_INSIDE, TUNNEL)])
def test_in_the_middle_of_a_flood_one_can_wait_for_what_has_passed(
    pair: Pair, target: IPv4Address, interface: str
) -> None:
    pair.spoke.space.pings(str(HUB_INSIDE))
    with counter(pair.hub.space.name, device_name(FA)) as passed:
        began, carried_before = passed(), carried(pair)
        pair.hub.watch(FA, TUNNEL)
        begun = passed()
        with flood(pair.spoke.space.name, target, 200_000):
            eventually(lambda: accounted(pair.hub.told(), interface) > 1000, "the flood")
            at_least, carried_at_least = passed(), carried(pair)
            told = pair.hub.caught_up()
            at_most, carried_at_most = passed(), carried(pair)
    assert at_least - begun <= accounted(told, FA) <= at_most - began
    assert carried_at_least <= carried_before + accounted(told, TUNNEL) <= carried_at_most


def carried(pair: Pair) -> int:
    """Packets that the hub's tunnel has carried, in both directions."""
    counters = pair.hub.counters().interfaces[TUNNEL]
    return int(counters.packets_in + counters.packets_out)
