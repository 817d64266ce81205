"""One direction of an IPsec security association, as IKE hands it to the data plane."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from iosish.ipsec.transforms import DfBit, Mode, Transform


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """An ESP SA for the GRE between two hosts. Equal SPI and direction means the same SA; it never changes.

    `crypto_map` is the tag (`Tunnel0-head-0`, or that of a shared profile) whose tunnels it protects: only these
    may send and receive by it. `local` and `peer` are the outer addresses of ESP. `selector_local` and
    `selector_peer` are the ends of the GRE inside: the same two, unless a NAT lies between and the mode is tunnel.
    `udp_ports` (ours, the peer's): ESP goes in UDP (RFC 3948); None: IP protocol 50. `replay_window` 0: off.
    After `hard_octets` or 2**32-1 packets nothing more is sent; at `soft_octets` or close to that number of packets
    the plane tells that the SA is worn. Keys never leave in a repr.
    """

    spi: int
    inbound: bool
    crypto_map: str
    local: IPv4Address
    peer: IPv4Address
    selector_local: IPv4Address
    selector_peer: IPv4Address
    transform: Transform
    encryption_key: bytes = field(repr=False)
    integrity_key: bytes = field(repr=False)
    mode: Mode = Mode.TUNNEL
    udp_ports: tuple[int, int] | None = None
    replay_window: int = 64
    df: DfBit = DfBit.COPY
    soft_octets: int | None = None
    hard_octets: int | None = None


@dataclass(frozen=True, slots=True)
class SaKey:
    """Which SA: for an inbound one the SPI is ours, for an outbound one the peer's."""

    spi: int
    inbound: bool
    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class SaChange:
    """SAs to put in place and to take out, in the order in which IKE wants it."""

    installed: tuple[SecurityAssociation, ...] = ()
    removed: tuple[SaKey, ...] = ()


#: What `clear crypto sa counters` begins anew, and what a flow counts over all of its SAs: octets and sequence tell
#: what one SA may still do.
_COUNTED = ("packets", "replay_errors", "integrity_errors", "length_errors", "identity_errors", "send_errors")


@dataclass(slots=True)
class SaCounters:
    """What the plane counted for one SA. `sequence`: the last one sent, or the highest one received."""

    packets: int = 0
    octets: int = 0
    sequence: int = 0
    last_at: float | None = None
    replay_errors: int = 0
    integrity_errors: int = 0
    length_errors: int = 0
    identity_errors: int = 0
    send_errors: int = 0

    def add(self, other: SaCounters) -> None:
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def since(self, base: SaCounters) -> SaCounters:
        """What came after `base` was counted."""
        return replace(self, **{name: max(0, getattr(self, name) - getattr(base, name)) for name in _COUNTED})
