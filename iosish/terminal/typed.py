"""A session with someone at a terminal: prompts, the line editor, `?`, Tab, pages, questions and log lines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from iosish.config.severity import DEBUGGING
from iosish.snapshot import LogRecord
from iosish.terminal.editor import BS, LineEditor
from iosish.terminal.help import answer, completion
from iosish.terminal.history import History
from iosish.terminal.host import Host
from iosish.terminal.keys import Key, KeyReader
from iosish.terminal.limits import HELD_LOG_LINES, INPUT_LIMIT_BYTES, LOG_BACKLOG_BYTES
from iosish.terminal.line_settings import greeting, synchronous
from iosish.terminal.pipes import Pipe
from iosish.terminal.session import Hangup, Interrupted, Line, Outlet, Session

MORE = " --More-- "
#: Nine BS, nine blanks, and BS to the start of the line.
MORE_WIPED = BS * 9 + " " * 9 + BS * 10
#: What ends a ping on the way: Ctrl-Shift-6, and Ctrl-C.
_ABORTS = (b"\x1e", b"\x03")


class TypedSession(Session):
    """What is typed is echoed and edited; `columns` and `rows` are the terminal's."""

    def __init__(
        self, host: Host, line: Line, outlet: Outlet, *, columns: int = 80, rows: int = 24, location: str = ""
    ) -> None:
        super().__init__(host, line, outlet, columns=columns, rows=rows, location=location)
        self._reader = KeyReader()
        self._editor = LineEditor(columns)
        self._keys: deque[Key] = deque()
        self._received: deque[bytes] = deque()
        self._received_bytes = 0
        self._input_ended = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._command_runs = False
        self._editing = False
        self._page_shown = False
        self._line_wiped = False
        self._rows_shown = 0
        self._held_log: deque[str] = deque()
        self._log_lost = 0

    # Input.

    def feed(self, data: bytes) -> None:
        self.active_at = time.monotonic()
        if self._command_runs:
            cut = max(data.rfind(abort) for abort in _ABORTS)
            if cut >= 0:
                # What was typed ahead of it is not meant any more.
                self._keys.clear()
                self._received.clear()
                self._received_bytes = 0
                self.interrupted.set()
                data = data[cut + 1 :]
        if data:
            self._received.append(data)
            self._received_bytes += len(data)
            self._changed.set()

    def end(self) -> None:
        self._input_ended = True
        self._changed.set()

    async def room(self) -> None:
        while self._received_bytes > INPUT_LIMIT_BYTES and not self.ended:
            self._taken.clear()
            await self._taken.wait()

    async def _key(self) -> Key:
        """The next key; waits for it. Raises Hangup."""
        while not self._keys:
            if self._received:
                data = self._received.popleft()
                self._received_bytes -= len(data)
                self._taken.set()
                self._keys.extend(self._reader.read(data))
                continue
            if self._input_ended:
                raise Hangup
            self.flush()
            self._changed.clear()
            await self._changed.wait()
            self._sliced_at = time.monotonic()
        return self._keys.popleft()

    async def _character(self) -> Key:
        """The next key, one character of a text."""
        key = await self._key()
        if len(key.text) > 1:
            self._keys.appendleft(Key("text", key.text[1:]))
            return Key("text", key.text[0])
        return key

    # Lines.

    async def run(self) -> None:
        silence = self.host.on_log(self._log, console=self.line.is_console)
        self.write(greeting(self.host.config))
        try:
            while not self.ended:
                if not self._received and not self._keys:
                    self.refresh()
                await self._command()
                await self.breathe()
        except Hangup:
            pass
        finally:
            self.ended = True
            self._taken.set()
            silence()
            self.leave_configuration()
            self.flush()

    async def _command(self) -> None:
        """Read a line and do what it says."""
        text, ended_by = await self._read_line(self.prompt, self.history, commands=self._banner is None)
        self._rows_shown = 0
        if ended_by == "c-c":
            self.leave_configuration()
            return
        if self._banner is None:
            self.history.add(text.strip())
        await self.execute(text)
        if ended_by == "c-z" and self.section is not None:
            self.leave_configuration()

    async def _run(self, handler: str, values: dict[str, Any], pipe: Pipe | None) -> None:
        self._command_runs = True
        try:
            await super()._run(handler, values, pipe)
        finally:
            self._command_runs = False
            self.interrupted.clear()

    async def _read_line(
        self, prompt: str, history: History | None = None, *, commands: bool = False, secret: bool = False
    ) -> tuple[str, str]:
        """A line and the key that ended it: "return", "c-c" or "c-z". With `commands`, `?` and Tab help."""
        editor = self._editor
        editor.width = self.width
        runs, self._command_runs = self._command_runs, False
        self._editing = True
        try:
            self.write(editor.begin(prompt, history, secret=secret))
            while True:
                key = await self._key()
                self._restore_line()
                name = key.name
                if name == "text":
                    self.write(editor.press(key))
                elif name == "return":
                    self.write("\n")
                    return editor.text, name
                elif name in ("c-c", "c-z"):
                    self.write(f"^{name[-1].upper()}\n")
                    return editor.text, name
                elif name == "?" and not editor.quoting:
                    if commands:
                        await self._help()
                    else:
                        self.write(editor.insert("?"))
                elif name == "tab":
                    if commands:
                        self._complete()
                elif name in ("c-r", "c-l"):
                    self.write("\n" + editor.redraw())
                else:
                    self.write(editor.press(key))
        finally:
            self._editing = self._line_wiped = False
            self._command_runs = runs

    async def _help(self) -> None:
        self.write("?\n")
        self._rows_shown = 0
        await self._show(answer(self, self._editor.before_cursor))
        self.write(self._editor.redraw())

    def _complete(self) -> None:
        editor = self._editor
        before = editor.before_cursor
        completed = completion(self, before)
        if completed is not None:
            after = editor.text[len(before) :]
            editor.replace(completed + after.lstrip(" "))
            editor.place_cursor(len(completed))
        self.write("\n" + editor.redraw())

    async def ask(self, question: str, default: str | None = "", *, secret: bool = False) -> str:
        text, ended_by = await self._read_line(question, secret=secret)
        if ended_by != "return":
            raise Interrupted
        self._rows_shown = 0
        return (text if secret else text.strip()) or default or ""

    async def confirm(self, question: str) -> bool:
        self.write(f"{question} [confirm]")
        key = await self._character()
        self.write("\n")
        return key.name == "return" or key.text in ("y", "Y")

    # The screen.

    async def _show(self, lines: Iterable[str]) -> None:
        """Lines page by page; any key but SPACE and RETURN ends them."""
        for number, line in enumerate(lines):
            if self.length and self._rows_shown >= self.length - 1 and not await self._more():
                return
            self.write(line + "\n")
            self._rows_shown += 1
            if number % 64 == 63:
                await self.breathe()
                if self.interrupted.is_set():
                    return

    async def _more(self) -> bool:
        self.write(MORE)
        runs, self._command_runs = self._command_runs, False
        self._page_shown = True
        try:
            key = await self._character()
        finally:
            self._command_runs = runs
            self._page_shown = False
        self.write(MORE_WIPED)
        self._at_line_start = True
        if key.text == " ":
            self._rows_shown = 0
        elif key.name == "return":
            self._rows_shown = self.length - 2
        self._release_log()
        return key.text == " " or key.name == "return"

    def _log(self, record: LogRecord, line: str) -> bool | None:
        """A log line, on a line of its own. False when it is lost, since the client does not read."""
        if not (self.line.is_console or self.monitor):
            return None
        if self._outlet.backlog() > LOG_BACKLOG_BYTES or (self._page_shown and len(self._held_log) >= self._limit()):
            self._log_lost += 1
            return False
        self._tell(line, record.severity)
        return True

    def _limit(self) -> int:
        settings = synchronous(self.host.config, self.line)
        return HELD_LOG_LINES if settings is None else settings.limit

    def tell(self, text: str) -> None:
        """Text for whoever is at the terminal, on lines of its own; below a `--More--` it waits."""
        self._tell(text, DEBUGGING)

    def _tell(self, text: str, severity: int) -> None:
        if self._page_shown:
            self._held_log.append(text)
            return
        self._tell_lost()
        self._write_log(text)
        if self._editing and not self._line_wiped:
            settings = synchronous(self.host.config, self.line)
            if settings is not None and severity > settings.level:
                # Lines that come together are shown together, and what was being typed once below them.
                self._line_wiped = True
                asyncio.get_running_loop().call_soon(self._restore_line)

    def _write_log(self, line: str) -> None:
        self.write(f"{line}\n" if self._at_line_start else f"\n{line}\n")

    def _restore_line(self) -> None:
        if self._line_wiped:
            self._line_wiped = False
            if self._editing:
                self.write(self._editor.redraw())

    def _release_log(self) -> None:
        while self._held_log:
            self._write_log(self._held_log.popleft())
        self._tell_lost()

    def _tell_lost(self) -> None:
        """Say how many log lines this terminal missed."""
        lost, self._log_lost = self._log_lost, 0
        if lost:
            self._write_log(f"%SYS-3-LOGGER_DROPPED: System dropped {lost} console messages.")
