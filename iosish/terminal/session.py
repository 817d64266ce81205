"""A session: the modes it is in, and what becomes of a line typed there.

This part is the same for whoever types: `typed.py` adds a screen with its keys, `scripted.py` is for scripts.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from typing import Any, Protocol

from iosish.cli import banner
from iosish.cli import load as loading
from iosish.cli.enter import TOP, find
from iosish.cli.grammar import Mode, resolve_handler
from iosish.cli.matcher import Failure, Match, match, walk
from iosish.config.draft import Section
from iosish.files import parse
from iosish.terminal import pipes
from iosish.terminal.history import History
from iosish.terminal.host import Host
from iosish.terminal.limits import OUTPUT_CHUNK, SLICE_S, UNDRAINED_BYTES
from iosish.terminal.pipes import Pipe, PipeFailure
from iosish.terminal.regexp import RegexpError

#: IOS cuts the host name in the prompts of configuration modes.
HOSTNAME_IN_CONFIGURATION = 20
HOSTNAME_IN_EXEC = 63

INVALID = "% Invalid input detected at '^' marker.\n\n"
INCOMPLETE = "% Incomplete command.\n\n"
UNKNOWN = "% Unknown command or computer name, or unable to find computer address"

#: What never leaves a session: control characters but CR, LF, BS, BEL and TAB.
_UNSENT = {code: None for code in (*range(32), *range(127, 160)) if code not in (7, 8, 9, 10, 13)}


class Interrupted(Exception):
    """The one at the terminal ended a dialogue or a command."""


class Hangup(Exception):
    """Nobody is at the terminal any more."""


@dataclass(frozen=True, slots=True)
class Line:
    """The line a session is on: "con 0" (number 0) or "vty 0" and on (numbers 2 and on)."""

    number: int
    name: str

    @property
    def is_console(self) -> bool:
        return self.name.startswith("con")


CONSOLE = Line(0, "con 0")


class Outlet(Protocol):
    """The way out. `write` never waits; `drain` waits while much is unsent; `backlog` is how much, in octets."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def backlog(self) -> int: ...


class Session(ABC):
    """One session with a router. Commands see it as the first argument of their function.

    `columns` and `rows` are the terminal's (0: no limit). `refused` tells whether any command was. `folder` is the one
    that the client was started in, if it is on this machine.
    """

    newline = "\r\n"
    interactive = True

    def __init__(
        self, host: Host, line: Line, outlet: Outlet, *, columns: int = 80, rows: int = 24, location: str = ""
    ) -> None:
        self.host = host
        self.line = line
        self.location = location
        self.user = ""
        self.folder: str | None = None
        self.width = columns
        self.length = rows
        self.privileged = False
        self.monitor = False
        self.section: Section | None = None
        self.refused = False
        self.ended = False
        self.exec_history = History()
        self.configuration_history = History()
        self.interrupted = asyncio.Event()
        self.active_at = time.monotonic()
        self._outlet = outlet
        self._unsent: list[str] = []
        self._unsent_length = 0
        self._since_drain = 0
        self._flush_planned = False
        self._at_line_start = True
        self._sliced_at = time.monotonic()
        self._banner: banner.OpenBanner | None = None
        self._pipe: Pipe | None = None
        self._hostname = host.config.hostname
        self._command_line = "", 0

    # Ways in and out.

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take what the client sent; it is looked at as the session gets to it."""

    @abstractmethod
    def end(self) -> None:
        """The client sends no more."""

    @abstractmethod
    async def room(self) -> None:
        """Wait until the session can take more."""

    @abstractmethod
    async def run(self) -> None:
        """Serve the client until it goes."""

    @abstractmethod
    async def ask(self, question: str, default: str | None = "", *, secret: bool = False) -> str:
        """Put a question; an empty answer is `default`. Raises Interrupted.

        Where nobody is to be asked the answer is `default`; if that is None, it raises Interrupted.
        """

    @abstractmethod
    async def confirm(self, question: str) -> bool:
        """`question [confirm]`: RETURN or y say yes."""

    @abstractmethod
    async def _show(self, lines: Iterable[str]) -> None:
        """Show lines, page by page."""

    async def page(self, text: str) -> None:
        """Show a command's output, through the pipe of its line, page by page; or write it to the pipe's file."""
        if self._pipe is not None and self._pipe.file is not None:
            await self._write_file(self._pipe, text)
        await self._show(self._filtered(text))

    async def _write_file(self, pipe: Pipe, text: str) -> None:
        assert pipe.file is not None
        try:
            name = parse(pipe.file, self.folder)
            append = pipe.modifier in ("append", "tee /append")
            await asyncio.to_thread(self.host.files.write, name, text.encode("utf-8", "replace"), append=append)
        except OSError as error:
            self.refuse(f"%Error opening {pipe.file} ({error.strerror or error})\n")

    def write(self, text: str) -> None:
        """Send text; its line ends are LF here, and the client's own on the wire."""
        if not text:
            return
        self._unsent.append(text)
        self._unsent_length += len(text)
        self._at_line_start = text[-1] == "\n"
        if self._unsent_length >= OUTPUT_CHUNK:
            self.flush()
        elif not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._planned_flush)

    def _planned_flush(self) -> None:
        self._flush_planned = False
        self.flush()

    def flush(self) -> None:
        """Hand over all that was written."""
        if not self._unsent:
            return
        text = "".join(self._unsent)
        self._unsent.clear()
        self._unsent_length = 0
        if not text.isascii() or "\x1b" in text or not text.isprintable():
            text = text.translate(_UNSENT)
        data = text.replace("\n", self.newline).encode("utf-8", "replace")
        self._since_drain += len(data)
        self._outlet.write(data)

    def refuse(self, text: str) -> None:
        """Say that a command cannot be done."""
        self.refused = True
        self.write(text if text.endswith("\n") else text + "\n")

    async def breathe(self) -> None:
        """Let the loop run what is due, if this session has held it for long; and wait for a slow client."""
        if self._since_drain > UNDRAINED_BYTES:
            self._since_drain = 0
            self.flush()
            await self._outlet.drain()
        if time.monotonic() - self._sliced_at > SLICE_S:
            self.flush()
            await asyncio.sleep(0)
            self._sliced_at = time.monotonic()

    # Modes.

    @property
    def mode(self) -> Mode:
        grammar = self.host.grammar
        if self.section is not None:
            return grammar.modes[self.section.mode]
        return grammar.privileged_exec if self.privileged else grammar.user_exec

    @property
    def prompt(self) -> str:
        if self._banner is not None:
            return ""
        if self.section is None:
            return self._hostname[:HOSTNAME_IN_EXEC] + self.mode.prompt
        return self._hostname[:HOSTNAME_IN_CONFIGURATION] + self.mode.prompt

    @property
    def history(self) -> History:
        return self.exec_history if self.section is None else self.configuration_history

    def configure(self) -> None:
        """Enter configuration mode."""
        self.section = TOP

    def leave_configuration(self) -> None:
        """Back to EXEC from any depth."""
        if self.section is None:
            return
        self.section = None
        self._banner = None
        self.host.configured("console", self.who)

    @property
    def who(self) -> str:
        """Who is at the terminal, and where it is, as log lines say it."""
        place = "console" if self.line.is_console else self.line.name.replace(" ", "")
        where = place + (f" ({self.location})" if self.location else "")
        return f"{self.user} on {where}" if self.user else where

    def refresh(self) -> None:
        """Look at the host name again: another session may have changed it."""
        self._hostname = self.host.config.hostname

    # Lines.

    async def execute(self, line: str) -> None:
        """Do what a line says, in the mode the session is in."""
        if self._banner is not None:
            whole = self._banner.take(line)
            if whole is not None:
                self._banner = None
                self._close_banner(whole)
            return
        body = line.strip(" \t")
        if not body or body[0] == "!":
            return
        if self.section is None:
            self.refresh()
            await self._execute_exec(line, 0)
            self.refresh()
        else:
            await self._configure(line, body, self.section)

    async def _configure(self, line: str, body: str, section: Section) -> None:
        first, _, rest = body.partition(" ")
        word = first.lower()
        if word == "do":
            if rest:
                await self._execute_exec(line, line.index(first) + 3)
            else:
                self.refuse(INCOMPLETE)
            return
        if not rest and word in ("end", "exit", "exi", "ex", "quit"):
            if word == "end":
                self.leave_configuration()
                return
            if isinstance(match(self.mode, word), Failure):
                self.leave_section()
                return
        found = find(self.host.grammar, section, line)
        if isinstance(found, Failure):
            if not (word == "no" and rest and self.host.forget(section, rest)):
                self._fail(found, line)
            return
        command = found.command
        if command.handler:
            await self._run(command.handler, found.values, None)
            return
        opened = banner.opens(found)
        if opened is not None:
            self._banner = opened
            self.write(f"Enter TEXT message.  End with the character '{opened.delimiter}'.\n" * self.interactive)
            return
        self._enter(section, found)

    def _enter(self, section: Section, found: Match) -> None:
        self.section, messages = self.host.enter(section, found)
        if messages:
            self.refused = True
            for message in messages:
                self.write(message + "\n")
        if found.command.words[0].word == "hostname":
            self.refresh()
        if found.defaulted and found.command.words[0].word == "interface" and self.interactive:
            names = found.values.get("name")
            for name in names if isinstance(names, tuple) else (names,):
                self.write(f"Interface {name} set to default configuration\n")

    def _close_banner(self, whole: str) -> None:
        head, _, rest = whole.partition("\n")
        section = self.section
        found = find(self.host.grammar, section, head) if section else None
        if section is None or not isinstance(found, Match):
            return
        text = f"{found.text}\n{rest}"
        self._enter(section, Match(found.mode, found.commands, found.values, text, found.negated, found.defaulted))

    def leave_section(self) -> None:
        """One step up: `exit` in a configuration mode."""
        if self.section is not None and self.section.above is not None:
            self.section = self.section.above
        else:
            self.leave_configuration()

    async def merge(self, text: str) -> list[loading.Line]:
        """Enter a configuration text, from its top to its `end`, on top of what is there; gives the refused lines."""
        loader = loading.Loader(self.host.grammar, self.host.enter)
        for number, line in enumerate(text.split("\n"), 1):
            loader.take(number, line)
            if loader.ended:
                break
            await self.breathe()
        loader.finish()
        return loading.refused(loader.report)

    async def _execute_exec(self, line: str, start: int) -> None:
        """An EXEC command that stands in `line` from column `start` on (behind `do`)."""
        command, bar = pipes.split(line[start:])
        self._command_line = line, start
        found = match(self._exec_mode, command)
        if isinstance(found, Failure):
            if found.kind == "invalid" and self._is_name(command):
                await self._connect(command.strip())
            else:
                self._fail(Failure(found.kind, start + found.column), line)
            return
        pipe = None
        if bar is not None:
            try:
                parsed = pipes.parse(line, start + bar)
            except RegexpError:
                self.refuse("% Failed to compile regular expression.\n")
                return
            if isinstance(parsed, PipeFailure):
                self._fail(Failure(parsed.kind, parsed.column), line)
                return
            pipe = parsed
        if found.command.handler:
            await self._run(found.command.handler, found.values, pipe)

    @property
    def _exec_mode(self) -> Mode:
        """The mode that EXEC commands are read in, also those behind `do`."""
        grammar = self.host.grammar
        return grammar.privileged_exec if self.privileged or self.section is not None else grammar.user_exec

    def _is_name(self, command: str) -> bool:
        """Whether an unknown command could be the name of a host: one word that no privilege level knows."""
        if len(command.split()) != 1 or self.section is not None:
            return False
        if self.privileged:
            return True
        found = match(self.host.grammar.privileged_exec, command)
        return isinstance(found, Failure) and found.kind == "invalid"

    async def _connect(self, name: str) -> None:
        """An unknown word in EXEC is the name of a host to connect to; there is no client for that here."""
        address: IPv4Address | None = self.host.resolve(name)
        if address is not None:
            self.refuse(f"Trying {address} ... \n% Connection refused by remote host\n\n")
            return
        lookup = "...domain server (255.255.255.255)" if self.host.config.domain_lookup else ""
        self.refuse(f'Translating "{name}"{lookup}\n% Bad IP address or host name\n{UNKNOWN}\n')

    def _fail(self, failure: Failure, line: str) -> None:
        """IOS's words for a line that it does not take; the caret stands below what was typed after the prompt."""
        if failure.kind == "invalid":
            self.refuse(" " * (len(self.prompt) + failure.column) + "^\n" + INVALID)
        elif failure.kind == "ambiguous":
            self.refuse(f'% Ambiguous command:  "{line.strip()}"\n')
        else:
            self.refuse(INCOMPLETE)

    def refuse_interface(self) -> None:
        """Refuse the interface that the EXEC command names: there is none. The caret stands below its last number."""
        line, start = self._command_line
        steps = walk(self._exec_mode, pipes.split(line[start:])[0]).steps
        step = next((step for step in steps if step.node().argument == "interface" and step.value is not None), None)
        if step is None:
            self.refuse(INVALID)
            return
        name = re.compile(r"[A-Za-z-]+\s*(?:\d+[/.:])*").match(line, start + step.column)
        self._fail(Failure("invalid", name.end() if name else start + step.column), line)

    async def _run(self, handler: str, values: dict[str, Any], pipe: Pipe | None) -> None:
        """Call the function of an EXEC command."""
        self._pipe = pipe
        self.interrupted.clear()
        try:
            function = _function(handler)
            interface = values.get("interface")
            if handler.startswith("show.") and interface and interface not in self.host.config.interfaces:
                self.refuse_interface()
            elif handler.startswith("show."):
                text: str = function(await self.host.snapshot(self), **values)
                await self.page(text)
            else:
                await function(self, **values)
        except Interrupted:
            pass
        except (Hangup, asyncio.CancelledError):
            raise
        except Exception as error:  # the router goes on; whoever typed learns that this is our fault
            logging.getLogger(__name__).exception("command %s", handler)
            self.refuse(f"% The command failed: {error or type(error).__name__}\n")
        finally:
            self._pipe = None

    def _filtered(self, text: str) -> Iterable[str]:
        """The lines of a command's output that the pipe of its line lets through."""
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        return self._pipe.apply(lines) if self._pipe else lines


@cache
def _function(handler: str) -> Callable[..., Any]:
    function: Callable[..., Any] = resolve_handler(handler)
    return function
