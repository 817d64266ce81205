"""What one tunnel knows of the SAs of its peers: who has one, who needs one, and the replies that wait for it.

NHRP knows no IKE. It says which NBMA addresses it wants, and is told which are secured.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.nhrp import constants as c
from iosish.nhrp.cache import Cache
from iosish.nhrp.config import NhrpInterface
from iosish.nhrp.packet import Packet

NOBODY: frozenset[IPv4Address] = frozenset()


@dataclass(frozen=True, slots=True)
class HeldReply:
    """A resolution reply, and the NHS by which it goes back when its requester gets no SA in time."""

    packet: Packet
    nhs: IPv4Address


class Protection:
    """The peers' SAs of one tunnel. On an unprotected one everybody passes and nobody is wanted.

    `awaited`: peers with entries whose time to get an SA is running.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._config: NhrpInterface | None = None
        self._secured: set[IPv4Address] = set()
        self.awaited: set[IPv4Address] = set()
        self._held: dict[IPv4Address, dict[tuple[object, object], HeldReply]] = {}
        self._held_count = 0
        self._held_version = 0
        self._wanted = NOBODY
        self._wanted_at: object = None

    @property
    def active(self) -> bool:
        return self._config is not None and self._config.protected

    def configure(self, config: NhrpInterface) -> None:
        """Follow the configuration. SAs are between two NBMA addresses: with another one of ours all are others."""
        old, self._config = self._config, config
        if old is None or any(
            getattr(old, name) != getattr(config, name) for name in ("protected", "nbma", "operational")
        ):
            self._secured.clear()
        self._wanted_at = None

    def passes(self, nbma: IPv4Address) -> bool:
        """Whether packets get to this peer now."""
        return not self.active or nbma in self._secured

    def note(self, nbma: IPv4Address, up: bool) -> bool:
        """Remember what was told about a peer; whether it is news. A tunnel that is down has no SAs."""
        if not self.active or self._config is None or not self._config.operational or (nbma in self._secured) is up:
            return False
        if up:
            self._secured.add(nbma)
        else:
            self._secured.discard(nbma)
        return True

    def wanted(self) -> frozenset[IPv4Address]:
        """Everybody who needs an SA: whom entries lead to, static multicast, requesters whose reply waits.

        The same object as long as nothing changes.
        """
        config = self._config
        if config is None or not config.protected or not config.operational:
            return NOBODY
        at = (self._cache.peers_version, self._held_version)
        if at != self._wanted_at:
            self._wanted_at = at
            wanted = frozenset(self._cache.peers).union(config.static_multicast, self._held) - {config.nbma}
            if wanted != self._wanted:
                self._wanted = wanted
        return self._wanted

    def hold(self, nbma: IPv4Address, reply: HeldReply) -> bool:
        """Keep a reply until its requester has an SA; False when too many wait. A repeated one takes its place."""
        held = self._held.get(nbma, {})
        question = (reply.packet.source, reply.packet.destination)
        if question not in held:
            if self._held_count >= c.MAX_HELD_REPLIES or len(held) >= c.MAX_HELD_REPLIES_PER_PEER:
                return False
            self._held_count += 1
            self._held_version += 1
        self._held.setdefault(nbma, {})[question] = reply
        return True

    def release(self, nbma: IPv4Address) -> list[HeldReply]:
        """The replies that waited for this peer, taken once."""
        released = list(self._held.pop(nbma, {}).values())
        self._held_count -= len(released)
        self._held_version += 1
        return released

    def stop(self) -> None:
        """The tunnel goes down: nobody waits any more."""
        self.awaited.clear()
        self._held.clear()
        self._held_count = 0
        self._held_version += 1
