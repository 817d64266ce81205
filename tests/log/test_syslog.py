"""What becomes of a message: the levels of each destination, the counters, the bounds of a flood."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.config.model import Buffered, DmvpnLogging, Logging, Timestamps
from iosish.config.severity import SEVERITIES, number
from iosish.engine import DebugEvent
from iosish.log.line import line
from iosish.log.syslog import DEBUGS_BURST, DEBUGS_PER_S, MESSAGES_BURST, TEXT_LENGTH, Listener, Moment, Syslog
from iosish.log.topics import TOPICS
from iosish.nhrp import debug as nhrp_debug
from iosish.snapshot import DebugCondition, Debugging, LogRecord

AT = datetime(1993, 3, 1, 0, 0, 9, 7_000)
CONFIGURED = "SYS", 5, "CONFIG_I", "Configured from console by console"
PEER, OTHER = IPv4Address("172.16.15.2"), IPv4Address("172.16.25.2")


def crypto_peer(address: IPv4Address) -> DebugCondition:
    return DebugCondition("crypto", "peer nbma", address)


def hearing(heard: list[str]) -> Listener:
    def listener(_: LogRecord, text: str) -> bool:
        heard.append(text)
        return True

    return listener


class Log(Syslog):
    """A log whose time stands until it is moved on; `console` and `monitor` hold what was heard there."""

    def __init__(self, settings: Logging | None = None) -> None:
        self.at = Moment(AT, False, 100.0)
        super().__init__(lambda: self.at)
        self.configure(settings or Logging())
        self.console: list[str] = []
        self.monitor: list[str] = []
        self.listen(hearing(self.console), console=True)
        self.listen(hearing(self.monitor), console=False)

    def move(self, seconds: float) -> None:
        self.at = replace(self.at, wall=self.at.wall + timedelta(seconds=seconds), now=self.at.now + seconds)

    def lines(self) -> list[str]:
        return [line(record) for record in self.records()]


def test_a_line_as_ios_writes_it() -> None:
    log = Log()
    text = "*Mar  1 00:00:09.007: %SYS-5-CONFIG_I: Configured from console by console"
    assert log.message(*CONFIGURED) == text
    assert log.lines() == log.console == log.monitor == [text]


EAST = timezone(timedelta(hours=2), "EET")


@pytest.mark.parametrize(
    ("form", "stamp"),
    [
        (False, ""),
        (Timestamps(), "1d02h: "),
        (Timestamps(uptime=True), "1d02h: "),
        (Timestamps(datetime=True), "*Mar  2 02:00:09: "),
        (Timestamps(datetime=True, msec=True), "*Mar  2 02:00:09.007: "),
        (Timestamps(datetime=True, msec=True, localtime=True), "*Mar  2 04:00:09.007: "),
        (Timestamps(datetime=True, show_timezone=True), "*Mar  2 02:00:09 UTC: "),
        (Timestamps(datetime=True, localtime=True, show_timezone=True), "*Mar  2 04:00:09 EET: "),
        (Timestamps(datetime=True, msec=True, year=True), "*Mar  2 1993 02:00:09.007: "),
    ],
)
def test_the_forms_of_a_timestamp(form: Timestamps | Literal[False], stamp: str) -> None:
    log = Log(replace(Logging(), log_timestamps=form, debug_timestamps=False))
    log.at = Moment(AT.replace(tzinfo=UTC).astimezone(EAST), False, 100.0)
    log.move(26 * 3600)
    log.debugging = Debugging(frozenset({"nhrp"}))
    assert log.message(*CONFIGURED) == f"{stamp}%SYS-5-CONFIG_I: Configured from console by console"
    assert log.debug(DebugEvent("nhrp", "NHRP: NHRP could not map")) == "NHRP: NHRP could not map"


def test_a_debug_line_has_a_stamp_of_its_own_and_no_facility() -> None:
    log = Log(replace(Logging(), debug_timestamps=Timestamps(uptime=True)))
    log.debugging = Debugging(frozenset({"nhrp"}))
    assert (
        log.debug(DebugEvent("nhrp", "NHRP: Send Registration Request")) == "00:00:00: NHRP: Send Registration Request"
    )


def test_sequence_numbers_count_what_was_said_before_them() -> None:
    log = Log()
    log.message(*CONFIGURED)
    log.configure(replace(Logging(), sequence_numbers=True, log_timestamps=False))
    assert log.message(*CONFIGURED) == "000002: %SYS-5-CONFIG_I: Configured from console by console"
    assert log.lines()[0].startswith("*Mar")  # as it was written


@pytest.mark.parametrize("level", SEVERITIES)
def test_each_destination_has_its_level(level: str) -> None:
    for name, settings in {
        "console": replace(Logging(), console=level),
        "monitor": replace(Logging(), monitor=level),
        "buffer": replace(Logging(), buffered=Buffered(level=level)),
        "trap": replace(Logging(), trap=level),
    }.items():
        log = Log(settings)
        for severity in range(8):
            log.message("TEST", severity, "LEVEL", "text")
        counters = log.counters()
        assert getattr(counters, name) == number(level) + 1
        heard = {"console": log.console, "monitor": log.monitor, "buffer": log.lines()}.get(name)
        assert heard is None or len(heard) == number(level) + 1


def test_what_is_switched_off_hears_nothing_and_no_logging_on_leaves_the_console() -> None:
    off = Log(replace(Logging(), console=False, monitor=False, buffered=False, trap=False))
    off.message(*CONFIGURED)
    assert (off.console, off.monitor, off.lines()) == ([], [], [])
    assert off.counters() == Syslog(lambda: off.at).counters()
    console = Log(replace(Logging(), on=False))
    console.message(*CONFIGURED)
    assert (len(console.console), console.monitor, console.lines()) == (1, [], [])


def test_a_buffer_that_is_switched_off_is_given_back() -> None:
    log = Log()
    log.message(*CONFIGURED)
    log.configure(replace(Logging(), buffered=False))
    log.configure(Logging())
    assert log.lines() == []


def test_a_listener_that_does_not_read_is_counted_and_one_that_leaves_is_forgotten() -> None:
    log = Log()
    leave = log.listen(lambda record, text: False, console=False)
    log.listen(lambda record, text: None, console=False)
    log.message(*CONFIGURED)
    leave()
    log.message(*CONFIGURED)
    assert (log.counters().dropped, log.counters().monitor, log.counters().console) == (1, 2, 2)


def test_debug_wants_its_topic() -> None:
    log = Log()
    assert log.debug(DebugEvent("crypto isakmp", "ISAKMP: x")) is None
    log.debugging = Debugging(frozenset({"crypto isakmp"}))
    assert log.debug(DebugEvent("crypto isakmp", "ISAKMP: x")) is not None
    assert log.debug(DebugEvent("crypto ipsec", "IPSEC: x")) is None


def test_what_the_engines_debug_can_be_asked_for() -> None:
    assert {nhrp_debug.PROTOCOL, nhrp_debug.PACKET, nhrp_debug.CACHE, nhrp_debug.ERROR} <= set(TOPICS)


def test_a_condition_holds_for_crypto_lines_about_somebody() -> None:
    log = Log()
    log.debugging = Debugging(frozenset({"crypto isakmp", "nhrp"}), (crypto_peer(PEER),))
    assert log.debug(DebugEvent("crypto isakmp", "about the peer", PEER)) is not None
    assert log.debug(DebugEvent("crypto isakmp", "about another", OTHER)) is None
    assert log.debug(DebugEvent("crypto isakmp", "about nobody")) is not None
    assert log.debug(DebugEvent("nhrp", "about another", OTHER)) is not None


INSIDE, BEHIND = IPv4Address("192.168.0.1"), IPv4Address("192.168.0.9")
TUNNELS = {"Tunnel0": frozenset({INSIDE})}


@pytest.mark.parametrize(
    ("conditions", "shown"),
    [
        ([("dmvpn", "peer nbma", PEER)], ["isakmp peer", "nhrp peer", "tunnel peer", "ip"]),
        ([("nhrp", "peer nbma", PEER)], ["isakmp peer", "isakmp nobody", "nhrp peer", "tunnel peer", "ip"]),
        ([("dmvpn", "peer tunnel", INSIDE)], ["isakmp peer", "nhrp peer", "tunnel peer", "ip"]),
        ([("dmvpn", "peer tunnel", BEHIND)], ["nhrp peer", "ip"]),
        ([("dmvpn", "interface", "Tunnel0")], ["isakmp peer", "nhrp peer", "tunnel peer", "ip"]),
        ([("dmvpn", "interface", "Tunnel1"), ("dmvpn", "unmatched", "")], ["isakmp nobody", "nhrp nobody", "ip"]),
        ([("dmvpn", "peer nbma", OTHER), ("nhrp", "peer nbma", PEER)], ["nhrp peer", "ip"]),
        ([("dmvpn", "vrf", "RED")], ["ip"]),
        (
            [("crypto", "peer nbma", OTHER), ("dmvpn", "peer nbma", PEER)],
            ["isakmp peer", "nhrp peer", "tunnel peer", "ip"],
        ),
    ],
)
def test_a_condition_holds_for_what_its_command_is_about(
    conditions: list[tuple[str, str, IPv4Address | str]], shown: list[str]
) -> None:
    log = Log(replace(Logging(), debug_timestamps=False))
    topics = frozenset({"crypto isakmp", "nhrp", "tunnel", "ip icmp"})
    log.debugging = Debugging(topics, tuple(DebugCondition(*condition) for condition in conditions))
    for event in (
        DebugEvent("crypto isakmp", "isakmp peer", PEER),
        DebugEvent("crypto isakmp", "isakmp nobody"),
        DebugEvent("nhrp", "nhrp peer", PEER, BEHIND, "Tunnel0"),
        DebugEvent("nhrp", "nhrp nobody"),
        DebugEvent("tunnel", "tunnel peer", PEER, interface="Tunnel0"),
        DebugEvent("ip icmp", "ip"),
    ):
        log.debug(event, TUNNELS if event.peer == PEER else None)
    assert log.lines() == shown


def test_a_flood_of_debugging_is_bounded_counted_and_told() -> None:
    log = Log()
    log.debugging = Debugging(frozenset({"nhrp packet"}))
    for _ in range(20):  # two seconds of 10,000 lines each
        for _ in range(1000):
            log.debug(DebugEvent("nhrp packet", "NHRP: Receive Registration Request"))
        log.move(0.1)
    shown = len(log.console)
    assert shown <= DEBUGS_BURST + 2 * DEBUGS_PER_S
    assert log.counters().rate_limited == 20_000 - shown
    assert log.untold
    assert log.message(*CONFIGURED) is not None  # what matters has room of its own
    log.tell()
    assert log.lines()[-1].endswith(f"%SYS-3-LOGGER_DROPPED: System dropped {20_000 - shown} debug messages.")
    assert not log.untold


def test_a_flood_of_messages_is_bounded_counted_and_told() -> None:
    log = Log()
    for _ in range(MESSAGES_BURST + 100):
        log.message(*CONFIGURED)
    assert len(log.console) == MESSAGES_BURST
    log.tell()
    assert log.lines()[-1].endswith("%SYS-3-MSGLOST: 100 messages lost because of queue overflow")


def test_lines_of_dmvpn_are_limited_by_the_minute_and_can_be_switched_off() -> None:
    log = Log(replace(Logging(), dmvpn=DmvpnLogging(rate_limit=3)))
    for _ in range(5):
        log.message("DMVPN", 5, "CRYPTO_SS", "socket is UP")
    log.message(*CONFIGURED)
    assert len(log.lines()) == 4 and log.counters().rate_limited == 2
    log.move(60.0)
    assert log.message("DMVPN", 5, "CRYPTO_SS", "socket is UP") is not None
    log.configure(replace(Logging(), dmvpn=False))
    assert log.message("DMVPN", 5, "CRYPTO_SS", "socket is UP") is None
    assert log.message(*CONFIGURED) is not None


def test_messages_are_counted_while_that_is_wanted() -> None:
    log = Log()
    log.message(*CONFIGURED)
    log.configure(replace(Logging(), count=True))
    log.debugging = Debugging(frozenset({"nhrp"}))
    log.debug(DebugEvent("nhrp", "no message"))
    for _ in range(2):
        log.move(1.0)
        log.message(*CONFIGURED)
    log.message("LINK", 3, "UPDOWN", "Interface FastEthernet0/0, changed state to up")
    found = {(each.facility, each.mnemonic, each.severity): each for each in log.counted()}
    assert {key: each.occurrences for key, each in found.items()} == {
        ("SYS", "CONFIG_I", 5): 2,
        ("LINK", "UPDOWN", 3): 1,
    }
    assert line(found["SYS", "CONFIG_I", 5].last).startswith("*Mar  1 00:00:11.007: ")
    log.configure(Logging())
    assert log.counted() == ()


def test_clear_keeps_counting() -> None:
    log = Log(replace(Logging(), sequence_numbers=True))
    log.message(*CONFIGURED)
    log.clear()
    assert log.lines() == []
    log.message(*CONFIGURED)
    assert log.records()[0].sequence == log.counters().buffer == 2


def test_resize() -> None:
    log = Log(replace(Logging(), buffered=Buffered(size=8192), log_timestamps=False))
    for number_ in range(200):
        log.message("A", 1, "B", f"{number_:090}")
    log.configure(replace(Logging(), log_timestamps=False))
    assert [int(record.text) for record in log.records()] == list(range(200 - 4096 // 98, 200))


@given(st.lists(st.text(max_size=2000), max_size=60), st.booleans())
def test_any_text_fits_and_stays_on_its_line(texts: list[str], debugs: bool) -> None:
    log = Log()
    log.debugging = Debugging(frozenset({"nhrp"}))
    for text in texts:
        written = log.debug(DebugEvent("nhrp", text)) if debugs else log.message("A", 1, "B", text)
        assert written is not None and "\n" not in written and "\x1b" not in written
        assert len(log.records()[-1].text) <= TEXT_LENGTH
        held = sum(len(kept.encode("utf-8", "replace")) + 1 for kept in log.lines())
        assert held <= 4096 or len(log.records()) == 1
    assert log.counters().buffer == len(log.console) == len(texts)
