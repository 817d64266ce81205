"""The control side's end of the forwarder process: starts it, replaces it when it ends, talks to it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from itertools import count
from typing import NamedTuple

from iosish.desired import EspRefusal, PlaneCounters, PlaneSink, SaChange, SeenPacket
from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.plane import udp_4500
from iosish.plane.user import channel, forwarder, sa_values
from iosish.plane.user.channel import pack
from iosish.plane.user.refusals import Refusals

#: A forwarder that ends sooner than this after its start is replaced only when as much time has gone by.
MIN_LIFE_S = 1.0
ANSWER_WITHIN_S = 1.0
#: When so many messages to the forwarder wait for room, NHRP and IKE are lost, as on a full link. Tables, SAs and
#: devices are not.
QUEUE_MAX = 1000
#: Messages taken from the forwarder before others have their turn.
BURST = 64


class _Waiting(NamedTuple):
    """A message with its descriptor, or what is to be done when all before it has been handed over."""

    message: bytes
    descriptor: int | None = None
    do: Callable[[], None] | None = None


class ForwarderLink:
    """What goes to the forwarder and comes from it. `taps` gives the tunnels and descriptors that a new one needs.

    `warm`: it gets ready for many packets at once, not when they come.
    """

    def __init__(self, sink: PlaneSink, taps: Callable[[], Iterable[tuple[str, int]]], *, warm: bool = False) -> None:
        self._warm = warm
        self._sink = sink
        self._taps = taps
        self._loop = asyncio.get_running_loop()
        self._channel: socket.socket | None = None
        self._waiting: deque[_Waiting] = deque()
        self._port: int | None = None
        self._carried: Mapping[str, Tunnel] = {}
        self._watched: frozenset[str] = frozenset()
        self._forked_at = 0.0
        self._why = ""
        self._replacing: asyncio.TimerHandle | None = None
        self._counting: asyncio.Future[PlaneCounters] | None = None
        self._sas_counted: dict[SaKey, SaCounters] = {}
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._numbers = count()
        self._refusals = Refusals()
        self.pid: int | None = None

    def end(self) -> None:
        """End the forwarder for good."""
        if self._replacing is not None:
            self._replacing.cancel()
            self._replacing = None
        self._end()

    def send(self, tunnel: str, peer: IPv4Address, payload: bytes) -> None:
        """Send NHRP; it is lost while the forwarder does not keep up."""
        self._offer(pack(channel.SEND, (tunnel, peer.packed, payload)))

    def add_tap(self, tunnel: str, descriptor: int) -> None:
        """Hand over a tunnel's TAP; the descriptor stays the caller's."""
        self._tell(pack(channel.TAP, tunnel), os.dup(descriptor))

    def drop_tap(self, tunnel: str) -> None:
        self._tell(pack(channel.NO_TAP, tunnel))

    def secure(self, change: SaChange) -> None:
        """Hand over SAs; they are in force before all that is told afterwards, also when the next forwarder starts."""
        for step in sa_values.pack_change(change):
            self._tell(pack(channel.SECURE, step), kept=True)

    def open(self, port: int | None) -> None:
        """Hand over the descriptor of UDP 4500, which stays the caller's; None when it is closed."""
        self._port = port
        self._tell(pack(channel.PORT, None), None if port is None else os.dup(port))

    def send_ike(self, datagram: UdpDatagram) -> None:
        """Send IKE from UDP 4500; it is lost while the forwarder does not keep up."""
        value = datagram.local.packed, datagram.peer.packed, datagram.peer_port, datagram.payload
        self._offer(pack(channel.IKE, value))

    def watch(self, interfaces: frozenset[str]) -> None:
        """The tunnels (and what else, of which it knows nothing) whose packets are to be seen."""
        if interfaces != self._watched:
            self._watched = interfaces
            self._tell(pack(channel.WATCH, tuple(interfaces)))

    def after(self, do: Callable[[], None]) -> None:
        """Do something when all that was told has been handed over; it is lost while the forwarder does not keep up."""
        if not self._waiting:
            do()
        elif len(self._waiting) < QUEUE_MAX:
            self._waiting.append(_Waiting(b"", do=do))

    def start(self) -> None:
        """Fork the forwarder. Raises OSError."""
        own, its = channel.pair()
        self.pid = forwarder.fork(its, warm=self._warm)
        self._forked_at = self._loop.time()
        its.close()
        self._channel = own
        self._loop.add_reader(own, self._heard)

    def _end(self) -> None:
        if self._channel is not None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
            self._channel = None
        for waiting in self._waiting:
            if waiting.descriptor is not None:
                os.close(waiting.descriptor)
        self._waiting.clear()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = None

    def _died(self) -> None:
        """Start another one: at once, unless this one ended as soon as it began."""
        lived_s = self._loop.time() - self._forked_at
        why, self._why = self._why, ""
        self._end()
        self._sink.noticed(
            LogEvent("IOSISH", 3, "FORWARDER", f"The forwarder process ended{why}; a new one takes over")
        )
        self._sink.sas_lost()
        wait_s = 0.0 if lived_s >= MIN_LIFE_S else MIN_LIFE_S
        self._replacing = self._loop.call_later(wait_s, self._replace)

    def _replace(self) -> None:
        """Start the next one, with the same tables and devices, and the SAs that were made since the last one ended."""
        self._replacing = None
        kept, self._waiting = self._waiting, deque()
        self.start()
        self._tell(pack(channel.TABLES, channel.pack_tunnels(self._carried)))
        self._tell(pack(channel.WATCH, tuple(self._watched)))
        for tunnel, descriptor in self._taps():
            self.add_tap(tunnel, descriptor)
        if self._port is not None:
            self.open(self._port)
        for waiting in kept:
            if waiting.do is not None:
                self.after(waiting.do)
            else:
                self._tell(waiting.message)

    def carry(self, tunnels: Mapping[str, Tunnel]) -> None:
        """Give the forwarder its tables. One that still waits is overtaken: the latest is right for all behind it."""
        if tunnels == self._carried:
            return
        self._carried = tunnels
        message = pack(channel.TABLES, channel.pack_tunnels(tunnels))
        for place, waiting in enumerate(self._waiting):
            if waiting.message[:1] == channel.TABLES:
                self._waiting[place] = _Waiting(message)
                return
        self._tell(message)

    def _offer(self, message: bytes) -> None:
        """Tell what may be lost while the forwarder does not keep up."""
        if len(self._waiting) < QUEUE_MAX:
            self._tell(message)

    def _tell(self, message: bytes, descriptor: int | None = None, *, kept: bool = False) -> None:
        """Without a forwarder only what is `kept` waits for the next one: that gets the rest from us anew."""
        if self._channel is None and not kept:
            if descriptor is not None:
                os.close(descriptor)
            return
        self._waiting.append(_Waiting(message, descriptor))
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        if self._channel is None:
            return
        while self._waiting:
            message, descriptor, do = self._waiting[0]
            if do is None:
                try:
                    socket.send_fds(self._channel, [message], [] if descriptor is None else [descriptor])
                except BlockingIOError:
                    self._loop.add_writer(self._channel, self._flush)
                    return
                except OSError as error:  # the reader sees that the forwarder is gone
                    if error.errno == errno.EMSGSIZE and self.pid is not None:
                        # It must not go on with tables of before, which may have been without protection.
                        self._why = " (a message to it is too large)"
                        os.kill(self.pid, signal.SIGKILL)
            self._waiting.popleft()
            if descriptor is not None:
                os.close(descriptor)
            if do is not None:
                do()
        self._loop.remove_writer(self._channel)

    def _heard(self) -> None:
        for _ in range(BURST):
            if self._channel is None:
                return
            try:
                message = self._channel.recv(channel.MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._died()
                return
            self._take(*channel.unpack(message))

    def _take(self, kind: bytes, value: object) -> None:
        match kind, value:
            case channel.RECEIVED, (str(name), bytes(peer), bytes(local), bytes(payload), bool(protected)):
                self._sink.received(Datagram(name, IPv4Address(peer), IPv4Address(local), payload, protected))
            case channel.USED, dict(used):
                for name, peers in used.items():
                    self._sink.adjacencies_used(name, frozenset(IPv4Address(peer) for peer in peers))
            case channel.REFUSED, list(refused):
                for tunnel, reason, source in self._refusals.worth_telling(refused, self._loop.time()):
                    self._sink.dropped(tunnel, reason, IPv4Address(source))
            case channel.ENDED, str(why):
                self._why = f" ({why})"
            case channel.IKE_RECEIVED, (bytes(local), bytes(peer), int(port), bytes(payload)):
                own = IPv4Address(local), udp_4500.NAT_T_PORT
                self._sink.ike_received(UdpDatagram(*own, IPv4Address(peer), port, payload))
            case channel.MISSED, list(missed):
                for tunnel, peer in missed:
                    self._sink.sa_missed(tunnel, IPv4Address(peer))
            case channel.SAS_USED, list(counted):
                self._sink.sas_used(sa_values.unpack_counters(counted))
            case channel.WORN, list(keys):
                for key in keys:
                    self._sink.sa_worn(sa_values.unpack_key(key))
            case channel.ESP_REFUSED, list(refused):
                for reason, local, source, spi, sequence in refused:
                    self._sink.esp_refused(EspRefusal(reason, IPv4Address(local), IPv4Address(source), spi, sequence))
            case channel.SEEN, (list(packets), dict(missed)):
                self._tell(pack(channel.SEEN_TAKEN, None))
                self._sink.packets_seen(
                    [SeenPacket(name, into, at, data, len(data)) for name, into, at, data in packets]
                )
                for name, lost in missed.items():
                    self._sink.packets_missed(name, lost)
            case channel.TAKEN, int(number):
                waiter = self._waiters.get(number)
                if waiter is not None and not waiter.done():
                    waiter.set_result(None)
            case channel.SA_COUNTED, list(counted):
                self._sas_counted.update(sa_values.unpack_counters(counted))
            case channel.COUNTED, (dict(counters), dict(drops)):
                sas, self._sas_counted = self._sas_counted, {}
                if self._counting is not None and not self._counting.done():
                    self._counting.set_result(PlaneCounters(channel.unpack_counters(counters), drops, sas))

    async def taken(self) -> None:
        """Wait until the forwarder has taken all that it was told; not for long, if it does not answer."""
        await self._answered(channel.ASK)

    async def caught_up(self) -> None:
        """Wait until all that has passed watched tunnels so far is told; not for long, if there is no answer."""
        if self._watched & self._carried.keys():
            await self._answered(channel.ASK_SEEN)

    async def _answered(self, question: bytes) -> None:
        if self._channel is None:
            return  # the next one takes all before anything else
        number, waiter = next(self._numbers), self._loop.create_future()
        self._waiters[number] = waiter
        self._tell(pack(question, number))
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waiter, ANSWER_WITHIN_S)
        finally:
            del self._waiters[number]

    async def counters(self) -> PlaneCounters:
        """Counters of the tunnels and SAs, and drops by reason; empty when the forwarder does not answer."""
        if self._counting is None or self._counting.done():
            self._counting = self._loop.create_future()
            self._offer(pack(channel.COUNT, None))
        try:
            return await asyncio.wait_for(asyncio.shield(self._counting), ANSWER_WITHIN_S)
        except TimeoutError:
            self._counting = None  # the forwarder that was asked may be gone: the next one who asks asks anew
            return PlaneCounters()
