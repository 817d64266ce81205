"""Hosts and a router on wires: ping, ICMP errors, fragments, carrier."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP

from iosish.forwarding import ipv4
from iosish.plane.memory.wire import QUEUE_MAX, Capture, Wire
from iosish.plane.memory.world import World
from tests.memory_plane.routers import FA00, FA01, Host, link, route, wanted

ECHO_REPLY = 0
UNREACHABLE = 3
TIME_EXCEEDED = 11


class Path:
    """A - router - B: two subnets, the second with an MTU that can be smaller."""

    def __init__(self, seed: int = 1, loss: float = 0.0, mtu: int = 1500) -> None:
        self.world = World(seed)
        self.left = Wire(self.world, "left", loss=loss)
        self.right = Wire(self.world, "right", loss=loss)
        self.a = Host(self.world, "A", {FA00: self.left})
        self.router = Host(self.world, "router", {FA00: self.left, FA01: self.right})
        self.b = Host(self.world, "B", {FA00: self.right})
        self.a.plane.apply(wanted(link(FA00, "10.0.1.2/24"), routes=(route("0.0.0.0/0", "10.0.1.1"),)))
        self.router.plane.apply(wanted(link(FA00, "10.0.1.1/24"), link(FA01, "10.0.2.1/24", mtu=mtu)))
        self.b.plane.apply(wanted(link(FA00, "10.0.2.2/24", mtu=mtu), routes=(route("0.0.0.0/0", "10.0.2.1"),)))
        self.world.run_until(0.1)


def test_ping_through_a_router() -> None:
    path = Path()
    assert path.a.ping("10.0.2.2")
    assert path.world.run_until(path.a.answered, ceiling=5.0)
    # four wires of 8 ms; the reply left with TTL 255
    assert path.a.icmp == [(ECHO_REPLY, 0, "10.0.2.2", 254, 0.132)]


@pytest.mark.parametrize("clamped", [{FA00: 1200}, {FA01: 1200}, {FA00: 1200, FA01: 1300}, {FA00: 1460}, {}])
def test_the_mss_of_a_connection_through_a_router(clamped: dict[str, int]) -> None:
    path = Path()
    links = (link(FA00, "10.0.1.1/24"), link(FA01, "10.0.2.1/24"))
    path.router.plane.apply(wanted(*(replace(each, adjust_mss=clamped.get(each.name)) for each in links)))
    seen: list[Capture] = []
    path.right.tap(seen)
    for asked in (1460, 900):
        syn = IP(src="10.0.1.2", dst="10.0.2.2") / TCP(dport=80, flags="S", options=[("MSS", asked)])
        path.a.plane.send_ip(IPv4Address("10.0.2.2"), ipv4.TCP, bytes(syn)[20:])
    path.world.run_until(1.0)
    arrived = [IP(capture.packet)[TCP] for capture in seen if capture.packet[9] == ipv4.TCP]
    assert [dict(tcp.options)["MSS"] for tcp in arrived] == [min([1460, *clamped.values()]), 900]


def test_ping_of_an_own_address() -> None:
    path = Path()
    assert path.router.ping("10.0.2.1")
    assert path.world.run_until(path.router.answered, ceiling=5.0)
    assert path.router.icmp[0][:4] == (ECHO_REPLY, 0, "10.0.2.1", 255)


def test_ttl_runs_out_on_the_way() -> None:
    path = Path()
    path.a.ping("10.0.2.2", ttl=1)
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][:3] == (TIME_EXCEEDED, 0, "10.0.1.1")


@pytest.mark.parametrize(("destination", "code"), [("172.31.0.1", 0), ("10.0.2.99", 1)], ids=["net", "host"])
def test_unreachable(destination: str, code: int) -> None:
    path = Path()
    path.a.ping(destination)
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][:3] == (UNREACHABLE, code, "10.0.1.1")


@pytest.mark.parametrize(("protocol", "code"), [(17, 3), (132, 2), (47, 2)], ids=["port", "protocol", "no tunnel"])
def test_what_nobody_listens_for(protocol: int, code: int) -> None:
    path = Path()
    path.a.plane.send_ip(IPv4Address("10.0.2.2"), protocol, bytes(UDP(dport=33434)))
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][:3] == (UNREACHABLE, code, "10.0.2.2")


def test_no_way_out_is_said_at_once() -> None:
    path = Path()
    path.a.plane.apply(wanted(link(FA00, "10.0.1.2/24")))
    assert not path.a.ping("10.0.2.2")


def test_the_longest_prefix_wins_and_a_discard_route_is_silent() -> None:
    path = Path()
    path.a.plane.apply(wanted(link(FA00, "10.0.1.2/24"), routes=(route("0.0.0.0/0", "10.0.1.1"), route("10.0.2.0/25"))))
    assert path.a.ping("10.0.2.2", source="10.0.1.2")
    path.world.run_until(1.0)
    assert not path.a.icmp
    path.a.plane.apply(
        wanted(
            link(FA00, "10.0.1.2/24"),
            routes=(route("0.0.0.0/0"), route("10.0.2.0/24"), route("10.0.2.2/32", "10.0.1.1")),
        )
    )
    path.a.ping("10.0.2.2")
    assert path.world.run_until(path.a.answered, ceiling=5.0)


def test_a_route_by_a_next_hop_that_is_itself_routed() -> None:
    path = Path()
    path.a.plane.apply(
        wanted(link(FA00, "10.0.1.2/24"), routes=(route("10.0.2.0/24", "9.9.9.9"), route("9.9.9.9/32", "10.0.1.1")))
    )
    path.a.ping("10.0.2.2")
    assert path.world.run_until(path.a.answered, ceiling=5.0)
    # and one that leads to itself leads nowhere
    path.a.plane.apply(wanted(link(FA00, "10.0.1.2/24"), routes=(route("0.0.0.0/0", "9.9.9.9"),)))
    assert not path.a.ping("10.0.2.2")


def test_a_route_to_an_interface_alone_reaches_the_other_end() -> None:
    path = Path()
    path.a.plane.apply(wanted(link(FA00, "10.0.1.2/24"), routes=(route("0.0.0.0/0", interface=FA00),)))
    path.a.ping("10.0.2.2")
    assert path.world.run_until(path.a.answered, ceiling=5.0)


def test_a_loopback_answers_and_is_a_source() -> None:
    path = Path()
    path.router.plane.apply(
        wanted(link(FA00, "10.0.1.1/24"), link(FA01, "10.0.2.1/24"), link("Loopback0", "1.1.1.1/32"))
    )
    path.a.ping("1.1.1.1")
    assert path.world.run_until(path.a.answered, ceiling=5.0)
    path.router.ping("10.0.2.2", source="1.1.1.1")
    assert path.world.run_until(path.router.answered, ceiling=5.0)


def test_a_large_ping_is_cut_on_the_way_and_put_together() -> None:
    path = Path(mtu=600)
    path.a.ping("10.0.2.2", size=4000)
    assert path.world.run_until(path.a.answered, ceiling=5.0)
    assert len(path.a.raw[0]) == 4000


def test_with_df_the_router_names_its_mtu() -> None:
    path = Path(mtu=600)
    path.a.ping("10.0.2.2", size=1000, df=True)
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][:3] == (UNREACHABLE, 4, "10.0.1.1")
    assert IP(path.a.raw[0])[ICMP].nexthopmtu == 600


def test_with_df_the_sender_s_own_interface_is_the_first_to_say_so() -> None:
    path = Path()
    assert path.a.ping("10.0.2.2", size=1501, df=True)
    assert path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][:3] == (UNREACHABLE, 4, "10.0.1.2")
    assert IP(path.a.raw[0])[ICMP].nexthopmtu == 1500


def test_frames_leave_a_millisecond_apart_and_come_in_order() -> None:
    path = Path()
    seen: list[Capture] = []
    path.left.tap(seen, at="router FastEthernet0/0")
    for _ in range(3):
        path.a.ping("10.0.2.2")
    path.world.run_until(1.0)
    assert [round(capture.time, 3) for capture in seen] == [0.108, 0.109, 0.110, 0.124, 0.125, 0.126]
    assert [capture.direction for capture in seen] == ["A FastEthernet0/0"] * 3 + ["router FastEthernet0/0"] * 3


def test_a_wire_s_queue_is_bounded() -> None:
    path = Path()
    for _ in range(QUEUE_MAX + 500):
        path.a.ping("10.0.2.2")
    path.world.run_until(10.0)
    assert path.left.overflowed == 500
    assert len(path.a.icmp) == QUEUE_MAX


def lossy_trace(seed: int) -> list[Capture]:
    path = Path(seed, loss=0.3)
    trace: list[Capture] = []
    path.left.tap(trace)
    path.right.tap(trace)
    for number in range(200):
        path.world.call_at(1.0 + number / 50, lambda: path.a.ping("10.0.2.2"))
    path.world.run_until(10.0)
    assert 20 < len(path.a.icmp) < 100  # 0.7 ** 4 of 200 is 48
    return trace


def test_the_same_seed_loses_the_same_packets() -> None:
    assert lossy_trace(5) == lossy_trace(5)
    assert lossy_trace(5) != lossy_trace(6)


def test_a_cut_takes_the_carrier_and_what_is_under_way() -> None:
    path = Path()
    path.a.ping("10.0.2.2")
    path.world.run_until(path.world.now + 0.012)  # between router and B
    path.right.cut()
    assert not path.world.run_until(path.a.answered, ceiling=3.0)
    assert [(state.name, state.carrier) for state in path.router.sink.links][-1] == (FA01, False)
    assert path.b.sink.links[-1].carrier is False
    path.a.ping("10.0.2.2")
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][0] == UNREACHABLE
    path.right.join()
    path.world.run_until(path.world.now)
    assert path.router.sink.links[-1].carrier is True
    path.a.icmp.clear()
    path.a.ping("10.0.2.2")
    assert path.world.run_until(path.a.answered, ceiling=10.0)
    assert path.a.icmp[0][0] == ECHO_REPLY


def test_a_shut_interface_takes_the_carrier_of_the_other_end() -> None:
    path = Path()
    path.b.plane.apply(wanted(link(FA00, "10.0.2.2/24", up=False)))
    path.world.run_until(path.world.now)
    state = path.router.sink.links[-1]
    assert (state.name, state.present, state.carrier) == (FA01, True, False)


def test_the_same_desired_state_again_tells_nothing() -> None:
    path = Path()
    told = len(path.router.sink.links)
    path.router.plane.apply(wanted(link(FA00, "10.0.1.1/24"), link(FA01, "10.0.2.1/24", mtu=1500)))
    path.world.run_until(1.0)
    assert len(path.router.sink.links) == told


def test_links_come_and_go() -> None:
    path = Path()
    sink = path.b.sink
    base = link(FA00, "10.0.2.2/24")
    path.b.plane.apply(wanted(base, link("Loopback0", "2.2.2.2/32"), link("FastEthernet0/7", "10.7.0.1/24")))
    path.world.run_until(1.0)
    states = {state.name: state for state in sink.links}
    assert states["Loopback0"].present
    assert states["Loopback0"].carrier
    assert (states["FastEthernet0/7"].present, states["FastEthernet0/7"].reason) == (False, "no cable")
    path.b.plane.apply(wanted(base))
    path.world.run_until(2.0)
    assert not {state.name: state for state in sink.links}["Loopback0"].present


def test_a_segment_delivers_to_the_owner_of_the_next_hop() -> None:
    world = World()
    segment = Wire(world, "segment")
    hosts = [Host(world, f"H{number}", {FA00: segment}) for number in range(1, 4)]
    for number, host in enumerate(hosts, 1):
        host.plane.apply(wanted(link(FA00, f"10.0.0.{number}/24")))
    captures: list[list[Capture]] = [[], [], []]
    for number, seen in enumerate(captures, 1):
        segment.tap(seen, at=f"H{number} FastEthernet0/0")
    hosts[0].ping("10.0.0.3")
    assert world.run_until(hosts[0].answered, ceiling=1.0)
    assert [len(seen) for seen in captures] == [2, 0, 2]
    # broadcast goes to all, and nobody answers it
    hosts[0].ping("10.0.0.255")
    world.run_until(2.0)
    assert [len(seen) for seen in captures] == [3, 1, 3]
    assert len(hosts[0].icmp) == 1


def test_a_router_that_lost_power_is_gone_from_its_wires() -> None:
    path = Path()
    path.b.plane.power_off()
    path.world.run_until(path.world.now)
    assert path.router.sink.links[-1].carrier is False
    path.a.ping("10.0.2.2")
    path.world.run_until(path.a.answered, ceiling=5.0)
    assert path.a.icmp[0][0] == UNREACHABLE


def test_counters_and_own_arp_entries() -> None:
    path = Path()
    path.a.ping("10.0.2.2")
    path.world.run_until(1.0)
    counters = asyncio.run(path.router.plane.counters())
    path.a.ping("10.0.2.2")
    path.world.run_until(2.0)
    seen = counters.interfaces[FA01]  # as it was when it was asked for
    assert (seen.packets_in, seen.bytes_in, seen.packets_out, seen.bytes_out) == (1, 100, 1, 100)
    arp = asyncio.run(path.router.plane.arp())
    assert [(entry.interface, str(entry.address), entry.age_s) for entry in arp] == [
        (FA00, "10.0.1.1", None),
        (FA01, "10.0.2.1", None),
    ]
    assert arp[0].mac != arp[1].mac


@settings(max_examples=200)
@given(
    source=st.sampled_from(
        ["10.0.1.2", "10.0.1.1", "10.0.1.255", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"]
    ),
    destination=st.sampled_from(
        ["10.0.1.1", "10.0.2.2", "10.0.2.255", "224.0.0.5", "255.255.255.255", "0.0.0.0", "127.0.0.1"]
    ),
    protocol=st.sampled_from([1, 6, 17, 47, 50]),
    flags=st.integers(0, 0xFFFF),
    payload=st.binary(max_size=64),
    damage=st.none() | st.tuples(st.integers(0, 19), st.integers(0, 255)),
)
def test_any_packet_is_forwarded_answered_or_dropped(
    source: str, destination: str, protocol: int, flags: int, payload: bytes, damage: tuple[int, int] | None
) -> None:
    path = Path()
    packet = bytearray(ipv4.build(IPv4Address(source).packed, IPv4Address(destination).packed, protocol, payload))
    packet[6:8] = flags.to_bytes(2, "big")
    packet[10:12] = bytes(2)
    packet[10:12] = ipv4.checksum(packet[:20]).to_bytes(2, "big")
    if damage is not None:
        packet[damage[0]] = damage[1]
    end = path.left.attach("attacker", lambda packet: None, lambda: None)
    path.left.set_end(end, True, (IPv4Address("10.0.1.66").packed,))
    path.left.send(end, IPv4Address("10.0.1.1").packed, bytes(packet))
    path.world.run_until(2.0)
    assert path.a.ping("10.0.2.2")  # and the router still routes
    assert path.world.run_until(lambda: (ECHO_REPLY, "10.0.2.2") in [(i[0], i[2]) for i in path.a.icmp], ceiling=5.0)
