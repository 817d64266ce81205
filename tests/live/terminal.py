"""A person at `iosish console`: a pseudo-terminal, keys in, a screen out."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from types import TracebackType

from tests.lab.laboratory import CEILING_S, IOSISH
from tests.live.lab import Lab


class Terminal:
    """`seen` is all that was printed, as text with LF."""

    def __init__(self, lab: Lab, router: str) -> None:
        self.seen = ""
        self._from = 0
        self._master, slave = pty.openpty()
        self._command = subprocess.Popen(
            [*IOSISH, "console", router, "--name", lab.name],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=lab.environment,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        self.expect(r"[\w.-]+>$")
        return self

    def press(self, keys: str) -> None:
        """Keys, or a pasted block."""
        os.write(self._master, keys.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until `pattern` stands in what came since the last time; `$` is the end of what came."""
        ends = time.monotonic() + CEILING_S
        while not (found := re.compile(pattern).search(self.seen, self._from)):
            left = ends - time.monotonic()
            assert left > 0 and select.select([self._master], [], [], left)[0], f"no {pattern} in {self.seen!r}"
            try:
                self.seen += os.read(self._master, 65536).decode().replace("\r\n", "\n")
            except OSError:
                raise AssertionError(f"closed without {pattern}: {self.seen!r}") from None
        self._from = found.end()
        return found

    def expect_end(self) -> None:
        """Read until the router hangs up."""
        while select.select([self._master], [], [], CEILING_S)[0]:
            try:
                self.seen += os.read(self._master, 65536).decode()
            except OSError:
                return
        raise AssertionError(f"still open: {self.seen!r}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._master)
        self._command.terminate()
        self._command.wait(CEILING_S)
