"""Whole conversations of an IKE engine with a peer that has the key and spoils what it says before it proves it.

Either end begins, and goes on as its like would: rekeys, deletes, questions. Beside them another peer has its SAs with
the same engine, which nothing of this touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import cycle
from random import Random
from typing import Any, cast

from iosish.engine import UdpDatagram
from iosish.ike import packet
from iosish.ike.config import IkeConfig, IsakmpProfile, Keepalive
from iosish.ike.engine import IkeEngine
from iosish.ike.errors import PacketError
from iosish.ike.payloads import Payload
from tests.fuzz import Decoder
from tests.fuzz.ike import TOPICS, Groups
from tests.fuzz.isakmp import spoil_within
from tests.ike.link import HUB, OTHER, POLICY, SPOKE, TRANSPORT, Station, World, config, usable

STEPS_UNTIL_SILENCE = 1000
#: Nothing that is half done lives longer, nor any SA with the liar.
SILENCE_S = 700.0
EVER_S = 10**9
SAS_MAX, ISAKMP_SAS_MAX = 200, 100
#: How the liar is configured, one after the other.
LIVES: tuple[dict[str, object], ...] = (
    {},
    {"pfs": 2},
    {"profiles": {"A": IsakmpProfile("A", (IPv4Network("0.0.0.0/0"),), aggressive=True)}, "isakmp_profile": "A"},
)
_ENCODE = packet.encode_payloads


class OwnGroups(Groups):
    """Diffie-Hellman that costs nothing, each router's with a value of its own."""

    def __init__(self, address: IPv4Address) -> None:
        self.public = address.packed * 32

    def shared(self, peer: bytes) -> bytes:
        if len(peer) != len(self.public):
            raise PacketError("public value of a wrong length")
        return b"\x02" * 128


class Lying:
    """An engine whose payloads are spoilt now and then, before they are hashed and encrypted."""

    def __init__(self, engine: IkeEngine, chance: Callable[[], Random]) -> None:
        self._engine = engine
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._engine, name)
        if not callable(value):
            return value

        def speak(*arguments: object) -> object:
            honest = packet.encode_payloads
            packet.encode_payloads = self._encode
            try:
                return value(*arguments)
            finally:
                packet.encode_payloads = honest

        return speak

    def _encode(self, payloads: tuple[Payload, ...]) -> bytes:
        chain, chance = _ENCODE(payloads), self._chance()
        if not payloads or chance.randrange(4):
            return chain
        return spoil_within(chance, payloads[0].kind, chain)[1]


class Conversation:
    """`honest` and `liar` talk with `engine`; each step does the next thing that is due."""

    def __init__(self) -> None:
        self.world = World()
        self._lives = cycle(LIVES)
        self.chance = Random(0)
        self.engine = self._add(HUB)
        self.honest = self._add(SPOKE)
        self.honest.request(HUB)
        self.world.run()
        assert usable(self.world, HUB, SPOKE)
        self.untouched = set(self.engine.sas)
        self.liar = self._add_liar()
        self._until_silence = STEPS_UNTIL_SILENCE
        self.world.rules.append(self._spoil_outside)

    def _add(self, address: IPv4Address) -> Station:
        settings = self._settings(address)
        station = self.world.add(address, settings)
        station.engine = IkeEngine(Random(str(address)), OwnGroups(address), TOPICS)
        station.engine.configure(settings, self.world.now)
        return station

    def _add_liar(self) -> Station:
        station = self._add(OTHER)
        station.engine = cast("IkeEngine", Lying(station.engine, lambda: self.chance))
        return station

    def _settings(self, address: IPv4Address) -> IkeConfig:
        changes: dict[str, object] = {"policies": (replace(POLICY, lifetime_s=EVER_S),), "lifetime_s": EVER_S}
        if address == OTHER:
            changes.update(
                policies=(replace(POLICY, lifetime_s=300),), lifetime_s=120, udp_forced=True, sets=(TRANSPORT,)
            )
            changes.update(next(self._lives))
        if address == HUB:
            changes.update(sets=(TRANSPORT,), keepalive=Keepalive(10, 2, periodic=True))
        return config(address, **changes)

    def step(self, seed: bytes) -> bool:
        """Whether something went over the wire."""
        self.chance = chance = Random(seed)
        self._until_silence -= 1
        if not self._until_silence:
            self._fall_silent()
        now, carried = self.world.now, len(self.world.carried)
        match chance.randrange(24):
            case 0:
                self.engine.request(OTHER)
            case 1 | 2:
                self.liar.request(HUB)
            case 3:
                self.liar.engine.clear_sa(None, now)
            case 4:
                self.liar.engine.clear_isakmp(None, now)
            case 5:
                self.engine.engine.clear_sa(OTHER, now)
            case 6:
                self.liar.engine.esp_refused("invalid SPI", OTHER, HUB, chance.randrange(1 << 32), 1, now)
        for station in (self.engine, self.liar):
            station.collect()
        self.world.step(now + 15)
        assert self.untouched <= set(self.engine.sas)
        assert len(self.engine.sas) <= SAS_MAX
        assert len(list(self.engine.engine._core.sas)) <= ISAKMP_SAS_MAX
        news = len(self.world.carried) - carried
        del self.world.carried[:]
        for station in self.world.stations.values():
            station.sent.clear()
            station.events.clear()
        return news > 0

    def _fall_silent(self) -> None:
        """The liar goes: nothing that is half done is left of it, and what is up ends by `clear crypto session`."""
        self._until_silence = STEPS_UNTIL_SILENCE
        del self.world.stations[OTHER]
        self.engine.release(OTHER)
        self.world.run(SILENCE_S)
        assert all(sa.up_at is not None for sa in self.engine.engine._core.sas)
        self.engine.engine.clear_session(OTHER, self.world.now)
        self.world.run(SILENCE_S)
        assert set(self.engine.sas) == self.untouched
        assert {sa.peer for sa in self.engine.engine._core.sas} == {SPOKE}
        assert usable(self.world, HUB, SPOKE)
        self.liar = self._add_liar()
        self.world.wakes.clear()  # most of them were for what is long done
        for station in self.world.stations.values():
            self.world.expect(station)

    def _spoil_outside(self, datagram: UdpDatagram) -> UdpDatagram:
        """What anybody could change on the way from the liar."""
        if datagram.local != OTHER or self.chance.randrange(8) or not datagram.payload:
            return datagram
        data = bytearray(datagram.payload)
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return replace(datagram, payload=bytes(data))


def ike_liar() -> Decoder:
    """What is thrown is only chance; one packet is one step of the conversation."""
    conversation = Conversation()
    return Decoder([bytes(range(16))], conversation.step)
