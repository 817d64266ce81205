"""Which refused packets are worth telling: each sort and sender now and then, and never many at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

#: The same refusal of the same sender is told again this much later.
EVERY_S = 30.0
#: No report tells more than this; senders can be forged.
AT_ONCE_MAX = 8
#: Refusals remembered.
KNOWN_MAX = 1024

Refusal: TypeAlias = tuple[str | None, str, bytes]
"""Tunnel if one is meant, reason, outer source."""


class Refusals:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._told: dict[Refusal, float] = {}

    def worth_telling(self, refused: Iterable[Refusal], now: float) -> list[Refusal]:
        """Those of a report that are told now."""
        telling: list[Refusal] = []
        for refusal in refused:
            told = self._told.get(refusal)
            if len(telling) >= AT_ONCE_MAX or (told is not None and now - told < EVERY_S):
                continue
            self._told.pop(refusal, None)
            while len(self._told) >= KNOWN_MAX:
                del self._told[next(iter(self._told))]  # the one told longest ago
            self._told[refusal] = now
            telling.append(refusal)
        return telling
