"""The fake underlay with a fake IKE and ESP: a frame passes only where an SA is, and SAs come as the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from iosish.engine import Datagram, Event
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.events import PeerDead, SessionCleared
from iosish.nhrp.packet import decode
from tests.nhrp.link import Link, Sent, hub_interface, nbma, spoke_interface

Pair = tuple[IPv4Address, IPv4Address]


class SecureLink(Link):
    """Whoever is wanted gets an SA after `setup_s`, if both ends are there and `grants` says so; else the next try is
    a second later. The responder is told `responder_lag_s` after the initiator. `sas` holds each end's half: packets
    pass while both are there; `homeless` is what was sent to a peer without an SA, and so was lost."""

    def __init__(self, setup_s: float = 0.2) -> None:
        super().__init__()
        self.setup_s = setup_s
        self.responder_lag_s = self.latency_s
        self.grants: Callable[[IPv4Address, IPv4Address], bool] = lambda initiator, responder: True
        self.sas: set[Pair] = set()
        self.told: dict[IPv4Address, list[Event]] = {}
        self.homeless: list[Sent] = []
        self._negotiating: set[Pair] = set()
        self._wanted: dict[IPv4Address, frozenset[IPv4Address]] = {}

    def station(self, number: int, **changes: Any) -> NhrpEngine:
        """R1 is the hub, all others are its spokes; all are protected."""
        changes = {"protected": True, **changes}
        interface = hub_interface(**changes) if number == 1 else spoke_interface(number, **changes)
        return self.add(interface, seed=number)

    def remove(self, address: IPv4Address) -> None:
        """Cut the power: the others keep their halves of the SAs, which lead nowhere."""
        super().remove(address)
        self.sas = {pair for pair in self.sas if pair[0] != address}
        self._wanted.pop(address, None)

    def wanted(self, number: int) -> frozenset[IPv4Address]:
        return self.engines[nbma(number)].wanted()["Tunnel0"]

    def events(self, number: int) -> list[Event]:
        """What the router of this station was told since the last call."""
        self.collect()
        return self.told.pop(nbma(number), [])

    def tear(self, one: IPv4Address, other: IPv4Address) -> None:
        """The SAs between two are deleted; both hear of it."""
        for local, peer in ((one, other), (other, one)):
            if (local, peer) in self.sas:
                self.sas.discard((local, peer))
                self._tell(local, peer, False)
        self.collect()

    def collect(self) -> None:
        for address, engine in list(self.engines.items()):
            for event in engine.events():
                self.told.setdefault(address, []).append(event)
                if isinstance(event, PeerDead | SessionCleared):
                    self.later(0, partial(self.tear, address, event.nbma))
            for datagram in engine.datagrams():
                self._send(datagram)
            wanted = engine.wanted().get("Tunnel0", frozenset())
            for peer in self._wanted.get(address, frozenset()) - wanted:
                self.later(0, partial(self.tear, address, peer))
            self._wanted[address] = wanted
            for peer in wanted:
                self._ask(address, peer)

    def ping(self, source: int, target: IPv4Address) -> list[IPv4Address] | None:
        """A data packet at this moment: the NBMA addresses it passes; None when it is lost."""
        at = nbma(source)
        passed: list[IPv4Address] = []
        for _ in range(4):
            if self.configs[at].address.ip == target:
                return passed
            engine = self.engines[at]
            if target not in engine.forwarding()["Tunnel0"].neighbours:
                engine.resolve("Tunnel0", target, self.now)
                self.collect()
            way = engine.forwarding()["Tunnel0"].neighbours.get(target)
            if way is None or not {(at, way), (way, at)} <= self.sas:
                return None
            engine.used("Tunnel0", frozenset({way}), self.now)
            passed.append(way)
            at = way
        return None

    # --- within -----------------------------------------------------------------------------------------------------

    def _send(self, datagram: Datagram) -> None:
        sent = Sent(self.now, datagram.local, datagram.peer, decode(datagram.payload))
        assert datagram.protected, f"clear text left: {sent.summary}"
        if (datagram.local, datagram.peer) not in self.sas:
            self.homeless.append(sent)
            return
        self.log.append(sent)
        if not self.lost(sent):
            self._flying.append((self.now + self.latency_s, datagram))

    def _deliver(self, datagram: Datagram) -> None:
        if (datagram.peer, datagram.local) in self.sas:
            super()._deliver(replace(datagram, protected=True))

    def _ask(self, local: IPv4Address, peer: IPv4Address) -> None:
        if (local, peer) not in self.sas and (local, peer) not in self._negotiating:
            self._negotiating.add((local, peer))
            self.later(self.setup_s, lambda: self._negotiated(local, peer))

    def _negotiated(self, local: IPv4Address, peer: IPv4Address) -> None:
        self._negotiating.discard((local, peer))
        if local not in self.engines or peer not in self._wanted.get(local, ()) or (local, peer) in self.sas:
            return
        if peer not in self.engines or not self.configs[peer].operational or not self.grants(local, peer):
            self._negotiating.add((local, peer))
            self.later(1.0, lambda: self._negotiated(local, peer))
            return
        self.sas |= {(local, peer), (peer, local)}
        self._tell(local, peer, True)
        self.later(self.responder_lag_s, lambda: self._tell(peer, local, (peer, local) in self.sas))

    def _tell(self, local: IPv4Address, peer: IPv4Address, up: bool) -> None:
        engine = self.engines.get(local)
        if engine is not None:
            engine.secured("Tunnel0", peer, up, self.now)
