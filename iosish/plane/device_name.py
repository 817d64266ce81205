"""How an IOS interface is called as a device of the kernel, and back.

A device name has at most 15 octets and no slash or colon (`dev_valid_name` of Linux).
"""

from __future__ import annotations

import re
from zlib import crc32

from iosish.config import interface_name

DEVICE_NAME_MAX = 15

_DEVICE = re.compile(r"([A-Za-z][A-Za-z-]*?)(\d[\d./_-]*)")
_KIND = {short: kind for kind, (short, _) in interface_name.KINDS.items()}


def device_name(interface: str) -> str:
    """`FastEthernet0/0` -> `Fa0-0`, `Loopback0` -> `Lo0`, `Tunnel0` -> `Tunnel0` (`Tu2147483647` if that is too long).

    A name that is too long even so gets a checksum in place of its number. Raises ValueError for what is no
    interface name in full.
    """
    kind, number = interface_name.split(interface)
    number = number.replace("/", "-").replace(":", "_")
    short = interface_name.KINDS[kind][0]
    names = (kind + number, short + number) if kind == "Tunnel" else (short + number,)
    for name in names:
        if len(name) <= DEVICE_NAME_MAX:
            return name
    return f"{short}~{crc32(interface.encode()):08x}"


def interface_of(device: str) -> str | None:
    """`Fa0-0` -> `FastEthernet0/0`; None for a device that `device_name` did not name."""
    found = _DEVICE.fullmatch(device)
    if found is None:
        return None
    kind = "Tunnel" if found[1] == "Tunnel" else _KIND.get(found[1])
    interface = f"{kind}{found[2].replace('-', '/').replace('_', ':')}"
    return interface if kind is not None and device_name(interface) == device else None


def other_names(interface: str) -> tuple[str, ...]:
    """Devices that may stand behind a physical interface when none has its own name: its IOS names, any case."""
    short = interface_name.short(interface).replace("/", "-").replace(":", "_")
    full = interface.replace("/", "-").replace(":", "_")
    names = dict.fromkeys((short, full, short.lower(), full.lower()))
    return tuple(name for name in names if len(name) <= DEVICE_NAME_MAX)
