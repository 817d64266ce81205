"""Names of interfaces: kind and number, in full (`FastEthernet0/0`), short (`Fa0/0`), and their order."""

from __future__ import annotations

import re
from functools import lru_cache

#: kind -> (short name, help); the order is that of `show running-config`.
KINDS: dict[str, tuple[str, str]] = {
    "Loopback": ("Lo", "Loopback interface"),
    "Port-channel": ("Po", "Ethernet Channel of interfaces"),
    "Tunnel": ("Tu", "Tunnel interface"),
    "Virtual-Template": ("Vt", "Virtual Template interface"),
    "Virtual-Access": ("Vi", "Virtual Access interface"),
    "VirtualPortGroup": ("Vg", "Virtual Port Group"),
    "Embedded-Service-Engine": ("Em", "Embedded Service Engine"),
    "Ethernet": ("Et", "IEEE 802.3"),
    "FastEthernet": ("Fa", "FastEthernet IEEE 802.3"),
    "GigabitEthernet": ("Gi", "GigabitEthernet IEEE 802.3z"),
    "TwoGigabitEthernet": ("Tw", "Two GigabitEthernet"),
    "TenGigabitEthernet": ("Te", "Ten Gigabit Ethernet"),
    "TwentyFiveGigE": ("Twe", "Twenty Five Gigabit Ethernet"),
    "FortyGigabitEthernet": ("Fo", "Forty Gigabit Ethernet"),
    "HundredGigE": ("Hu", "Hundred Gigabit Ethernet"),
    "Serial": ("Se", "Serial"),
    "ATM": ("AT", "ATM interface"),
    "Cellular": ("Ce", "Cellular WAN Interface"),
    "Multilink": ("Mu", "Multilink-group interface"),
    "Dialer": ("Di", "Dialer interface"),
    "BRI": ("BR", "ISDN Basic Rate Interface"),
    "Async": ("As", "Async interface"),
    "BVI": ("BV", "Bridge-Group Virtual Interface"),
    "BDI": ("BD", "Bridge-Domain interface"),
    "NVI": ("NV", "NAT Virtual Interface"),
    "Vlan": ("Vl", "Catalyst Vlans"),
    "LISP": ("LI", "Locator/ID Separation Protocol Virtual Interface"),
    "Null": ("Nu", "Null interface"),
}
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_LOWER = {kind.lower(): kind for kind in KINDS}
NUMBER = re.compile(r"\d{1,10}(?:/\d{1,4}){0,3}(?:[.:]\d{1,10})?")
_NAME = re.compile(r"([A-Za-z][A-Za-z-]*?)(\d.*)")


#: Kinds that few routers have: `e0/0`, `f0/0` and `t0` mean the common ones, as on a router without these.
_RARE = {
    "Embedded-Service-Engine",
    "TwoGigabitEthernet",
    "TenGigabitEthernet",
    "TwentyFiveGigE",
    "FortyGigabitEthernet",
    "LISP",
}


def kinds_beginning(text: str) -> list[str]:
    """The kinds that an abbreviation can mean; one if it is a whole kind."""
    lower = text.lower()
    if lower in _LOWER:
        return [_LOWER[lower]]
    kinds = [kind for known, kind in _LOWER.items() if known.startswith(lower)]
    return [kind for kind in kinds if kind not in _RARE] or kinds


def split(name: str) -> tuple[str, str]:
    """`Tunnel0` -> (`Tunnel`, `0`). Raises ValueError for what is no name in full."""
    found = _NAME.fullmatch(name)
    if not found or found[1] not in KINDS:
        raise ValueError(f"no interface name: {name!r}")
    return found[1], found[2]


def kind(name: str) -> str:
    return split(name)[0]


def short(name: str) -> str:
    """`FastEthernet0/0` -> `Fa0/0`."""
    kind_, number = split(name)
    return KINDS[kind_][0] + number


def is_subinterface(name: str) -> bool:
    return "." in name


@lru_cache(maxsize=65536)
def order(name: str) -> tuple[int, tuple[int, ...]]:
    """Sorts names as `show running-config` lists them."""
    kind_, number = split(name)
    return _RANK[kind_], tuple(int(part) for part in re.split(r"[/.:]", number))
