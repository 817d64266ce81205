"""A kernel of plain values: does the steps of a plan, and forgets what goes with a device."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from iosish.desired import Desired
from iosish.plane.plan import (
    TUNNEL_MAC,
    AddAddress,
    AddGuard,
    AddImplied,
    CreateDevice,
    Device,
    Found,
    Hop,
    Implied,
    Observed,
    Owned,
    RemoveAddress,
    RemoveDevice,
    RemoveGuard,
    RemoveNeighbour,
    RemoveRoute,
    RenameDevice,
    SetMac,
    SetMtu,
    SetNeighbour,
    SetResolves,
    SetRoute,
    SetUp,
    Step,
    plan,
)

#: The device behind each interface.
DEVICES = {"FastEthernet0/0": "eth0", "Loopback0": "Lo0", "Tunnel0": "Tunnel0", "Tunnel1": "Tunnel1"}


class PaperKernel:
    """What a plane would own is noted beside it."""

    def __init__(self, *devices: Device) -> None:
        self.devices = {device.name: device for device in devices}
        self.addresses: dict[str, tuple[IPv4Interface, ...]] = {}
        self.routes: dict[IPv4Network, frozenset[Hop]] = {}
        self.neighbours: dict[tuple[str, IPv4Address], int] = {}
        self.guards: set[IPv4Network] = set()
        self.missing: set[Implied] = set()
        self.made: dict[str, int] = {}
        self.added: set[tuple[str, IPv4Interface]] = set()
        self.found: dict[str, Found] = {}
        self.installed: set[IPv4Network] = set()
        self.last_index = max((device.index for device in devices), default=1)

    def observed(self) -> Observed:
        return Observed(
            dict(self.devices),
            dict(self.addresses),
            dict(self.routes),
            dict(self.neighbours),
            frozenset(self.guards),
            frozenset(self.missing),
        )

    def owned(self) -> Owned:
        return Owned(dict(self.made), frozenset(self.added), dict(self.found), frozenset(self.installed))

    def plan(self, desired: Desired) -> tuple[Step, ...]:
        return plan(desired, self.observed(), self.owned(), DEVICES)

    def reach(self, desired: Desired) -> tuple[Step, ...]:
        steps = self.plan(desired)
        for step in steps:
            self.do(step)
        return steps

    def do(self, step: Step) -> None:
        device = step.device
        if isinstance(step, SetMtu | SetUp) and device is not None and device not in self.made:
            before = self.devices[device]
            found = self.found.get(device, Found(before.index))
            self.found[device] = (found if found.index == before.index else Found(before.index)).after(step, before)
        match step:
            case CreateDevice(device=str(device)):
                self.last_index += 1
                self.devices[device] = Device(device, self.last_index, False, False, 1500)
                self.made[device] = self.last_index
            case RenameDevice(device=str(device), found=called):
                assert device not in self.devices
                self.devices[device] = replace(self.devices.pop(called), name=device)
                self.addresses[device] = self.addresses.pop(called, ())
            case SetMac(device=str(device)):
                self.devices[device] = replace(self.devices[device], mac=TUNNEL_MAC)
            case RemoveDevice(device=str(device)):
                del self.devices[device]
                self.made.pop(device, None)
                self.addresses.pop(device, None)
                self._forget(device)
            case SetResolves(device=str(device), resolves=resolves):
                self.devices[device] = replace(self.devices[device], resolves=resolves)
            case SetMtu(device=str(device), mtu=mtu):
                self.devices[device] = replace(self.devices[device], mtu=mtu)
            case AddAddress(device=str(device), address=address):
                self.addresses[device] = (*self.addresses.get(device, ()), address)
                if device not in self.made:
                    self.added.add((device, address))
            case RemoveAddress(device=str(device), address=address):
                self.addresses[device] = tuple(have for have in self.addresses[device] if have != address)
                self.added.discard((device, address))
            case SetUp(device=str(device), up=up):
                self.devices[device] = replace(self.devices[device], up=up, carrier=up)
                if not up:
                    self._forget(device)
            case SetRoute(network=network, hops=hops):
                assert all(self.devices[hop.device].up for hop in hops if hop.device is not None)
                self.routes[network] = hops
                self.installed.add(network)
            case RemoveRoute(network=network, discards=discards):
                there = self.routes.get(network)
                assert there is None or discards is not bool(there)
                self.routes.pop(network, None)
                self.installed.discard(network)
            case AddImplied(device=str(device), address=address, kind=kind):
                self.missing.remove(Implied(device, address, kind))
            case AddGuard(network=network):
                assert network not in self.guards
                self.guards.add(network)
            case RemoveGuard(network=network):
                self.guards.remove(network)
            case SetNeighbour(device=str(device), address=next_hop, adjacency=adjacency):
                assert self.devices[device].up
                self.neighbours[device, next_hop] = adjacency
            case RemoveNeighbour(device=str(device), address=next_hop):
                self.neighbours.pop((device, next_hop), None)

    def _forget(self, device: str) -> None:
        self.routes = {to: hops for to, hops in self.routes.items() if all(hop.device != device for hop in hops)}
        self.missing = {implied for implied in self.missing if implied.device != device}
        self.neighbours = {at: adjacency for at, adjacency in self.neighbours.items() if at[0] != device}
