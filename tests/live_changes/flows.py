"""Flows whose every datagram is counted: numbered UDP both ways, at a steady rate, between routers of a lab."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from iosish.lab import namespaces
from iosish.lab.places import namespace

#: Each direction of each flow sends one datagram in this time.
EVERY_S = 0.02
#: Whatever is still under way after so long is lost.
STRAGGLERS_S = 3.0
PORT = 7000
#: What the payload is filled up to: as a ping of IOS.
PAYLOAD_BYTES = 72
#: Room for what comes while this process has no CPU.
RECEIVE_BUFFER_BYTES = 4 << 20
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h


class End(NamedTuple):
    router: str
    address: str


class Flow(NamedTuple):
    name: str
    one: End
    other: End

    def directions(self) -> tuple[Direction, Direction]:
        return Direction(self.name, self.one, self.other), Direction(self.name, self.other, self.one)


class Direction(NamedTuple):
    flow: str
    source: End
    target: End

    def __str__(self) -> str:
        return f"{self.flow} {self.source.router}>{self.target.router}"


class Loss(NamedTuple):
    """What of a direction did not arrive: when it left, in seconds after the mark; and how much was sent."""

    lost_at: tuple[float, ...]
    sent: int


@dataclass(slots=True)
class _Sent:
    """`at[n - first]` is when number n left (monotonic, seconds)."""

    first: int = 0
    at: list[float] = field(default_factory=list)
    arrived: set[int] = field(default_factory=set)
    newest: float = 0.0  # when the latest that arrived had left


class Flows:
    """Sends and counts in a thread, as a context."""

    def __init__(self, lab: str, flows: Iterable[Flow]) -> None:
        self._lab = lab
        self._directions = [direction for flow in flows for direction in flow.directions()]
        self._sent = {direction: _Sent() for direction in self._directions}
        self._sockets: dict[End, socket.socket] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Flows:
        for end in {direction.source for direction in self._directions}:
            self._sockets[end] = _bound(namespaces.NETNS / namespace(self._lab, end.router), end.address)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        for made in self._sockets.values():
            made.close()

    def silent(self, since: float) -> list[str]:
        """The directions of which nothing that left after `since` (monotonic, seconds) has arrived."""
        assert self._thread.is_alive(), "the senders have stopped"
        with self._lock:
            return [str(direction) for direction, sent in self._sent.items() if sent.newest <= since]

    def mark(self) -> float:
        """Count from now on; gives when that is (monotonic, seconds). Nothing may be under way that is to count."""
        with self._lock:
            for direction, sent in self._sent.items():
                self._sent[direction] = _Sent(sent.first + len(sent.at), newest=sent.newest)
            return time.monotonic()

    def losses(self, marked: float) -> Mapping[Direction, Loss]:
        """What left from the mark until now, and was lost. Waits for stragglers."""
        with self._lock:
            ends = {direction: sent.first + len(sent.at) for direction, sent in self._sent.items()}
        until = time.monotonic() + STRAGGLERS_S
        while True:
            with self._lock:
                lost = {
                    direction: Loss(
                        tuple(
                            round(sent.at[number - sent.first] - marked, 3)
                            for number in range(sent.first, ends[direction])
                            if number not in sent.arrived
                        ),
                        ends[direction] - sent.first,
                    )
                    for direction, sent in self._sent.items()
                }
            if time.monotonic() > until or not any(loss.lost_at for loss in lost.values()):
                return lost
            time.sleep(EVERY_S)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            for number, direction in enumerate(self._directions):
                self._send(number, direction)
            # A rate, not a catching-up: what a busy machine has held back is not sent at once.
            due = max(due + EVERY_S, time.monotonic())
            self._hear(due)

    def _send(self, number: int, direction: Direction) -> None:
        with self._lock:
            sent = self._sent[direction]
            sequence = sent.first + len(sent.at)
            sent.at.append(time.monotonic())
        payload = struct.pack("!II", number, sequence).ljust(PAYLOAD_BYTES, b"\0")
        with suppress(OSError):  # there is no such address or route: it is lost
            self._sockets[direction.source].sendto(payload, (direction.target.address, PORT))

    def _hear(self, until: float) -> None:
        ears = list(self._sockets.values())
        while (left := until - time.monotonic()) > 0:
            for ear in select.select(ears, [], [], left)[0]:
                with suppress(OSError):  # nothing more, or what an ICMP error tells
                    while True:
                        self._arrived(ear.recv(2048))

    def _arrived(self, payload: bytes) -> None:
        number, sequence = struct.unpack_from("!II", payload)
        with self._lock:
            sent = self._sent[self._directions[number]]
            if sequence >= sent.first:
                sent.arrived.add(sequence)
                sent.newest = max(sent.newest, sent.at[sequence - sent.first])


def _bound(path: os.PathLike[str], address: str) -> socket.socket:
    """A UDP socket in a namespace. It stays bound when its address goes and comes back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with namespaces.inside(descriptor):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    finally:
        os.close(descriptor)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    made.bind((address, PORT))
    return made
