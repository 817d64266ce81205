"""The kernel of this network namespace, by netlink: what there is, and the steps of a plan."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from iosish.desired import ArpEntry, LinkKind
from iosish.forwarding.tables import InterfaceCounters
from iosish.plane import plan
from iosish.plane.plan import Device, Observed, Step
from iosish.plane.user import routes, settings, tap

_IFF_UP, _IFF_NOARP = 0x1, 0x80
_IFA_SECONDARY, _IFA_NOPREFIXROUTE = 0x01, 0x200
_NUD_PERMANENT, _NUD_FAILED, _NUD_INCOMPLETE = 0x80, 0x20, 0x01
#: The kernel's own device, by which a router reaches its own addresses.
LOOPBACK = "lo"
#: A table that changes under this many dumps in a row is given up for now.
DUMPS_MAX = 5


class StepError(Exception):
    """A step that the kernel refused: what, and its reason."""


class Kernel:
    """Requests to the kernel. `close` when done."""

    def __init__(self) -> None:
        self._netlink = AsyncIPRoute(strict_check=True)  # the kernel sorts out what is not asked for
        self._dumping = asyncio.Lock()
        self.indexes: dict[str, int] = {}
        self._descriptors: dict[str, int] = {}

    def close(self) -> None:
        for name in list(self._descriptors):
            self.forget(name)
        self._netlink.close()

    @property
    def port(self) -> int:
        """Of the netlink socket: it is the sender of changes that are asked for here."""
        return int(self._netlink.socket.getsockname()[0])

    async def bring_up_loopback(self) -> None:
        """Without it a router does not reach its own addresses."""
        await self._netlink.link("set", index=socket.if_nametoindex(LOOPBACK), state="up")

    def descriptor(self, device: str) -> int | None:
        """The open descriptor of a TAP of ours."""
        return self._descriptors.get(device)

    def forget(self, device: str) -> None:
        """Close a device of ours; it goes when no process holds it open."""
        descriptor = self._descriptors.pop(device, None)
        if descriptor is not None:
            os.close(descriptor)

    async def _dump(self, ask: Callable[..., Awaitable[AsyncIterator[Any]]], **wanted: int) -> list[Any]:
        """A whole table. A netlink socket has one dump at a time (EBUSY for a second one), and starts it again when
        the table changed meanwhile. Raises NetlinkError."""
        async with self._dumping:
            for _ in range(DUMPS_MAX - 1):
                with suppress(NetlinkDumpInterrupted):
                    return [entry async for entry in await ask("dump", **wanted)]
            return [entry async for entry in await ask("dump", **wanted)]

    async def observe(self, ours: Mapping[str, int]) -> Observed:
        """What there is now. `ours` are devices that the plane made, with their index: their permanent neighbours are
        adjacencies.

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
        routed: list[tuple[str, IPv4Interface, bool]] = []
        for address in await self._dump(self._netlink.addr, family=socket.AF_INET):
            name = names.get(address["index"])
            local = address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS")
            if name is None or not local:
                continue
            found = IPv4Interface(f"{local}/{address['prefixlen']}")
            addresses[name] = (*addresses.get(name, ()), found)
            if devices[name].up:
                flags = address.get_attr("IFA_FLAGS") or address["flags"]
                without = flags & (_IFA_SECONDARY | _IFA_NOPREFIXROUTE) or found.network.prefixlen == 32
                routed.append((name, found, not without))
        installed, guards = routes.ours(await self._routes(routes.OURS), names)
        implied = [route for which in routes.IMPLIED for route in await self._routes(which)]
        missing = routes.missing(routed, implied, names)
        return Observed(devices, addresses, installed, await self._neighbours(names, ours), guards, missing)

    async def _routes(self, which: Mapping[str, int]) -> list[Any]:
        return await self._dump(self._netlink.route, family=socket.AF_INET, **which)

    async def _neighbours(self, names: Mapping[int, str], ours: Mapping[str, int]) -> dict[plan.Neighbour, int]:
        neighbours: dict[plan.Neighbour, int] = {}
        for neighbour in await self._dump(self._netlink.neigh, family=socket.AF_INET):
            index = neighbour["ifindex"]
            name = names.get(index)
            if name is None or ours.get(name) != index or not neighbour["state"] & _NUD_PERMANENT:
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
            case plan.RenameDevice(device=str(device), found=found):
                await self._rename(self.indexes[found], device)
            case plan.RemoveDevice(device=str(device)):
                await netlink.link("del", index=self.indexes[device])
                self.forget(device)
            case plan.SetResolves(device=str(device), resolves=resolves):
                flags = 0 if resolves else _IFF_NOARP
                await netlink.link("set", index=self.indexes[device], flags=flags, change=_IFF_NOARP)
            case plan.SetMac(device=str(device)):
                await netlink.link("set", index=self.indexes[device], address=plan.TUNNEL_MAC)
            case plan.SetMtu(device=str(device), mtu=mtu):
                await netlink.link("set", index=self.indexes[device], mtu=mtu)
                if device in self._descriptors:
                    settings.put(settings.without_ipv6(device))
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
            case plan.SetRoute() | plan.RemoveRoute() | plan.AddImplied() | plan.AddGuard() | plan.RemoveGuard():
                await routes.change(netlink, step, self.indexes)
            case plan.SetNeighbour(device=str(device), address=address, adjacency=adjacency):
                await self._set_neighbour(device, address, adjacency)
            case plan.RemoveNeighbour(device=str(device), address=address):
                await self._remove_neighbour(device, address)

    async def _create(self, device: str, kind: LinkKind) -> None:
        self.forget(device)  # of a device that somebody removed
        self._descriptors[device] = tap.open_device(device, ethernet=kind is LinkKind.TUNNEL)
        try:
            self.indexes[device] = socket.if_nametoindex(device)
        except OSError:
            self.forget(device)
            raise
        if kind is LinkKind.TUNNEL:
            await self._netlink.link("set", index=self.indexes[device], gso_max_size=tap.LARGE_MAX)
        settings.put(settings.of_device(device, kind))

    async def _rename(self, index: int, name: str) -> None:
        try:
            await self._netlink.link("set", index=index, ifname=name)
        except NetlinkError as error:
            if error.code != errno.EBUSY:
                raise
            # Before Linux 6.2 a device that is up keeps its name; what goes with this is put back afterwards.
            await self._netlink.link("set", index=index, state="down")
            await self._netlink.link("set", index=index, ifname=name)
        self.indexes[name] = index

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
        plan.RenameDevice: "cannot give the device its name back",
        plan.SetMac: "cannot set the MAC address",
        plan.SetMtu: "cannot set the MTU",
        plan.AddAddress: "cannot add the address",
        plan.RemoveAddress: "cannot remove the address",
        plan.SetUp: "cannot bring the device up or down",
        plan.AddImplied: "cannot put back the route of the address",
        plan.SetRoute: "cannot install the route",
        plan.SetNeighbour: "cannot set the neighbour",
        plan.RemoveNeighbour: "cannot remove the neighbour",
        plan.RemoveRoute: "cannot remove the route",
        plan.AddGuard: "cannot guard the prefix",
        plan.RemoveGuard: "cannot take away the guard of the prefix",
    }
    what = getattr(step, "network", None) or getattr(step, "address", None) or step.device
    return f"{words.get(type(step), 'cannot change the kernel')} ({what})"
