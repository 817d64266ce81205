"""A router in a world: a Router and its memory plane, driven by the world's clock."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from iosish.config.model import Config
from iosish.desired import LinkState
from iosish.engine import Datagram, LogEvent
from iosish.icmp.ping import Ping, PingRequest
from iosish.plane.memory.plane import MemoryPlane
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import Call, World
from iosish.router import Router

#: How long a router thinks about a packet that its forwarding cannot turn by itself.
THINKS_S = 0.0


class Node:
    """A simulated router. `log` holds its log events, each with its time."""

    def __init__(self, world: World, config: Config, wires: Mapping[str, Wire], thinks_s: float = THINKS_S) -> None:
        self.world = world
        self.log: list[tuple[float, LogEvent]] = []
        self._thinks_s = thinks_s
        self._timer: Call | None = None
        self._planned = False
        self.router = Router(world.random(config.hostname))
        self.plane = MemoryPlane(world, config.hostname, self, wires)
        self.configure(config)

    def configure(self, config: Config) -> None:
        self.router.configure(config, self.world.now)
        self.flush()

    # PlaneSink

    def link_changed(self, state: LinkState) -> None:
        self.router.link_changed(state, self.world.now)
        self._plan()

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.router.next_hop_missed(interface, address, self.world.now)
        self._plan()

    def received(self, datagram: Datagram) -> None:
        self.router.received(datagram, self.world.now)
        self._plan()

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.router.adjacencies_used(interface, peers, self.world.now)
        self._plan()

    def noticed(self, event: LogEvent) -> None:
        self.router.noticed(event)
        self._plan()

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.router.dropped(interface, reason, peer)
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self.world.call_later(self._thinks_s, self._planned_flush)

    def _planned_flush(self) -> None:
        self._planned = False
        self.flush()

    def _wake(self) -> None:
        self.router.wake(self.world.now)
        self.flush()

    def flush(self) -> None:
        """Hand out what the router wants done, and set the timer for what comes next."""
        if self.router.changed():
            self.plane.apply(self.router.desired)
        for datagram in self.router.datagrams():
            self.plane.send(datagram)
        for event in self.router.events():
            if isinstance(event, LogEvent):
                self.log.append((self.world.now, event))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.router.next_wake()
        if due is not None:
            self._timer = self.world.call_at(due[0], self._wake)

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
