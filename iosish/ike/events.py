"""What the IKE engine tells the router, beside its log and debug lines."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.engine import Event


@dataclass(frozen=True, slots=True)
class Flow:
    """The GRE between us and one peer that a crypto map protects. `peer` is the NBMA address that GRE goes to."""

    crypto_map: str
    local: IPv4Address
    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class FlowUp(Event):
    """A flow has its first pair of SAs: packets may go."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class FlowDown(Event):
    """A flow has no SA any more, or could not get one. `reason` is for the log ("deleted by peer", "timed out")."""

    flow: Flow
    reason: str
