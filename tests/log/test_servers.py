"""Syslog servers on loopback: what reaches them, and what becomes of the log when they do not listen."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from iosish.config.model import IpAddress, LogHost, OriginId
from iosish.runtime import log_servers
from iosish.runtime.host import RouterHost
from iosish.runtime.log_servers import QUEUE_LINES
from iosish.show.logging import logging as show_logging
from iosish.terminal.scripted import ScriptedSession
from iosish.terminal.session import CONSOLE
from tests.log.test_host import lines, with_host
from tests.terminal.router import Collected

CEILING_S = 10.0
LOCAL, SOURCE, MASK = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.77"), IPv4Address("255.255.255.255")
STARTUP = "hostname R1\nno service timestamps\n"


class UdpServer(asyncio.DatagramProtocol):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self._news = asyncio.Event()

    async def start(self) -> int:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append((data.decode(), addr[0]))
        self._news.set()

    async def until(self, text: str) -> list[str]:
        """What came, once a line with `text` is there."""
        async with asyncio.timeout(CEILING_S):
            while not any(text in line for line, _ in self.got):
                self._news.clear()
                await self._news.wait()
        return [line for line, _ in self.got]


async def script(host: RouterHost, *typed: str) -> str:
    outlet = Collected()
    session = ScriptedSession(host, CONSOLE, outlet)
    session.feed("".join(f"{line}\n" for line in typed).encode())
    session.end()
    await session.run()
    return outlet.data.decode()


def test_lines_reach_a_server_as_ios_frames_them(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        server = UdpServer()
        port = await server.start()
        await script(
            host,
            "configure terminal",
            "service sequence-numbers",
            "service timestamps log datetime msec",
            f"logging host 127.0.0.1 transport udp port {port}",
            "logging origin-id hostname",
            "end",
        )
        got = await server.until("STARTSTOP")
        numbers = [int(re.findall(r"^<\d+>(\d+): ", line)[0]) for line in got]
        assert numbers == list(range(numbers[0], numbers[0] + len(got)))
        assert re.fullmatch(
            r"<190>\d+: R1: \d{6}: \*\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3}: %SYS-6-LOGGINGHOST_STARTSTOP: "
            rf"Logging to host 127\.0\.0\.1 port {port} started - CLI initiated",
            next(line for line in got if "STARTSTOP" in line),
        )
        assert next(line for line in got if "CONFIG_I" in line).startswith("<189>")
        state = show_logging(await host.snapshot())
        assert f"        Logging to 127.0.0.1  (udp port {port}, audit disabled,\n              link up),\n" in state
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP)


def test_facility_level_and_the_address_of_the_source_interface(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        server = UdpServer()
        port = await server.start()
        own = replace(host.config.interfaces["Loopback7"], ip_address=IpAddress(SOURCE, MASK))
        config = host.config
        host.log_servers.configure(
            replace(
                config,
                interfaces={**config.interfaces, "Loopback7": own},
                logging=replace(
                    config.logging,
                    hosts={LOCAL: LogHost(LOCAL, "udp", port)},
                    facility="local0",
                    source_interface="Loopback7",
                    origin_id=OriginId("ip"),
                ),
            )
        )
        host.say("TEST", 7, "LOW", "too low")
        host.say("TEST", 5, "LINE", "as wanted")
        got = await server.until("as wanted")
        assert [line for line in got if "TEST" in line] == [f"<133>{len(got)}: 127.0.0.77: %TEST-5-LINE: as wanted"]
        assert server.got[-1][1] == str(SOURCE)
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP + "interface Loopback7\n")


def test_a_server_that_is_taken_back_hears_nothing_more(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        one, other = UdpServer(), UdpServer()
        first, second = await one.start(), await other.start()
        await script(host, "configure terminal", f"logging host 127.0.0.1 transport udp port {first}", "end")
        await one.until("CONFIG_I")
        await script(host, "configure terminal", f"logging host 127.0.0.1 transport udp port {second}", "end")
        await other.until("CONFIG_I")
        stopped = f"Logging to host 127.0.0.1 port {first} stopped - CLI initiated"
        assert any(stopped in line for line in await lines(host))
        before = len(one.got)
        await script(host, "configure terminal", "no logging host 127.0.0.1", "end")
        assert (await host.snapshot()).log_servers == () and len(one.got) == before
        assert host.config.logging.hosts == {}

    with_host(tmp_path, steps, STARTUP)


def test_tcp_sends_lines_connects_again_and_tells_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_servers, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(log_servers, "RETRY_LAST_S", 0.02)

    async def steps(host: RouterHost) -> None:
        connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await connected.put((reader, writer))

        async def until(reader: asyncio.StreamReader, text: str) -> list[str]:
            read: list[str] = []
            async with asyncio.timeout(CEILING_S):
                while not read or text not in read[-1]:
                    read.append((await reader.readline()).decode())
            return read

        failed = asyncio.Event()
        host.log.follow(lambda record, _: failed.set() if record.mnemonic == "LOGGINGHOST_FAIL" else None)
        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        await script(host, "configure terminal", f"logging host 127.0.0.1 transport tcp port {port}", "end")
        reader, writer = await connected.get()
        assert all(line.endswith("\n") for line in await until(reader, "CONFIG_I"))
        listener.close()
        writer.transport.abort()
        async with asyncio.timeout(CEILING_S):
            await failed.wait()
        for number in range(QUEUE_LINES + 7):
            host.say("TEST", 5, "LINE", f"number {number}")
        (state,) = (await host.snapshot()).log_servers
        assert (state.up, state.dropped > 0) == (False, True)
        again = await asyncio.start_server(accept, "127.0.0.1", port)
        reader, writer = await connected.get()
        read = await until(reader, "messages lost")
        assert "%TEST-5-LINE: number 0\n" in "".join(read)
        assert re.search(
            rf"%SYS-3-LOGGINGHOST_LOST: Logging to host 127.0.0.1 port {port}: \d+ messages lost", read[-1]
        )
        assert any(f"port {port} started - reconnection" in line for line in await lines(host))
        again.close()
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP + "logging buffered 1000000\n")


def test_a_host_without_a_way_costs_only_its_own_lines(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        server = UdpServer()
        port = await server.start()
        await script(
            host,
            "configure terminal",
            "logging host 255.255.255.255",  # without SO_BROADCAST the kernel refuses it
            f"logging host 127.0.0.1 transport udp port {port}",
            "end",
        )
        await server.until("CONFIG_I")
        refused, taken = (await host.snapshot()).log_servers
        assert (refused.up, refused.logged) == (False, 0) and taken.up
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP)


def test_a_name_is_one_of_ip_host(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        await script(
            host, "configure terminal", "ip host logs 127.0.0.1", "logging host logs", "logging host nowhere", "end"
        )
        known, unknown = (await host.snapshot()).log_servers
        assert (known.host, unknown.host, unknown.up) == ("127.0.0.1", "nowhere", False)
        assert any("%IOSISH-4-LOGGINGHOST_UNKNOWN: logging host nowhere" in line for line in await lines(host))
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP)


def test_no_more_than_sixteen(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        typed = [f"logging host 127.0.0.{number}" for number in range(1, 18)]
        said = await script(host, "configure terminal", *typed, "end")
        assert said == "% Only 16 syslog servers can be configured\n"
        assert len(host.config.logging.hosts) == 16
        host.log_servers.close()

    with_host(tmp_path, steps, STARTUP)
