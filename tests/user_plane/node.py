"""A user plane in a process and network namespace of its own, driven by a test through its standard input and output.

Requests and answers are pickled values, each behind its length in four octets. Instead of a router there is a sink that
writes down what it is told, and that answers a missed next hop from a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import secrets
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any

from iosish.desired import Desired, EspRefusal, LinkState, SeenPacket
from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.ipsec.sa import SaChange, SaCounters, SaKey

#: No wait in a test takes longer, unless something is broken.
CEILING_S = 15.0

Answers = dict[tuple[str, IPv4Address], int]


@dataclass
class Told:
    """What a plane has told its sink, in order."""

    links: list[LinkState] = field(default_factory=list)
    missed: list[tuple[str, IPv4Address]] = field(default_factory=list)
    received: list[Datagram] = field(default_factory=list)
    used: list[tuple[str, frozenset[IPv4Address]]] = field(default_factory=list)
    noticed: list[LogEvent] = field(default_factory=list)
    dropped: list[tuple[str | None, str, IPv4Address]] = field(default_factory=list)
    ike: list[UdpDatagram] = field(default_factory=list)
    sas: list[tuple[str, object]] = field(default_factory=list)
    seen: list[SeenPacket] = field(default_factory=list)
    unseen: list[tuple[str, int]] = field(default_factory=list)

    def link(self, name: str) -> LinkState | None:
        """The last state told of an interface."""
        return next((state for state in reversed(self.links) if state.name == name), None)


class _Sink:
    def __init__(self) -> None:
        self.told = Told()
        self.answers: Answers = {}
        self.answer: Callable[[tuple[str, IPv4Address], int], None] = lambda where, adjacency: None

    def link_changed(self, state: LinkState) -> None:
        self.told.links.append(state)

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.told.missed.append((interface, address))
        if (interface, address) in self.answers:
            self.answer((interface, address), self.answers[interface, address])

    def received(self, datagram: Datagram) -> None:
        self.told.received.append(datagram)

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.told.used.append((interface, peers))

    def noticed(self, event: LogEvent) -> None:
        self.told.noticed.append(event)

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.told.dropped.append((interface, reason, peer))

    def ike_received(self, datagram: UdpDatagram) -> None:
        self.told.ike.append(datagram)

    def sa_missed(self, interface: str, peer: IPv4Address) -> None:
        self.told.sas.append(("missed", (interface, peer)))

    def sas_used(self, used: Mapping[SaKey, SaCounters]) -> None:
        self.told.sas.append(("used", dict(used)))

    def sa_worn(self, key: SaKey) -> None:
        self.told.sas.append(("worn", key))

    def sas_lost(self) -> None:
        self.told.sas.append(("lost", None))

    def esp_refused(self, refusal: EspRefusal) -> None:
        self.told.sas.append(("refused", refusal))

    def ike_closed(self, reason: str | None) -> None:
        self.told.sas.append(("closed", reason))

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        self.told.seen.extend(packets)

    def packets_missed(self, interface: str, count: int) -> None:
        self.told.unseen.append((interface, count))


class Namespace:
    """A network namespace with a random name, gone at the end."""

    def __init__(self) -> None:
        self.name = f"t-{secrets.token_hex(4)}"

    def __enter__(self) -> Namespace:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def ip(self, *arguments: str) -> str:
        return subprocess.run(
            ["ip", "-n", self.name, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["ip", "netns", "exec", self.name, *command], capture_output=True, text=True, timeout=60)

    def pings(self, address: str, *options: str) -> bool:
        """Whether one ping is answered."""
        return self.run("ping", "-n", "-c", "1", "-W", "4", *options, address).returncode == 0


class Node:
    """The test's end: starts the process, asks it, and ends it."""

    def __init__(self, space: Namespace, interfaces: dict[str, str] | None = None) -> None:
        self.space = space
        self.desired = Desired()
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", space.name, sys.executable, "-m", "tests.user_plane.node"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self._ask("start", interfaces or {})

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._process.poll() is None:
                with contextlib.suppress(OSError, EOFError):
                    self._ask("stop")
                self._process.wait(CEILING_S)
        finally:  # also when the test's own time is over
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """`ip netns exec` becomes the command it runs."""
        return self._process.pid

    def _ask(self, what: str, *values: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        _write(self._process.stdin.fileno(), (what, values))
        return _read(self._process.stdout.fileno())

    def apply(self, desired: Desired, answers: Answers | None = None) -> None:
        """Apply and wait until it is in the kernel; `answers` are the adjacencies for missed next hops."""
        self.desired = desired
        self._ask("apply", desired, answers or {})

    def apply_often(self, several: list[Desired]) -> None:
        """Apply several in one breath, then wait."""
        self.desired = several[-1]
        self._ask("apply_often", several)

    def breath(self, *calls: Desired | Datagram | UdpDatagram | SaChange) -> None:
        """Apply, send and secure, in this order and in one breath, then wait."""
        self._ask("breath", calls)

    def hurt(self, times: int) -> None:
        """Let the plane fail, in a way that nobody thought of, so many times."""
        self._ask("hurt", times)

    def told(self) -> Told:
        told = self._ask("told")
        assert isinstance(told, Told)
        return told

    def rest(self) -> Any:
        """What the plane would still have to do."""
        return self._ask("rest")

    def counters(self) -> Any:
        return self._ask("counters")

    def readings(self, desired: Desired, count: int) -> Any:
        """Apply, and meanwhile read counters and neighbours `count` times at once."""
        self.desired = desired
        return self._ask("readings", desired, count)

    def send(self, datagram: Datagram) -> None:
        self._ask("send", datagram)

    def watch(self, *interfaces: str) -> None:
        self._ask("watch", frozenset(interfaces))

    def caught_up(self) -> Told:
        """What the plane has told when all that has passed so far is told."""
        self._ask("caught_up")
        return self.told()

    def forwarder(self) -> int | None:
        """The pid of the forwarder process."""
        pid = self._ask("forwarder")
        return pid if pid is None else int(pid)

    def stop(self, *, final: bool = True) -> None:
        """Stop the plane; the process goes on."""
        self._ask("stop_plane", final)


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait, up to the ceiling, until `holds` gives something true."""
    end = time.monotonic() + CEILING_S
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never came: {what}")


@contextlib.contextmanager
def cabled(*ends: tuple[Namespace, str]) -> Iterator[None]:
    """A cable between two (namespace, device)."""
    (left, left_device), (right, right_device) = ends
    one, other = f"c{secrets.token_hex(4)}", f"c{secrets.token_hex(4)}"
    subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    subprocess.run(["ip", "link", "set", one, "netns", left.name, "name", left_device], check=True)
    subprocess.run(["ip", "link", "set", other, "netns", right.name, "name", right_device], check=True)
    yield


def _write(descriptor: int, value: Any) -> None:
    data = pickle.dumps(value)
    data = struct.pack("!I", len(data)) + data
    while data:
        data = data[os.write(descriptor, data) :]


def _read(descriptor: int) -> Any:
    return pickle.loads(_exactly(descriptor, *struct.unpack("!I", _exactly(descriptor, 4))))


def _exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _hurt(plane: Any, times: int) -> None:
    observe, left = plane._kernel.observe, iter(range(times))

    async def observe_or_not(ours: Mapping[str, int]) -> Any:
        if next(left, None) is not None:
            raise ZeroDivisionError("hurt")
        return await observe(ours)

    plane._kernel.observe = observe_or_not


async def _serve() -> None:
    from iosish.plane.plan import plan
    from iosish.plane.user import UserPlane

    loop = asyncio.get_running_loop()
    sink = _Sink()
    answers_to = os.dup(1)
    os.dup2(2, 1)
    plane: UserPlane | None = None

    def answer(where: tuple[str, IPv4Address], adjacency: int) -> None:
        assert plane is not None
        desired = plane._desired
        plane.apply(replace(desired, neighbours={**desired.neighbours, where: adjacency}))

    sink.answer = answer
    while True:
        try:
            what, values = await loop.run_in_executor(None, _read, 0)
        except EOFError:
            what, values = "stop", ()
        given: Any = None
        if what == "start":
            plane = UserPlane(sink, *values)
            await plane.start()
        assert plane is not None
        if what == "apply":
            desired, sink.answers = values
            plane.apply(desired)
            await plane.settled()
        elif what == "apply_often":
            for desired in values[0]:
                plane.apply(desired)
            await plane.settled()
        elif what == "breath":
            for call in values[0]:
                if isinstance(call, Desired):
                    plane.apply(call)
                elif isinstance(call, SaChange):
                    plane.secure(call)
                elif isinstance(call, UdpDatagram):
                    plane.send_ike(call)
                else:
                    plane.send(call)
            await plane.settled()
        elif what == "watch":
            plane.watch(*values)
        elif what == "caught_up":
            await plane.caught_up()
        elif what == "hurt":
            _hurt(plane, *values)
        elif what == "told":
            given = sink.told
        elif what == "rest":
            await plane.settled()
            observed = await type(plane._kernel).observe(plane._kernel, plane._own.devices)
            given = plan(plane._desired, observed, plane._own.snapshot(), plane._devices)
        elif what == "counters":
            given = await plane.counters()
        elif what == "readings":
            plane.apply(values[0])
            both = [asyncio.gather(plane.counters(), plane.arp()) for _ in range(values[1])]
            given = await asyncio.gather(*both)
            await plane.settled()
        elif what == "send":
            plane.send(values[0])
        elif what == "forwarder":
            given = plane._forwarder.pid
        elif what in ("stop", "stop_plane"):
            await plane.stop(final=values[0] if values else True)
        with contextlib.suppress(BrokenPipeError):
            _write(answers_to, given)
        if what == "stop":
            return


if __name__ == "__main__":
    from tests.user_plane import node  # its classes are pickled under this name

    asyncio.run(node._serve())
