"""Lines that are understood and stored without effect, and what sections of the model are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[Any, Any] = MappingProxyType({})

#: The leaf that kept a line (its words), then the values that tell it from others of that leaf.
KeptKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A line that is understood, stored and shown back, but drives nothing; with its sub-mode's lines."""

    text: str
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)
