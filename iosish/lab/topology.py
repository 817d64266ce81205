"""Which interfaces of a lab are cabled together: pure, from configurations or from what routers report.

Interfaces in one subnet share a cable, and so do interfaces with the same `description LINK name`. A cable has one end
or more; with more than two it is a LAN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from iosish.config import interface_name
from iosish.config.model import Config

#: Kinds that live inside a router: no cable is plugged into them.
INTERNAL_KINDS = frozenset({"Loopback", "Tunnel", "Null", "NVI", "LISP", "Virtual-Template", "Virtual-Access"})

_LINK = re.compile(r"LINK\s+(\S+)", re.IGNORECASE)

#: The router's name and the interface's IOS name in full.
End = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Port:
    """An interface that a cable could be plugged into."""

    router: str
    interface: str
    addresses: tuple[IPv4Interface, ...] = ()
    link: str | None = None

    @property
    def end(self) -> End:
        return self.router, self.interface


@dataclass(frozen=True, slots=True)
class Cable:
    """Interfaces that hear each other. `name` is the subnet (`172.16.15.0/30`) or `LINK name`."""

    name: str
    ends: tuple[End, ...]

    def between(self, one: str, other: str) -> bool:
        """Whether both routers hang on it."""
        return {one, other} <= {router for router, _ in self.ends}


def link_of(description: str | None) -> str | None:
    """The name in `description LINK name`."""
    found = _LINK.match(description.strip()) if description else None
    return found[1] if found else None


def is_pluggable(interface: str) -> bool:
    """Whether an interface, named in full, is one that a cable can be plugged into."""
    try:
        kind = interface_name.kind(interface)
    except ValueError:
        return False
    return kind not in INTERNAL_KINDS and not interface_name.is_subinterface(interface)


def ports_of(router: str, config: Config) -> tuple[Port, ...]:
    """The ports that a configuration names."""
    return tuple(
        Port(
            router,
            name,
            tuple(ip.interface for ip in (interface.ip_address, *interface.secondary.values()) if ip is not None),
            link_of(interface.description),
        )
        for name, interface in config.interfaces.items()
        if is_pluggable(name)
    )


def has_nhs(config: Config) -> bool:
    """Whether the router is a spoke: it registers with someone."""
    return any(interface.nhrp.nhs for interface in config.interfaces.values())


def cables(ports: Iterable[Port]) -> tuple[Cable, ...]:
    """The cables of a lab, in the order of the ports.

    A port without an address and without a LINK has none; an address with a 32-bit mask calls for none.
    """
    by_name: dict[str, list[Port]] = {}
    root: dict[str, str] = {}
    for port in ports:
        names = _names(port)
        for name in names:
            root.setdefault(name, name)
            root[_find(root, name)] = _find(root, names[0])
        if names:
            by_name.setdefault(names[0], []).append(port)
    merged: dict[str, list[End]] = {}
    for name, members in by_name.items():
        merged.setdefault(_find(root, name), []).extend(member.end for member in members)
    return tuple(Cable(name, tuple(ends)) for name, ends in merged.items())


def _names(port: Port) -> list[str]:
    networks: dict[IPv4Network, None] = {
        address.network: None for address in port.addresses if address.network.prefixlen < 32
    }
    return [str(network) for network in networks] + ([f"LINK {port.link}"] if port.link else [])


def _find(root: dict[str, str], name: str) -> str:
    while root[name] != name:
        name = root[name]
    return name
