"""Longest-prefix routing over connected networks and the routes a router asked for."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import NamedTuple

from iosish.desired import KernelRoute

RECURSION_MAX = 8


class Hop(NamedTuple):
    """Where a packet goes next. `interface` None: discarded. `next_hop` None: whoever is at the other end."""

    interface: str | None
    next_hop: bytes | None


class _Entry(NamedTuple):
    route: KernelRoute
    connected: bool


class RoutingTable:
    """Routes by prefix length. Of several to one network the first in order of interface and next hop is taken, a guard
    when there is no other."""

    def __init__(self) -> None:
        self._lengths: list[tuple[int, dict[int, _Entry]]] = []

    def replace(self, connected: Iterable[KernelRoute], installed: Iterable[KernelRoute]) -> None:
        """Take a new set. A connected network goes before an installed route to the same network."""
        tables: dict[int, dict[int, _Entry]] = {}
        for routes, is_connected in ((connected, True), (installed, False)):
            for route in sorted(routes, key=_order):
                length = route.network.prefixlen
                network = int(route.network.network_address) >> (32 - length)
                tables.setdefault(length, {}).setdefault(network, _Entry(route, is_connected))
        self._lengths = sorted(tables.items(), key=lambda table: -table[0])

    def lookup(self, address: bytes) -> Hop | None:
        """The way to an address; None when there is no route. A next hop without interface is looked up in turn."""
        target = address
        for _ in range(RECURSION_MAX):
            entry = self._find(int.from_bytes(target, "big"))
            if entry is None:
                return None
            route = entry.route
            gateway = None if route.next_hop is None else route.next_hop.packed
            if route.interface is None and gateway is not None:
                target = gateway
                continue
            if gateway is None and (entry.connected or target is not address):
                gateway = target
            return Hop(route.interface, gateway)
        return None

    def _find(self, address: int) -> _Entry | None:
        for length, table in self._lengths:
            entry = table.get(address >> (32 - length))
            if entry is not None:
                return entry
        return None


def _order(route: KernelRoute) -> tuple[bool, str, IPv4Address]:
    return route.guard, route.interface or "", route.next_hop or IPv4Address(0)
