"""`show arp` and `show ip arp`: neighbours on the ports, and the router's own addresses there."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.show.text import page
from iosish.snapshot import Snapshot

COLUMNS = "Protocol  Address          Age (min)  Hardware Addr   Type   Interface"
ROW = "Internet  {address:<16} {age:>8}   {mac:<14}  ARPA   {interface}"
INCOMPLETE = "Internet  {address:<16} {age:>8}   Incomplete      ARPA   "


def arp(snapshot: Snapshot, address: IPv4Address | None = None, interface: str | None = None) -> str:
    """`show arp [A] [INTERFACE]`."""
    lines = [
        (INCOMPLETE if entry.mac is None else ROW).format(
            address=str(entry.address),
            age="-" if entry.age_s is None else max(0, int(entry.age_s)) // 60,
            mac=dotted(entry.mac or ""),
            interface=entry.interface,
        )
        for entry in sorted(snapshot.arp, key=lambda entry: (entry.address, entry.interface))
        if address in (None, entry.address) and interface in (None, entry.interface)
    ]
    return page([COLUMNS, *lines]) if lines else ""


def dotted(mac: str) -> str:
    """`aa:bb:cc:00:01:02` -> `aabb.cc00.0102`; what is no MAC address becomes zeros."""
    digits = mac.replace(":", "").lower()
    if len(digits) != 12 or not all(digit in "0123456789abcdef" for digit in digits):
        digits = "0" * 12
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
