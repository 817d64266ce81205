"""How every show command ends: lines to text that is safe on a terminal; names of interfaces, short and in order."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from iosish.config import interface_name

#: Kinds that IOS lists behind all ports.
_VIRTUAL = frozenset(
    [
        "Loopback",
        "Port-channel",
        "Tunnel",
        "Virtual-Template",
        "Virtual-Access",
        "VirtualPortGroup",
        "Multilink",
        "Dialer",
        "BVI",
        "BDI",
        "NVI",
        "Vlan",
        "LISP",
        "Null",
    ]
)


def page(lines: Iterable[str]) -> str:
    """The lines of a command's output, each ended by a newline; nothing for no line."""
    return "".join(f"{printable(line)}\n" for line in lines)


def printable(text: str) -> str:
    """`text` on one line: what a terminal would act on (or could not print) is a question mark, a tab stays."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in text)


def kind(name: str) -> str:
    """`Tunnel0` -> `Tunnel`; empty for a name that no IOS knows."""
    try:
        return interface_name.kind(name)
    except ValueError:
        return ""


def short(name: str) -> str:
    """`FastEthernet0/0` -> `Fa0/0`; a name that no IOS knows stays."""
    try:
        return interface_name.short(name)
    except ValueError:
        return name


def by_name(name: str) -> tuple[int, int, tuple[int, ...], str]:
    """Sorts interfaces as show commands list them: ports, then what has no hardware, then strangers."""
    try:
        rank, numbers = interface_name.order(name)
    except ValueError:
        return 2, 0, (), name
    return int(interface_name.kind(name) in _VIRTUAL), rank, numbers, name


def by_address(network: IPv4Network) -> tuple[int, int]:
    """Sorts networks as IPv4Network itself does, in a tenth of the time."""
    return int(network.network_address), network.prefixlen


def address(value: IPv4Address | None, missing: str) -> str:
    return missing if value is None else str(value)
