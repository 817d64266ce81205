"""What `show` may see of a tunnel: its entries and servers as plain values."""

from __future__ import annotations

from ipaddress import IPv4Network

from iosish.nhrp.cache import OPEN, Binding, Kind
from iosish.nhrp.state import CacheEntry, NhrpInterfaceState, Traffic
from iosish.nhrp.tunnel import NhrpTunnel


def report(tunnel: NhrpTunnel, now: float) -> NhrpInterfaceState:
    """The state of one tunnel at `now`."""
    station = tunnel.station
    entries = sorted(station.cache, key=lambda binding: int(binding.address))
    return NhrpInterfaceState(
        name=station.name,
        role="Spoke" if tunnel.client.registrations else "Hub",
        entries=tuple(_entry(tunnel, binding, now) for binding in entries),
        nhs=tunnel.client.states(),
        multicast=tunnel.multicast(),
        traffic=Traffic(dict(station.sent), dict(station.received), dict(station.refused)),
    )


def _entry(tunnel: NhrpTunnel, binding: Binding, now: float) -> CacheEntry:
    """A static entry of a server is up while the server answers."""
    registration = tunnel.client.registrations.get(binding.address)
    is_server = registration is not None and binding.kind is Kind.STATIC
    is_open = binding.kind in OPEN
    kind = "static" if binding.kind is Kind.STATIC else "incomplete" if is_open else "dynamic"
    return CacheEntry(
        target=IPv4Network(binding.address),
        via=None if is_open else binding.via,
        nbma=None if is_open else binding.nbma,
        kind=kind,
        flags=binding.flags(now),
        created_at=binding.created_at,
        expires_at=binding.expires_at,
        up=registration.up if registration is not None and is_server else binding.up,
        changed_at=registration.changed_at if registration is not None and is_server else binding.changed_at,
        claimed_nbma=binding.claimed_nbma,
        local=binding.kind is Kind.LOCAL,
        requesters=tuple(binding.requesters.items()),
        secured=not binding.known or binding.nbma is None or tunnel.station.protection.passes(binding.nbma),
    )
