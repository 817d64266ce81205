"""`iosish console`: a raw pipe between this terminal and a router's control socket (see `server.py`).

It imports next to nothing, so that the first prompt is there at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import termios
import tty
from contextlib import suppress

FINE, REFUSED, COULD_NOT = 0, 1, 2
#: Ctrl-] leaves, as in telnet.
ESCAPE = b"\x1d"
_CHUNK = 1 << 16


def main(socket_path: str, commands: list[str] | None = None) -> int:
    """A console on the router that listens on `socket_path`; with `commands`, or input that is no terminal, a script.

    Gives the exit status: 0 fine, 1 a command was refused, 2 there was no router to talk to.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(socket_path)
    except OSError as error:
        print(f"iosish: no router listens on {socket_path}: {error.strerror}", file=sys.stderr)
        return COULD_NOT
    with connection:
        if commands is not None:
            script = "".join(f"{command}\n" for command in commands).encode("utf-8", "surrogateescape")
            return _run_script(connection, None, script)
        if not os.isatty(0):
            return _run_script(connection, 0, b"")
        return _run_console(connection)


def _header(header: dict[str, object]) -> bytes:
    return json.dumps(header).encode() + b"\n"


def _folder() -> str | None:
    """Where `./x` begins for whoever types it here."""
    with suppress(OSError):
        return os.getcwd()  # noqa: PTH109 # pathlib takes longer to import than the rest together
    return None


def _run_script(connection: socket.socket, source: int | None, script: bytes) -> int:
    """Send the script, or what comes from `source`; write out what comes back, up to the status at its end."""
    pipe = _Pipe(connection, source, _header({"kind": "command", "folder": _folder()}) + script)
    tail = b""
    ended = False
    try:
        while (data := pipe.step()) is not None:
            if ended:
                tail += data
                continue
            output, nul, tail = data.partition(b"\0")
            _write_all(1, output)
            ended = bool(nul)
    except BrokenPipeError:
        return FINE  # whoever read our output has seen enough
    except OSError as error:
        print(f"iosish: {error.strerror}", file=sys.stderr)
        return COULD_NOT
    if not ended:
        print("iosish: the router closed the connection", file=sys.stderr)
        return COULD_NOT
    return FINE if tail[:1] == b"0" else REFUSED


def _run_console(connection: socket.socket) -> int:
    """Raw octets both ways; the terminal is put back as it was, however this ends."""
    try:
        size = os.get_terminal_size(0)
        columns, rows = size.columns or 80, size.lines or 24
    except OSError:
        columns, rows = 80, 24
    before = termios.tcgetattr(0)
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    handlers = {number: signal.signal(number, _stop) for number in signals}
    last = b"\n"
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is not thrown away
        pipe = _Pipe(connection, 0, _header({"kind": "console", "columns": columns, "rows": rows, "folder": _folder()}))
        while not pipe.escaped and (data := pipe.step(ESCAPE)) is not None:
            _write_all(1, data)
            last = data[-1:] or last
    except _Stopped as stopped:
        return 128 + stopped.signal
    except OSError:
        pass  # the router, or the terminal, has gone
    finally:
        with contextlib.suppress(termios.error):  # it has been closed
            termios.tcsetattr(0, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if last != b"\n":
            with contextlib.suppress(OSError):
                print(flush=True)
    return FINE


class _Stopped(Exception):
    def __init__(self, number: int) -> None:
        self.signal = number


def _stop(number: int, _frame: object) -> None:
    raise _Stopped(number)


class _Pipe:
    """Carries `source` to the socket, and gives what comes back."""

    def __init__(self, connection: socket.socket, source: int | None, unsent: bytes) -> None:
        self._connection = connection
        self._source = source
        self._unsent = unsent
        self._open = True
        self.escaped = False
        connection.setblocking(False)

    def step(self, escape: bytes | None = None) -> bytes | None:
        """Wait until something moves; what came back (perhaps nothing), or None at its end."""
        reading: list[int] = [self._connection.fileno()]
        if self._source is not None and len(self._unsent) < _CHUNK:
            reading.append(self._source)
        writing = [self._connection.fileno()] if self._unsent else []
        readable, writable, _ = select.select(reading, writing, [])
        if writable:
            self._send()
        if self._source in readable:
            self._take(escape)
        if self._connection.fileno() in readable:
            try:
                return self._connection.recv(_CHUNK) or None
            except BlockingIOError:
                return b""
            except ConnectionResetError:
                return None
        return b""

    def _send(self) -> None:
        try:
            sent = self._connection.send(self._unsent)
            self._unsent = self._unsent[sent:]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            # The router hung up; what it said last is still to be read.
            self._unsent, self._source, self._open = b"", None, False
            return
        if not self._unsent and self._source is None:
            self._close_writing()

    def _take(self, escape: bytes | None) -> None:
        assert self._source is not None
        data = os.read(self._source, 4096)
        if not data:
            self._source = None
            if not self._unsent:
                self._close_writing()
        elif escape and escape in data:
            self._unsent += data.partition(escape)[0]
            self.escaped = True
        else:
            self._unsent += data

    def _close_writing(self) -> None:
        if self._open:
            self._open = False
            with suppress(OSError):  # it has gone already
                self._connection.shutdown(socket.SHUT_WR)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
