"""Standard output of a service: whole lines, written at once, and never waited for.

Whoever reads it (journald, a container's runtime, a terminal that was stopped) may stand still or go away.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections import deque
from collections.abc import Callable

#: What waits for a reader that stands still; the lines that come then are lost, and counted.
LIMIT_BYTES = 1 << 20
#: Written in one go.
_CHUNK_BYTES = 1 << 16


class StandardOutput:
    """`lost` is called with the number of lines that were left out, when there is room again."""

    def __init__(self, descriptor: int, lost: Callable[[int], None]) -> None:
        self._lost = lost
        self._untold = 0
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._waiting = False
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._descriptor = self._open(descriptor)

    def _open(self, descriptor: int) -> int:
        """A descriptor of our own that does not block, whatever others do with theirs; -1: nobody is there."""
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISSOCK(mode):
                self._socket = socket.socket(fileno=os.dup(descriptor))
                return self._socket.fileno()
            if stat.S_ISREG(mode):
                return os.dup(descriptor)
            # Through /proc it is opened anew: a flag set on a copy would hold for all who share it.
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return -1

    def write(self, line: Callable[[], str]) -> None:
        """Write a line; gives up on it, before it is made, when too much waits already."""
        if self._descriptor < 0:
            return
        if self._bytes >= LIMIT_BYTES:
            self._untold += 1
            return
        data = line().encode("utf-8", "replace") + b"\n"
        self._lines.append(data)
        self._bytes += len(data)
        if not self._waiting:
            self._flush()

    def _flush(self) -> None:
        while self._lines:
            chunk = self._chunk()
            try:
                written = self._send(chunk)
            except BlockingIOError:
                written = 0
            except OSError:  # the reader has gone: nothing is worth keeping for it
                self.close()
                return
            self._bytes -= written
            if written < len(chunk):
                self._lines.appendleft(chunk[written:])
                self._wait(True)
                return
        self._wait(False)
        if self._untold:
            lost, self._untold = self._untold, 0
            self._lost(lost)

    def _chunk(self) -> bytes:
        chunk = [self._lines.popleft()]
        size = len(chunk[0])
        while self._lines and size + len(self._lines[0]) <= _CHUNK_BYTES:
            chunk.append(self._lines.popleft())
            size += len(chunk[-1])
        return b"".join(chunk)

    def _send(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return os.write(self._descriptor, data)

    def _wait(self, waiting: bool) -> None:
        if waiting and not self._waiting:
            self._loop.add_writer(self._descriptor, self._flush)
        elif self._waiting and not waiting:
            self._loop.remove_writer(self._descriptor)
        self._waiting = waiting

    def close(self) -> None:
        """Write no more."""
        if self._descriptor < 0:
            return
        self._wait(False)
        self._lines.clear()
        self._bytes = 0
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._descriptor)
        self._descriptor = -1
