"""What a line of `debug` costs the router: shown on a console, left out in a flood, and not wanted at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

from iosish.engine import DebugEvent
from iosish.log import syslog
from iosish.log.syslog import Moment, Syslog
from iosish.snapshot import Debugging
from iosish.terminal.session import CONSOLE
from iosish.terminal.typed import TypedSession
from tests.benchmarks.figure import Figure, taken_s
from tests.terminal.shipped import ShippedRouter

LINES = 10_000
EVENT = DebugEvent("nhrp packet", "NHRP: Receive Registration Request via Tunnel0 vrf 0, packet size: 92")


class _Nowhere:
    """A way out whose client reads at once."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def backlog(self) -> int:
        return 0


def measure() -> Iterator[Figure]:
    yield from asyncio.run(_measure())


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
