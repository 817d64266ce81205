"""Recursive routes: tunnels whose far end is routed into the tunnel itself, so that packets would go round. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Protocol

from iosish.config.interface_name import kind
from iosish.config.model import Config, Interface
from iosish.rib import MAX_RECURSION, Rib

REASON = "recursive routing"

#: How long a tunnel stays down at least: routes that come and go do not take it along each time.
HOLD_S = 5.0


class HasLine(Protocol):
    """What is asked of an interface."""

    @property
    def line_up(self) -> bool: ...


def find(config: Config, interfaces: Mapping[str, HasLine], rib: Rib) -> frozenset[str]:
    """The tunnels that lead to their own far end, in a routing table in which they are up.

    Looked at as if they were up, they stay down for as long as that is so, and do not come up to go down again.
    Far ends are the destination of a point-to-point tunnel, and the next hop servers of a multipoint one; other peers
    of that have their packets dropped (`goes_round`).
    """
    tunnels = [interface for name, interface in config.interfaces.items() if kind(name) == "Tunnel"]
    return frozenset(
        tunnel.name
        for tunnel in tunnels
        if interfaces[tunnel.name].line_up
        and any(_leads_back(config, rib, tunnel.name, far_end) for far_end in _far_ends(tunnel))
    )


def goes_round(rib: Rib, tunnel: str, peers: Mapping[IPv4Address, IPv4Address]) -> frozenset[IPv4Address]:
    """The NBMA addresses that are routed into the tunnel to themselves; `peers` are these by tunnel address."""
    round_ = set()
    for nbma in set(peers.values()):
        path = rib.lookup(nbma)
        if path is not None and path.out == tunnel and peers.get(path.via or nbma) == nbma:
            round_.add(nbma)
    return frozenset(round_)


def _leads_back(config: Config, rib: Rib, tunnel: str, far_end: IPv4Address) -> bool:
    destination = far_end
    for _ in range(MAX_RECURSION):
        path = rib.lookup(destination)
        if path is None or path.out is None or path.code == "L":
            return False
        if path.out == tunnel:
            return True
        if kind(path.out) != "Tunnel":
            return False
        onward = _reached(config.interfaces[path.out], path.via or destination)
        if onward is None:
            return False
        destination = onward
    return False


def _far_ends(tunnel: Interface) -> tuple[IPv4Address, ...]:
    settings = tunnel.tunnel
    if settings.mode != "gre multipoint":
        return () if settings.destination is None else (settings.destination,)
    found = (nhs.nbma or tunnel.nhrp.map.get(nhs.address) for nhs in tunnel.nhrp.nhs.values())
    return tuple(nbma for nbma in found if nbma is not None)


def _reached(tunnel: Interface, next_hop: IPv4Address) -> IPv4Address | None:
    """The NBMA address that a tunnel sends to for a next hop, as far as the configuration tells."""
    if tunnel.tunnel.mode != "gre multipoint":
        return tunnel.tunnel.destination
    nhs = tunnel.nhrp.nhs.get(next_hop)
    return (nhs.nbma if nhs is not None else None) or tunnel.nhrp.map.get(next_hop)
