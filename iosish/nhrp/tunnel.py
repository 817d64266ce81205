"""One tunnel: a station with its roles, what forwarding makes of it, and what the SAs of its peers change in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import MappingProxyType

from iosish.nhrp import constants as c
from iosish.nhrp.cache import Binding, Kind
from iosish.nhrp.client import Client
from iosish.nhrp.config import Sessions
from iosish.nhrp.events import SessionCleared
from iosish.nhrp.purge import purge_requesters, recall
from iosish.nhrp.resolution import LEARNT, Resolver
from iosish.nhrp.state import MulticastEntry
from iosish.nhrp.station import Station

DYNAMIC = LEARNT | {Kind.REGISTERED}
"""Kinds of entries that do not outlive the SA of their peer."""


@dataclass(frozen=True, slots=True)
class NhrpForwarding:
    """What forwarding makes of NHRP on one tunnel: next hop to NBMA address, and where multicast copies go."""

    neighbours: Mapping[IPv4Address, IPv4Address] = field(default_factory=dict)
    multicast: tuple[IPv4Address, ...] = ()


class NhrpTunnel:
    """A station with its roles."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.client = Client(station)
        self.resolver = Resolver(station, self.client)
        self._best: IPv4Address | None = None
        self._forwarding = NhrpForwarding()
        self._forwarding_version = -1

    # --- what others see --------------------------------------------------------------------------------------------

    def forwarding(self) -> NhrpForwarding:
        """The same object while nothing changes."""
        cache = self.station.cache
        if self._forwarding_version != cache.version:
            self._forwarding_version = cache.version
            multicast = tuple(self._multicast())
            self._forwarding = NhrpForwarding(MappingProxyType(dict(cache.neighbours)), multicast)
        return self._forwarding

    def multicast_changed(self) -> None:
        """The configuration of multicast is another one: `forwarding` has to look again."""
        self._forwarding_version = -1

    def multicast(self) -> tuple[MulticastEntry, ...]:
        """Static entries, then servers, then clients in the order in which they registered; each NBMA address once."""
        return tuple(MulticastEntry(nbma, flag) for nbma, flag in self._multicast().items())

    def _multicast(self) -> dict[IPv4Address, str]:
        config = self.station.config
        known = dict.fromkeys((*config.static_multicast, *config.nhs_multicast), "nhs")
        known.update(dict.fromkeys(config.static_multicast, "static"))
        if not config.multicast_dynamic:
            return known
        entries = known | dict.fromkeys(self.station.cache.registered, "dynamic")
        entries.update(known)
        return entries

    # --- entries ----------------------------------------------------------------------------------------------------

    def follow_servers(self, now: float) -> None:
        """Data of open questions, and of peers without an SA, follows the server that answers."""
        best = self.client.best()
        nbma = None if best is None else best.nbma
        if nbma != self._best:
            self._best = nbma
            self.resolver.repoint(now)

    def clear(self, binding: Binding, now: float) -> None:
        """An entry ends; those who depend on it hear of it."""
        station = self.station
        station.forget(binding.address)
        purge_requesters(station, binding)
        station.client_down(binding, now)

    def clear_entries(self, address: IPv4Address | None, now: float) -> None:
        """Dynamic entries, or that of one address, go by command; a spoke registers again."""
        for binding in self.station.cache:
            if binding.kind is not Kind.STATIC and address in (None, binding.address):
                self._clear_by_command(binding, now)
        if self.station.config.operational:
            for nhs in list(self.client.registrations):
                if address in (None, nhs):
                    self.client.start(nhs, now)

    def clear_sessions(self, sessions: Sessions, now: float) -> None:
        """The same for these sessions. On a protected tunnel the SAs go with the entries, by which the peers hear of
        it; servers, whose entries are static, are registered with again over the new ones."""
        if self.station.config.protected:
            self._clear_protected(sessions, now)
            return
        for binding in self.station.cache:
            if binding.kind is not Kind.STATIC and sessions.have(binding.address, binding.nbma):
                self._clear_by_command(binding, now)
        if sessions.static and self.station.config.operational:
            for nhs, registration in list(self.client.registrations.items()):
                if sessions.have(nhs, registration.nbma):
                    self.client.start(nhs, now)

    def _clear_by_command(self, binding: Binding, now: float) -> None:
        """A client that we forget on purpose is told, so that it comes back in seconds, not with its next interval."""
        self.clear(binding, now)
        if binding.kind is Kind.REGISTERED and self.station.config.operational:
            recall(self.station, binding)

    def _clear_protected(self, sessions: Sessions, now: float) -> None:
        static = {binding.nbma for binding in self.station.cache if binding.kind is Kind.STATIC}
        peers: dict[IPv4Address, None] = {}
        for binding in self.station.cache:
            if sessions.have(binding.address, binding.nbma):
                if binding.known and binding.nbma is not None and (sessions.static or binding.nbma not in static):
                    peers[binding.nbma] = None
                if binding.kind is not Kind.STATIC:
                    self.clear(binding, now)
        for nbma in peers:
            self.station.node.tell(SessionCleared(self.station.name, nbma))

    # --- the SAs of peers -------------------------------------------------------------------------------------------

    def secured(self, nbma: IPv4Address, up: bool, now: float) -> None:
        """A peer got its first SA, or lost its last one."""
        station = self.station
        if not station.protection.note(nbma, up):
            return
        for binding in station.cache.behind(nbma):
            if binding.known:
                binding.up = up
                binding.changed_at = now
            if binding.kind in LEARNT:
                self.resolver.steer(binding)
            station.client_up(binding, now)
        if up:
            station.protection.awaited.discard(nbma)
            station.node.timers.cancel(station.key("security", nbma))
            self.resolver.release_replies(nbma, now)
        else:
            station.await_sa(nbma, now, c.SA_LOST_S)
        self.client.secured(nbma, up, now)
        self.follow_servers(now)

    def due_security(self, nbma: IPv4Address, now: float) -> None:
        """A peer had its time to get an SA: what was learnt about one that has none ends, as it does on IOS when the
        crypto socket of a dynamic entry closes."""
        self.station.protection.awaited.discard(nbma)
        if not self.station.protection.passes(nbma):
            for binding in self.station.cache.behind(nbma):
                if binding.kind in DYNAMIC:
                    self.clear(binding, now)
