"""When the forwarder begins to take many packets at once: as soon as there are many.

numpy takes a moment to load and tens of megabytes, so a forwarder with nothing to do goes without: one of a lab. On the
devices of a machine there will be traffic. It is loaded in a thread while packets pass. The extra `fast` installs it;
where it is not, or IOSISH_NUMPY is 0, all is as it was: the kernel cuts and sums by itself.
"""

from __future__ import annotations

import os
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iosish.plane.user.fast import Fast

#: So many bursts of packets in so many seconds are many.
BURSTS, WITHIN_S = 20, 0.2


class Warming:
    """`loaded` is what is to be used, when `due` has said so; None: it cannot be had."""

    def __init__(self, *, at_once: bool) -> None:
        self.loaded: type[Fast] | None = None
        self._over = os.environ.get("IOSISH_NUMPY") == "0"
        self._thread: Thread | None = None
        self._bursts = 0
        self._since = 0.0
        if at_once and not self._over:
            self._start()

    def due(self, bursts: int, now: float) -> bool:
        """Count what was waited for; True once, when all is loaded or cannot be."""
        if self._over:
            return False
        if self._thread is not None:
            self._over = not self._thread.is_alive()
            return self._over
        if now - self._since > WITHIN_S:
            self._since, self._bursts = now, 0
        self._bursts += bursts
        if self._bursts >= BURSTS:
            self._start()
        return False

    def _start(self) -> None:
        self._thread = Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here is for it, and its threads take memory
        try:
            from iosish.plane.user.fast import Fast
        except ImportError:
            return
        self.loaded = Fast
