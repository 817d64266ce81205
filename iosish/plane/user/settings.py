"""The settings below /proc/sys/net that a router needs: of its namespace, and of its own devices.

The kernel tells nobody when one is changed, so they are looked at from time to time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from iosish.desired import LinkKind

_ROOT = "/proc/sys/net"
#: Of a tunnel's TAP: nothing but what the router itself joins, and a miss for each unknown next hop.
_TUNNEL = {
    "ipv4/conf/{}/send_redirects": 0,
    "ipv4/conf/{}/rp_filter": 0,
    "ipv4/conf/{}/accept_local": 1,  # ICMP errors that the forwarder gives back carry our own address
    "ipv4/neigh/{}/app_solicit": 3,
    "ipv4/neigh/{}/mcast_solicit": 0,
    "ipv4/neigh/{}/ucast_solicit": 0,
}
#: The kernel forgets it when the MTU was too small for IPv6.
_WITHOUT_IPV6 = {"ipv6/conf/{}/disable_ipv6": 1}
FORWARDING: Mapping[str, int] = {"ipv4/ip_forward": 1}
NAMESPACE: Mapping[str, int] = {
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/default/rp_filter": 0,
    # A large DMVPN has more neighbours than the kernel's defaults allow.
    "ipv4/neigh/default/gc_thresh1": 8192,
    "ipv4/neigh/default/gc_thresh2": 16384,
    "ipv4/neigh/default/gc_thresh3": 32768,
}


def of_device(device: str, kind: LinkKind) -> dict[str, int]:
    """What a device of ours needs, by path below /proc/sys/net."""
    settings = {**_TUNNEL, **_WITHOUT_IPV6} if kind is LinkKind.TUNNEL else _WITHOUT_IPV6
    return {path.format(device): value for path, value in settings.items()}


def without_ipv6(device: str) -> dict[str, int]:
    """What a device of ours needs once more after each change of its MTU."""
    return {path.format(device): value for path, value in _WITHOUT_IPV6.items()}


def put(settings: Mapping[str, int]) -> dict[str, int]:
    """Make them so. Gives those that were otherwise, as they were, without what cannot be changed: a kernel without
    IPv6, a setting of the whole machine."""
    before: dict[str, int] = {}
    for path, value in settings.items():
        found = _read(path)
        if found is None or found == value:
            continue
        with suppress(OSError):
            _write(path, value)
            before[path] = found
    return before


def _read(path: str) -> int | None:
    try:
        descriptor = os.open(f"{_ROOT}/{path}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(descriptor, 64))
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def _write(path: str, value: int) -> None:
    descriptor = os.open(f"{_ROOT}/{path}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)
