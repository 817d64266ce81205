"""A session for scripts: lines in, output only out. LF, no echo, no prompt, no questions, no pages."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Iterable

from iosish.cli.enter import find
from iosish.cli.matcher import Failure
from iosish.terminal.help import answer
from iosish.terminal.limits import INPUT_LIMIT_BYTES, LINE_LIMIT
from iosish.terminal.session import Interrupted, Session


class ScriptedSession(Session):
    """Runs the lines it is fed, privileged from the start. `refused` is the script's exit status."""

    newline = "\n"
    interactive = False

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type] # handed through as they are
        self.privileged = True
        self.length = self.width = 0
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._lines: list[str] = []
        self._next = 0
        self._rest = ""
        self._waiting_bytes = 0
        self._input_ended = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._waiting_bytes += len(data)
        text = self._rest + self._decode(data).replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        # A line that never ends is cut, so that it costs no more than one that is too long.
        self._rest = rest[: LINE_LIMIT + 1]
        if lines:
            self._lines.extend(lines)
        self._changed.set()

    def end(self) -> None:
        if self._rest:
            self._lines.append(self._rest)
            self._rest = ""
        self._input_ended = True
        self._changed.set()

    async def room(self) -> None:
        while self._waiting_bytes > INPUT_LIMIT_BYTES and not self.ended:
            self._taken.clear()
            await self._taken.wait()

    async def run(self) -> None:
        try:
            while not self.ended:
                if self._next < len(self._lines):
                    line = self._lines[self._next]
                    self._next += 1
                    await self._take(line)
                    await self.breathe()
                    continue
                self._lines.clear()
                self._next = self._waiting_bytes = 0
                self._taken.set()
                if self._input_ended:
                    break
                self.flush()
                self._changed.clear()
                await self._changed.wait()
        finally:
            self.ended = True
            self._taken.set()
            self.leave_configuration()
            self.flush()

    async def _take(self, line: str) -> None:
        if len(line) > LINE_LIMIT:
            self.refuse(f"% Line longer than {LINE_LIMIT} characters\n")
            return
        if not line.isprintable():
            line = "".join(character for character in line if character == "\t" or character.isprintable())
        if line.rstrip().endswith("?") and self._asks(line):
            self.write("".join(f"{shown}\n" for shown in answer(self, line.rstrip().removesuffix("?"))))
            return
        await self.execute(line)

    def _asks(self, line: str) -> bool:
        """Whether the `?` at the end of a line asks for help: in EXEC, or where the line is no configuration."""
        if self._banner is not None or line.lstrip().startswith("!"):
            return False
        if self.section is None or line.lstrip()[:3].lower() == "do ":
            return True
        return isinstance(find(self.host.grammar, self.section, line), Failure)

    async def ask(self, question: str, default: str | None = "", *, secret: bool = False) -> str:
        if default is None:
            raise Interrupted
        return default

    async def confirm(self, question: str) -> bool:
        return True

    async def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line + "\n")
            if self._unsent_length == 0:  # a chunk went out
                await self.breathe()
