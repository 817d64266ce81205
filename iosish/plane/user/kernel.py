"""The kernel of this network namespace, by netlink: what there is, and the steps of a plan."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from iosish.desired import ArpEntry, LinkKind
from iosish.forwarding.tables import InterfaceCounters
from iosish.plane import plan
from iosish.plane.plan import Device, Observed, Step
from iosish.plane.user import routes, tap

_IFF_UP, _IFF_NOARP = 0x1, 0x80
_NUD_PERMANENT, _NUD_FAILED, _NUD_INCOMPLETE = 0x80, 0x20, 0x01
_GROUPS = 1 | 4 | 0x10 | 0x40  # links, neighbours, IPv4 addresses, IPv4 routes
_RECEIVE = 1 << 20
#: Events taken before others have their turn.
_BURST = 256
#: A table that changes under this many dumps in a row is given up for now.
DUMPS_MAX = 5

#: Settings of a tunnel's TAP: nothing but what the router itself joins, and a miss for each unknown next hop.
_TUNNEL_SETTINGS = {
    "ipv4/conf/{}/send_redirects": 0,
    "ipv4/conf/{}/rp_filter": 0,
    "ipv4/conf/{}/accept_local": 1,  # ICMP errors that the forwarder gives back carry our own address
    "ipv6/conf/{}/disable_ipv6": 1,
    "ipv4/neigh/{}/app_solicit": 3,
    "ipv4/neigh/{}/mcast_solicit": 0,
    "ipv4/neigh/{}/ucast_solicit": 0,
}
_FORWARDING = {"ipv4/ip_forward": 1}
_NAMESPACE_SETTINGS = {
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/default/rp_filter": 0,
    # A large DMVPN has more neighbours than the kernel's defaults allow.
    "ipv4/neigh/default/gc_thresh1": 8192,
    "ipv4/neigh/default/gc_thresh2": 16384,
    "ipv4/neigh/default/gc_thresh3": 32768,
}


class StepError(Exception):
    """A step that the kernel refused: what, and its reason."""


def set_namespace() -> dict[str, int]:
    """Make the namespace fit for a router. Gives the settings that were otherwise, for `restore_namespace`."""
    return _change(_NAMESPACE_SETTINGS)


def forward() -> dict[str, int]:
    """Make it one. Gives the settings that were otherwise, for `restore_namespace`."""
    return _change(_FORWARDING)


def _change(settings: Mapping[str, int]) -> dict[str, int]:
    before: dict[str, int] = {}
    for path, value in settings.items():
        found = _get(path)
        if found is not None and found != value:
            before[path] = found
            _set(path, value)
    return before


def restore_namespace(before: Mapping[str, int]) -> None:
    """Put back what there was."""
    for path, value in before.items():
        _set(path, value)


def _get(path: str) -> int | None:
    try:
        return int(Path("/proc/sys/net", path).read_text())
    except (OSError, ValueError):
        return None


def _set(path: str, value: int) -> None:
    with suppress(OSError):  # a kernel without IPv6, or settings that belong to the whole machine
        Path("/proc/sys/net", path).write_text(str(value))


def event_socket() -> socket.socket:
    """A netlink socket that hears of changes and of neighbours that are missed; it does not block."""
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, 33, 8 * 1024 * 1024)  # SO_RCVBUFFORCE
    listener.bind((0, _GROUPS))
    return listener


class Events:
    """Reads the event socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._marshal = MarshalRtnl()

    def read(self) -> tuple[list[tuple[int, IPv4Address]], bool, bool]:
        """Next hops that were missed, with the device index; whether anything else changed; whether events got lost."""
        missed: list[tuple[int, IPv4Address]] = []
        changed = False
        for _ in range(_BURST):
            try:
                data = self._listener.recv(_RECEIVE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return missed, True, True
                raise
            for message in self._marshal.parse(data):
                event = message.get("event")
                if event == "RTM_GETNEIGH" and message.get("family") == socket.AF_INET:
                    target = message.get_attr("NDA_DST")
                    if target:
                        missed.append((message["ifindex"], IPv4Address(target)))
                elif event in ("RTM_NEWLINK", "RTM_DELLINK", "RTM_NEWADDR", "RTM_DELADDR", "RTM_DELROUTE"):
                    changed = True
        return missed, changed, False


class Kernel:
    """Requests to the kernel. `close` when done."""

    def __init__(self) -> None:
        self._netlink = AsyncIPRoute()
        self._dumping = asyncio.Lock()
        self.indexes: dict[str, int] = {}
        self._descriptors: dict[str, int] = {}

    def close(self) -> None:
        for name in list(self._descriptors):
            self.forget(name)
        self._netlink.close()

    async def bring_up_loopback(self) -> None:
        """The kernel's own `lo`, without which a router does not reach its own addresses."""
        await self._netlink.link("set", index=socket.if_nametoindex("lo"), state="up")

    def descriptor(self, device: str) -> int | None:
        """The open descriptor of a TAP of ours."""
        return self._descriptors.get(device)

    def forget(self, device: str) -> None:
        """Close a device of ours; it goes when no process holds it open."""
        descriptor = self._descriptors.pop(device, None)
        if descriptor is not None:
            os.close(descriptor)

    async def _dump(self, table: Callable[..., Awaitable[AsyncIterator[Any]]], **family: int) -> list[Any]:
        """A whole table. A netlink socket has one dump at a time (EBUSY for a second one), and starts it again when
        the table changed meanwhile. Raises NetlinkError."""
        async with self._dumping:
            for _ in range(DUMPS_MAX - 1):
                with suppress(NetlinkDumpInterrupted):
                    return [entry async for entry in await table("dump", **family)]
            return [entry async for entry in await table("dump", **family)]

    async def observe(self, ours: frozenset[str]) -> Observed:
        """What there is now. `ours` are devices that the plane made: their permanent neighbours are adjacencies.

        Raises NetlinkError.
        """
        devices: dict[str, Device] = {}
        for link in await self._dump(self._netlink.link):
            name, flags = link.get_attr("IFLA_IFNAME"), link["flags"]
            devices[name] = Device(
                name,
                link["index"],
                bool(flags & _IFF_UP),
                # IFF_RUNNING follows up to a second later (linkwatch).
                bool(flags & _IFF_UP and link.get_attr("IFLA_CARRIER")),
                link.get_attr("IFLA_MTU") or 0,
                link.get_attr("IFLA_ADDRESS") or "",
                not flags & _IFF_NOARP,
            )
        # At once: a miss that is heard while this goes on must find its device.
        self.indexes = {name: device.index for name, device in devices.items()}
        names = {index: name for name, index in self.indexes.items()}
        addresses: dict[str, tuple[IPv4Interface, ...]] = {}
        for address in await self._dump(self._netlink.addr, family=socket.AF_INET):
            name = names.get(address["index"])
            local = address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS")
            if name is not None and local:
                found = IPv4Interface(f"{local}/{address['prefixlen']}")
                addresses[name] = (*addresses.get(name, ()), found)
        installed, guards = routes.ours(await self._dump(self._netlink.route, family=socket.AF_INET), names)
        return Observed(devices, addresses, installed, await self._neighbours(names, ours), guards)

    async def _neighbours(self, names: Mapping[int, str], ours: frozenset[str]) -> dict[plan.Neighbour, int]:
        neighbours: dict[plan.Neighbour, int] = {}
        for neighbour in await self._dump(self._netlink.neigh, family=socket.AF_INET):
            name = names.get(neighbour["ifindex"])
            if name not in ours or not neighbour["state"] & _NUD_PERMANENT:
                continue
            adjacency = tap.adjacency_of(neighbour.get_attr("NDA_LLADDR") or "")
            target = neighbour.get_attr("NDA_DST")
            if adjacency is not None and target:
                neighbours[name, IPv4Address(target)] = adjacency
        return neighbours

    async def drop_unresolved(self, ours: frozenset[str]) -> None:
        """Drop the packets that wait for an ARP answer on any device but `ours`. Raises NetlinkError."""
        names = {index: name for name, index in self.indexes.items()}
        for neighbour in await self._dump(self._netlink.neigh, family=socket.AF_INET):
            target = neighbour.get_attr("NDA_DST")
            if neighbour["state"] & _NUD_INCOMPLETE and target and names.get(neighbour["ifindex"]) not in ours:
                with suppress(NetlinkError):  # it is answered, or given up, just now
                    await self._netlink.neigh("del", ifindex=neighbour["ifindex"], dst=target)

    async def arp(self, interfaces: Mapping[str, str]) -> list[ArpEntry]:
        """Neighbours of physical devices; `interfaces` maps devices to IOS names."""
        names = {index: name for name, index in self.indexes.items()}
        ticks_per_s = os.sysconf("SC_CLK_TCK")
        entries: list[ArpEntry] = []
        for neighbour in await self._dump(self._netlink.neigh, family=socket.AF_INET):
            interface = interfaces.get(names.get(neighbour["ifindex"], ""))
            target = neighbour.get_attr("NDA_DST")
            if interface is None or not target or neighbour["state"] & _NUD_FAILED:
                continue
            times = neighbour.get_attr("NDA_CACHEINFO") or {}
            age_s = times.get("ndm_updated", 0) / ticks_per_s
            entries.append(ArpEntry(interface, IPv4Address(target), neighbour.get_attr("NDA_LLADDR"), age_s))
        return entries

    async def read_counters(self, interfaces: Mapping[str, str]) -> dict[str, InterfaceCounters]:
        """The kernel's counters of devices; `interfaces` maps devices to IOS names."""
        counters: dict[str, InterfaceCounters] = {}
        for link in await self._dump(self._netlink.link):
            interface = interfaces.get(link.get_attr("IFLA_IFNAME"))
            stats = link.get_attr("IFLA_STATS64")
            if interface is not None and stats:
                counters[interface] = InterfaceCounters(
                    packets_in=stats["rx_packets"],
                    bytes_in=stats["rx_bytes"],
                    packets_out=stats["tx_packets"],
                    bytes_out=stats["tx_bytes"],
                    multicast_in=stats["multicast"],
                    errors_in=stats["rx_errors"],
                    errors_out=stats["tx_errors"],
                    drops_in=stats["rx_dropped"],
                    drops_out=stats["tx_dropped"],
                )
        return counters

    # Steps

    async def apply(self, step: Step) -> None:
        """Do one step of a plan. Raises StepError."""
        try:
            await self._apply(step)
        except NetlinkError as error:
            raise StepError(f"{_say(step)}: {error.args[1] if len(error.args) > 1 else error}") from None
        except KeyError:
            raise StepError(f"{_say(step)}: the device is gone") from None
        except OSError as error:
            raise StepError(f"{_say(step)}: {error.strerror or error}") from None

    async def _apply(self, step: Step) -> None:
        netlink = self._netlink
        match step:
            case plan.CreateDevice(device=str(device), kind=kind):
                await self._create(device, kind)
            case plan.RemoveDevice(device=str(device)):
                await netlink.link("del", index=self.indexes[device])
                self.forget(device)
            case plan.SetResolves(device=str(device), resolves=resolves):
                flags = 0 if resolves else _IFF_NOARP
                await netlink.link("set", index=self.indexes[device], flags=flags, change=_IFF_NOARP)
            case plan.SetMtu(device=str(device), mtu=mtu):
                await netlink.link("set", index=self.indexes[device], mtu=mtu)
            case plan.AddAddress(device=str(device), address=address):
                await netlink.addr(
                    "replace", index=self.indexes[device], address=str(address.ip), prefixlen=address.network.prefixlen
                )
            case plan.RemoveAddress(device=str(device), address=address):
                await netlink.addr(
                    "del", index=self.indexes[device], address=str(address.ip), prefixlen=address.network.prefixlen
                )
            case plan.SetUp(device=str(device), up=up):
                await netlink.link("set", index=self.indexes[device], state="up" if up else "down")
            case plan.SetRoute() | plan.RemoveRoute() | plan.AddGuard() | plan.RemoveGuard():
                await routes.change(netlink, step, self.indexes)
            case plan.SetNeighbour(device=str(device), address=address, adjacency=adjacency):
                await self._set_neighbour(device, address, adjacency)
            case plan.RemoveNeighbour(device=str(device), address=address):
                await self._remove_neighbour(device, address)

    async def _create(self, device: str, kind: LinkKind) -> None:
        self.forget(device)  # of a device that somebody removed
        self._descriptors[device] = tap.open_device(device, ethernet=kind is LinkKind.TUNNEL)
        try:
            await self._prepare(device, kind)
        except BaseException:
            self.forget(device)
            raise

    async def _prepare(self, device: str, kind: LinkKind) -> None:
        self.indexes[device] = socket.if_nametoindex(device)
        if kind is LinkKind.TUNNEL:
            await self._netlink.link("set", index=self.indexes[device], address=tap.OWN_MAC.hex(":"))
            for path, value in _TUNNEL_SETTINGS.items():
                _set(path.format(device), value)
        else:
            _set(f"ipv6/conf/{device}/disable_ipv6", 1)

    async def _set_neighbour(self, device: str, address: IPv4Address, adjacency: int) -> None:
        await self._netlink.neigh(
            "replace",
            ifindex=self.indexes[device],
            dst=str(address),
            lladdr=tap.neighbour_mac(adjacency),
            state="permanent",
        )

    async def _remove_neighbour(self, device: str, address: IPv4Address) -> None:
        try:
            await self._netlink.neigh("del", ifindex=self.indexes[device], dst=str(address))
        except NetlinkError as error:
            if error.code not in (errno.ENOENT, errno.ESRCH):
                raise


def _say(step: Step) -> str:
    """A step in the words of a log line."""
    words = {
        plan.CreateDevice: "cannot make the device",
        plan.SetMtu: "cannot set the MTU",
        plan.AddAddress: "cannot add the address",
        plan.RemoveAddress: "cannot remove the address",
        plan.SetUp: "cannot bring the device up or down",
        plan.SetRoute: "cannot install the route",
        plan.RemoveRoute: "cannot remove the route",
        plan.AddGuard: "cannot guard the prefix",
        plan.RemoveGuard: "cannot take away the guard of the prefix",
    }
    what = getattr(step, "network", None) or getattr(step, "address", None) or step.device
    return f"{words.get(type(step), 'cannot change the kernel')} ({what})"
