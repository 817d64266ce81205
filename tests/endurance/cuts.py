"""A startup-config cut at drawn lengths, or with holes of octets NUL, as a crash may leave it: what boots then."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iosish import resources
from iosish.cli import grammar
from iosish.lab import namespaces
from iosish.lab.child import Child, fork
from iosish.lab.places import make_private
from iosish.runtime import RouterOptions, serve
from tests.endurance.cloud import configuration_of
from tests.lab.laboratory import CEILING_S
from tests.live.lab import configuration

#: A hole is of whole blocks of the file system.
BLOCK_OCTETS = 512


@dataclass(frozen=True, slots=True)
class Damage:
    """What becomes of the file: it ends after `at` octets; `hole`: its rest, or a block of it, is NUL instead."""

    number: int
    at: int
    hole: int = 0

    @classmethod
    def drawn(cls, seed: int, number: int, length: int) -> Damage:
        draw = random.Random(f"{seed} cut {number}")
        if number < 3:
            return cls(number, (0, 1, length - 1)[number])  # once each, whatever the seed
        if number % 5 == 4:
            at = draw.randrange(0, length, BLOCK_OCTETS)
            return cls(number, at, draw.choice((min(BLOCK_OCTETS, length - at), length - at)))
        return cls(number, draw.randrange(length))

    def done_to(self, data: bytes) -> bytes:
        return data[: self.at] + (bytes(self.hole) + data[self.at + self.hole :] if self.hole else b"")

    def __str__(self) -> str:
        what = f"{self.hole} octets NUL from {self.at} on" if self.hole else f"ends after {self.at} octets"
        return f"{self.number:4} startup-config {what}"


class Router:
    """A real router in a namespace of its own, started as a lab's parent starts one, over and over from one file."""

    def __init__(self, folder: Path) -> None:
        self._grammar = grammar.load(resources.folder("grammar"))
        self._folder = folder
        make_private(folder / "run")
        self.file = folder / "R2.cfg"
        self._socket = folder / "run" / "R2.sock"
        self._child: Child | None = None

    def start(self) -> float:
        """Return when it takes commands; gives how long that took, in seconds."""
        began = time.monotonic()
        flash = make_private(self._folder / "flash")
        self._socket.unlink(missing_ok=True)

        def body(ready: Callable[[], None]) -> int:
            return serve(RouterOptions("R2", self.file, self._socket, flash, ready=ready), self._grammar)

        with namespaces.fresh() as descriptor:
            pass
        try:
            self._child = fork(body, descriptor, self._folder / "log")
        finally:
            os.close(descriptor)
        assert select.select([self._child.ready], [], [], CEILING_S)[0], "the router does not start"
        return time.monotonic() - began

    def kill(self) -> None:
        if self._child is not None:
            self._child.signal(signal.SIGKILL)
            select.select([self._child.process], [], [])
            self._child.reap()
            self._child.close()
            self._child = None

    def ask(self, *commands: str) -> str:
        text = "".join(f"{line}\n" for line in commands)
        answer = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CEILING_S)
            connection.connect(str(self._socket))
            connection.sendall(json.dumps({"kind": "command"}).encode() + f"\n{text}".encode())
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                answer += data
        return answer.partition(b"\0")[0].decode()


@contextlib.contextmanager
def router() -> Iterator[Router]:
    """One that has saved its configuration, and is down."""
    with tempfile.TemporaryDirectory(prefix="iosish-") as folder:
        made = Router(Path(folder))
        made.file.write_text(configuration_of("R2"))
        made.start()
        try:
            assert "[OK]" in made.ask("write memory")
            made.kill()
            yield made
        finally:
            made.kill()


def boot(one: Router, damage: Damage) -> float:
    """Damage the file and boot; gives seconds until commands are taken. Raises AssertionError for a wrong outcome."""
    saved = one.file.read_bytes()
    one.file.write_bytes(damage.done_to(saved))
    took_s = one.start()
    try:
        running, log = one.ask("show running-config"), one.ask("show logging")
        assert configuration(running) == configuration(saved.decode()), "another configuration runs"
        told = re.findall("%IOSISH-[0-9]-CONFIG_[A-Z]+: .*", log)
        if damage.done_to(saved) == saved:
            assert [line.split(":")[0] for line in told] == ["%IOSISH-6-CONFIG_LOADED"], told
        else:
            assert [line.split(":")[0] for line in told] == ["%IOSISH-3-CONFIG_DAMAGED"], told
            assert f"loaded {len(saved)} bytes, the kept copy; mended" in told[0], told
        assert one.file.read_bytes() == saved, "the file is not mended"
        left = [path.name for path in one.file.parent.rglob(".*")]
        assert not left, f"left behind: {left}"
    finally:
        one.kill()
        one.file.write_bytes(saved)
    return took_s
