"""The 5-minute rates of `show interfaces`: decaying averages of counters that are read now and then."""

from __future__ import annotations

import math
from collections.abc import Mapping

from iosish.forwarding.tables import InterfaceCounters

#: The time constant of "5 minute input rate".
WINDOW_S = 300.0
Sample = tuple[int, int, int, int]


class Rates:
    """Bit/s in, packet/s in, bit/s out, packet/s out for each interface."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Sample]] = {}
        self._rates: dict[str, tuple[float, float, float, float]] = {}

    def sample(self, counters: Mapping[str, InterfaceCounters], now: float) -> None:
        for name, counted in counters.items():
            sample = (counted.bytes_in * 8, counted.packets_in, counted.bytes_out * 8, counted.packets_out)
            then, before = self._last.get(name, (now, sample))
            self._last[name] = (now, sample)
            if now <= then or any(new < old for new, old in zip(sample, before, strict=True)):
                continue  # the first sample, or the counters began anew
            keep = math.exp((then - now) / WINDOW_S)
            old_rates = self._rates.get(name, (0.0, 0.0, 0.0, 0.0))
            fresh = [(new - old) / (now - then) for new, old in zip(sample, before, strict=True)]
            in_bits, in_packets, out_bits, out_packets = (
                keep * old + (1 - keep) * rate for old, rate in zip(old_rates, fresh, strict=True)
            )
            self._rates[name] = (in_bits, in_packets, out_bits, out_packets)
        for gone in set(self._last) - set(counters):
            self._last.pop(gone)
            self._rates.pop(gone, None)

    def of(self, name: str) -> tuple[int, int, int, int]:
        in_bits, in_packets, out_bits, out_packets = self._rates.get(name, (0.0, 0.0, 0.0, 0.0))
        return round(in_bits), round(in_packets), round(out_bits), round(out_packets)
