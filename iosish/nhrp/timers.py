"""What NHRP waits for."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

from iosish.deadlines import Deadlines


class Key(NamedTuple):
    """What a deadline is for: `reason` is "registration", "resolution", "refresh" or "expiry" of a protocol address,
    "security" or "reply" of an NBMA address."""

    interface: str
    reason: str
    address: IPv4Address


class Timers(Deadlines[Key]):
    def cancel_interface(self, interface: str) -> None:
        self.cancel_where(lambda key: key.interface == interface)
