"""What a loop waits for: descriptors, each with what is done when it can be read."""

from __future__ import annotations

import select
from collections.abc import Callable


class Sources:
    """An epoll set with its handlers."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._poll.register(descriptor, select.EPOLLIN)
        self._handlers[descriptor] = handler

    def remove(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def wait(self, timeout_s: float) -> list[int]:
        """The descriptors that can be read."""
        return [descriptor for descriptor, _ in self._poll.poll(timeout_s)]

    def handle(self, descriptor: int) -> None:
        """Nothing for one that another handler has removed meanwhile."""
        handler = self._handlers.get(descriptor)
        if handler is not None:
            handler()
