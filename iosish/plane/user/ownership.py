"""What there is in the kernel that is ours, because we put it there, and how we found what is not."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv4Network

from iosish.plane.plan import (
    AddAddress,
    CreateDevice,
    Found,
    Observed,
    Owned,
    RemoveAddress,
    RemoveDevice,
    RemoveRoute,
    SetMtu,
    SetRoute,
    SetUp,
    Step,
)


class Ownership:
    """Follows the steps that a plane has done. What it holds stands at `Owned`, of which `snapshot` gives one."""

    def __init__(self) -> None:
        self.devices: dict[str, int] = {}
        self.addresses: set[tuple[str, IPv4Interface]] = set()
        self.routes: set[IPv4Network] = set()
        self._found: dict[str, Found] = {}

    def snapshot(self) -> Owned:
        return Owned(dict(self.devices), frozenset(self.addresses), dict(self._found), frozenset(self.routes))

    def note(self, step: Step, before: Observed, indexes: Mapping[str, int]) -> None:
        """A step was done; `before` is how things were, `indexes` those of the devices that there are now."""
        match step:
            case CreateDevice(device=str(device)):
                self.devices[device] = indexes[device]
            case SetMtu(device=str(device)) | SetUp(device=str(device)) if device not in self.devices:
                there, found = before.devices[device], self._found.get(device)
                if found is None or found.index != there.index:
                    found = Found(there.index)
                self._found[device] = found.after(step, there)
            case RemoveDevice(device=str(device)):
                self.devices.pop(device, None)
            case AddAddress(device=str(device), address=address) if device not in self.devices:
                self.addresses.add((device, address))
            case RemoveAddress(device=str(device), address=address):
                self.addresses.discard((device, address))
            case SetRoute(network=network):
                self.routes.add(network)
            case RemoveRoute(network=network):
                self.routes.discard(network)

    def forget_gone(self, observed: Observed) -> list[str]:
        """Our devices that are not there any more: each is named once."""
        there = {device.index for device in observed.devices.values()}
        gone = [device for device, index in self.devices.items() if index not in there]
        for device in gone:
            del self.devices[device]
        return gone
