"""Our routes in the kernel's main table, and the guards beside them."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute, get_arguments_processor
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nlsocket import NetlinkRequest
from pyroute2.netlink.rtnl import RTM_NEWROUTE
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from iosish.plane import plan
from iosish.plane.plan import Hop, Implied, ImpliedKind

#: The protocol number of our routes (rtnetlink(7): numbers above 4 are free for use), as `ip route` shows it.
ROUTE_PROTOCOL = 73
#: The metric of a guard: worse than that of any route that somebody means to be used.
GUARD_METRIC = 4294967294
#: The protocol number of routes that the kernel makes for addresses.
_KERNEL = 2
_MAIN_TABLE, _LOCAL_TABLE = 254, 255
_UNICAST, _LOCAL, _BLACKHOLE = 1, 2, 6
_SCOPE_LINK, _SCOPE_HOST, _SCOPE_NOWHERE = 253, 254, 255

#: What the kernel is asked for: it sorts out the routes of others, of which there may be very many.
OURS: Mapping[str, int] = {"proto": ROUTE_PROTOCOL, "table": _MAIN_TABLE}
IMPLIED: tuple[Mapping[str, int], ...] = (
    {"proto": _KERNEL, "table": _MAIN_TABLE},
    {"proto": _KERNEL, "table": _LOCAL_TABLE},
)

Steps = plan.SetRoute | plan.RemoveRoute | plan.AddImplied | plan.AddGuard | plan.RemoveGuard


def ours(
    dump: Iterable[Any], names: Mapping[int, str]
) -> tuple[dict[IPv4Network, frozenset[Hop]], frozenset[IPv4Network]]:
    """Our routes and our guards among those of a dump; `names` gives devices by index."""
    routes: dict[IPv4Network, frozenset[Hop]] = {}
    guards: set[IPv4Network] = set()
    for route in dump:
        if route["proto"] != ROUTE_PROTOCOL or route.get_attr("RTA_TABLE") != _MAIN_TABLE:
            continue
        network, hops = _network(route), route.get_attr("RTA_MULTIPATH")
        if route.get_attr("RTA_PRIORITY") == GUARD_METRIC:
            if route["type"] == _BLACKHOLE:
                guards.add(network)
        elif route["type"] == _BLACKHOLE:
            routes[network] = frozenset()
        elif hops:
            routes[network] = frozenset(_hop(hop.get_attr("RTA_GATEWAY"), names.get(hop["oif"])) for hop in hops)
        else:
            device = names.get(route.get_attr("RTA_OIF"))
            routes[network] = frozenset({_hop(route.get_attr("RTA_GATEWAY"), device)})
    return routes, frozenset(guards)


def missing(
    addresses: Iterable[tuple[str, IPv4Interface, bool]], dump: Iterable[Any], names: Mapping[int, str]
) -> frozenset[Implied]:
    """The routes that addresses have not, among those of a dump. An address comes with its device, which is up, and
    whether its network is to be behind that: it is not for one that is secondary in its subnet."""
    there: set[tuple[str | None, IPv4Network, int]] = set()
    for route in dump:
        if route["proto"] == _KERNEL:
            there.add((names.get(route.get_attr("RTA_OIF")), _network(route), route["type"]))
    gone: set[Implied] = set()
    for device, address, connects in addresses:
        if (device, IPv4Network(address.ip), _LOCAL) not in there:
            gone.add(Implied(device, address, ImpliedKind.HOST))
        if connects and (device, address.network, _UNICAST) not in there:
            gone.add(Implied(device, address, ImpliedKind.NETWORK))
    return frozenset(gone)


def _network(route: Any) -> IPv4Network:
    return IPv4Network(f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}")


def _hop(gateway: str | None, device: str | None) -> Hop:
    return Hop(device, IPv4Address(gateway) if gateway else None)


async def change(netlink: AsyncIPRoute, step: Steps, indexes: Mapping[str, int]) -> None:
    """Do one step. Raises NetlinkError, and KeyError where a device has no index."""
    match step:
        case plan.SetRoute(network=network, hops=hops, precedes=True):
            await _prepend(netlink, dst=str(network), proto=ROUTE_PROTOCOL, **_target(hops, indexes))
        case plan.SetRoute(network=network, hops=hops, replaces=replaces):
            # "Replace" would take the place of a route that is not ours, too.
            command = "replace" if replaces else "add"
            await netlink.route(command, dst=str(network), proto=ROUTE_PROTOCOL, **_target(hops, indexes))
        case plan.AddImplied(device=str(device), address=address, kind=kind):
            own = {"proto": _KERNEL, "oif": indexes[device], "prefsrc": str(address.ip)}
            if kind is ImpliedKind.HOST:
                local = {"type": "local", "table": _LOCAL_TABLE, "scope": _SCOPE_HOST}
                await _prepend(netlink, dst=f"{address.ip}/32", **own, **local)
            else:
                await _prepend(netlink, dst=str(address.network), **own, scope=_SCOPE_LINK)
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


async def _prepend(netlink: AsyncIPRoute, **route: Any) -> None:
    """`ip route prepend`, which the library does not know: before a route of others that is in the way, and that stays
    (fib_table_insert in net/ipv4/fib_trie.c: NLM_F_CREATE and nothing else)."""
    asked = get_arguments_processor("route", "add", {"type": "unicast", **route}, {"strict_check": True})
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
    request = NetlinkRequest(netlink, rtmsg(), None, None, None, asked, msg_type=RTM_NEWROUTE, msg_flags=flags)
    await request.send()
    async for _ in request.response():
        pass


async def _remove(netlink: AsyncIPRoute, network: IPv4Network, **which: int) -> None:
    """`which` tells a route from a guard to the same network: the kernel removes the first that fits."""
    try:
        # "Nowhere" as scope stands for any: without it a route to a device alone is not found.
        await netlink.route("del", dst=str(network), proto=ROUTE_PROTOCOL, scope=_SCOPE_NOWHERE, **which)
    except NetlinkError as error:
        if error.code != errno.ESRCH:  # it went with its device
            raise
