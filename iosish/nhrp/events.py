"""What the NHRP engine tells the router about peers, beside its log and debug lines."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.engine import Event


@dataclass(frozen=True, slots=True)
class PeerDead(Event):
    """A server does not answer though its SA is up: all SAs with it had better be made anew.

    Told once when it goes down and, while it stays so, at most once a minute.
    """

    interface: str
    nbma: IPv4Address


@dataclass(frozen=True, slots=True)
class SessionCleared(Event):
    """`clear dmvpn session`: all SAs with this peer are to go; who is still wanted gets new ones."""

    interface: str
    nbma: IPv4Address
