"""Log lines on the screens of sessions: at the console, at monitors, by level, and when nobody reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from iosish.engine import DebugEvent
from iosish.log.topics import TOPICS
from iosish.snapshot import DebugCondition
from iosish.terminal.limits import HELD_LOG_LINES
from iosish.terminal.session import CONSOLE, Line
from iosish.terminal.typed import TypedSession
from tests.terminal.router import Collected, screen
from tests.terminal.shipped import VTY, ShippedRouter, console

STAMP = "*Mar  1 12:00:00.000: "
PEER = IPv4Address("172.16.25.2")


class Terminal:
    """A session that somebody types at while things happen in its router."""

    def __init__(self, router: ShippedRouter, line: Line = CONSOLE, rows: int = 24) -> None:
        self.router = router
        self.outlet = Collected()
        self.session = TypedSession(router, line, self.outlet, rows=rows)
        self.session.privileged = True
        self._running = asyncio.ensure_future(self.session.run())

    async def type(self, text: str) -> None:
        self.session.feed(text.encode())
        await self.settle()

    async def settle(self) -> None:
        """Let the session do all that it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def screen(self) -> str:
        """What its screen shows after it was hung up."""
        await self.settle()
        self.session.end()
        await self._running
        return screen(self.outlet.data)


def at_terminals(steps: Callable[[ShippedRouter], object]) -> str:
    async def run() -> str:
        shown = steps(ShippedRouter())
        assert asyncio.iscoroutine(shown)
        text = await shown
        assert isinstance(text, str)
        return text

    return asyncio.run(run())


async def configure(router: ShippedRouter, lines: str) -> None:
    other = Terminal(router, VTY)
    await other.type(f"configure terminal\r{lines}\rend\r")
    await other.screen()


def say(router: ShippedRouter, severity: int, text: str = "text") -> None:
    router.syslog.message("TEST", severity, "LINE", text)


def test_the_console_gets_lines_on_lines_of_their_own_at_the_prompt_and_in_what_is_typed() -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router)
        await terminal.settle()
        say(router, 5, "at the prompt")
        await terminal.type("show cl")
        say(router, 5, "first")
        say(router, 5, "second")
        await terminal.type("ock detail\r")
        return await terminal.screen()

    assert at_terminals(steps).splitlines() == [
        "R1#",
        f"{STAMP}%TEST-5-LINE: at the prompt",
        "show cl",
        f"{STAMP}%TEST-5-LINE: first",
        f"{STAMP}%TEST-5-LINE: second",
        "ock detail",
        "*12:00:00.000 UTC Sun Mar 1 2026",
        "Time source is hardware calendar",
        "R1#",
    ]


@pytest.mark.parametrize(
    ("line", "kept", "severities"),
    [
        ("logging console errors", CONSOLE, [0, 1, 2, 3]),
        ("logging console 0", CONSOLE, [0]),
        ("no logging console", CONSOLE, []),
        ("logging monitor errors", CONSOLE, list(range(8))),
        ("logging console errors", VTY, list(range(8))),
        ("logging monitor warnings", VTY, [0, 1, 2, 3, 4]),
        ("no logging monitor", VTY, []),
        ("no logging on", VTY, []),
        ("no logging on", CONSOLE, list(range(8))),
    ],
)
def test_levels(line: str, kept: Line, severities: list[int]) -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router, kept)
        await terminal.type(f"terminal monitor\rconfigure terminal\r{line}\rend\r")
        for severity in range(8):
            say(router, severity)
        return await terminal.screen()

    shown = at_terminals(steps).splitlines()
    assert [text for text in shown if "LINE" in text] == [
        f"{STAMP}%TEST-{severity}-LINE: text" for severity in severities
    ]


def test_a_vty_hears_only_while_it_monitors() -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router, VTY)
        await terminal.settle()
        say(router, 5, "before")
        await terminal.type("terminal monitor\r")
        say(router, 5, "while")
        await terminal.type("terminal no monitor\r")
        say(router, 5, "after")
        return await terminal.screen()

    assert at_terminals(steps).splitlines() == [
        "R1#terminal monitor",
        "R1#",
        f"{STAMP}%TEST-5-LINE: while",
        "terminal no monitor",
        "R1#",
    ]


def test_debug_at_a_console() -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router)
        await terminal.type("debug nhrp packet\rdebug crypto isakmp\r")
        router.syslog.debug(DebugEvent("nhrp packet", "NHRP: Receive Registration Request via Tunnel0"))
        router.syslog.debug(DebugEvent("crypto ipsec", "IPSEC: nobody asked"))
        await terminal.type("u all\r")
        router.syslog.debug(DebugEvent("nhrp packet", "NHRP: too late"))
        return await terminal.screen()

    assert at_terminals(steps).splitlines() == [
        "R1#debug nhrp packet",
        "NHRP activity debugging is on",
        "R1#debug crypto isakmp",
        "Crypto ISAKMP debugging is on",
        "R1#",
        f"{STAMP}NHRP: Receive Registration Request via Tunnel0",
        "u all",
        "All possible debugging has been turned off",
        "R1#",
    ]


def test_the_screens_of_debug() -> None:
    assert console(
        "debug crypto isakmp\rdebug crypto isakmp error\rdebug crypto ipsec\rdeb cry ips err\r"
        "debug nhrp\rdebug nhrp cache\rdebug nhrp error\rshow debugging\r"
        "undebug crypto isakmp error\rno debug crypto ipsec error\rno debug nhrp cache\rundebug nhrp error\rsh deb\r"
        "no debug all\rsh deb\r"
    ).splitlines() == [
        "R1#debug crypto isakmp",
        "Crypto ISAKMP debugging is on",
        "R1#debug crypto isakmp error",
        "Crypto ISAKMP Error debugging is on",
        "R1#debug crypto ipsec",
        "Crypto IPSEC debugging is on",
        "R1#deb cry ips err",
        "Crypto IPSEC Error debugging is on",
        "R1#debug nhrp",
        "NHRP protocol debugging is on",
        "R1#debug nhrp cache",
        "NHRP cache operations debugging is on",
        "R1#debug nhrp error",
        "NHRP errors debugging is on",
        "R1#show debugging",
        "",
        "NHRP:",
        "  NHRP protocol debugging is on",
        "  NHRP cache operations debugging is on",
        "  NHRP errors debugging is on",
        "",
        "Cryptographic Subsystem:",
        "  Crypto ISAKMP debugging is on",
        "  Crypto ISAKMP Error debugging is on",
        "  Crypto IPSEC debugging is on",
        "  Crypto IPSEC Error debugging is on",
        "",
        "R1#undebug crypto isakmp error",
        "Crypto ISAKMP Error debugging is off",
        "R1#no debug crypto ipsec error",
        "Crypto IPSEC Error debugging is off",
        "R1#no debug nhrp cache",
        "NHRP cache operations debugging is off",
        "R1#undebug nhrp error",
        "NHRP errors debugging is off",
        "R1#sh deb",
        "",
        "NHRP:",
        "  NHRP protocol debugging is on",
        "",
        "Cryptographic Subsystem:",
        "  Crypto ISAKMP debugging is on",
        "  Crypto IPSEC debugging is on",
        "",
        "R1#no debug all",
        "All possible debugging has been turned off",
        "R1#sh deb",
        "",
        "R1#",
    ]


def test_debug_all_asks_first() -> None:
    router = ShippedRouter()
    question = "This may severely impact network performance. Continue? (yes/[no]): "
    assert console("debug all\r\rdebug all\ryes\r", router).splitlines() == [
        "R1#debug all",
        question.rstrip(),
        "R1#debug all",
        f"{question}yes",
        "All possible debugging has been turned on",
        "R1#",
    ]
    assert "nhrp packet" in router.debugging.topics


def test_debug_conditions() -> None:
    router = ShippedRouter()
    shown = console(
        "debug crypto condition peer ipv4 172.16.25.2\rdebug crypto condition peer ipv4 172.16.15.2\r"
        "show crypto debug-condition\rno debug crypto condition peer ipv4 172.16.15.2\rundebug all\r",
        router,
    )
    assert "\nIKE peer IP address filters:\n172.16.15.2\n172.16.25.2\nR1#" in shown
    assert router.debugging.conditions == (DebugCondition("crypto", "peer nbma", PEER),)  # this is no debugging
    console("debug crypto condition reset\r", router)
    assert not router.debugging.conditions


LAST = (
    "This condition is the last dmvpn condition set.\n"
    "Removing all conditions may cause a flood of debugging\n"
    "messages to result, unless specific debugging flags\n"
    "are first removed.\n"
    "\n"
    "Proceed with removal? [yes/no]: "
)


def test_conditions_of_all_that_dmvpn_is_made_of() -> None:
    router = ShippedRouter()

    def answers(line: str) -> str:
        return console(f"{line}\r", router).partition("\n")[2].removesuffix("R1#")

    assert answers("show debugging condition") == "% No conditions found\n"
    for line in (
        "dmvpn condition peer nbma 172.16.25.2",
        "dmvpn condition peer tunnel 192.168.0.2",
        "dmvpn condition peer tunnel 192.168.0.2",
        "dmvpn condition interface tu0",
        "dmvpn condition unmatched",
        "dmvpn condition vrf RED",
        "nhrp condition peer nbma 172.16.35.2",
    ):
        assert answers(f"debug {line}") == "", line
    assert answers("show debug condition") == (
        "\n"
        "Condition 1: dmvpn peer nbma 172.16.25.2\n"
        "Condition 2: dmvpn peer tunnel 192.168.0.2\n"
        "Condition 3: dmvpn interface Tunnel0\n"
        "Condition 4: dmvpn unmatched\n"
        "Condition 5: dmvpn vrf RED\n"
        "Condition 6: nhrp peer nbma 172.16.35.2\n"
    )
    assert answers("show crypto debug-condition").endswith(
        "IKE debug context unmatched flag: ON\n"
        "IPsec debug context unmatched flag: ON\n"
        "\n"
        "IKE peer IP address filters:\n"
        "172.16.25.2\n"
    )
    assert answers("undebug all") == "All possible debugging has been turned off\n"
    for line in ("condition unmatched", "condition vrf RED", "condition interface tu0"):
        assert answers(f"no debug dmvpn {line}") == ""
    assert "IKE debug context unmatched flag: OFF\n" in answers("show crypto debug-condition")
    assert answers("no debug dmvpn condition\rno") == f"{LAST}no\n"
    assert answers("undebug dmvpn condition\ryes") == f"{LAST}yes\n"
    assert answers("show debug condition") == "\nCondition 1: nhrp peer nbma 172.16.35.2\n"
    assert "the last nhrp condition" in answers("no debug nhrp condition peer nbma 172.16.35.2\ry")
    assert not router.debugging.conditions
    assert answers("no debug dmvpn condition") == ""


def test_levels_of_all_that_dmvpn_is_made_of() -> None:
    router = ShippedRouter()
    on = console("debug dmvpn detail nhrp\rdebug dmvpn error crypto\rdebug dmvpn all socket\r", router).splitlines()
    assert [line for line in on if line.endswith("on")] == [
        "NHRP protocol debugging is on",
        "NHRP cache operations debugging is on",
        "Crypto ISAKMP Error debugging is on",
        "Crypto IPSEC Error debugging is on",
        "Crypto secure socket events debugging is on",
    ]
    console("no debug dmvpn all crypto\rundebug dmvpn detail nhrp\r", router)
    assert router.debugging.topics == {"crypto socket"}
    console("debug dmvpn all all\r", router)
    assert router.debugging.topics == {topic for topic in TOPICS if not topic.startswith("ip ")}
    console("undebug dmvpn all all\r", router)
    assert not router.debugging.topics


@pytest.mark.parametrize(
    "line",
    [
        "debug",
        "debug crypto",
        "undebug",
        "no debug",
        "debug crypto condition",
        "debug dmvpn",
        "debug dmvpn all",
        "debug dmvpn condition",
        "debug dmvpn condition peer",
        "debug nhrp condition",
        "no debug dmvpn",
    ],
)
def test_debug_wants_a_topic(line: str) -> None:
    assert console(f"{line}\r") == f"R1#{line}\n% Incomplete command.\n\nR1#"


def test_debug_is_not_for_user_exec() -> None:
    assert "Invalid input" in console("disable\rdebug nhrp\r")


def test_what_a_terminal_missed_is_counted_and_told() -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router)
        await terminal.settle()
        terminal.outlet.unread = 1 << 20
        for _ in range(1000):
            say(router, 5, "flood")
        terminal.outlet.unread = 0
        say(router, 5, "read again")
        assert router.syslog.counters().dropped == 1000
        return await terminal.screen()

    assert at_terminals(steps).splitlines() == [
        "R1#",
        "%SYS-3-LOGGER_DROPPED: System dropped 1000 console messages.",
        f"{STAMP}%TEST-5-LINE: read again",
    ]


def test_lines_wait_while_a_page_is_shown_but_not_without_end() -> None:
    async def steps(router: ShippedRouter) -> str:
        terminal = Terminal(router, rows=4)
        await terminal.type("show history\r" * 8)
        await terminal.settle()
        for number in range(HELD_LOG_LINES + 5):
            say(router, 5, f"line {number}")
        await terminal.type("q")
        return await terminal.screen()

    shown = at_terminals(steps)
    assert f"line {HELD_LOG_LINES - 1}\n%SYS-3-LOGGER_DROPPED: System dropped 5 console messages.\n" in shown


@pytest.mark.parametrize(
    ("words", "severity", "comes_again"),
    [
        ("", 3, True),
        ("", 2, False),
        (" level 4", 5, True),
        (" level 4", 4, False),
        (" level all", 7, False),
        (" limit 5 level 0", 1, True),
    ],
)
def test_grave_lines_break_in_all_the_same(words: str, severity: int, comes_again: bool) -> None:
    async def steps(router: ShippedRouter) -> str:
        await configure(router, f"line con 0\rlogging synchronous{words}")
        terminal = Terminal(router)
        await terminal.type("sh cl")
        await terminal.settle()
        say(router, severity, "here")
        return await terminal.screen()

    shown = at_terminals(steps)
    assert shown.endswith(f"%TEST-{severity}-LINE: here\n" + "R1#sh cl" * comes_again)


def test_so_many_lines_wait_while_a_page_is_shown() -> None:
    async def steps(router: ShippedRouter) -> str:
        await configure(router, "line con 0\rlogging synchronous limit 3")
        terminal = Terminal(router, rows=4)
        await terminal.type("show history\r" * 8)
        await terminal.settle()
        for number in range(5):
            say(router, 5, f"line {number}")
        await terminal.type("q")
        return await terminal.screen()

    shown = at_terminals(steps)
    assert "line 2\n%SYS-3-LOGGER_DROPPED: System dropped 2 console messages.\n" in shown


def test_counts_of_messages() -> None:
    router = ShippedRouter()
    console("conf t\rlogging count\rno service timestamps\rend\r", router)
    for _ in range(3):
        say(router, 5, "here")
    shown = console("show logging count\r", router).partition("\n")[2]
    assert shown == (
        "Facility       Message Name                    Sev  Occur     Last Time\n"
        "=============================================================================\n"
        "SYS            CONFIG_I                          5      1\n"
        "-------------  ------------------------------- ------------------------------\n"
        "SYS TOTAL                                               1\n"
        "\n"
        "TEST           LINE                              5      3\n"
        "-------------  ------------------------------- ------------------------------\n"
        "TEST TOTAL                                              3\n"
        "\n"
        "R1#"
    )


@pytest.mark.parametrize(
    ("line", "user", "location", "by"),
    [
        (CONSOLE, "", "", "console"),
        (CONSOLE, "cisco", "", "cisco on console"),
        (VTY, "", "150.1.1.253", "vty0 (150.1.1.253)"),
        (Line(3, "vty 1"), "cisco", "150.1.1.253", "cisco on vty1 (150.1.1.253)"),
    ],
)
def test_who_configured(line: Line, user: str, location: str, by: str) -> None:
    async def run() -> list[str]:
        router = ShippedRouter()
        session = TypedSession(router, line, Collected(), location=location)
        session.user, session.privileged = user, True
        session.feed(b"configure terminal\rend\r")
        session.end()
        await session.run()
        return router.left

    assert asyncio.run(run()) == [by]
