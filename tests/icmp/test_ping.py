"""`ping`, echo by echo, against the text of IOS."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.icmp.ping import Ping, PingRequest
from iosish.icmp.session import Probe
from tests.icmp import wire

R4 = IPv4Address("192.168.0.4")
R5 = IPv4Address("172.16.25.1")
HEAD = "Type escape sequence to abort.\nSending 5, 100-byte ICMP Echos to 192.168.0.4, timeout is 2 seconds:\n"


def started(request: PingRequest, identifier: int = 7) -> Ping:
    ping = Ping(request, identifier)
    ping.start(0.0)
    return ping


def only(ping: Ping) -> Probe:
    """The one probe that is to be sent now."""
    (probe,) = ping.datagrams()
    return probe


def test_five_replies() -> None:
    ping = started(PingRequest(R4))
    assert ping.text() == HEAD
    now = 0.0
    for taken_s in (0.056, 0.028, 0.030, 0.035, 0.036):
        probe = only(ping)
        assert (probe.destination, probe.source, probe.ttl, len(probe.payload)) == (R4, None, 255, 80)
        now += taken_s
        ping.receive(R4, 254, wire.reply(probe), now)  # the next echo leaves as soon as this one is answered
        assert ping.text().startswith("!")
    assert ping.done and ping.next_wake() is None and ping.datagrams() == []


def test_the_last_line_counts_and_times() -> None:
    ping = started(PingRequest(R4, repeat=3))
    for now in (0.028, 0.028 + 0.037, 0.065 + 0.056):
        ping.receive(R4, 254, wire.reply(only(ping)), now)
    assert ping.text().splitlines()[2:] == [
        "!!!",
        "Success rate is 100 percent (3/3), round-trip min/avg/max = 28/40/56 ms",
    ]


def test_less_than_a_millisecond_is_one() -> None:
    ping = started(PingRequest(R4, repeat=1))
    ping.receive(R4, 255, wire.reply(only(ping)), 0.0002)
    assert ping.text().endswith("!\nSuccess rate is 100 percent (1/1), round-trip min/avg/max = 1/1/1 ms\n")


def test_the_payload_is_that_of_ios() -> None:
    """As in a capture of 12.4T: sequence numbers from 0, 8 octets of time in ms, then the pattern."""
    ping = Ping(PingRequest(R4), 6)
    ping.start(1604.184)
    assert only(ping).payload[4:] == bytes.fromhex("00060000 0000000000187a58") + b"\xab\xcd" * 32


def test_no_answer_at_all() -> None:
    ping = started(PingRequest(R4))
    for step in range(1, 6):
        assert ping.next_wake() == (2.0 * step, "echo timeout 192.168.0.4")
        ping.wake(2.0 * step - 0.1)  # too early: nothing
        ping.wake(2.0 * step)
    assert ping.done
    assert ping.text() == HEAD + ".....\nSuccess rate is 0 percent (0/5)\n"


@pytest.mark.parametrize(
    ("kind", "code", "mark"),
    [(3, 0, "U"), (3, 1, "U"), (3, 13, "U"), (3, 4, "M"), (4, 0, "Q"), (11, 0, "&"), (12, 0, "?")],
)
def test_errors_on_the_way(kind: int, code: int, mark: str) -> None:
    ping = started(PingRequest(R4, repeat=1))
    ping.receive(R5, 254, wire.error(kind, code, only(ping)), 0.01)
    assert ping.text().endswith(f":\n{mark}\nSuccess rate is 0 percent (0/1)\n")


def test_too_big_for_the_way_out() -> None:
    ping = started(PingRequest(R4, repeat=2, size=1500, df=True))
    assert only(ping).df
    ping.too_big(0.0)
    ping.too_big(0.0)
    assert ping.text().splitlines() == [
        "Type escape sequence to abort.",
        "Sending 2, 1500-byte ICMP Echos to 192.168.0.4, timeout is 2 seconds:",
        "Packet sent with the DF bit set",
        "MM",
        "Success rate is 0 percent (0/2)",
    ]


def test_source_is_said_with_a_blank_at_the_end() -> None:
    ping = started(PingRequest(R4, source=wire.ROUTER))
    assert "Packet sent with a source address of 192.168.0.2 \n" in ping.text()
    assert only(ping).source == wire.ROUTER


def test_seventy_marks_a_line() -> None:
    ping = started(PingRequest(R4, repeat=140))
    while not ping.done:
        ping.receive(R4, 255, wire.reply(only(ping)), 0.0)
    assert ping.text().splitlines()[2:4] == ["!" * 70] * 2
    assert "\n\n" not in ping.text()


def test_escape_counts_the_echo_under_way() -> None:
    ping = started(PingRequest(R4, repeat=1000))
    ping.receive(R4, 255, wire.reply(only(ping)), 0.004)
    ping.abort(0.01)
    assert ping.done and ping.datagrams() == []
    assert ping.text().endswith(":\n!.\nSuccess rate is 50 percent (1/2), round-trip min/avg/max = 4/4/4 ms\n")
    ping.abort(0.02)
    assert ping.text() == ""


def test_sweep_goes_over_the_sizes() -> None:
    ping = started(PingRequest(R4, repeat=2, sweep=(36, 40, 2)))
    sizes = []
    while not ping.done:
        probe = only(ping)
        sizes.append(len(probe.payload) + 20)
        ping.receive(R4, 255, wire.reply(probe), 0.0)
    assert sizes == [36, 38, 40] * 2
    assert "Sending 6, [36..40]-byte ICMP Echos" in ping.text()


def test_sizes_stay_within_the_limits_of_ios() -> None:
    assert PingRequest(R4, size=0).sizes() == range(36, 37)
    assert PingRequest(R4, size=1 << 40).sizes() == range(18024, 18025)
    assert PingRequest(R4, sweep=(100, 50, 0)).sizes() == range(100, 101)


def test_what_is_not_an_answer_is_passed_over() -> None:
    ping = started(PingRequest(R4, source=wire.ROUTER))
    ping.text()
    probe = only(ping)
    right = wire.reply(probe)
    other = Ping(PingRequest(R4), 8)
    other.start(0.0)
    elsewhere = PingRequest(R5)
    ping_elsewhere = started(elsewhere)
    for source, message in [
        (R5, right),  # the right reply from somebody else
        (R4, wire.reply(only(other))),  # the reply of another session
        (R4, right[:-1]),  # cut, so that the checksum is wrong
        (R4, right[:7]),
        (R4, b""),
        (R4, probe.payload),  # an echo request: a router that pings itself sees them
        (R4, wire.icmp(0, 1, probe.payload[4:8])),
        (R5, wire.error(3, 1, probe, source=R5)),  # about a packet that was not ours
        (R5, wire.error(3, 1, only(ping_elsewhere))),  # about another destination
        (R5, wire.error(5, 1, probe)),  # a redirect: the echo still goes on
    ]:
        ping.receive(source, 255, message, 0.1)
        assert ping.text() == ""
    ping.receive(R4, 255, right, 0.2)
    assert ping.text() == "!"
    ping.receive(R4, 255, right, 0.2)  # the same once more, when the next echo is under way
    assert ping.text() == ""


def test_a_reply_after_its_timeout_is_not_counted() -> None:
    ping = started(PingRequest(R4, repeat=2))
    late = wire.reply(only(ping))
    ping.wake(2.0)
    ping.receive(R4, 255, late, 2.1)
    ping.wake(4.0)
    ping.receive(R4, 255, late, 4.1)
    assert ping.text().endswith(":\n..\nSuccess rate is 0 percent (0/2)\n")


def test_validate_wants_the_same_data_back() -> None:
    ping = started(PingRequest(R4, repeat=1, validate=True))
    probe = only(ping)
    changed = wire.icmp(0, 0, probe.payload[4:8], probe.payload[8:-1] + b"\0")
    ping.receive(R4, 255, changed, 0.1)
    assert not ping.done
    ping.receive(R4, 255, wire.reply(probe), 0.1)
    assert ping.done
