"""The router's log: a line as IOS writes it, and the buffer that `show logging` reads."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from iosish.show.text import printable
from iosish.show.times import stamp
from iosish.snapshot import LogRecord

#: `logging buffered` of an IOS that was told nothing.
BUFFER_BYTES = 4096
#: Longer texts are cut: a line may quote what a peer sent.
TEXT_LENGTH = 512


def line(record: LogRecord) -> str:
    """`*Mar  1 00:00:00.000: %SYS-5-CONFIG_I: Configured from console by console`."""
    head = f"%{record.facility}-{record.severity}-{record.mnemonic}"
    return printable(f"{stamp(record.at, record.authoritative)}: {head}: {record.text}")


class LogBuffer:
    """The newest lines that fit into `size_bytes`; the newest one is always kept.

    Sequence numbers count from 1 over the life of the router. `dropped` counts the lines that had to
    go or were cleared.
    """

    def __init__(self, size_bytes: int = BUFFER_BYTES) -> None:
        self.size_bytes = size_bytes
        self.dropped = 0
        self._records: deque[LogRecord] = deque()
        self._lengths: deque[int] = deque()
        self._bytes = 0
        self._sequence = 0

    def append(
        self, at: datetime, authoritative: bool, facility: str, severity: int, mnemonic: str, text: str
    ) -> LogRecord:
        """Take a line; `severity` is 0 (emergency) to 7 (debugging)."""
        self._sequence += 1
        record = LogRecord(self._sequence, at, authoritative, facility, severity, mnemonic, text[:TEXT_LENGTH])
        length = len(line(record).encode("utf-8", "replace")) + 1
        self._records.append(record)
        self._lengths.append(length)
        self._bytes += length
        while self._bytes > self.size_bytes and len(self._records) > 1:
            self._drop_oldest()
        return record

    def records(self) -> tuple[LogRecord, ...]:
        """What is held, oldest first."""
        return tuple(self._records)

    def clear(self) -> None:
        """`clear logging`."""
        while self._records:
            self._drop_oldest()

    def resize(self, size_bytes: int) -> None:
        """`logging buffered SIZE`."""
        self.size_bytes = size_bytes
        while self._bytes > size_bytes and len(self._records) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._records.popleft()
        self._bytes -= self._lengths.popleft()
        self.dropped += 1
