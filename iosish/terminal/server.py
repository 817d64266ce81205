"""The control socket of a router: consoles, scripts, and questions about its state.

A UNIX stream socket in a directory that only its owner may enter. The client's first line is a JSON object:

- `{"kind": "console", "columns": 80, "rows": 24, "folder": "/tmp"}`: from then on raw terminal octets, both ways.
  `folder` is where `./x` begins, the client's own.
- `{"kind": "command", "folder": "/tmp"}`: lines in until the client's end of file; output out, then a NUL octet and the
  exit status ("0" fine, "1" a command was refused). A session never sends NUL, so what stands before it is output.
- `{"kind": "status"}`: one line of JSON back.
- `{"kind": "watch"}`: that line now and after each change.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iosish.snapshot import SessionState
from iosish.terminal.host import Host
from iosish.terminal.scripted import ScriptedSession
from iosish.terminal.session import CONSOLE, Line, Session
from iosish.terminal.typed import TypedSession

HEADER_LIMIT = 4096
HEADER_WITHIN_S = 5.0
#: Open connections; IOS has five vtys, a lab's watchers and scripts come on top.
CLIENTS_LIMIT = 64
#: What is still unsent when a session ends waits so long for its client.
CLOSING_WITHIN_S = 5.0
_READ_BYTES = 4096
_MAX_COLUMNS = 512
#: Absolute number of the first vty line.
_FIRST_VTY = 2


class _Outlet:
    """A session's way out to a socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def backlog(self) -> int:
        return self._writer.transport.get_write_buffer_size()


class Server:
    """Listens on `path`. `status` gives what `{"kind": "status"}` answers; call `changed` when it does."""

    def __init__(self, host: Host, path: Path, status: Callable[[], Any]) -> None:
        self._host = host
        self._path = path
        self._status = status
        self._listener: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._watchers: set[asyncio.Event] = set()
        self._sessions: dict[Line, TypedSession] = {}
        self._scripts: set[Session] = set()

    async def start(self) -> None:
        """Begin to listen. Raises OSError, also where the directory is open to others."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(f"{folder} is open to others than its owner")
        mask = os.umask(0o177)
        try:
            self._listener = await asyncio.start_unix_server(self._connected, self._path, limit=HEADER_LIMIT)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening, end all sessions."""
        if self._listener:
            self._listener.close()
        for client in self._clients:
            client.cancel()
        if self._clients:
            await asyncio.wait(self._clients)
        self._path.unlink(missing_ok=True)

    def changed(self) -> None:
        """Tell the watchers; changes that come faster than they read become one."""
        for watcher in self._watchers:
            watcher.set()

    def tell(self, text: str) -> None:
        """Write to all terminals, whatever their sessions do."""
        for session in self._sessions.values():
            session.tell(text)

    def sessions(self, mine: Session | None = None) -> tuple[SessionState, ...]:
        """The sessions on lines, as `show users` lists them."""
        now = time.monotonic()
        return tuple(
            SessionState(
                line.number, line.name, session.user, now - session.active_at, session.location, session is mine
            )
            for line, session in sorted(self._sessions.items(), key=lambda item: item[0].number)
        )

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if len(self._clients) <= CLIENTS_LIMIT:
                await self._serve(reader, writer)
                writer.close()
                async with asyncio.timeout(CLOSING_WITHIN_S):
                    await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone, or never was one
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            writer.transport.abort()
            self._clients.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEADER_WITHIN_S):
            header = _header(await reader.readuntil(b"\n"))
        kind = header.get("kind")
        if kind == "console":
            await self._console(header, reader, writer)
        elif kind == "command":
            await self._command(header, reader, writer)
        elif kind == "status":
            writer.write(self._status_line())
        elif kind == "watch":
            await self._watch(reader, writer)
        else:
            writer.write(b'{"error": "no such kind of session"}\n')

    def _status_line(self) -> bytes:
        return json.dumps(self._status(), separators=(",", ":"), default=str).encode() + b"\n"

    async def _console(
        self, header: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = self._free_line()
        columns = _size(header.get("columns"), 80)
        rows = _size(header.get("rows"), 24)
        session = TypedSession(self._host, line, _Outlet(writer), columns=columns, rows=rows)
        session.folder = _folder(header)
        self._sessions[line] = session
        try:
            await _converse(session, reader, writer)
        finally:
            del self._sessions[line]

    async def _command(
        self, header: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = ScriptedSession(self._host, CONSOLE, _Outlet(writer))
        session.folder = _folder(header)
        self._scripts.add(session)
        try:
            await _converse(session, reader, writer)
        finally:
            self._scripts.discard(session)
        writer.write(b"\0" + (b"1" if session.refused else b"0"))

    def _free_line(self) -> Line:
        if CONSOLE not in self._sessions:
            return CONSOLE
        number = 0
        while Line(_FIRST_VTY + number, f"vty {number}") in self._sessions:
            number += 1
        return Line(_FIRST_VTY + number, f"vty {number}")

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        news = asyncio.Event()
        news.set()
        self._watchers.add(news)
        gone = asyncio.ensure_future(reader.read(1))
        told = b""
        try:
            while not gone.done():
                if news.is_set():
                    news.clear()
                    line = self._status_line()
                    if line != told:
                        writer.write(line)
                        await writer.drain()
                        told = line
                waiting = asyncio.ensure_future(news.wait())
                try:
                    await asyncio.wait((gone, waiting), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
        finally:
            gone.cancel()
            self._watchers.discard(news)


async def _converse(session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Run a session over a socket until it ends, or its client is gone."""

    async def listen() -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                session.feed(data)
                await session.room()
        session.end()

    async def lost() -> None:
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    running = asyncio.ensure_future(session.run())
    others = [asyncio.ensure_future(listen()), asyncio.ensure_future(lost())]
    try:
        await asyncio.wait((running, others[1]), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, *others):
            task.cancel()
        await asyncio.wait((running, *others))
    if not running.cancelled():
        error = running.exception()
        if error is not None and not isinstance(error, OSError):
            raise error


def _header(line: bytes) -> dict[str, Any]:
    """The client's first line; what is no JSON object is an empty one."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _folder(header: dict[str, Any]) -> str | None:
    folder = header.get("folder")
    return folder if isinstance(folder, str) and folder.startswith("/") else None


def _size(value: object, default: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COLUMNS:
        return value
    return default
