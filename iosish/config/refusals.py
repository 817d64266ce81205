"""What IOS refuses although the line is well-formed: the text it says, or None."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

from iosish.config.address_index import vrf_of
from iosish.config.draft import Draft, Path
from iosish.config.interface_name import kind
from iosish.config.model import IpAddress, StaticRoute

#: Syslog servers, as on IOS.
LOG_HOSTS_MAX = 16
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def refusal(draft: Draft, path: Path, value: Any) -> str | None:
    """Why `value` cannot stand at `path`, as IOS says it."""
    if path == ("hostname",):
        return None if _HOSTNAME.fullmatch(value) else "% Hostname contains one or more illegal characters."
    if path[:2] == ("logging", "hosts"):
        return _log_host(draft, path)
    if path[0] == "routes" and isinstance(value, StaticRoute):
        return _route(value)
    if path[0] == "interfaces" and len(path) > 2 and path[2] in ("ip_address", "secondary"):
        return _address(draft, path[1], path[2] == "secondary", value)
    return None


def _log_host(draft: Draft, path: Path) -> str | None:
    if draft.has(path) or len(draft.get(path[:2])) < LOG_HOSTS_MAX:
        return None
    return f"% Only {LOG_HOSTS_MAX} syslog servers can be configured"


def _route(route: StaticRoute) -> str | None:
    if int(route.prefix) & ~int(route.mask) & 0xFFFFFFFF:
        return "%Inconsistent address and mask"
    if route.next_hop is not None and (route.next_hop.is_multicast or int(route.next_hop) == 0):
        return "%Invalid next hop address"
    return None


def _address(draft: Draft, interface: str, secondary: bool, value: IpAddress) -> str | None:
    address, mask = int(value.address), int(value.mask)
    length = mask.bit_count()
    host = address & ~mask & 0xFFFFFFFF
    if value.address.is_multicast or value.address.is_loopback or value.address.is_reserved or address >> 24 == 0:
        return f"Not a valid host address - {value.address}"
    loopback = kind(interface) == "Loopback"
    if (length == 32 and not loopback) or length < 1 or (length < 31 and host in (0, ~mask & 0xFFFFFFFF)):
        return f"Bad mask /{length} for address {value.address}"
    vrf = vrf_of(draft.get(("interfaces", interface)))
    for name, other, is_secondary in draft.addresses().overlapping(vrf, address, mask):
        if name == interface and (other == address or not (secondary or is_secondary)):
            continue  # the address that this one takes the place of
        holder = f"secondary address on {name}" if is_secondary else name
        return f"% {IPv4Address(address & mask)} overlaps with {holder}"
    return None
