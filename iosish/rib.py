"""The routing table: connected and static routes, chosen by distance, next hops resolved. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol

from iosish.config.interface_name import kind
from iosish.config.model import StaticRoute

#: A next hop is looked up through at most this many static routes.
MAX_RECURSION = 8


class HasAddresses(Protocol):
    """What the table needs of an interface."""

    @property
    def line_up(self) -> bool: ...

    @property
    def addresses(self) -> tuple[IPv4Interface, ...]: ...

    @property
    def guarded(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Path:
    """A way to a network. `code` is IOS's letter ("C", "L", "S").

    `via` and `out` are the next hop and interface that packets take; `next_hop` and `interface` what was configured.
    Null0 as interface discards.
    """

    code: str
    network: IPv4Network
    distance: int
    interface: str | None
    next_hop: IPv4Address | None
    out: str | None
    via: IPv4Address | None
    tag: int | None = None


@dataclass(slots=True)
class Rib:
    """The chosen paths by network; `lookup` finds the longest prefix.

    `guarded` are the networks that lead into a guarded interface, or would if it were up; and those of loopbacks beside
    one: their devices go with the process, and what still comes out of the tunnel for them must not be forwarded.
    """

    paths: dict[IPv4Network, list[Path]] = field(default_factory=dict)
    guarded: frozenset[IPv4Network] = frozenset()
    _by_length: dict[int, dict[int, list[Path]]] = field(default_factory=dict)
    _lengths: list[int] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Take a path in; a smaller distance replaces, an equal one stands beside."""
        chosen = self.paths.setdefault(path.network, [])
        if chosen and path.distance < chosen[0].distance:
            chosen.clear()
        if not chosen or path.distance == chosen[0].distance:
            chosen.append(path)
        length = path.network.prefixlen
        if length not in self._by_length:
            self._by_length[length] = {}
            self._lengths = sorted(self._by_length, reverse=True)
        self._by_length[length][int(path.network.network_address)] = chosen

    def lookup(self, destination: IPv4Address) -> Path | None:
        """The path that a packet to `destination` takes; None when there is none."""
        address = int(destination)
        for length in self._lengths:
            mask = (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF
            chosen = self._by_length[length].get(address & mask)
            if chosen:
                return chosen[0]
        return None

    def all(self) -> Iterator[Path]:
        """All paths, in order of their networks."""
        for network in sorted(self.paths):
            yield from self.paths[network]


def build(routes: Collection[StaticRoute], interfaces: Mapping[str, HasAddresses]) -> Rib:
    """The table out of the interfaces that are up, and the static routes whose next hop can be reached.

    A next hop behind a guarded interface that is down is not looked for elsewhere: what such a route carries would
    leave in the clear by the default route.
    """
    up = {name for name, interface in interfaces.items() if interface.line_up}
    guarded = {name for name, interface in interfaces.items() if interface.guarded}
    watched = guarded | {name for name in up if guarded and kind(name) == "Loopback"}
    whole = _build(routes, interfaces, up | guarded, None)
    whole.guarded = frozenset(
        network
        for network, chosen in whole.paths.items()
        if any(path.out in watched and path.code != "L" for path in chosen)
    )
    if guarded <= up:
        return whole
    rib = _build(routes, interfaces, up, whole)
    rib.guarded = whole.guarded
    return rib


def _build(
    routes: Collection[StaticRoute],
    interfaces: Mapping[str, HasAddresses],
    up: Set[str],
    whole: Rib | None,
) -> Rib:
    """The table if the interfaces `up` were so. `whole` is the one with all guarded interfaces up."""
    rib = Rib()
    for name in interfaces:
        if name not in up:
            continue
        for address in interfaces[name].addresses:
            rib.add(Path("C", address.network, 0, name, None, name, None))
            if address.network.prefixlen < 32:
                host = IPv4Network((int(address.ip), 32))
                rib.add(Path("L", host, 0, name, None, name, None))
    waiting = sorted(routes, key=lambda route: (-route.network.prefixlen, route.distance))
    # A static route may lead to its next hop by another one, so they are taken in until no more can be.
    for _ in range(MAX_RECURSION):
        left = [route for route in waiting if not _resolve(route, rib, up, whole)]
        if len(left) == len(waiting):
            break
        waiting = left
    return rib


def _resolve(route: StaticRoute, rib: Rib, up: Set[str], whole: Rib | None) -> bool:
    if route.interface == "Null0":
        rib.add(_path(route, "Null0", None))
        return True
    if route.interface is not None:
        if route.interface not in up:
            return False
        rib.add(_path(route, route.interface, route.next_hop))
        return True
    assert route.next_hop is not None
    found = rib.lookup(route.next_hop)
    if found is None or found.out is None or found.code == "L" or route.network == found.network:
        return False
    if whole is not None:
        behind = whole.lookup(route.next_hop)
        if behind is not None and behind.network != found.network and behind.network in whole.guarded:
            return False
    rib.add(_path(route, found.out, route.next_hop if found.code == "C" else found.via))
    return True


def _path(route: StaticRoute, out: str, via: IPv4Address | None) -> Path:
    return Path("S", route.network, route.distance, route.interface, route.next_hop, out, via, route.tag)
