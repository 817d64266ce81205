"""Capture points: what they take, and when they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.capture.buffer import PACKET_OCTETS, Buffer, Captured
from iosish.capture.captures import CAPTURES_MAX, CaptureError, Captures
from iosish.capture.match import ANY, Ipv4Match
from iosish.capture.state import CaptureState, Direction, Limits
from iosish.desired import SeenPacket
from iosish.engine import LogEvent
from iosish.forwarding import gre, ipv4

FA, TUNNEL = "FastEthernet0/0", "Tunnel0"


class Surroundings:
    def __init__(self) -> None:
        self.watched: frozenset[str] = frozenset()
        self.said: list[str] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.behind: list[Callable[[], None]] | None = None

    def watch(self, interfaces: frozenset[str]) -> None:
        self.watched = interfaces

    def caught_up(self, then: Callable[[], None]) -> None:
        if self.behind is None:
            then()
        else:
            self.behind.append(then)

    def log(self, event: LogEvent) -> None:
        self.said.append(f"{event.mnemonic}: {event.text}")

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        self.timers.append((delay_s, do))
        return self.timers.clear


def started(around: Surroundings, limits: Limits | None = None, **changes: object) -> Captures:
    captures = Captures(around)
    captures.attach("CAP", FA, Direction.BOTH)
    captures.change("CAP", lambda old: replace(old, limits=limits or Limits(), **changes))  # type: ignore[arg-type] # fields of Settings
    captures.start("CAP")
    return captures


def state(captures: Captures) -> CaptureState:
    (found,) = captures.state()
    return found


def seen(
    count: int = 1, size: int = 60, at: float = 100.0, interface: str = FA, inbound: bool = True
) -> list[SeenPacket]:
    return [SeenPacket(interface, inbound, at, bytes(size), size)] * count


def test_only_what_is_attached_is_watched_and_only_while_it_runs() -> None:
    around = Surroundings()
    captures = Captures(around)
    with pytest.raises(CaptureError, match="has not been configured"):
        captures.start("CAP")
    captures.attach("CAP", FA, Direction.IN)
    captures.attach("CAP", TUNNEL, Direction.OUT)
    assert not around.watched
    captures.start("CAP")
    assert around.watched == {FA, TUNNEL}
    with pytest.raises(CaptureError, match="active"):
        captures.attach("CAP", FA, Direction.OUT)
    for interface in (FA, TUNNEL, "Loopback0"):
        for inbound in (True, False):
            captures.packets_seen(seen(interface=interface, inbound=inbound))
    assert [(packet.interface, packet.inbound) for packet in captures.packets("CAP")] == [(FA, True), (TUNNEL, False)]
    captures.stop("CAP")
    assert not around.watched
    captures.packets_seen(seen())
    assert state(captures).packets == 2
    captures.remove("CAP")
    assert captures.state() == ()


def test_without_an_interface_it_does_not_start() -> None:
    captures = Captures(Surroundings())
    captures.change("CAP", lambda old: old)
    with pytest.raises(CaptureError, match="no interface is attached"):
        captures.start("CAP")


def test_there_are_so_many_and_no_more() -> None:
    captures = Captures(Surroundings())
    for number in range(CAPTURES_MAX):
        captures.attach(f"C{number}", FA, Direction.IN)
    with pytest.raises(CaptureError):
        captures.attach("one more", FA, Direction.IN)


def test_limits_of_packets_length_rate_and_sampling() -> None:
    around = Surroundings()
    captures = started(around, Limits(packets=3, packet_length=20))
    captures.packets_seen(seen(9))
    assert state(captures).packets == 3 and not state(captures).active and not around.watched
    assert [(len(packet.data), packet.length) for packet in captures.packets("CAP")] == [(20, 60)] * 3
    assert around.said[-1] == "DISABLE_ASYNC: Capture Point CAP disabled. Reason : packet limit reached"

    captures = started(Surroundings(), Limits(packets_per_s=10))
    for at in (100.0, 100.9, 101.0):
        captures.packets_seen(seen(8, at=at))
    assert (state(captures).packets, state(captures).dropped) == (18, 6)

    captures = started(Surroundings(), Limits(every=4, packets_per_s=0))
    captures.packets_seen(seen(10))
    assert (state(captures).packets, state(captures).dropped) == (3, 0)


def test_a_limit_of_time_and_what_was_lost_on_the_way() -> None:
    around = Surroundings()
    captures = started(around, Limits(duration_s=5))
    ((delay_s, over),) = around.timers
    captures.packets_missed(FA, 7)
    captures.packets_missed(TUNNEL, 9)
    over()
    assert delay_s == 5 and not state(captures).active and state(captures).dropped == 7


@pytest.mark.parametrize("by", ["stop", "duration"])
def test_what_passed_before_its_end_is_kept_or_counted(by: str) -> None:
    around = Surroundings()
    captures = started(around, Limits(duration_s=5))
    around.behind, told = [], []
    if by == "stop":
        captures.stop("CAP", lambda: told.append(captures.state()))
        with pytest.raises(CaptureError, match="not active"):
            captures.stop("CAP")
    else:
        around.timers.pop()[1]()
    with pytest.raises(CaptureError, match="already active"):
        captures.start("CAP")
    captures.packets_seen(seen(3))
    captures.packets_missed(FA, 4)
    assert not told and around.watched == {FA}
    for catch_up in around.behind:
        catch_up()
    captures.packets_seen(seen())
    found = state(captures)
    assert (found.active, found.packets, found.dropped) == (False, 3, 4) and not around.watched
    assert told == ([(found,)] if by == "stop" else [])
    assert [text.partition(":")[0] for text in around.said] == [
        "ENABLE",
        "DISABLE" if by == "stop" else "DISABLE_ASYNC",
    ]
    around.behind = None
    captures.start("CAP")
    captures.stop("CAP")
    assert state(captures).packets == 0


@pytest.mark.parametrize("end", ["full", "removed", "made again"])
def test_a_capture_that_ends_while_it_stops_ends_once(end: str) -> None:
    around = Surroundings()
    captures = started(around, Limits(packets=2))
    around.behind, stopped = [], []
    captures.stop("CAP", lambda: stopped.append(True))
    if end == "full":
        captures.packets_seen(seen(5))
    else:
        captures.remove("CAP")
    if end == "made again":
        captures.attach("CAP", TUNNEL, Direction.BOTH)
        captures.start("CAP")
    said = list(around.said)
    around.behind.pop()()
    assert stopped == [True] and around.said == said
    assert [point.active for point in captures.state()] == {"full": [False], "removed": [], "made again": [True]}[end]


def test_a_full_linear_buffer_ends_it_and_clear_empties_it() -> None:
    around = Surroundings()
    captures = started(around, Limits(packets_per_s=0), size_mb=1)
    captures.packets_seen(seen(2000, size=1000))
    found = state(captures)
    assert not found.active and found.packets == (1 << 20) // (1000 + PACKET_OCTETS) and found.dropped == 1
    assert around.said[-2:] == [
        "BUFFER_FULL: Linear Buffer associated with capture point CAP is full.",
        "DISABLE_ASYNC: Capture Point CAP disabled. Reason : buffer full",
    ]
    captures.clear("CAP")
    assert (state(captures).packets, state(captures).used, state(captures).dropped) == (0, 0, 0)


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 1000), st.booleans())
def test_a_buffer_never_holds_more_than_its_size_and_a_circular_one_the_latest(
    sizes: list[int], size: int, circular: bool
) -> None:
    buffer = Buffer(size, circular)
    packets = [Captured(FA, True, float(number), bytes(octets), octets) for number, octets in enumerate(sizes)]
    added = [packet for packet in packets if buffer.add(packet)]
    held = list(buffer.packets)
    assert buffer.used == sum(len(packet.data) + PACKET_OCTETS for packet in held) <= size
    fits = [packet for packet in packets if len(packet.data) + PACKET_OCTETS <= size]
    if circular:
        assert all(packet in fits for packet in added)
        if sizes and packets[-1] in fits:
            assert held[-1] == packets[-1]
    else:
        assert held == added


HOSTS = st.integers(0, 2**32 - 1)


@given(HOSTS, HOSTS, st.integers(0, 32), st.sampled_from([1, 6, 17, 89]), st.integers(0, 65535), st.booleans())
def test_matching_is_what_the_rule_says(
    source: int, destination: int, length: int, protocol: int, port: int, tunnel: bool
) -> None:
    packet = ipv4.build(
        source.to_bytes(4, "big"),
        destination.to_bytes(4, "big"),
        protocol,
        b"\0\1" + port.to_bytes(2, "big") + bytes(16),
    )
    if tunnel:
        data = ipv4.build(b"\1\1\1\1", b"\2\2\2\2", ipv4.GRE, gre.build(gre.IPV4, 1) + packet)
    else:
        data = bytes(12) + b"\x08\0" + packet
    network = IPv4Network((source, length), strict=False)
    assert Ipv4Match().matches(data, tunnel)
    assert Ipv4Match(network, ANY, protocol).matches(data, tunnel)
    assert Ipv4Match(protocol=protocol, port=port).matches(data, tunnel) == (protocol in (6, 17))
    assert not Ipv4Match(protocol=200).matches(data, tunnel)
    other = IPv4Network(destination ^ 1)
    assert Ipv4Match(destination=other).matches(data, tunnel) == (tunnel and str(other) == "2.2.2.2/32")
    assert Ipv4Match(protocol=47).matches(data, tunnel) == tunnel


@given(st.binary(max_size=80), st.booleans())
def test_nothing_that_arrives_is_too_odd_to_be_matched(data: bytes, tunnel: bool) -> None:
    Ipv4Match(IPv4Network("10.0.0.0/8"), port=4).matches(data, tunnel)
