"""What IKE knows at one moment, for `show`: frozen values, without any key. Times are seconds on the engine's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from iosish.ike.config import Authentication, Cipher, Hash, Keepalive
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.ipsec.transforms import Mode, Transform


@dataclass(frozen=True, slots=True)
class IsakmpSa:
    """One line of `show crypto isakmp sa`.

    `state` is IOS's word (`QM_IDLE`); `active` false: `ACTIVE (deleted)`. `connection_id` is 0 until messages are
    encrypted. `capabilities` are letters of `show crypto isakmp sa detail` ("D", "N"). Cipher, hash and the like are
    None until a policy is agreed. `expires_at` None: not up yet. `peer_identity` is what the peer said it is.
    """

    connection_id: int
    local: IPv4Address
    local_port: int
    peer: IPv4Address
    peer_port: int
    initiator: bool
    state: str
    active: bool
    created_at: float
    expires_at: float | None = None
    cipher: Cipher | None = None
    key_bits: int = 0
    hash: Hash | None = None
    authentication: Authentication | None = None
    group: int = 0
    lifetime_s: int = 0
    capabilities: str = ""
    peer_identity: str | None = None
    profile: str | None = None
    keepalive: Keepalive | None = None
    nat_local: bool = False
    nat_peer: bool = False


@dataclass(frozen=True, slots=True)
class IpsecSa:
    """One direction of an IPsec SA. `lifetime_kb` None: no such limit."""

    key: SaKey
    connection_id: int
    transform: Transform
    mode: Mode
    udp: bool
    created_at: float
    expires_at: float
    lifetime_s: int
    lifetime_kb: int | None
    replay_window: int
    pfs: int | None = None


@dataclass(frozen=True, slots=True)
class FlowState:
    """The protection of GRE between us and one peer: a paragraph of `show crypto ipsec sa`, a flow of a session.

    The newest pair is first in `inbound` and `outbound`; older ones live on until their end. `status` is
    "UP-ACTIVE", "UP-IDLE", "UP-NO-IKE", "DOWN" or "DOWN-NEGOTIATING". `ended_in` and `ended_out`: what SAs of the flow
    had counted that are no longer there.
    """

    crypto_map: str
    local: IPv4Address
    peer: IPv4Address
    selector_local: IPv4Address
    selector_peer: IPv4Address
    peer_port: int = 500
    status: str = "DOWN"
    up_since: float | None = None
    inbound: tuple[IpsecSa, ...] = ()
    outbound: tuple[IpsecSa, ...] = ()
    identity: str | None = None
    profile: str | None = None
    ended_in: SaCounters = field(default_factory=SaCounters)
    ended_out: SaCounters = field(default_factory=SaCounters)


@dataclass(frozen=True, slots=True)
class IkeState:
    """`counters`: what was counted, by name (`"IKEv2 messages"`, `"half-open limit"`, `"bad message"`)."""

    isakmp: tuple[IsakmpSa, ...] = ()
    flows: tuple[FlowState, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
