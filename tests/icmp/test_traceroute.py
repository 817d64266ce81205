"""`traceroute`, hop by hop, against the text of IOS."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.icmp.session import Probe
from iosish.icmp.traceroute import Traceroute, TracerouteRequest
from tests.icmp import wire

R1 = IPv4Address("192.168.0.1")
R4 = IPv4Address("192.168.0.4")
BEHIND = IPv4Address("10.4.4.4")
HEAD = [
    "Type escape sequence to abort.",
    "Tracing the route to 10.4.4.4",
    "VRF info: (vrf in name/id, vrf out name/id)",
]


def only(trace: Traceroute) -> Probe:
    (probe,) = trace.datagrams()
    return probe


def started(request: TracerouteRequest | None = None) -> Traceroute:
    trace = Traceroute(request or TracerouteRequest(BEHIND), 7)
    trace.start(0.0)
    return trace


def test_two_hops_and_the_destination() -> None:
    trace = started()
    now = 0.0
    for ttl, hop in ((1, R1), (2, R4)):
        for _ in range(3):
            probe = only(trace)
            assert (probe.protocol, probe.ttl) == (17, ttl)
            now += 0.008
            trace.receive(hop, 255, wire.error(11, 0, probe), now)
    for _ in range(3):
        now += 0.012
        trace.receive(BEHIND, 253, wire.error(3, 3, only(trace)), now)
    assert trace.done and trace.next_wake() is None
    assert trace.text().splitlines() == [
        *HEAD,
        "  1 192.168.0.1 8 msec 8 msec 8 msec",
        "  2 192.168.0.4 8 msec 8 msec 8 msec",
        "  3 10.4.4.4 12 msec 12 msec 12 msec",
    ]


def test_ports_count_up_from_33434() -> None:
    trace = started()
    ports = []
    for _ in range(4):
        probe = only(trace)
        ports.append(int.from_bytes(probe.payload[2:4], "big"))
        assert probe.payload[4:] == bytes.fromhex("00080000")
        trace.receive(R1, 255, wire.error(11, 0, probe), 0.0)
    assert ports == [33434, 33435, 33436, 33437]


def test_no_answer_is_a_star() -> None:
    trace = started(TracerouteRequest(BEHIND, ttl_max=2))
    for step in range(1, 7):
        assert trace.next_wake() == (3.0 * step, "probe timeout 10.4.4.4")
        trace.wake(3.0 * step)
    assert trace.done
    assert trace.text().splitlines()[3:] == ["  1  *  *  * ", "  2  *  *  * "]


def test_a_star_between_answers() -> None:
    trace = started(TracerouteRequest(BEHIND, ttl_max=1))
    trace.wake(3.0)
    trace.datagrams()
    trace.wake(6.0)
    trace.receive(R1, 255, wire.error(11, 0, only(trace)), 6.004)
    assert trace.text().splitlines()[3:] == ["  1  *  * 192.168.0.1 4 msec"]


def test_the_destination_limits_its_errors() -> None:
    trace = started()
    trace.receive(BEHIND, 255, wire.error(3, 3, only(trace)), 0.001)
    only(trace)
    trace.wake(3.001)
    trace.receive(BEHIND, 255, wire.error(3, 3, only(trace)), 3.002)
    assert trace.text().splitlines()[3:] == ["  1 10.4.4.4 1 msec *  1 msec"]


def test_two_routers_at_the_same_hop() -> None:
    trace = started(TracerouteRequest(BEHIND, ttl_max=1))
    for hop in (R1, R4, R4):
        trace.receive(hop, 255, wire.error(11, 0, only(trace)), 0.0)
    assert trace.text().splitlines()[3:] == ["  1 192.168.0.1 1 msec", "    192.168.0.4 1 msec 1 msec"]


def test_unreachable_ends_it() -> None:
    for code, mark in ((0, "!N"), (1, "!H"), (13, "!A"), (2, "!P"), (14, "?")):
        trace = started()
        trace.receive(R1, 255, wire.error(3, code, only(trace)), 0.0)
        only(trace)
        trace.wake(3.0)
        trace.receive(R1, 255, wire.error(3, code, only(trace)), 3.0)
        assert trace.done
        assert trace.text().splitlines()[3:] == [f"  1 192.168.0.1 {mark}  *  {mark} "]


def test_names_of_hops() -> None:
    trace = Traceroute(TracerouteRequest(BEHIND, name="lan4", ttl_max=1), 7, {R1: "hub"}.get)
    trace.start(0.0)
    trace.receive(R1, 255, wire.error(11, 0, only(trace)), 0.0)
    trace.abort(0.1)
    assert trace.text().splitlines()[1:] == [
        "Tracing the route to lan4 (10.4.4.4)",
        HEAD[2],
        "  1 hub (192.168.0.1) 1 msec",
    ]


def test_escape_ends_the_line() -> None:
    trace = started()
    trace.abort(0.5)
    assert trace.done and trace.datagrams() == []
    assert trace.text().endswith("  1 \n")


def test_what_is_not_an_answer_is_passed_over() -> None:
    trace = started(TracerouteRequest(BEHIND, source=wire.ROUTER))
    trace.text()
    probe = only(trace)
    for message in [
        wire.error(11, 1, probe),  # reassembly took too long
        wire.error(11, 0, probe, source=R4),  # not our packet
        wire.error(11, 0, probe)[:-1],
        wire.icmp(11, 0, bytes(4), wire.packet(probe)[:27]),  # quotes less than it must
        wire.icmp(11, 0, bytes(4), b"\x44" + wire.packet(probe)[1:]),  # a header of 16 octets
        wire.icmp(11, 0, bytes(4), b"\x4f" + wire.packet(probe)[1:]),  # a header longer than what is quoted
        wire.icmp(0, 0, bytes(4)),
    ]:
        trace.receive(R1, 255, message, 0.1)
        assert trace.text() == "" and trace.datagrams() == []
