"""The lines typed before, and the walk through them."""

from __future__ import annotations

from collections import deque

DEFAULT_SIZE = 20


class History:
    """A bounded list of lines. `earlier` and `later` walk it, beginning from the line that is being typed."""

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        self._lines: deque[str] = deque(maxlen=size)
        self._back = 0
        self._typed = ""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def resize(self, size: int) -> None:
        self._lines = deque(self._lines, maxlen=size)
        self._back = 0

    def add(self, line: str) -> None:
        self._back = 0
        if line:
            self._lines.append(line)

    def rewind(self) -> None:
        """A new line is begun."""
        self._back = 0

    def earlier(self, typed: str) -> str | None:
        """The line before the one on the screen, or None at the oldest."""
        if self._back >= len(self._lines):
            return None
        if self._back == 0:
            self._typed = typed
        self._back += 1
        return self._lines[-self._back]

    def later(self) -> str | None:
        """The line after the one on the screen; at the end what was being typed; or None."""
        if self._back == 0:
            return None
        self._back -= 1
        return self._lines[-self._back] if self._back else self._typed
