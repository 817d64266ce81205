"""What drives a router on some clock: what comes in is batched, then all that follows goes out at once.

The runtime does it on asyncio and the machine's clock, the simulator on a world's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Protocol

from iosish.config.model import Config
from iosish.desired import Desired, EspRefusal, LinkState, Plane, SaChange, SeenPacket
from iosish.engine import Datagram, Event, LogEvent, UdpDatagram
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.nhrp.config import Sessions
from iosish.router import Router

#: IKE leaves no faster than so many in so long: ten thousand farewells of one command would flood the line's queue, and
#: who misses his goes on with SAs that are no more.
IKE_AT_ONCE, IKE_PAUSE_S = 100, 0.01
IKE_WAITING_MAX = 65536


class Timer(Protocol):
    def cancel(self) -> None: ...


class Watcher(Protocol):
    """Who wants to see packets. It is told of all interfaces that anybody watches."""

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None: ...

    def packets_missed(self, interface: str, count: int) -> None: ...


class Driving(ABC):
    """The `PlaneSink` of a router. Until `plane` is set, nothing goes out."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.plane: Plane | None = None
        self._planned = False
        self._timer: Timer | None = None
        self._ike_waiting: deque[UdpDatagram] = deque()
        self._ike_timer: Timer | None = None
        self._ike_window: tuple[float, int] = (float("-inf"), 0)  # until when, and how many left in it
        self._watchers: dict[Watcher, frozenset[str]] = {}

    @abstractmethod
    def now(self) -> float:
        """Seconds on the clock that the router lives by."""

    @abstractmethod
    def call_soon(self, function: Callable[[], None]) -> None:
        """Call once all that is already there has come in."""

    @abstractmethod
    def call_at(self, time: float, function: Callable[[], None]) -> Timer: ...

    @abstractmethod
    def log(self, event: Event) -> None: ...

    def configure(self, config: Config) -> None:
        self.router.configure(config, self.now())
        self.flush()

    def clear_nhrp(self, interface: str | None, address: IPv4Address | None) -> None:
        self.router.clear_nhrp(interface, address, self.now())
        self._plan()

    def clear_dmvpn(self, sessions: Sessions) -> None:
        self.router.clear_dmvpn(sessions, self.now())
        self._plan()

    def clear_crypto_sa(self, peer: IPv4Address | None) -> None:
        self.router.clear_crypto_sa(peer, self.now())
        self._plan()

    def clear_crypto_isakmp(self, connection_id: int | None) -> None:
        self.router.clear_crypto_isakmp(connection_id, self.now())
        self._plan()

    def clear_crypto_session(self, peer: IPv4Address | None) -> None:
        self.router.clear_crypto_session(peer, self.now())
        self._plan()

    def debug(self, topics: frozenset[str]) -> None:
        self.router.debug(topics)

    def watch(self, watcher: Watcher, interfaces: frozenset[str]) -> None:
        """The interfaces whose packets `watcher` is to see from now on."""
        if interfaces:
            self._watchers[watcher] = interfaces
        else:
            self._watchers.pop(watcher, None)
        if self.plane is not None:
            self.plane.watch(frozenset().union(*self._watchers.values()))

    # PlaneSink

    def link_changed(self, state: LinkState) -> None:
        self.router.link_changed(state, self.now())
        self._plan()

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.router.next_hop_missed(interface, address, self.now())
        self.flush()  # a packet waits for it

    def received(self, datagram: Datagram) -> None:
        self.router.received(datagram, self.now())
        self._plan()

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.router.adjacencies_used(interface, peers, self.now())
        self._plan()

    def ike_received(self, datagram: UdpDatagram) -> None:
        self.router.ike_received(datagram, self.now())
        self._plan()

    def sa_missed(self, interface: str, peer: IPv4Address) -> None:
        self.router.sa_missed(interface, peer, self.now())
        self._plan()

    def sas_used(self, used: Mapping[SaKey, SaCounters]) -> None:
        self.router.sas_used(used, self.now())
        self._plan()

    def sa_worn(self, key: SaKey) -> None:
        self.router.sa_worn(key, self.now())
        self._plan()

    def sas_lost(self) -> None:
        self.router.sas_lost(self.now())
        self._plan()

    def esp_refused(self, refusal: EspRefusal) -> None:
        self.router.esp_refused(refusal, self.now())
        self._plan()

    def ike_closed(self, reason: str | None) -> None:
        self.router.ike_closed(reason, self.now())
        self._plan()

    def noticed(self, event: LogEvent) -> None:
        self.router.noticed(event)
        self._plan()

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.router.dropped(interface, reason, peer)
        self._plan()

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        for watcher in tuple(self._watchers):
            watcher.packets_seen(packets)

    def packets_missed(self, interface: str, count: int) -> None:
        for watcher in tuple(self._watchers):
            watcher.packets_missed(interface, count)

    # Within

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self.call_soon(self._planned_flush)

    def _planned_flush(self) -> None:
        self._planned = False
        self.flush()

    def _wake(self) -> None:
        self.router.wake(self.now())
        self.flush()

    def flush(self) -> None:
        """Hand out what the router wants done, and set the timer for what comes next."""
        if self.plane is None:
            return
        changes = self.router.sa_changes()
        changed, messages = self.router.changed(), self.router.ike_datagrams()
        datagrams = self.router.datagrams()
        for datagram in datagrams:
            if datagram.farewell:
                self.plane.send(datagram)
        self._install(changes, inbound=True)
        if changed:
            stays = _stays(self.router.desired)
            self._send_at_once(message for message in (*self._ike_waiting, *messages) if not stays(message))
            self._ike_waiting = deque(message for message in self._ike_waiting if stays(message))
            messages = [message for message in messages if stays(message)]
            self.plane.apply(self.router.desired)
        if not any(change.removed for change in changes):
            self._send_ike(messages)  # a peer may take nothing by a new SA before the last message of its exchange
            messages = []
        self._install(changes, inbound=False)
        for datagram in datagrams:
            if not datagram.farewell:
                self.plane.send(datagram)
        self._send_ike(messages)
        for change in changes:  # a farewell goes by the SA that it is about
            if change.removed:
                self.plane.secure(SaChange(removed=change.removed))
        for event in self.router.events():
            self.log(event)
        self.stop_timer()
        due = self.router.next_wake()
        if due is not None:
            self._timer = self.call_at(due[0], self._wake)

    def _install(self, changes: Iterable[SaChange], inbound: bool) -> None:
        """Put the new SAs of one direction in place; what waited for an outbound one leaves."""
        for change in changes:
            installed = tuple(sa for sa in change.installed if sa.inbound is inbound)
            if installed and self.plane is not None:
                self.plane.secure(SaChange(installed=installed))

    def _send_ike(self, messages: Iterable[UdpDatagram]) -> None:
        """Send in order, each as soon as its turn comes."""
        for message in messages:
            if len(self._ike_waiting) < IKE_WAITING_MAX:
                self._ike_waiting.append(message)
        if self._ike_timer is None:
            self._send_waiting()

    def _send_waiting(self) -> None:
        self._ike_timer = None
        now = self.now()
        until, left = self._ike_window
        if now >= until:
            until, left = now + IKE_PAUSE_S, 0
        while self._ike_waiting and left < IKE_AT_ONCE and self.plane is not None:
            self.plane.send_ike(self._ike_waiting.popleft())
            left += 1
        self._ike_window = until, left
        if self._ike_waiting and self.plane is not None:
            self._ike_timer = self.call_at(until, self._send_waiting)

    def _send_at_once(self, messages: Iterable[UdpDatagram]) -> None:
        """What has no time to wait for its turn."""
        for message in messages:
            if self.plane is not None:
                self.plane.send_ike(message)

    def end(self) -> None:
        """End in order: peers hear that their SAs are gone, and need not find out. Nothing goes out any more."""
        if self.plane is not None:
            self.router.end(self.now())
            self._send_at_once((*self._ike_waiting, *self.router.ike_datagrams()))
            self._ike_waiting.clear()
        self.plane = None
        self.stop_timer()
        if self._ike_timer is not None:
            self._ike_timer.cancel()
            self._ike_timer = None

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _stays(desired: Desired) -> Callable[[UdpDatagram], bool]:
    """Says of a message whether it can leave in this picture: IKE may end there, or have an address no longer."""
    if not desired.ike:
        return lambda message: False
    own = {address.ip for link in desired.links.values() if link.up for address in link.addresses}
    return lambda message: message.local in own
