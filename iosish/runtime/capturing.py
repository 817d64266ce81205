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
        self.captures = Captures(self)

    def watch(self, interfaces: frozenset[str]) -> None:
        self._driver.watch(self.captures, interfaces)

    def log(self, event: LogEvent) -> None:
        self._log(event)

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        return asyncio.get_running_loop().call_later(delay_s, do).cancel
