"""Drives a router on asyncio and the machine's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import SystemRandom

from iosish.driving import Driving, Timer
from iosish.engine import Event
from iosish.router import Router
from iosish.runtime.clock import monotonic


class Driver(Driving):
    """`log` takes the events; `changed` is called when interfaces or servers may have changed."""

    def __init__(self, log: Callable[[Event], None], changed: Callable[[], None]) -> None:
        # Of the kernel: what a peer sees of it (cookies, nonces, SPIs) must not tell what keys are made of.
        super().__init__(Router(SystemRandom()))
        self._log = log
        self._changed = changed
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return monotonic()

    def call_soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon(function)

    def call_at(self, time: float, function: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0.0, time - monotonic()), function)

    def log(self, event: Event) -> None:
        self._log(event)

    def flush(self) -> None:
        super().flush()
        self._changed()
