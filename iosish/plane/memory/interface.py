"""An interface of a router in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface

from iosish.desired import LinkKind
from iosish.forwarding.tables import InterfaceCounters
from iosish.plane.memory.wire import End, Wire


@dataclass(slots=True, eq=False)
class Interface:
    """`wire` and `end` are set on physical interfaces that have a cable."""

    name: str
    kind: LinkKind
    up: bool = False
    mtu: int = 1500
    addresses: tuple[IPv4Interface, ...] = ()
    adjust_mss: int | None = None
    wire: Wire | None = None
    end: End | None = None
    counters: InterfaceCounters = field(default_factory=InterfaceCounters)

    @property
    def carrier(self) -> bool:
        if self.kind is not LinkKind.PHYSICAL:
            return self.up
        return self.wire is not None and self.end is not None and self.wire.carrier(self.end)
