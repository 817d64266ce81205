"""The log of a running router: what its configuration says of it, what its engines debug, and how much of that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from iosish.engine import DebugEvent, LogEvent
from iosish.log.line import line
from iosish.log.syslog import DEBUGS_BURST
from iosish.runtime import host as host_module
from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions
from iosish.snapshot import DebugCondition, Debugging
from iosish.terminal.limits import LOG_BACKLOG_BYTES, OUTPUT_CHUNK
from iosish.terminal.session import CONSOLE
from iosish.terminal.typed import TypedSession
from tests.terminal.router import Collected, screen
from tests.terminal.shipped import shipped_grammar

PEER, OTHER = IPv4Address("172.16.25.2"), IPv4Address("172.16.35.2")


class Unread(Collected):
    """A way out whose client never reads."""

    def backlog(self) -> int:
        return len(self.data)

    async def drain(self) -> None:
        await asyncio.get_running_loop().create_future()


def with_host(tmp_path: Path, steps: Callable[[RouterHost], Awaitable[None]], startup: str = "") -> None:
    """Run `steps` beside a router that has booted `startup` and has no data plane."""

    async def run() -> None:
        file = tmp_path / "startup.cfg"
        file.write_text(startup)
        host = RouterHost(shipped_grammar(), RouterOptions("R1", file, tmp_path / "socket", tmp_path))
        host.boot()
        await steps(host)

    asyncio.run(run())


async def lines(host: RouterHost) -> list[str]:
    return [line(record) for record in (await host.snapshot()).log]


def test_the_log_lines_of_the_configuration_are_live_from_the_start(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        host.driver.log(LogEvent("LINK", 3, "UPDOWN", "Interface FastEthernet0/0, changed state to up"))
        host.driver.log(LogEvent("LINEPROTO", 5, "UPDOWN", "too low"))
        (shown,) = await lines(host)
        assert re.fullmatch(
            r"00000\d: 00:00:0\d: %LINK-3-UPDOWN: Interface FastEthernet0/0, changed state to up", shown
        )

    startup = "service timestamps log uptime\nservice sequence-numbers\nlogging buffered 8192 errors\nhostname R1\n"
    with_host(tmp_path, steps, startup)


def test_a_line_typed_is_live_and_taken_back(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        outlet = Collected()
        session = TypedSession(host, CONSOLE, outlet)
        session.privileged = True
        session.feed(
            b"configure terminal\rno service timestamps\rlogging buffered 4096\rend\r"
            b"configure terminal\rdefault service timestamps log\rend\r"
        )
        session.end()
        await session.run()
        said = [text for text in screen(outlet.data).splitlines() if "CONFIG_I" in text]
        assert said[0] == "%SYS-5-CONFIG_I: Configured from console by console"
        assert re.match(r"\*\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3}: %SYS-5-CONFIG_I: ", said[1])

    with_host(tmp_path, steps)


def test_what_is_debugged_reaches_the_engines_and_their_lines_the_log(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        condition = DebugCondition("crypto", "peer nbma", PEER)
        host.set_debugging(Debugging(frozenset({"nhrp packet", "crypto isakmp"}), (condition,)))
        assert host.driver.router.nhrp.debug == {"nhrp packet", "crypto isakmp"}
        for event in (
            DebugEvent("crypto isakmp", "ISAKMP: about the peer", PEER),
            DebugEvent("crypto isakmp", "ISAKMP: about another", OTHER),
            DebugEvent("nhrp", "NHRP: nobody asked"),
            DebugEvent("nhrp packet", "NHRP: Receive\r\n%SYS-5-FORGED: text", OTHER),
        ):
            host.driver.log(event)
        texts = [text.partition(": ")[2] for text in await lines(host)]
        assert texts[1:] == ["ISAKMP: about the peer", "NHRP: Receive??%SYS-5-FORGED: text"]

    with_host(tmp_path, steps)


def test_a_flood_that_nobody_reads_costs_no_memory_is_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "TELL_AFTER_S", 0.0)

    async def steps(host: RouterHost) -> None:
        outlet = Unread()
        session = TypedSession(host, CONSOLE, outlet)
        running = asyncio.ensure_future(session.run())
        await asyncio.sleep(0)
        host.set_debugging(Debugging(frozenset({"nhrp packet"})))
        for _ in range(20):
            for _ in range(1000):
                host.driver.log(DebugEvent("nhrp packet", "NHRP: Receive Registration Request via Tunnel0"))
            await asyncio.sleep(0)  # whatever is due runs between two bursts
        for _ in range(3):
            await asyncio.sleep(0)
        running.cancel()
        snapshot = await host.snapshot()
        counters = snapshot.log_counters
        debugs = counters.buffer - sum("LOGGER_DROPPED" in text for text in await lines(host))
        assert DEBUGS_BURST <= debugs < 20_000
        assert len(outlet.data) <= LOG_BACKLOG_BYTES + OUTPUT_CHUNK + 200
        assert counters.dropped > 0  # the console did not read
        assert "System dropped" in (await lines(host))[-1]
        assert sum(len(text) + 1 for text in await lines(host)) <= 4096

    with_host(tmp_path, steps)


def test_clear_logging_empties_the_buffer(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        host.say("SYS", 5, "RESTART", "System restarted --")
        session = TypedSession(host, CONSOLE, Collected())
        session.privileged = True
        session.feed(b"clear logging\r\r")
        session.end()
        await session.run()
        assert await lines(host) == []
        assert (await host.snapshot()).log_counters.buffer == 2  # and the line that says what was loaded

    with_host(tmp_path, steps)


def test_show_history_ends_a_line_where_a_secret_stands(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        outlet = Collected()
        session = TypedSession(host, CONSOLE, outlet)
        session.privileged = True
        session.feed(b"configure terminal\rcrypto isakmp key S3CRET address 10.0.0.1\rdo show history\rend\rexit\r")
        await session.run()
        assert "  crypto isakmp key ...\n" in screen(outlet.data)
        assert screen(outlet.data).count("S3CRET") == 1  # as it was typed

    with_host(tmp_path, steps)
