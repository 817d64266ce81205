"""The captures of a running router: on its loop, by its driver, into its files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from iosish.capture.captures import Captures
from iosish.engine import LogEvent
from iosish.runtime.driver import Driver


class Capturing:
    """The `Surroundings` of captures."""

    def __init__(self, driver: Driver, log: Callable[[LogEvent], None]) -> None:
        self._driver = driver
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self.captures = Captures(self)

    def watch(self, interfaces: frozenset[str]) -> None:
        self._driver.watch(self.captures, interfaces)

    def caught_up(self, then: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._catch_up(then))
        self._tasks.add(task)  # the loop alone would not keep it alive
        task.add_done_callback(self._tasks.discard)

    async def _catch_up(self, then: Callable[[], None]) -> None:
        try:
            if self._driver.plane is not None:
                await self._driver.plane.caught_up()
        finally:
            then()

    def log(self, event: LogEvent) -> None:
        self._log(event)

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        return asyncio.get_running_loop().call_later(delay_s, do).cancel
