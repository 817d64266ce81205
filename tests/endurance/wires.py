"""Listens on all wires of the transit router for as long as a lab lives, and keeps only what should not be there."""

from __future__ import annotations

import subprocess
import threading
from contextlib import ExitStack, suppress
from types import TracebackType

from scapy.utils import RawPcapNgReader

from tests.lab.laboratory import CEILING_S, IOSISH
from tests.live.lab import Lab, until
from tests.live.wire_watch import ESP, LINKS, TRANSIT, UDP, Seen, decode, foreign, readable


class Wires:
    """`iosish lab capture` on each wire into a thread, as a context. A router is protected from its first moment on."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._captures: dict[str, subprocess.Popen[bytes]] = {}
        self._threads: list[threading.Thread] = []
        self._began: set[str] = set()
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._leaks: list[Seen] = []
        self.esp = self.ike = 0

    def __enter__(self) -> Wires:
        for wire in LINKS:
            command = [*IOSISH, "lab", "capture", "--name", self._lab.name, "R5", wire]
            self._captures[wire] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self._lab.environment
            )
            thread = threading.Thread(target=self._listen, args=(wire,), daemon=True)
            thread.start()
            self._threads.append(thread)
        until(lambda: self._began == set(LINKS), "the captures have begun")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for capture in self._captures.values():
            capture.terminate()
        for capture in self._captures.values():
            capture.wait(CEILING_S)
        for thread in self._threads:
            thread.join(CEILING_S)

    def leaks(self) -> list[str]:
        """What could be read since the last time that this was asked. Raises AssertionError when it does not listen."""
        for wire, capture in self._captures.items():
            assert capture.poll() is None, f"the capture on {wire} has ended"
        with self._lock:
            found, self._leaks = self._leaks, []
        return [str(packet) for packet in found]

    def _listen(self, wire: str) -> None:
        stream = self._captures[wire].stdout
        assert stream is not None
        with suppress(EOFError, ValueError):
            reader = RawPcapNgReader(stream)  # type: ignore[arg-type] # takes a stream as well
            self._began.add(wire)
            for packet in decode(wire, reader):
                self._take(packet)

    def _take(self, packet: Seen) -> None:
        if packet.protocol == ESP:
            self.esp += 1
        elif packet.protocol == UDP:
            self.ike += 1
        if readable(packet) or (packet.source not in TRANSIT and foreign(packet)):
            with self._lock:
                self._leaks.append(packet)
