"""What the control side tells the forwarding rules: one frozen value per tunnel.

A plane gets these as part of the router's desired state; equal values mean that nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Tunnel:
    """How one GRE tunnel forwards.

    `local` is the outer source; None while the tunnel has none (nothing is sent or accepted).
    `adjacencies` maps an adjacency index (1 to 2**32-1, stable while the peer is known) to the peer's NBMA
    address; a point-to-point tunnel has only index 1, its destination. `multicast` lists where copies of
    multicast and broadcast packets go, one NBMA address once. `mtu` is the `ip mtu`: larger inner packets
    are fragmented before GRE, or answered by ICMP 3/4 when they have DF. `tos` None copies the inner one.
    `blocked` holds the reason when nothing may leave or be accepted (protection that cannot be given).
    `crypto_map` is the tag of what protects the tunnel: every packet leaves and comes by an SA of that tag, none in the
    clear; None: the tunnel is not protected.
    """

    name: str
    local: IPv4Address | None
    key: int | None = None
    multipoint: bool = False
    address: IPv4Address | None = None
    mtu: int = 1476
    tos: int | None = None
    ttl: int = 255
    path_mtu_discovery: bool = False
    adjust_mss: int | None = None
    adjacencies: Mapping[int, IPv4Address] = field(default_factory=dict)
    multicast: tuple[IPv4Address, ...] = ()
    blocked: str | None = None
    crypto_map: str | None = None


@dataclass(slots=True)
class InterfaceCounters:
    """Counters of one interface, as `show interfaces` prints them. Times are seconds on the caller's clock."""

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    multicast_in: int = 0
    multicast_out: int = 0
    errors_in: int = 0
    errors_out: int = 0
    drops_in: int = 0
    drops_out: int = 0
    last_in: float | None = None
    last_out: float | None = None


@dataclass(slots=True)
class DropCounters:
    """Why packets were dropped, by reason (`"key mismatch"`: 3), for the whole router."""

    reasons: dict[str, int] = field(default_factory=dict)
