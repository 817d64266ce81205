"""The kernel of this network namespace, by netlink: what there is, and the steps of a plan."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface
from itertools import count
from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from iosish.desired import ArpEntry, LinkKind
from iosish.forwarding.tables import InterfaceCounters
from iosish.plane import plan
from iosish.plane.plan import Device, Observed, Step
from iosish.plane.user import routes, settings, tap
from iosish.plane.user.neighbours import Neighbour, Neighbours
from iosish.plane.user.netlink import NUD_FAILED, NUD_INCOMPLETE, NUD_PERMANENT

_IFF_UP, _IFF_NOARP = 0x1, 0x80
_IFA_SECONDARY, _IFA_NOPREFIXROUTE = 0x01, 0x200
#: The kernel's own device, by which a router reaches its own addresses.
LOOPBACK = "lo"
#: A table that changes under this many dumps in a row is given up for now.
DUMPS_MAX = 5
#: Changes of neighbours before others have their turn.
BURST = 64


class StepError(Exception):
    """A step that the kernel refused: what, and its reason."""


class Kernel:
    """Requests to the kernel. `close` when done."""

    def __init__(self) -> None:
        self._netlink = AsyncIPRoute(strict_check=True)  # the kernel sorts out what is not asked for
        self._dumping = asyncio.Lock()
        self._neighbours = Neighbours()
        self._changes = count(1)
        self.indexes: dict[str, int] = {}
        self._descriptors: dict[str, int] = {}

    def close(self) -> None:
        for name in list(self._descriptors):
            self.forget(name)
        self._netlink.close()
        self._neighbours.close()

    @property
    def ports(self) -> frozenset[int]:
        """Of the netlink sockets: they are the senders of changes that are asked for here."""
        return frozenset({int(self._netlink.socket.getsockname()[0]), self._neighbours.port})

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
        return Observed(devices, addresses, installed, self._adjacencies(names, ours), guards, missing)

    async def _routes(self, which: Mapping[str, int]) -> list[Any]:
        return await self._dump(self._netlink.route, family=socket.AF_INET, **which)

    def _adjacencies(self, names: Mapping[int, str], ours: Mapping[str, int]) -> dict[plan.Neighbour, int]:
        found: dict[plan.Neighbour, int] = {}
        for neighbour in self._dump_neighbours():
            name = names.get(neighbour.device)
            if name is None or ours.get(name) != neighbour.device or not neighbour.state & NUD_PERMANENT:
                continue
            adjacency = tap.adjacency_of(neighbour.mac)
            if adjacency is not None:
                found[name, neighbour.address] = adjacency
        return found

    def _dump_neighbours(self) -> list[Neighbour]:
        """Raises OSError."""
        for _ in range(DUMPS_MAX - 1):
            with suppress(InterruptedError):
                return self._neighbours.dump()
        return self._neighbours.dump()

    def drop_unresolved(self, ours: frozenset[str]) -> None:
        """Drop the packets that wait for an ARP answer on any device but `ours`. Raises OSError."""
        names = {index: name for name, index in self.indexes.items()}
        for neighbour in self._dump_neighbours():
            if neighbour.state & NUD_INCOMPLETE and names.get(neighbour.device) not in ours:
                with suppress(OSError):  # it is answered, or given up, just now
                    self._neighbours.remove(neighbour.device, neighbour.address)

    def arp(self, interfaces: Mapping[str, str]) -> list[ArpEntry]:
        """Neighbours of physical devices; `interfaces` maps devices to IOS names. Raises OSError."""
        names = {index: name for name, index in self.indexes.items()}
        ticks_per_s = os.sysconf("SC_CLK_TCK")
        entries: list[ArpEntry] = []
        for neighbour in self._dump_neighbours():
            interface = interfaces.get(names.get(neighbour.device, ""))
            if interface is not None and not neighbour.state & NUD_FAILED:
                mac = neighbour.mac.hex(":") or None
                entries.append(ArpEntry(interface, neighbour.address, mac, neighbour.updated_ticks / ticks_per_s))
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
        await self._breathe()
        self._neighbours.set(self.indexes[device], address, tap.neighbour_mac(adjacency))

    async def _remove_neighbour(self, device: str, address: IPv4Address) -> None:
        await self._breathe()
        try:
            self._neighbours.remove(self.indexes[device], address)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH):
                raise

    async def _breathe(self) -> None:
        """Between many changes."""
        if next(self._changes) % BURST == 0:
            await asyncio.sleep(0)


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
