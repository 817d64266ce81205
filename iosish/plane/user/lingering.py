"""Adjacencies that were taken away, for the packets that are still on their way to them.

The kernel's neighbours change one by one after the tables, and frames wait in a TAP: for a moment both the old
adjacency of a next hop and the new one are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from iosish.forwarding.tables import Tunnel

LINGER_S = 0.5
#: More of them do not linger, however fast peers come and go.
LINGERING_MAX = 256


class Lingering:
    """The tunnels as they were last told, and what lingers. `now` is seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._tunnels: Mapping[str, Tunnel] = {}
        self._gone: dict[tuple[str, int], tuple[IPv4Address, float]] = {}

    def take(self, tunnels: Mapping[str, Tunnel], now: float) -> None:
        """New tables. A point-to-point tunnel has one adjacency, and nothing to wait for."""
        for name, old in self._tunnels.items():
            new = tunnels.get(name)
            if new is not None and old.multipoint and new.multipoint:
                for index in old.adjacencies.keys() - new.adjacencies.keys():
                    self._gone[name, index] = old.adjacencies[index], now + LINGER_S
        while len(self._gone) > LINGERING_MAX:
            del self._gone[next(iter(self._gone))]  # the first that went
        self._tunnels = tunnels

    def over(self, now: float) -> bool:
        """Whether something has lingered long enough: `tunnels` gives others now."""
        return any(until <= now for _, until in self._gone.values())

    def tunnels(self, now: float) -> dict[str, Tunnel]:
        """The tunnels as told, with what lingers."""
        self._gone = {key: (peer, until) for key, (peer, until) in self._gone.items() if until > now}
        gone: dict[str, dict[int, IPv4Address]] = {}
        for (name, index), (peer, _) in self._gone.items():
            gone.setdefault(name, {})[index] = peer
        extended = dict(self._tunnels)
        for name, peers in gone.items():
            tunnel = extended.get(name)
            if tunnel is not None and tunnel.multipoint:
                extended[name] = replace(tunnel, adjacencies={**peers, **tunnel.adjacencies})
        return extended
