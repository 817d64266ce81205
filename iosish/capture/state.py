"""What others may see of a capture point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from iosish.capture.match import Ipv4Match

DEFAULT_SIZE_MB = 10
DEFAULT_PPS = 1000


class Direction(Enum):
    BOTH = "both"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Limits:
    """0 is no limit. `every`: one packet of so many is kept; `packet_length` octets of it."""

    packets: int = 0
    duration_s: int = 0
    packet_length: int = 0
    packets_per_s: int = DEFAULT_PPS
    every: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a capture point is told. `match` None: not said yet, which is `any`; so is a match without a rule."""

    interfaces: Mapping[str, Direction] = field(default_factory=dict)
    match: Ipv4Match | None = None
    size_mb: int = DEFAULT_SIZE_MB
    circular: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class CaptureState:
    """A capture point; `used` in octets, `span_s` from its first packet to its last, `dropped` of all reasons."""

    name: str
    settings: Settings
    active: bool
    used: int
    packets: int
    dropped: int
    span_s: float
