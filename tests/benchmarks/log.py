"""What the log costs: a line of `debug`, and timers while 10,000 lines a second go to readers that stand still."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from iosish.engine import DebugEvent
from iosish.log import syslog
from iosish.log.as_json import as_json
from iosish.log.syslog import Moment, Syslog
from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions
from iosish.runtime.standard_output import StandardOutput
from iosish.snapshot import Debugging
from iosish.terminal.session import CONSOLE
from iosish.terminal.typed import TypedSession
from tests.benchmarks.figure import Figure, taken_s
from tests.terminal.shipped import ShippedRouter, shipped_grammar

LINES = 10_000
EVENT = DebugEvent("nhrp packet", "NHRP: Receive Registration Request via Tunnel0 vrf 0, packet size: 92")


class _Nowhere:
    """A way out whose client reads at once."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def backlog(self) -> int:
        return 0


class _StandsStill(_Nowhere):
    """A way out whose client never reads."""

    def backlog(self) -> int:
        return 1 << 20


#: How long, how many lines a second, in bursts of how many; and a timer that is due every so often.
STORM_S, STORM_PER_S, BURST, TICK_S = 5.0, 10_000, 50, 0.005


def measure() -> Iterator[Figure]:
    yield from asyncio.run(_measure())
    yield asyncio.run(_timers(storm=False))
    yield asyncio.run(_timers(storm=True))


async def _timers(storm: bool) -> Figure:
    """How late a timer is at most while the log goes, as JSON too, to a console, a pipe and a TCP server that stand
    still, and to a UDP server that cannot be reached. The first 9,000 lines are written in full, then the bounds of the
    log hold."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # takes connections, and reads nothing
        read_end, write_end = os.pipe()
        startup = folder / "startup.cfg"
        startup.write_text(
            "hostname R1\nlogging buffered 65536\nlogging trap debugging\nlogging host 255.255.255.255\n"
            f"logging host 127.0.0.1 transport tcp port {server.getsockname()[1]}\n"
        )
        host = RouterHost(shipped_grammar(), RouterOptions("R1", startup, folder / "socket", folder))
        host.boot()
        output = StandardOutput(write_end, lambda lines: None)
        host.log.follow(lambda record, written: output.write(lambda: as_json(record, "R1")))
        host.set_debugging(Debugging(frozenset({"nhrp packet"})))
        session = TypedSession(host, CONSOLE, _StandsStill())
        running = asyncio.ensure_future(session.run())
        try:
            return await _latest(host, storm)
        finally:
            running.cancel()
            host.log_servers.close()
            output.close()
            os.close(read_end)
            os.close(write_end)


async def _latest(host: RouterHost, storm: bool) -> Figure:
    loop = asyncio.get_running_loop()
    end = loop.time() + STORM_S
    late, said = 0.0, 0

    def tick(due: float) -> None:
        nonlocal late
        late = max(late, loop.time() - due)
        if due < end:
            due = loop.time() + TICK_S
            loop.call_at(due, tick, due)

    tick(loop.time())
    began = loop.time()
    while (now := loop.time()) < end:
        if storm and said < (now - began) * STORM_PER_S:
            for number in range(BURST):
                if number % 2:
                    host.say("TEST", 5, "LINE", "a line that somebody may want to read")
                else:
                    host.driver.log(EVENT)
            said += BURST
        await asyncio.sleep(0 if storm and said < (now - began) * STORM_PER_S else 0.001)
    what = (
        f"timer delay, {said / STORM_S:.0f} log lines/s to who stands still" if storm else "timer delay, nothing logged"
    )
    return Figure(what, late * 1000, 50.0, "ms")


async def _measure() -> list[Figure]:
    def work() -> None:
        for _ in range(LINES):
            router.syslog.debug(EVENT)

    figures = []
    for what, per_s, topic, wanted in (
        ("shown on a console", 1e9, "nhrp packet", 25.0),
        ("left out in a flood", 0.0, "nhrp packet", 5.0),
        ("not wanted", 1e9, "nhrp", 1.0),
    ):
        router = ShippedRouter()
        with patch.object(syslog, "DEBUGS_BURST", per_s), patch.object(syslog, "DEBUGS_PER_S", per_s):
            router.syslog = Syslog(lambda: Moment(datetime.now(UTC), False, time.monotonic()))
        router.set_debugging(Debugging(frozenset({topic})))
        session = TypedSession(router, CONSOLE, _Nowhere())
        running = asyncio.ensure_future(session.run())
        await asyncio.sleep(0)
        figures.append(Figure(f"a line of debug {what}", taken_s(work, 5) / LINES * 1e6, wanted, "us"))
        running.cancel()
    return figures
