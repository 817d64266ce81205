"""A router in a world: a Router and its memory plane, driven by the world's clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from iosish.config.model import Config
from iosish.driving import Driving, Timer
from iosish.engine import DebugEvent, Event, LogEvent
from iosish.icmp.ping import Ping, PingRequest
from iosish.plane.memory.plane import MemoryPlane
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import World
from iosish.router import Router

#: How long a router thinks about a packet that its forwarding cannot turn by itself, and about its share of what waits.
THINKS_S = 0.0


class Node(Driving):
    """A simulated router. `events` holds its log events, each with its time, and `debugs` its lines of `debug`.

    `off`: it has no power.
    """

    plane: MemoryPlane

    def __init__(self, world: World, config: Config, wires: Mapping[str, Wire], thinks_s: float = THINKS_S) -> None:
        super().__init__(Router(world.random(f"{config.hostname} at {world.now}")))  # no life is like the one before
        self.world = world
        self.events: list[tuple[float, LogEvent]] = []
        self.debugs: list[DebugEvent] = []
        self.off = False
        self._thinks_s = thinks_s
        self.plane = MemoryPlane(world, config.hostname, self, wires)
        self.configure(config)

    def now(self) -> float:
        return self.world.now

    def call_soon(self, function: Callable[[], None]) -> None:
        self.world.call_later(self._thinks_s, function)

    def call_at(self, time: float, function: Callable[[], None]) -> Timer:
        return self.world.call_at(max(time, self.world.now + self._thinks_s), function)

    def log(self, event: Event) -> None:
        if isinstance(event, LogEvent):
            self.events.append((self.world.now, event))
        elif isinstance(event, DebugEvent):
            self.debugs.append(event)

    def power_off(self) -> None:
        """Gone without a word, as after a crash: all cables are pulled, and nothing is done any more."""
        self.off = True
        self.stop_timer()
        self.plane.power_off()

    def flush(self) -> None:
        if not self.off:
            super().flush()

    # Probes

    def ping(self, request: PingRequest, ceiling_s: float = 60.0) -> str:
        """Run a ping to its end; gives the whole text."""
        world = self.world
        session = Ping(request, 1)
        text: list[str] = []

        def step() -> None:
            for probe in session.datagrams():
                self.plane.send_ip(
                    probe.destination,
                    probe.protocol,
                    probe.payload,
                    source=probe.source,
                    ttl=probe.ttl,
                    tos=probe.tos,
                    df=probe.df,
                )
            text.append(session.text())
            due = session.next_wake()
            if due is not None:
                world.call_at(due[0], wake)

        def wake() -> None:
            session.wake(world.now)
            step()

        def received(packet: bytes) -> None:
            header = (packet[0] & 15) * 4
            session.receive(IPv4Address(packet[12:16]), packet[8], packet[header:], world.now)
            step()

        self.plane.icmp_received = received
        session.start(world.now)
        step()
        world.run_until(lambda: session.done, world.now + ceiling_s)
        text.append(session.text())
        return "".join(text)
