"""What is to be done so that the kernel becomes as desired: pure, from two pictures to ordered steps.

What is ours may be removed: devices that the plane made and all that is on them, and elsewhere the addresses
and routes that it added. Everything else is adopted: used when it fits, and left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import ClassVar, TypeAlias

from iosish.desired import Desired, KernelRoute, Link, LinkKind

#: The MAC of every tunnel's device. A neighbour's tells its adjacency, see `user/tap.py`.
TUNNEL_MAC = "02:01:00:00:00:00"

Neighbour: TypeAlias = tuple[str, IPv4Address]
"""Device and next hop."""


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """Where a route leads: a device, a gateway, or both."""

    device: str | None = None
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A network device as the kernel shows it. `resolves` is false for one without ARP (IFF_NOARP)."""

    name: str
    index: int
    up: bool
    carrier: bool
    mtu: int
    mac: str = ""
    resolves: bool = True


class ImpliedKind(StrEnum):
    """What an address brings along: it is our own, and its network is behind the device. In the order in which they are
    made: only an own address can be the source of the other."""

    HOST = "host"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, order=True)
class Implied:
    """A route that the kernel makes for an address, and not again when somebody deletes it."""

    device: str
    address: IPv4Interface
    kind: ImpliedKind


@dataclass(frozen=True, slots=True)
class Observed:
    """What there is. `routes` and `neighbours` hold only what the plane itself installs: routes of its protocol
    number (no hop: packets are discarded) and permanent neighbours of its own devices, by adjacency index. `guards`
    are routes of ours too, which discard with the worst metric: beside a route to the same network, not instead.
    `missing` are the routes of addresses that are not there, although their device is up."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    addresses: Mapping[str, tuple[IPv4Interface, ...]] = field(default_factory=dict)
    routes: Mapping[IPv4Network, frozenset[Hop]] = field(default_factory=dict)
    neighbours: Mapping[Neighbour, int] = field(default_factory=dict)
    guards: frozenset[IPv4Network] = frozenset()
    missing: frozenset[Implied] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """A device of others as it was before the plane changed it; None: that was not changed."""

    index: int
    mtu: int | None = None
    up: bool | None = None

    def after(self, step: Step, before: Device) -> Found:
        """What is remembered when the plane has done a step to the device, which was as `before`."""
        match step:
            case SetMtu(mtu=mtu):
                own = before.mtu if self.mtu is None else self.mtu
                return replace(self, mtu=None if mtu == own else own)
            case SetUp(up=up):
                was_up = before.up if self.up is None else self.up
                return replace(self, up=None if up == was_up else was_up)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Owned:
    """What the plane may take back: devices it made (with their index: a name can change hands), and on devices of
    others the addresses it added and what it changed; `found` holds these as they were before. `routes` are the
    networks that it has installed a route to."""

    devices: Mapping[str, int] = field(default_factory=dict)
    addresses: frozenset[tuple[str, IPv4Interface]] = frozenset()
    found: Mapping[str, Found] = field(default_factory=dict)
    routes: frozenset[IPv4Network] = frozenset()

    def has(self, device: str, observed: Observed) -> bool:
        """Whether the device of that name is one that the plane made."""
        there = observed.devices.get(device)
        return there is not None and self.devices.get(device) == there.index


@dataclass(frozen=True, slots=True)
class Step:
    """A change. Steps are applied by rising rank; `device` is the one it touches, None for a route of no device."""

    rank: ClassVar[int]
    device: str | None


@dataclass(frozen=True, slots=True)
class AddGuard(Step):
    """Before all that could be routed into the tunnel, or out of it, as long as it stays."""

    rank = 0
    network: IPv4Network


@dataclass(frozen=True, slots=True)
class RenameDevice(Step):
    """A device of ours gets its name back: it is called `found`."""

    rank = 1
    found: str


@dataclass(frozen=True, slots=True)
class RemoveNeighbour(Step):
    rank = 2
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class RemoveRoute(Step):
    """`discards`: it is a route that leads nowhere."""

    rank = 3
    network: IPv4Network
    discards: bool = False


@dataclass(frozen=True, slots=True)
class RemoveAddress(Step):
    rank = 4
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class RemoveDevice(Step):
    rank = 5


@dataclass(frozen=True, slots=True)
class CreateDevice(Step):
    """A TAP device for a tunnel, a TUN device for a loopback."""

    rank = 6
    kind: LinkKind


@dataclass(frozen=True, slots=True)
class SetResolves(Step):
    rank = 7
    resolves: bool


@dataclass(frozen=True, slots=True)
class SetMac(Step):
    """That of a tunnel: `TUNNEL_MAC`."""

    rank = 7


@dataclass(frozen=True, slots=True)
class SetMtu(Step):
    rank = 8
    mtu: int


@dataclass(frozen=True, slots=True)
class AddAddress(Step):
    rank = 9
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class SetUp(Step):
    rank = 10
    up: bool


@dataclass(frozen=True, slots=True)
class AddImplied(Step):
    """A route of an address that somebody deleted; before a route of others that took its place."""

    rank = 11
    address: IPv4Interface
    kind: ImpliedKind


@dataclass(frozen=True, slots=True)
class SetRoute(Step):
    """`replaces`: in the place of one of ours. `precedes`: ours was there, and somebody took it away; a route of others
    that took its place stays behind it. Without either, a route of others stays and the step fails."""

    rank = 12
    network: IPv4Network
    hops: frozenset[Hop]
    replaces: bool = False
    precedes: bool = False


@dataclass(frozen=True, slots=True)
class SetNeighbour(Step):
    rank = 13
    address: IPv4Address
    adjacency: int


@dataclass(frozen=True, slots=True)
class RemoveGuard(Step):
    """When nothing is left of what it guarded."""

    rank = 14
    network: IPv4Network


#: Steps without which a link is not what its config says.
LINK_STEPS = (RenameDevice, CreateDevice, SetResolves, SetMac, SetMtu, AddAddress, SetUp, AddImplied)


def plan(desired: Desired, observed: Observed, owned: Owned, devices: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps from `observed` to `desired`, in order. `devices` names the device behind each interface."""
    guards = {route.network for route in desired.routes if route.guard}
    steps: list[Step] = [AddGuard(None, network) for network in sorted(guards - observed.guards)]
    renamed = _renamed(observed, owned)
    if renamed:  # all else is looked at under the right name
        return (*steps, *renamed)
    steps += [RemoveGuard(None, network) for network in sorted(observed.guards - guards)]
    wanted = {devices[name]: link for name, link in desired.links.items() if name in devices}
    for device in sorted(owned.devices.keys() - wanted.keys()):
        if owned.has(device, observed):
            steps.append(RemoveDevice(device))
    usable: set[str] = set()
    for device, link in wanted.items():
        there = observed.devices.get(device)
        if there is None and link.kind is LinkKind.PHYSICAL:
            continue
        if in_the_way(link, device, observed, owned):
            continue
        steps += _link_steps(link, device, there, observed, owned, desired)
        if link.up:
            usable.add(device)
    for device, address in sorted(owned.addresses, key=str):
        if device not in wanted and address in observed.addresses.get(device, ()):
            steps.append(RemoveAddress(device, address))
    for device in sorted(owned.found.keys() - wanted.keys()):
        steps += _put_back(observed.devices.get(device), owned.found[device])
    for implied in sorted(observed.missing):
        if implied.device in usable and implied.address in wanted[implied.device].addresses:
            steps.append(AddImplied(implied.device, implied.address, implied.kind))
    steps += _route_steps(desired.routes, observed, owned, devices, usable)
    steps += _neighbour_steps(desired, observed, devices, usable)
    return tuple(sorted(steps, key=lambda step: step.rank))


def in_the_way(link: Link, device: str, observed: Observed, owned: Owned) -> bool:
    """Whether a device that is not ours has a tunnel's name: nothing that is sent to it would come to a forwarder."""
    return link.kind is LinkKind.TUNNEL and device in observed.devices and not owned.has(device, observed)


def _renamed(observed: Observed, owned: Owned) -> list[Step]:
    """What gives devices of ours their names back, where nobody else has these by now."""
    names = {device.index: name for name, device in observed.devices.items()}
    return [
        RenameDevice(device, names[index])
        for device, index in sorted(owned.devices.items())
        if index in names and device not in observed.devices
    ]


def _link_steps(
    link: Link, device: str, there: Device | None, observed: Observed, owned: Owned, desired: Desired
) -> list[Step]:
    steps: list[Step] = []
    if there is None:
        steps.append(CreateDevice(device, link.kind))
    if link.kind is LinkKind.TUNNEL:
        tunnel = desired.tunnels.get(link.name)
        # A point-to-point tunnel asks nobody: each packet takes the only adjacency.
        resolves = tunnel is not None and tunnel.multipoint
        if there is None or there.resolves != resolves:
            steps.append(SetResolves(device, resolves))
        if there is None or there.mac != TUNNEL_MAC:
            steps.append(SetMac(device))
    mtu = link.mtu
    if mtu is None and there is not None and device in owned.found and owned.found[device].index == there.index:
        mtu = owned.found[device].mtu
    if mtu is not None and (there is None or there.mtu != mtu):
        steps.append(SetMtu(device, mtu))
    present = observed.addresses.get(device, ())
    for address in present:
        if address not in link.addresses and (owned.has(device, observed) or (device, address) in owned.addresses):
            steps.append(RemoveAddress(device, address))
    steps += [AddAddress(device, address) for address in link.addresses if address not in present]
    if link.up != (there is not None and there.up):
        steps.append(SetUp(device, link.up))
    return steps


def _put_back(there: Device | None, found: Found) -> list[Step]:
    steps: list[Step] = []
    if there is not None and there.index == found.index:
        if found.mtu not in (None, there.mtu):
            steps.append(SetMtu(there.name, found.mtu))
        if found.up not in (None, there.up):
            steps.append(SetUp(there.name, found.up))
    return steps


def _route_steps(
    routes: frozenset[KernelRoute], observed: Observed, owned: Owned, devices: Mapping[str, str], usable: set[str]
) -> list[Step]:
    wanted: dict[IPv4Network, frozenset[Hop]] = {}
    for route in routes:
        if route.guard:
            continue
        if route.interface is None and route.next_hop is None:
            wanted.setdefault(route.network, frozenset())
            continue
        device = None
        if route.interface is not None:
            device = devices.get(route.interface)
            if device not in usable:
                continue
        wanted[route.network] = wanted.get(route.network, frozenset()) | {Hop(device, route.next_hop)}
    steps: list[Step] = []
    for network in observed.routes.keys() - wanted.keys():
        hops = observed.routes[network]
        steps.append(RemoveRoute(_device_of(hops), network, not hops))
    for network, hops in wanted.items():
        there = observed.routes.get(network)
        if there is None:
            steps.append(SetRoute(_device_of(hops), network, hops, precedes=network in owned.routes))
        elif not _same_hops(hops, there):
            steps.append(SetRoute(_device_of(hops), network, hops, replaces=True))
    return sorted(steps, key=lambda step: str(step))


def _same_hops(wanted: frozenset[Hop], there: frozenset[Hop]) -> bool:
    """The kernel fills in the device that leads to a gateway."""
    if len(wanted) != len(there):
        return False
    shown = there | {Hop(None, hop.gateway) for hop in there if hop.gateway is not None}
    return wanted <= shown


def _device_of(hops: frozenset[Hop]) -> str | None:
    return next((hop.device for hop in sorted(hops, key=str) if hop.device is not None), None)


def _neighbour_steps(desired: Desired, observed: Observed, devices: Mapping[str, str], usable: set[str]) -> list[Step]:
    wanted: dict[Neighbour, int] = {}
    for (interface, address), adjacency in desired.neighbours.items():
        tunnel = desired.tunnels.get(interface)
        device = devices.get(interface)
        if device in usable and tunnel is not None and tunnel.multipoint:
            wanted[device, address] = adjacency
    steps: list[Step] = []
    for device, address in observed.neighbours.keys() - wanted.keys():
        steps.append(RemoveNeighbour(device, address))
    for (device, address), adjacency in wanted.items():
        if observed.neighbours.get((device, address)) != adjacency:
            steps.append(SetNeighbour(device, address, adjacency))
    return steps
