"""A tiny fake underlay: engines by NBMA address, frames first in, first out, time that jumps."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from iosish.config.model import Nhs
from iosish.engine import Datagram, Event, LogEvent
from iosish.nhrp.config import NhrpConfig, NhrpInterface
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.packet import Exchange, Packet, PacketType, decode
from iosish.nhrp.state import CacheEntry

HUB = IPv4Address("192.168.0.1")
HUB_NBMA = IPv4Address("172.16.15.2")


def ip(text: str) -> IPv4Address:
    return IPv4Address(text)


def tunnel_address(number: int) -> IPv4Address:
    return IPv4Address(f"192.168.0.{number}")


def nbma(number: int) -> IPv4Address:
    return IPv4Address(f"172.16.{number}5.2")


def hub_interface(**changes: Any) -> NhrpInterface:
    """R1 of the classic lab."""
    interface = NhrpInterface(
        name="Tunnel0",
        up=True,
        address=IPv4Interface("192.168.0.1/24"),
        nbma=HUB_NBMA,
        multicast_dynamic=True,
    )
    return replace(interface, **changes)


def spoke_interface(number: int, **changes: Any) -> NhrpInterface:
    """R2, R3, R4 ... of the classic lab."""
    interface = NhrpInterface(
        name="Tunnel0",
        up=True,
        address=IPv4Interface(f"192.168.0.{number}/24"),
        nbma=nbma(number),
        map={HUB: HUB_NBMA},
        multicast=(HUB_NBMA,),
        nhs=(Nhs(HUB),),
    )
    return replace(interface, **changes)


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame of the log: when it left, from and to which NBMA address, and what it was."""

    at: float
    source: IPv4Address
    destination: IPv4Address
    packet: Packet

    @property
    def exchange(self) -> Exchange:
        assert isinstance(self.packet.body, Exchange)
        return self.packet.body

    @property
    def summary(self) -> tuple[str, str, str]:
        """Sender and receiver by router name, and the type: ("R2", "R1", "resolution request")."""
        return _router(self.source), _router(self.destination), self.packet.type.name.replace("_", " ").lower()


def _router(address: IPv4Address) -> str:
    return f"R{address.packed[2] // 10}" if address in [nbma(number) for number in range(1, 20)] else str(address)


class Link:
    """Everybody reaches everybody. `lost` decides about each frame; `seen_as` translates a source (NAT)."""

    def __init__(self, latency_s: float = 0.01) -> None:
        self.now = 1000.0
        self.latency_s = latency_s
        self.engines: dict[IPv4Address, NhrpEngine] = {}
        self.configs: dict[IPv4Address, NhrpInterface] = {}
        self.lost: Callable[[Sent], bool] = lambda sent: False
        self.seen_as: dict[IPv4Address, IPv4Address] = {}
        self.log: list[Sent] = []
        self._flying: list[tuple[float, Datagram]] = []
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._alarm_count = 0

    def add(self, interface: NhrpInterface, seed: int = 1) -> NhrpEngine:
        assert interface.nbma is not None
        engine = NhrpEngine(random.Random(seed))
        self.engines[interface.nbma] = engine
        self.configure(interface)
        return engine

    def configure(self, interface: NhrpInterface) -> None:
        assert interface.nbma is not None
        self.configs[interface.nbma] = interface
        self.engines[interface.nbma].configure(NhrpConfig({interface.name: interface}), self.now)
        self.collect()

    def remove(self, address: IPv4Address) -> None:
        """Cut the power: nothing is said to anybody."""
        del self.engines[address]

    def collect(self) -> None:
        """Put on the wire what the engines want to send."""
        for engine in self.engines.values():
            for datagram in engine.datagrams():
                sent = Sent(self.now, datagram.local, datagram.peer, decode(datagram.payload))
                self.log.append(sent)
                if not self.lost(sent):
                    self._flying.append((self.now + self.latency_s, datagram))

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so much time, in the order in which it was asked for."""
        self._alarm_count += 1
        heapq.heappush(self._alarms, (self.now + seconds, self._alarm_count, action))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        while True:
            wakes = [(wake[0], engine) for engine in self.engines.values() if (wake := engine.next_wake())]
            wake_at, engine = min(wakes, key=lambda pair: pair[0], default=(float("inf"), None))
            arrival = self._flying[0][0] if self._flying else float("inf")
            alarm = self._alarms[0][0] if self._alarms else float("inf")
            if min(wake_at, arrival, alarm) > end:
                break
            if alarm <= min(wake_at, arrival):
                self.now = max(self.now, alarm)
                heapq.heappop(self._alarms)[2]()
            elif arrival <= wake_at:
                self.now = arrival
                self._deliver(self._flying.pop(0)[1])
            else:
                assert engine is not None
                self.now = max(self.now, wake_at)
                engine.wake(self.now)
            self.collect()
        self.now = end

    def _deliver(self, datagram: Datagram) -> None:
        source = self.seen_as.get(datagram.local, datagram.local)
        target = next((inside for inside, outside in self.seen_as.items() if outside == datagram.peer), datagram.peer)
        engine = self.engines.get(target)
        if engine is not None:
            arrived = replace(datagram, interface=self.configs[target].name, peer=source, local=target)
            engine.receive(arrived, self.now)

    def frames(self, *kinds: PacketType) -> list[Sent]:
        """What was sent since the last call, only these types if any are named."""
        found = [sent for sent in self.log if not kinds or sent.packet.type in kinds]
        self.log.clear()
        return found


def entry(engine: NhrpEngine, address: IPv4Address, now: float) -> CacheEntry | None:
    for state in engine.state(now).interfaces.values():
        for found in state.entries:
            if found.target.network_address == address:
                return found
    return None


def lines(events: list[Event]) -> list[str]:
    return [f"%{e.facility}-{e.severity}-{e.mnemonic}: {e.text}" for e in events if isinstance(e, LogEvent)]
