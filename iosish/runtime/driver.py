"""Drives a router on a real clock and a data plane: what comes in is batched, what follows goes out at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from ipaddress import IPv4Address
from random import Random

from iosish.config.model import Config
from iosish.desired import LinkState, Plane
from iosish.engine import Datagram, Event, LogEvent
from iosish.router import Router
from iosish.runtime.clock import monotonic


class Driver:
    """A PlaneSink around a Router. `log` takes the events; `changed` is called when interfaces may have changed."""

    def __init__(self, log: Callable[[Event], None], changed: Callable[[], None]) -> None:
        self.router = Router(Random(secrets.randbits(128)))
        self.plane: Plane | None = None
        self._log = log
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, plane: Plane) -> None:
        self.plane = plane

    def stop(self) -> None:
        self.plane = None
        if self._timer:
            self._timer.cancel()

    def configure(self, config: Config) -> None:
        self.router.configure(config, monotonic())
        self.flush()

    def clear_nhrp(self, interface: str | None, address: IPv4Address | None) -> None:
        self.router.clear_nhrp(interface, address, monotonic())
        self._plan()

    def clear_dmvpn(self, peer: IPv4Address | None) -> None:
        self.router.clear_dmvpn(peer, monotonic())
        self._plan()

    # PlaneSink

    def link_changed(self, state: LinkState) -> None:
        self.router.link_changed(state, monotonic())
        self._plan()

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.router.next_hop_missed(interface, address, monotonic())
        self.flush()  # a packet waits for it

    def received(self, datagram: Datagram) -> None:
        self.router.received(datagram, monotonic())
        self._plan()

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.router.adjacencies_used(interface, peers, monotonic())
        self._plan()

    def noticed(self, event: LogEvent) -> None:
        self.router.noticed(event)
        self._plan()

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.router.dropped(interface, reason, peer)
        self._plan()

    # Within

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._planned_flush)

    def _planned_flush(self) -> None:
        self._planned = False
        self.flush()

    def _wake(self) -> None:
        self.router.wake(monotonic())
        self.flush()

    def flush(self) -> None:
        """Hand out what the router wants done, and set the timer for what comes next."""
        if self.plane is None:
            return
        if self.router.changed():
            self.plane.apply(self.router.desired)
        for datagram in self.router.datagrams():
            self.plane.send(datagram)
        for event in self.router.events():
            self._log(event)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.router.next_wake()
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due[0] - monotonic()), self._wake)
        self._changed()
