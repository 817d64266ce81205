"""How a lab's parent is spoken to: by `lab up` on its leash, by the other verbs on the lab's socket. JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iosish.lab.places import Trouble

if TYPE_CHECKING:
    from iosish.lab.parent import Lab

REQUEST_MAX = 65536


class Announcer:
    """Tells `lab up` how it goes. When that one leaves without a `keep`, the lab is to end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._left: Callable[[], None] = lambda: None
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def on(cls, leash: socket.socket) -> Announcer:
        leash.setblocking(False)
        return cls(*await asyncio.open_connection(sock=leash, limit=REQUEST_MAX))

    async def _listen(self) -> None:
        kept = False
        with contextlib.suppress(OSError, ValueError):
            while line := await self._reader.readline():
                if line == b"keep\n":
                    kept = True
                elif line == b"down\n":
                    break
        if not kept:
            self._left()

    def when_left(self, left: Callable[[], None]) -> None:
        self._left = left

    def _tell(self, **message: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    def progress(self, text: str) -> None:
        self._tell(progress=text)

    def warning(self, text: str) -> None:
        self._tell(warning=text)

    def trouble(self, text: str) -> None:
        self._tell(trouble=text)

    def up(self, routers: list[str], cables: int, took_s: float, silent: list[str]) -> None:
        self._tell(up={"routers": routers, "cables": cables, "took_s": took_s, "silent": silent})

    def gone(self) -> None:
        self._tell(gone=True)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(OSError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()


class Control:
    """The lab's socket: one request a connection, one answer."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._server: asyncio.Server | None = None
        self._waiting: list[asyncio.StreamWriter] = []

    async def open(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(path), limit=REQUEST_MAX)

    async def close(self) -> None:
        """Close, and tell those who asked for the end that nothing is left."""
        if self._server is not None:
            self._server.close()
        for writer in self._waiting:
            await _answer(writer, {"ok": True})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            if not isinstance(request, dict):
                raise ValueError
        except (ValueError, OSError):
            writer.close()
            return
        if request.get("verb") == "down":
            self._waiting.append(writer)
            self._lab.end()
            return
        try:
            answer = {"ok": True, **await self._do(request)}
        except (Trouble, OSError) as error:
            answer = {"ok": False, "error": str(error)}
        await _answer(writer, answer)

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        lab, verb = self._lab, request.get("verb")
        if verb == "status":
            return status(lab)
        if verb in ("cut", "join"):
            return {"cables": lab.pull(str(request.get("one")), str(request.get("other")), verb == "cut")}
        if verb == "add":
            name = await lab.add(Path(str(request.get("file"))))
            member = lab.member(name)
            return {"router": name, "complaints": member.complaints, "silent": member.waits_for()}
        raise Trouble(f"this lab does not know {verb!r}: it was started by another version of iosish")


def status(lab: Lab) -> dict[str, Any]:
    """All that `lab status` draws."""
    return {
        "pid": os.getpid(),
        "source": str(lab.plan.source),
        "state": str(lab.plan.state),
        "started_at": lab.started_at,
        "routers": {
            member.name: {
                "namespace": member.namespace,
                "pid": member.child.pid if member.child else None,
                "restarts": member.restarts,
                "interfaces": member.interfaces(),
                "waits": member.waits_for(),
                "nhs": member.status.get("nhs", []) if member.status else [],
                "modified": bool(member.status and member.status.get("modified")),
            }
            for member in lab.members.values()
        },
        "cables": [{"name": cable.name, "ends": cable.ends} for cable in lab.cables],
        "pulled": sorted(lab.pulled),
    }


async def _answer(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()
