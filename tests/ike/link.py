"""Engines on a wire that is no wire: one clock, one seed; messages may be lost, late, doubled or translated."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from iosish.engine import DebugEvent, Event, LogEvent, UdpDatagram
from iosish.ike.config import (
    Authentication,
    Cipher,
    CryptoMap,
    IkeConfig,
    Keyring,
    Policy,
    PresharedKey,
)
from iosish.ike.engine import IkeEngine
from iosish.ike.events import Flow, FlowDown, FlowUp
from iosish.ipsec import transforms
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation
from iosish.ipsec.transforms import Integrity, Mode, Transform, TransformSet

HUB = IPv4Address("172.16.15.2")
SPOKE = IPv4Address("172.16.25.2")
OTHER = IPv4Address("172.16.35.2")
PUBLIC = IPv4Address("198.51.100.1")
LATENCY_S = 0.01

AES_SHA = TransformSet("AES", Transform(transforms.Cipher.AES_CBC, 128, Integrity.SHA1), Mode.TUNNEL)
TRANSPORT = replace(AES_SHA, mode=Mode.TRANSPORT)
POLICY = Policy(10, Cipher.AES, 128, authentication=Authentication.PRE_SHARE, group=2)
TAG = "Tunnel0-head-0"


def keyring(secret: bytes = b"P4ssw0rd", network: str = "0.0.0.0/0", name: str = "default") -> Keyring:
    return Keyring(name, (PresharedKey(secret, IPv4Network(network)),))


def config(local: IPv4Address, **changes: object) -> IkeConfig:
    """What the classic lab's section 3 makes of a router; names of `CryptoMap` change its map, others the whole."""
    fields = set(CryptoMap.__dataclass_fields__) & set(changes)
    crypto_map = CryptoMap(TAG, "MyProfile", ("Tunnel0",), local, (AES_SHA,))
    crypto_map = replace(crypto_map, **{name: changes.pop(name) for name in fields})  # type: ignore[arg-type]
    whole = IkeConfig(policies=(POLICY,), keyrings={"default": keyring()}, maps={TAG: crypto_map})
    return replace(whole, **changes)  # type: ignore[arg-type]


def flow(local: IPv4Address, peer: IPv4Address) -> Flow:
    return Flow(TAG, local, peer)


class Station:
    """One engine, what it has put into its plane, and what it told."""

    def __init__(self, world: World, address: IPv4Address, settings: IkeConfig | None) -> None:
        self.world = world
        self.address = address
        self.engine = IkeEngine(random.Random(f"{world.seed} {address} {next(world.made)}"))
        self.sas: dict[SaKey, SecurityAssociation] = {}
        self.order: list[SaKey] = []
        self.events: list[Event] = []
        self.sent: list[UdpDatagram] = []
        self.engine.configure(settings, world.now)

    @property
    def log(self) -> list[str]:
        lines = [event for event in self.events if isinstance(event, LogEvent)]
        return [f"%{line.facility}-{line.severity}-{line.mnemonic}: {line.text}" for line in lines]

    @property
    def debug(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, DebugEvent)]

    @property
    def flow_events(self) -> list[str]:
        return [
            f"up {event.flow.peer}" if isinstance(event, FlowUp) else f"down {event.flow.peer}: {event.reason}"
            for event in self.events
            if isinstance(event, FlowUp | FlowDown)
        ]

    def request(self, peer: IPv4Address) -> None:
        self.engine.request(flow(self.address, peer), self.world.now)

    def release(self, peer: IPv4Address) -> None:
        self.engine.release(flow(self.address, peer), self.world.now)

    def states(self) -> list[str]:
        """`show crypto isakmp sa` in short: `172.16.25.2 QM_IDLE 1001`, `(deleted)` behind those that are."""
        return [
            f"{sa.peer} {sa.state} {sa.connection_id}{'' if sa.active else ' (deleted)'}"
            for sa in self.engine.state(self.world.now).isakmp
        ]

    def outbound(self, peer: IPv4Address) -> SecurityAssociation | None:
        """What packets to `peer` take: the newest."""
        keys = [key for key in self.order if not key.inbound and key.peer == peer]
        return self.sas[keys[-1]] if keys else None

    def inbound(self, peer: IPv4Address) -> list[SecurityAssociation]:
        return [self.sas[key] for key in self.order if key.inbound and key.peer == peer]

    def counters(self, name: str) -> int:
        return self.engine.state(self.world.now).counters.get(name, 0)

    def collect(self) -> None:
        """As driving does it: SAs first, then messages, then events."""
        for change in self.engine.changes():
            for sa in change.installed:
                key = SaKey(sa.spi, sa.inbound, sa.peer)
                assert key not in self.sas, "an SA never changes"
                self.sas[key] = sa
                self.order.append(key)
            for key in change.removed:
                del self.sas[key]
                self.order.remove(key)
        for datagram in self.engine.datagrams():
            self.sent.append(datagram)
            self.world.carry(datagram)
        self.events += self.engine.events()
        self.world.expect(self)


Rule = Callable[[UdpDatagram], UdpDatagram | None]
"""What the wire does to a message: None loses it."""


class World:
    """`loss`, `doubling` and `disorder` are probabilities; `rules` are applied in turn to each message."""

    def __init__(self, seed: int = 1, loss: float = 0, doubling: float = 0, disorder: float = 0) -> None:
        self.seed = seed
        self.now = 1000.0
        self.random = random.Random(seed)
        self.loss, self.doubling, self.disorder = loss, doubling, disorder
        self.stations: dict[IPv4Address, Station] = {}
        self.rules: list[Rule] = []
        self.wire: list[tuple[float, int, UdpDatagram]] = []
        self.carried: list[UdpDatagram] = []
        self.wakes: list[tuple[float, int, Station]] = []
        self.made = count()  # one that restarts is not the same again
        self._order = count()

    def add(self, address: IPv4Address, settings: IkeConfig | None = None) -> Station:
        station = Station(self, address, settings if settings is not None else config(address))
        self.stations[address] = station
        station.collect()
        return station

    def carry(self, datagram: UdpDatagram) -> None:
        """Put a message on the wire, as its sender sees it."""
        for rule in self.rules:
            changed = rule(datagram)
            if changed is None:
                return
            datagram = changed
        for _ in range(1 + (self.random.random() < self.doubling)):
            if self.random.random() >= self.loss:
                late = LATENCY_S * (1 + 30 * self.random.random() * (self.random.random() < self.disorder))
                heapq.heappush(self.wire, (self.now + late, next(self._order), datagram))

    def deliver(self, datagram: UdpDatagram) -> None:
        """Hand a message, as its sender sees it, to whom it is for."""
        self.carried.append(datagram)
        station = self.stations.get(datagram.peer)
        if station is not None:
            station.engine.receive(
                UdpDatagram(datagram.peer, datagram.peer_port, datagram.local, datagram.local_port, datagram.payload),
                self.now,
            )
            station.collect()

    def expect(self, station: Station) -> None:
        wake = station.engine.next_wake()
        if wake is not None:
            heapq.heappush(self.wakes, (wake[0], next(self._order), station))

    def step(self, until: float) -> bool:
        """Do the next thing that is due at or before `until`."""
        while self.wakes:
            at, _, station = self.wakes[0]
            wake = station.engine.next_wake()
            if wake is not None and wake[0] == at and self.stations.get(station.address) is station:
                break
            heapq.heappop(self.wakes)  # it was for something that is done, or no more
        at = self.wakes[0][0] if self.wakes else float("inf")
        if self.wire and self.wire[0][0] <= min(at, until):
            arrival, _, datagram = heapq.heappop(self.wire)
            self.now = max(self.now, arrival)
            self.deliver(datagram)
            return True
        if at <= until:
            _, _, station = heapq.heappop(self.wakes)
            self.now = max(self.now, at)
            station.engine.wake(self.now)
            station.collect()
            return True
        return False

    def run(self, seconds: float = 1.0) -> None:
        for station in self.stations.values():
            station.collect()
        until = self.now + seconds
        steps = 0
        while self.step(until):
            steps += 1
            assert steps < 200_000, "a loop that never rests"
        self.now = until

    def packet(self, source: IPv4Address, destination: IPv4Address) -> bool:
        """Whether a GRE packet passes now: out by the newest SA, in by the peer's with that SPI. It is reported."""
        sender, receiver = self.stations[source], self.stations[destination]
        out = sender.outbound(destination)
        if out is None:
            return False
        there = receiver.sas.get(SaKey(out.spi, True, source))
        self.report(sender, SaKey(out.spi, False, destination))
        if there is None:
            if out.peer == receiver.address:
                receiver.engine.esp_refused("invalid SPI", destination, source, out.spi, 1, self.now)
                receiver.collect()
            return False
        self.report(receiver, SaKey(there.spi, True, source))
        same = (there.encryption_key, there.integrity_key, there.mode, there.transform)
        return same == (out.encryption_key, out.integrity_key, out.mode, out.transform)

    def report(self, station: Station, *keys: SaKey) -> None:
        used: Mapping[SaKey, SaCounters] = {key: SaCounters(packets=1, octets=100, sequence=1) for key in keys}
        station.engine.used(used, self.now)
        station.collect()


def usable(world: World, one: IPv4Address, other: IPv4Address) -> bool:
    return all([world.packet(one, other), world.packet(other, one)])  # both are tried
