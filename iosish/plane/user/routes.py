"""Our routes in the kernel's main table, and the guards beside them."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from iosish.plane import plan
from iosish.plane.plan import Hop

#: The protocol number of our routes (rtnetlink(7): numbers above 4 are free for use), as `ip route` shows it.
ROUTE_PROTOCOL = 73
#: The metric of a guard: worse than that of any route that somebody means to be used.
GUARD_METRIC = 4294967294
_MAIN_TABLE = 254
_UNICAST, _BLACKHOLE = 1, 6
_SCOPE_NOWHERE = 255

Steps = plan.SetRoute | plan.RemoveRoute | plan.AddGuard | plan.RemoveGuard


def ours(
    dump: Iterable[Any], names: Mapping[int, str]
) -> tuple[dict[IPv4Network, frozenset[Hop]], frozenset[IPv4Network]]:
    """Our routes and our guards among all that there are; `names` gives devices by index."""
    routes: dict[IPv4Network, frozenset[Hop]] = {}
    guards: set[IPv4Network] = set()
    for route in dump:
        if route["proto"] != ROUTE_PROTOCOL or route.get_attr("RTA_TABLE") != _MAIN_TABLE:
            continue
        network = IPv4Network(f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}")
        hops = route.get_attr("RTA_MULTIPATH")
        if route.get_attr("RTA_PRIORITY") == GUARD_METRIC:
            guards.add(network)
        elif route["type"] == _BLACKHOLE:
            routes[network] = frozenset()
        elif hops:
            routes[network] = frozenset(_hop(hop.get_attr("RTA_GATEWAY"), names.get(hop["oif"])) for hop in hops)
        else:
            device = names.get(route.get_attr("RTA_OIF"))
            routes[network] = frozenset({_hop(route.get_attr("RTA_GATEWAY"), device)})
    return routes, frozenset(guards)


def _hop(gateway: str | None, device: str | None) -> Hop:
    return Hop(device, IPv4Address(gateway) if gateway else None)


async def change(netlink: AsyncIPRoute, step: Steps, indexes: Mapping[str, int]) -> None:
    """Do one step. Raises NetlinkError, and KeyError where a device has no index."""
    match step:
        case plan.SetRoute(network=network, hops=hops, replaces=replaces):
            # "Replace" would take the place of a route that is not ours, too.
            command = "replace" if replaces else "add"
            await netlink.route(command, dst=str(network), proto=ROUTE_PROTOCOL, **_target(hops, indexes))
        case plan.RemoveRoute(network=network, discards=discards):
            await _remove(netlink, network, type=_BLACKHOLE if discards else _UNICAST)
        case plan.AddGuard(network=network):
            await netlink.route("add", dst=str(network), proto=ROUTE_PROTOCOL, type="blackhole", priority=GUARD_METRIC)
        case plan.RemoveGuard(network=network):
            await _remove(netlink, network, type=_BLACKHOLE, priority=GUARD_METRIC)


def _target(hops: frozenset[Hop], indexes: Mapping[str, int]) -> dict[str, Any]:
    if not hops:
        return {"type": "blackhole"}
    targets = [
        {
            **({"gateway": str(hop.gateway)} if hop.gateway is not None else {}),
            **({"oif": indexes[hop.device]} if hop.device is not None else {}),
        }
        for hop in sorted(hops, key=str)
    ]
    if len(targets) > 1:
        return {"multipath": targets}
    # Without a gateway the whole network is on the device itself.
    return targets[0] if "gateway" in targets[0] else {**targets[0], "scope": "link"}


async def _remove(netlink: AsyncIPRoute, network: IPv4Network, **which: int) -> None:
    """`which` tells a route from a guard to the same network: the kernel removes the first that fits."""
    try:
        # "Nowhere" as scope stands for any: without it a route to a device alone is not found.
        await netlink.route("del", dst=str(network), proto=ROUTE_PROTOCOL, scope=_SCOPE_NOWHERE, **which)
    except NetlinkError as error:
        if error.code != errno.ESRCH:  # it went with its device
            raise
