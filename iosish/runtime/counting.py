"""What the plane counted since `clear counters` and `clear crypto sa counters`: the plane itself never starts anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from iosish.desired import PlaneCounters
from iosish.forwarding.tables import InterfaceCounters
from iosish.ipsec.sa import SaCounters, SaKey

_INTERFACE: tuple[str, ...] = ("packets_in", "bytes_in", "packets_out", "bytes_out", "multicast_in", "multicast_out")
_INTERFACE += ("errors_in", "errors_out", "drops_in", "drops_out")


class Counting:
    """Counters as they are shown."""

    def __init__(self) -> None:
        self.cleared_at: dict[str, float] = {}
        self._interfaces: dict[str, InterfaceCounters] = {}
        self._sas: dict[SaKey, SaCounters] = {}

    def clear(self, names: Iterable[str], counters: PlaneCounters, now: float) -> None:
        for name in names:
            if name in counters.interfaces:
                self._interfaces[name] = replace(counters.interfaces[name])
            self.cleared_at[name] = now

    def clear_sas(self, counters: PlaneCounters) -> None:
        self._sas = {key: replace(counted) for key, counted in counters.sas.items()}

    def interface(self, name: str, counters: Mapping[str, InterfaceCounters]) -> InterfaceCounters:
        counted = counters.get(name, InterfaceCounters())
        base = self._interfaces.get(name)
        if base is None:
            return counted
        return replace(counted, **{what: max(0, getattr(counted, what) - getattr(base, what)) for what in _INTERFACE})

    def sas(self, counters: Mapping[SaKey, SaCounters]) -> dict[SaKey, SaCounters]:
        self._sas = {key: base for key, base in self._sas.items() if key in counters}
        bases = self._sas
        return {key: counted.since(bases[key]) if key in bases else counted for key, counted in counters.items()}
