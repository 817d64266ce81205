"""What NHRP knows at one moment, for `show`: frozen values. Times are seconds on the engine's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One line of `show ip nhrp`.

    `kind` is "static", "dynamic" or "incomplete"; `flags` the words of `Flags:` in IOS's order ("router", "unique",
    "registered", "implicit", "local", "negative", "used", "nhop"). `via` and `nbma` are None while incomplete.
    `claimed_nbma` is the address a peer behind NAT gave itself, None without NAT. `up` is false while it is only asked
    for or its NHS does not answer; `changed_at` is when it last went up or down (None: never was up). `secured` is
    false while the peer of a protected tunnel has no SA.
    """

    target: IPv4Network
    via: IPv4Address | None
    nbma: IPv4Address | None
    kind: str
    flags: tuple[str, ...]
    created_at: float
    expires_at: float | None
    up: bool
    changed_at: float | None
    claimed_nbma: IPv4Address | None = None
    local: bool = False
    preference: int = 0
    requesters: tuple[tuple[IPv4Address, int], ...] = ()
    secured: bool = True


@dataclass(frozen=True, slots=True)
class NhsState:
    """One next hop server of a spoke. `status` is "RE", "E" or "W"."""

    address: IPv4Address
    nbma: IPv4Address | None
    status: str
    priority: int = 0
    cluster: int = 0
    requests_sent: int = 0
    requests_failed: int = 0
    replies_received: int = 0
    last_reply_at: float | None = None
    request_id: int = 0
    acknowledged_id: int | None = None
    pending: bool = False
    retry_s: int = 0
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets by name ("Resolution Request", ..., "Redirect Suppress") and what was refused by reason."""

    sent: Mapping[str, int] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MulticastEntry:
    nbma: IPv4Address
    flag: str  # "static", "dynamic" or "nhs"


@dataclass(frozen=True, slots=True)
class NhrpInterfaceState:
    """NHRP on one tunnel. `role` is "Hub", "Spoke", "Hub/Spoke" or "Unknown", as `show dmvpn` prints it.

    A router with `ip nhrp nhs` is a spoke; one without is a hub.
    """

    name: str
    role: str
    entries: tuple[CacheEntry, ...] = ()
    nhs: tuple[NhsState, ...] = ()
    multicast: tuple[MulticastEntry, ...] = ()
    traffic: Traffic = Traffic()


@dataclass(frozen=True, slots=True)
class NhrpState:
    interfaces: Mapping[str, NhrpInterfaceState] = field(default_factory=dict)
