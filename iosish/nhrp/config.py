"""What the NHRP engine is told: frozen values, made by the router out of the running configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from iosish.config.model import Nhs


@dataclass(frozen=True, slots=True)
class Sessions:
    """Those that `clear dmvpn session` is to end: of one tunnel, of the peer with an NBMA address or an address inside
    the tunnel; those of static entries only if `static`, too. Without a word, all dynamic ones."""

    interface: str | None = None
    nbma: IPv4Address | None = None
    inside: IPv4Address | None = None
    static: bool = False

    def have(self, address: IPv4Address, nbma: IPv4Address | None) -> bool:
        """Whether the peer with this address inside the tunnel, and this NBMA address, is one of them."""
        return self.nbma in (None, nbma) and self.inside in (None, address)


@dataclass(frozen=True, slots=True)
class NhrpInterface:
    """NHRP on one tunnel.

    `nbma` is the tunnel's resolved source, None while it has none; `key` its GRE key, with which it reaches only peers
    that have the same; `destination` the other end of a point-to-point
    tunnel. An `nhs` without an NBMA address stands in `map`, or is the tunnel's one destination. `multicast` holds the
    static entries. `registration_timeout_s` None: a third of the holding time.
    `responder` is the protocol address that `ip nhrp responder` puts into the responder record.
    `direct_reply`: resolution requests are answered straight to the requester, as with redirect or shortcut;
    otherwise the answer goes back by the NHS that the request came through.
    `protected`: packets pass only between peers that have an SA, as `NhrpEngine.secured` tells. Answers are then always
    direct, and wait for it.
    """

    name: str
    up: bool
    address: IPv4Interface
    nbma: IPv4Address | None
    multipoint: bool = True
    destination: IPv4Address | None = None
    key: int | None = None
    mtu: int = 1514
    network_id: int = 1
    authentication: bytes | None = None
    map: Mapping[IPv4Address, IPv4Address] = field(default_factory=dict)
    multicast: tuple[IPv4Address, ...] = ()
    multicast_dynamic: bool = False
    nhs: tuple[Nhs, ...] = ()
    holdtime_s: int = 7200
    registration_timeout_s: int | None = None
    unique: bool = True
    server_only: bool = False
    record: bool = True
    responder: IPv4Address | None = None
    direct_reply: bool = False
    protected: bool = False

    @property
    def operational(self) -> bool:
        return self.up and self.nbma is not None

    @property
    def own_address(self) -> IPv4Address:
        """What we register: a mask is our own affair."""
        return self.address.ip

    @property
    def far_end(self) -> IPv4Address | None:
        """Where all packets of a point-to-point tunnel go; None: to whom NHRP says."""
        return None if self.multipoint else self.destination

    @property
    def registration_interval_s(self) -> float:
        return self.registration_timeout_s or max(self.holdtime_s, 1) / 3

    def nhs_nbma(self, nhs: Nhs) -> IPv4Address | None:
        """Where `nhs` is reached; None while nothing says so."""
        return nhs.nbma or self.map.get(nhs.address) or (None if self.multipoint else self.destination)

    @property
    def static_map(self) -> Mapping[IPv4Address, IPv4Address]:
        """Protocol to NBMA address: the `map` lines and what the `nhs` lines imply."""
        implied = {nhs.address: nbma for nhs in self.nhs if (nbma := self.nhs_nbma(nhs)) is not None}
        return {**implied, **self.map}

    @property
    def static_multicast(self) -> tuple[IPv4Address, ...]:
        return tuple(dict.fromkeys(self.multicast))

    @property
    def nhs_multicast(self) -> tuple[IPv4Address, ...]:
        """NBMA addresses of the servers whose line says `multicast`."""
        found = (self.nhs_nbma(nhs) for nhs in self.nhs if nhs.multicast)
        return tuple(dict.fromkeys(nbma for nbma in found if nbma is not None))


@dataclass(frozen=True, slots=True)
class NhrpConfig:
    interfaces: Mapping[str, NhrpInterface] = field(default_factory=dict)
