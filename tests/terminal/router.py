"""A small router for sessions to talk to: a real grammar, model and draft, and no network behind them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from unittest.mock import patch

from iosish.capture.captures import Captures
from iosish.cli import grammar as grammar_module
from iosish.cli.enter import enter
from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Match
from iosish.cli.notation import compile_files
from iosish.config import refused
from iosish.config.draft import Draft, Section
from iosish.config.model import Config
from iosish.engine import LogEvent
from iosish.files import Files
from iosish.icmp.ping import PingRequest
from iosish.icmp.traceroute import TracerouteRequest
from iosish.log.syslog import Listener, Moment, Syslog
from iosish.snapshot import Debugging, PlannedReload, Snapshot
from iosish.terminal import session as session_module
from iosish.terminal.scripted import ScriptedSession
from iosish.terminal.session import CONSOLE, Line
from iosish.terminal.typed import TypedSession


@cache
def small_grammar() -> Grammar:
    with patch.object(grammar_module, "fields_without", lambda bound, config: []):
        return grammar_module._Builder(compile_files([Path(__file__).with_name("small.cli")])).build()


class Router:
    """What a session asks of its router, answered from memory; `cleared`, `left`, `pings` tell what was asked."""

    def __init__(self, folder: Path = Path("/nonexistent")) -> None:
        self.grammar = small_grammar()
        self.files = Files(folder / "flash")
        self._draft = Draft(Config(hostname="R1"))
        self.startup: str | None = None
        self.saved = 0
        self.reloads = 0
        self.planned: PlannedReload | None = None
        self.left: list[str] = []
        self.cleared: list[tuple[str, dict[str, Any]]] = []
        self.pings: list[PingRequest] = []
        self.traceroutes: list[TracerouteRequest] = []
        self.modified = False
        self.disk_full = False
        self.pinging = asyncio.Event()
        self.watched: frozenset[str] = frozenset()
        self.captures = Captures(self)
        self.syslog = Syslog(lambda: Moment(datetime(2026, 3, 1, 12, 0, 0), False, 0.0))

    def watch(self, interfaces: frozenset[str]) -> None:
        self.watched = interfaces

    def caught_up(self, then: Callable[[], None]) -> None:
        then()

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        return lambda: None

    @property
    def config(self) -> Config:
        return self._draft.freeze()

    def enter(self, section: Section, match: Match) -> tuple[Section, list[str]]:
        self.modified = True
        entered = enter(self.grammar, self._draft, section, match)
        self.syslog.configure(self.config.logging)
        return entered

    def forget(self, section: Section, beginning: str) -> bool:
        return refused.taken(self._draft, section.paths, beginning, True)

    def configured(self, source: str, by: str) -> None:
        self.left.append(by)
        self.log(f"Configured from {source} by {by}")

    def log(self, event: LogEvent | str) -> None:
        if isinstance(event, LogEvent):
            self.syslog.message(event.facility, event.severity, event.mnemonic, event.text)
        else:
            self.syslog.message("SYS", 5, "CONFIG_I", event)

    def running_config(self) -> str:
        lines = [f"!\nversion 15.9\n!\nhostname {self.config.hostname}\n!"]
        for interface in self.config.interfaces.values():
            lines.append(f"interface {interface.name}")
            if interface.description:
                lines.append(f" description {interface.description}")
            address = interface.ip_address
            lines.append(f" ip address {address.address} {address.mask}" if address else " no ip address")
            lines.append("!")
        return "\n".join([*lines, "end", ""])

    def startup_config(self) -> str | None:
        return self.startup

    async def save(self, startup: bytes | None = None) -> None:
        if self.disk_full:
            raise OSError(28, "No space left on device")
        self.startup, self.modified = startup.decode() if startup else self.running_config(), False

    async def erase(self) -> None:
        self.startup = None

    def reload(self, by: str, reason: str) -> None:
        self.reloads += 1

    def plan_reload(self, planned: PlannedReload) -> None:
        self.planned = planned

    def cancel_reload(self) -> bool:
        planned, self.planned = self.planned, None
        return planned is not None

    @property
    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

    async def snapshot(self, session: Any = None) -> Snapshot:
        now = datetime(2026, 3, 1, 12, 0, 0)
        history = session.history.lines if session else ()
        snapshot = Snapshot(self.config, 0.0, now, False, 0.0, now, "memory", "Linux", 1, history=history)
        syslog = self.syslog
        return replace(
            snapshot,
            log=syslog.records(),
            log_counters=syslog.counters(),
            log_counts=syslog.counted(),
            debugging=syslog.debugging,
            captures=self.captures.state(),
        )

    async def ping(self, request: PingRequest, abort: asyncio.Event) -> AsyncGenerator[str, None]:
        self.pings.append(request)
        yield f"Type escape sequence to abort.\nSending {request.repeat}, {request.size}-byte ICMP Echos to "
        yield f"{request.destination}, timeout is {request.timeout_s:g} seconds:\n"
        sent = 0
        while sent < request.repeat and not abort.is_set():
            sent += 1
            yield "!"
            self.pinging.set()
            await asyncio.sleep(0)
        yield f"\nSuccess rate is 100 percent ({sent}/{sent}), round-trip min/avg/max = 1/1/1 ms\n"

    async def traceroute(self, request: TracerouteRequest, abort: asyncio.Event) -> AsyncGenerator[str, None]:
        self.traceroutes.append(request)
        yield f"Type escape sequence to abort.\nTracing the route to {request.destination}\n"

    def resolve(self, name: str) -> IPv4Address | None:
        if name == "R5":
            return IPv4Address("10.0.0.5")
        try:
            return IPv4Address(name)
        except ValueError:
            return None

    def clear(self, what: str, **arguments: Any) -> None:
        self.cleared.append((what, arguments))

    def set_clock(self, wall: datetime) -> None:
        self.log(f"clock {wall}")

    def on_log(self, listener: Listener, *, console: bool) -> Callable[[], None]:
        return self.syslog.listen(listener, console=console)

    @property
    def debugging(self) -> Debugging:
        return self.syslog.debugging

    def set_debugging(self, debugging: Debugging) -> None:
        self.syslog.debugging = debugging


def _clock(snapshot: Snapshot) -> str:
    return f"*{snapshot.wall:%H:%M:%S}.000 UTC Sun Mar 1 2026\n"


def _history(snapshot: Snapshot) -> str:
    return "".join(f"  {line}\n" for line in snapshot.history)


def _numbers(snapshot: Snapshot) -> str:
    return "".join(f"line {number}\n" for number in range(1, 41))


def _wrong(snapshot: Snapshot) -> str:
    raise KeyError("Tunnel0")


_SHOWN: dict[str, Callable[[Snapshot], str]] = {
    "show.fake.clock": _clock,
    "show.fake.history": _history,
    "show.fake.numbers": _numbers,
    "show.fake.wrong": _wrong,
}
_resolve = session_module._function
session_module._function = lambda handler: _SHOWN.get(handler) or _resolve(handler)  # type: ignore[assignment]


class Collected:
    """A way out that keeps all that is sent."""

    def __init__(self) -> None:
        self.data = b""
        self.unread = 0

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        pass

    def backlog(self) -> int:
        return self.unread


def screen(data: bytes) -> str:
    """What a terminal shows after these octets: CR, LF and BS move, BEL rings, everything else is text."""
    lines: list[list[str]] = [[]]
    column = 0
    for character in data.decode():
        line = lines[-1]
        if character == "\r":
            column = 0
        elif character == "\n":
            lines.append([])
        elif character == "\b":
            column = max(0, column - 1)
        elif character != "\a":
            line.extend(" " * (column + 1 - len(line)))
            line[column] = character
            column += 1
    return "\n".join("".join(line).rstrip() for line in lines)


def without_times(text: str) -> str:
    """A screen without how long copies took."""
    return re.sub(r"in \d+\.\d{3} secs \(\d+ bytes/sec\)", "in N secs (N bytes/sec)", text)


async def typed(
    text: str | bytes, router: Router | None = None, *, line: Line = CONSOLE, columns: int = 80, rows: int = 24
) -> bytes:
    """The octets that a session sends while `text` is typed, and the line is hung up."""
    outlet = Collected()
    session = TypedSession(router or Router(), line, outlet, columns=columns, rows=rows)
    data = text.encode() if isinstance(text, str) else text
    session.feed(data)
    session.end()
    await session.run()
    return outlet.data


def shown(text: str | bytes, router: Router | None = None, **options: Any) -> str:
    """The screen after `text` was typed, privileged from the start."""

    async def run() -> bytes:
        data = text.encode() if isinstance(text, str) else text
        return await typed(b"enable\r" + data, router, **options)

    sent = asyncio.run(run())
    assert b"\x1b" not in sent
    return screen(sent).removeprefix("R1>enable\n")


def scripted(text: str | bytes, router: Router | None = None) -> tuple[str, bool]:
    """What a script gets for its lines, and whether any was refused."""

    async def run() -> tuple[str, bool]:
        outlet = Collected()
        session = ScriptedSession(router or Router(), CONSOLE, outlet)
        session.feed(text.encode() if isinstance(text, str) else text)
        session.end()
        await session.run()
        return outlet.data.decode(), session.refused

    return asyncio.run(run())
