"""Senders behind every router, all the time: ICMP echoes between all pairs, over tunnel addresses and inner networks.

A sender has its sockets in the router's namespace. When that one is replaced it is in the next from the first moment
on, before there is a device: what a starting router lets out in the clear is seen then.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from iosish.lab import namespaces
from iosish.lab.places import namespace

#: Sent five times a second each; one stream of large packets renews its SAs by volume within seconds.
TICK_S = 0.02
TICKS = 10
LARGE_BYTES = 1300
#: Echoes that may still be answered.
REMEMBERED = 4000

_IP_FREEBIND = 15
_SOL_RAW, _ICMP_FILTER = 255, 1
_ECHO_REPLY, _ECHO = 0, 8


class Pair(NamedTuple):
    """Who asks whom; `inner` for networks behind the routers, otherwise tunnel addresses."""

    source: str
    target: str
    inner: bool

    def __str__(self) -> str:
        return f"{self.source}>{self.target}{' inner' if self.inner else ''}"


def tunnel_address(router: str) -> str:
    return f"192.168.0.{router.removeprefix('R')}"


def inner_address(router: str) -> str:
    return ".".join(["10", *[router.removeprefix("R")] * 3])


@dataclass(slots=True)
class _Sender:
    """Sockets in one router's namespace, as long as it is the one of `inode`."""

    router: str
    path: Path
    inode: int = 0
    outer: socket.socket | None = None
    inner: socket.socket | None = None

    def follow(self) -> None:
        """Move to the namespace that has the router's name now."""
        try:
            inode = self.path.stat().st_ino
        except OSError:
            inode = 0
        if inode == self.inode:
            return
        self.close()
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_ino != inode:
                    return
                with namespaces.inside(descriptor):
                    self.outer = _icmp(0xFFFFFFFF ^ (1 << _ECHO_REPLY))
                    self.inner = _icmp(0xFFFFFFFF)
                self.inner.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
                self.inner.bind((inner_address(self.router), 0))
                self.inode = inode
            finally:
                os.close(descriptor)

    def close(self) -> None:
        for one in (self.outer, self.inner):
            if one is not None:
                one.close()
        self.outer = self.inner = None
        self.inode = 0


def _icmp(blocked: int) -> socket.socket:
    """A raw ICMP socket that does not hear the types whose bits are set."""
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
    made.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", blocked))
    return made


@dataclass
class Flows:
    """Sends from a thread, as a context. `large` is the pair of the stream of large packets."""

    lab: str
    routers: tuple[str, ...]
    large: Pair
    sent: int = 0
    answered: int = 0
    _answered_at: dict[Pair, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = namespaces.NETNS
        self._senders = {router: _Sender(router, folder / namespace(self.lab, router)) for router in self.routers}
        self.pairs = [
            Pair(one, other, inner) for inner in (False, True) for one, other in permutations(self.routers, 2)
        ]
        self._asked: deque[tuple[int, int, float]] = deque(maxlen=REMEMBERED)
        self._sent_at: dict[tuple[int, int], float] = {}
        self._sequence = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Flows:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def silent(self, since: float) -> list[Pair]:
        """The pairs of which no echo that was sent after `since` (monotonic, seconds) has been answered."""
        if not self._thread.is_alive():
            raise AssertionError("the senders have stopped")
        return [pair for pair in self.pairs if self._answered_at.get(pair, 0.0) <= since]

    def _run(self) -> None:
        tick = 0
        try:
            while not self._ending.is_set():
                until = time.monotonic() + TICK_S
                tick += 1
                for sender in self._senders.values():
                    sender.follow()
                for number, pair in enumerate(self.pairs):
                    if (number + tick) % TICKS == 0:
                        self._send(number, pair, 8)
                    if pair == self.large:
                        self._send(number, pair, LARGE_BYTES)
                        self._send(number, pair, LARGE_BYTES)
                self._hear(until)
        finally:
            for sender in self._senders.values():
                sender.close()

    def _send(self, number: int, pair: Pair, size: int) -> None:
        sender = self._senders[pair.source]
        out = sender.inner if pair.inner else sender.outer
        if out is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        key = number + 1, self._sequence
        now = time.monotonic()
        address = inner_address(pair.target) if pair.inner else tunnel_address(pair.target)
        with suppress(OSError):  # there is no route yet, or no more
            out.sendto(_echo(*key, bytes(size)), (address, 0))
            self.sent += 1
            if len(self._asked) == REMEMBERED:
                self._sent_at.pop(self._asked[0][:2], None)
            self._asked.append((*key, now))
            self._sent_at[key] = now

    def _hear(self, until: float) -> None:
        ears = {sender.outer: None for sender in self._senders.values() if sender.outer is not None}
        while (left := until - time.monotonic()) > 0:
            for ear in select.select(list(ears), [], [], left)[0]:
                with suppress(OSError):
                    while True:
                        self._answer(ear.recv(2048))

    def _answer(self, packet: bytes) -> None:
        number, sequence = struct.unpack_from("!HH", packet, (packet[0] & 15) * 4 + 4)
        at = self._sent_at.pop((number, sequence), None)
        if at is not None:
            self.answered += 1
            pair = self.pairs[number - 1]
            self._answered_at[pair] = max(at, self._answered_at.get(pair, 0.0))


def _echo(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An ICMP echo request (RFC 792). `payload` is of zeroes, which the checksum does not feel."""
    total = (_ECHO << 8) + identifier + sequence
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", _ECHO, 0, ~(total + (total >> 16)) & 0xFFFF, identifier, sequence) + payload


def describe(pairs: Iterable[Pair]) -> str:
    return ", ".join(map(str, pairs))
