"""The lines that `show logging` reads."""

from __future__ import annotations

from collections import deque

from iosish.snapshot import LogRecord


class LogBuffer:
    """The newest lines that fit into `size_bytes`; the newest one is always kept."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._records: deque[LogRecord] = deque()
        self._lengths: deque[int] = deque()
        self._bytes = 0

    def append(self, record: LogRecord, line: str) -> None:
        """Take a record, which is written as `line`."""
        length = len(line.encode("utf-8", "replace")) + 1
        self._records.append(record)
        self._lengths.append(length)
        self._bytes += length
        self._fit()

    def records(self) -> tuple[LogRecord, ...]:
        """What is held, oldest first."""
        return tuple(self._records)

    def clear(self) -> None:
        """`clear logging`."""
        self._records.clear()
        self._lengths.clear()
        self._bytes = 0

    def resize(self, size_bytes: int) -> None:
        """`logging buffered SIZE`."""
        self.size_bytes = size_bytes
        self._fit()

    def _fit(self) -> None:
        while self._bytes > self.size_bytes and len(self._records) > 1:
            self._records.popleft()
            self._bytes -= self._lengths.popleft()
