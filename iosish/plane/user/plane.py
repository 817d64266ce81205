"""The user plane: the kernel routes, a forwarder process carries what is routed into a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Interface

from pyroute2.netlink.exceptions import NetlinkError

from iosish.desired import ArpEntry, Desired, Link, LinkKind, LinkState, PlaneCounters, PlaneSink, SaChange
from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.forwarding import ipv4
from iosish.plane import udp_4500
from iosish.plane.device_name import device_name, other_names
from iosish.plane.plan import (
    AddAddress,
    AddGuard,
    CreateDevice,
    Found,
    Observed,
    Owned,
    RemoveAddress,
    RemoveDevice,
    RemoveGuard,
    RemoveNeighbour,
    SetMtu,
    SetNeighbour,
    SetUp,
    Step,
    in_the_way,
    plan,
)
from iosish.plane.user import kernel, sockets
from iosish.plane.user.forwarder_link import QUEUE_MAX, ForwarderLink
from iosish.plane.user.ike_ports import IkePorts
from iosish.plane.user.link_state import link_state
from iosish.plane.user.mss_clamp import MssClamp

#: Steps that failed are tried again this much later.
RETRY_S = 2.0
#: An address that goes takes others of its subnet and routes along: the kernel is looked at again, so often at most.
PASSES = 3
#: The kernel's tables changed while they were read: read them again this much later.
READ_AGAIN_S = 0.05


class UserPlane:
    """The `Plane` of this network namespace.

    `interfaces` names the devices behind IOS interfaces where they are not called as `device_name` says. What the
    plane did not make or add it does not remove.
    """

    name = "user"

    def __init__(self, sink: PlaneSink, interfaces: Mapping[str, str]) -> None:
        self._sink = sink
        self._given = dict(interfaces)
        self._desired = self._unasked = Desired()  # until the router says what it wants
        self._applied: Desired | None = None
        self._owned_devices: set[str] = set()
        self._owned_addresses: set[tuple[str, IPv4Interface]] = set()
        self._found: dict[str, Found] = {}
        self._devices: dict[str, str] = {}
        self._told: dict[str, LinkState] = {}
        self._reasons: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._stale = True
        self._settled = asyncio.Event()
        self._settled.set()  # nothing was asked for yet
        self._worker: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._forwarder = ForwarderLink(sink, self._taps)
        self._ike_ports = IkePorts(sink, self._forwarder.open)
        self._muted: socket.socket | None = None
        self._held: list[Datagram | UdpDatagram | SaChange] = []
        self._settings_before: dict[str, int] = {}
        self._forwarding = False
        self._mss_clamp = MssClamp()

    # Plane

    async def start(self) -> None:
        """Open netlink and fork the forwarder. Raises OSError without the rights for it."""
        self._settings_before = kernel.set_namespace()
        self._muted = sockets.mute(ipv4.GRE)  # also while no forwarder is there, clear GRE gets no answer
        self._forwarder.start()
        self._kernel = kernel.Kernel()
        await self._kernel.bring_up_loopback()
        self._listener = kernel.event_socket()
        self._events = kernel.Events(self._listener)
        self._loop.add_reader(self._listener, self._changed)
        self._wanted.set()  # there may be something left of a router that was killed
        self._worker = self._loop.create_task(self._work())

    def apply(self, desired: Desired) -> None:
        self._desired = desired
        self._forwarder.carry(desired.tunnels)
        if desired.ike:
            self._ike_ports.want(True)  # they close when what was to be sent is sent
        self._settled.clear()
        self._wanted.set()

    def send(self, datagram: Datagram) -> None:
        """What is asked about a packet leaves after that packet: first the neighbours that it may wait for are set."""
        self._send(datagram)

    def secure(self, change: SaChange) -> None:
        if self._held and change.removed:
            self._held.append(SaChange(removed=change.removed))  # what was sent before may still need them
            change = SaChange(change.installed)
        self._forwarder.secure(change)

    def send_ike(self, datagram: UdpDatagram) -> None:
        """Its address and its route may be in a picture that is not in the kernel yet."""
        self._send(datagram)

    def _send(self, datagram: Datagram | UdpDatagram) -> None:
        if not self._settled.is_set():
            if len(self._held) < QUEUE_MAX:
                self._held.append(datagram)
        else:
            self._hand_over(datagram)

    def _hand_over(self, datagram: Datagram | UdpDatagram | SaChange) -> None:
        if isinstance(datagram, SaChange):
            self._forwarder.secure(datagram)
        elif isinstance(datagram, Datagram):
            self._forwarder.send(datagram.interface, datagram.peer, datagram.payload)
        elif datagram.local_port == udp_4500.NAT_T_PORT:
            self._forwarder.send_ike(datagram)
        else:
            self._forwarder.after(lambda: self._ike_ports.send(datagram))

    async def settled(self) -> None:
        """Wait until what was applied last is in the kernel."""
        await self._settled.wait()

    async def counters(self) -> PlaneCounters:
        carried = await self._forwarder.counters()
        interfaces = {device: name for name, device in self._devices.items()}
        interfaces = {device: name for device, name in interfaces.items() if name not in self._desired.tunnels}
        counters = await self._kernel.read_counters(interfaces)
        tunnels = carried.interfaces.items()
        counters.update({name: counted for name, counted in tunnels if name in self._desired.tunnels})
        return replace(carried, interfaces=counters)

    async def arp(self) -> tuple[ArpEntry, ...]:
        physical = {
            self._devices[name]: name
            for name, link in self._desired.links.items()
            if link.kind is LinkKind.PHYSICAL and name in self._devices
        }
        own = [
            ArpEntry(name, address.ip, self._told[name].mac or None, None)
            for name, link in self._desired.links.items()
            if link.kind is LinkKind.PHYSICAL and name in self._told and self._told[name].present
            for address in link.addresses
        ]
        return tuple(own + await self._kernel.arp(physical))

    async def stop(self, *, final: bool = True) -> None:
        """Take back what is ours and end the forwarder. Guards stay for the next start, unless this end is `final`."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        kernel.restore_namespace(self._settings_before)  # nothing is forwarded any more when guards go
        if self._worker is not None:
            self._worker = None
            await self._take_back(final)
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self._kernel.close()
        self._ike_ports.close()
        self._forwarder.end()
        if self._muted is not None:
            self._muted.close()

    async def _take_back(self, final: bool) -> None:
        self._mss_clamp.apply({})
        try:
            observed = await self._kernel.observe(frozenset(self._owned_devices))
        except (NetlinkError, OSError):
            return  # our devices go with their descriptors all the same
        for step in plan(Desired(), observed, self._owned(), {}):
            if isinstance(step, RemoveGuard) and not final:
                continue
            with contextlib.suppress(kernel.StepError):
                await self._kernel.apply(step)

    # The kernel

    def _taps(self) -> Iterator[tuple[str, int]]:
        """The tunnels that have their device, each with its descriptor."""
        for name in self._desired.tunnels:
            device = self._devices.get(name)
            descriptor = self._kernel.descriptor(device) if device is not None else None
            if descriptor is not None:
                yield name, descriptor

    def _changed(self) -> None:
        missed, changed, lost = self._events.read()
        if missed:
            names = {index: name for name, index in self._kernel.indexes.items()}
            tunnels: dict[str | None, str] = {self._devices.get(name): name for name in self._desired.tunnels}
            for index, address in dict.fromkeys(missed):
                tunnel = tunnels.get(names.get(index))
                if tunnel is None:
                    continue
                # Somebody removed a neighbour that was there: the whole picture has to be looked at.
                changed = changed or (tunnel, address) in self._desired.neighbours
                self._sink.next_hop_missed(tunnel, address)
        if changed or lost:
            self._stale = True
            self._wanted.set()

    async def _work(self) -> None:
        """Make the kernel as desired, each time that one of them changes."""
        while True:
            try:
                await asyncio.wait_for(self._wanted.wait(), RETRY_S if self._reasons else None)
            except TimeoutError:
                self._stale = True
            self._wanted.clear()
            desired = self._desired
            held, self._held = self._held, []  # what comes from now on may wait for a later picture
            try:
                await self._reach(desired)
                if desired is not self._unasked:
                    self._forward()
            except Exception as error:  # of our own making: told, and tried again, for the router must go on
                self._failed(error)
            self._applied = desired
            if not self._wanted.is_set():
                self._settled.set()
                held, self._held = held + self._held, []
            for datagram in held:
                self._hand_over(datagram)
            if not self._desired.ike:
                self._ike_ports.want(False)

    def _forward(self) -> None:
        """From here on the kernel forwards: not before guards are in place, else what belongs into a protected tunnel
        would follow the default route until then."""
        if not self._forwarding:
            self._forwarding = True
            self._settings_before.update(kernel.forward())

    async def _reach(self, desired: Desired) -> None:
        if _protected(desired) - _protected(self._applied):
            # What they sent in the clear before may still wait for an ARP answer.
            await self._forwarder.taken()
            await self._kernel.drop_unresolved(frozenset(self._owned_devices))
        if self._stale or self._applied is None or not _only_neighbours(self._applied, desired):
            self._stale = False
            await self._converge(desired)
        else:
            await self._set_neighbours(self._applied, desired)

    def _failed(self, error: Exception) -> None:
        reason = f"The data plane failed ({type(error).__name__}: {error}); it tries again"
        if self._reasons.get("") != reason:
            self._sink.noticed(LogEvent("IOSISH", 3, "PLANE", reason))
        self._reasons[""] = reason
        self._stale = True

    async def _set_neighbours(self, before: Desired, desired: Desired) -> None:
        """The quick way for what changes most: a packet may wait for it."""
        steps: list[Step] = []
        for name, address in before.neighbours.keys() - desired.neighbours.keys():
            if name in self._devices:
                steps.append(RemoveNeighbour(self._devices[name], address))
        for (name, address), adjacency in desired.neighbours.items():
            if before.neighbours.get((name, address)) != adjacency and name in self._devices:
                steps.append(SetNeighbour(self._devices[name], address, adjacency))
        for step in steps:
            try:
                await self._kernel.apply(step)
            except kernel.StepError:
                self._stale = True  # the whole picture has to be looked at
                self._wanted.set()

    async def _observe(self) -> Observed:
        """What there is; read again for as long as it changes while it is read."""
        while True:
            try:
                return await self._kernel.observe(frozenset(self._owned_devices))
            except (NetlinkError, OSError):
                await asyncio.sleep(READ_AGAIN_S)

    async def _converge(self, desired: Desired) -> None:
        observed = await self._observe()
        self._name_devices(desired, observed)
        self._reasons.clear()
        for _ in range(PASSES):
            steps = plan(desired, observed, self._owned(), self._devices)
            if not steps:
                break
            await self._apply_steps(desired, observed, steps)
            observed = await self._observe()
            if self._reasons:
                break
        self._clamp(desired, observed)
        self._report(desired, observed)

    async def _apply_steps(self, desired: Desired, observed: Observed, steps: Iterable[Step]) -> None:
        failed: set[str | None] = set()
        for step in steps:
            if step.device is not None and step.device in failed:
                continue
            if isinstance(step, RemoveGuard) and desired is self._unasked:
                continue  # of a life before this one: it goes on guarding
            try:
                await self._kernel.apply(step)
                self._note(step, observed)
            except kernel.StepError as error:
                self._reasons[step.device or ""] = str(error)
                if isinstance(step, AddGuard):
                    # Without all guards no protected tunnel is touched.
                    held = {self._devices[name] for name in _protected(desired) if name in self._devices}
                    failed |= held
                    self._reasons.update(dict.fromkeys(held, str(error)))
                if step.device is not None and step.rank < AddAddress.rank:
                    failed.add(step.device)

    def _clamp(self, desired: Desired, observed: Observed) -> None:
        clamps: dict[str, int] = {}
        for name, link in desired.links.items():
            if link.adjust_mss is not None and self._devices[name] in observed.devices:
                clamps[self._devices[name]] = link.adjust_mss
        self._reasons = {**self._mss_clamp.apply(clamps), **self._reasons}

    def _owned(self) -> Owned:
        return Owned(frozenset(self._owned_devices), frozenset(self._owned_addresses), dict(self._found))

    def _note(self, step: Step, before: Observed) -> None:
        """Remember what is ours, and how what is not was found."""
        match step:
            case CreateDevice(device=str(device), kind=kind):
                self._owned_devices.add(device)
                if kind is LinkKind.TUNNEL:
                    for name, descriptor in self._taps():
                        if self._devices[name] == device:
                            self._forwarder.add_tap(name, descriptor)
            case SetMtu(device=str(device)) | SetUp(device=str(device)) if device not in self._owned_devices:
                there, found = before.devices[device], self._found.get(device)
                if found is None or found.index != there.index:
                    found = Found(there.index)
                self._found[device] = found.after(step, there)
            case RemoveDevice(device=str(device)):
                self._owned_devices.discard(device)
                self._forwarder.drop_tap(
                    next((name for name, behind in self._devices.items() if behind == device), device)
                )
            case AddAddress(device=str(device), address=address):
                if device not in self._owned_devices:
                    self._owned_addresses.add((device, address))
            case RemoveAddress(device=str(device), address=address):
                self._owned_addresses.discard((device, address))

    def _name_devices(self, desired: Desired, observed: Observed) -> None:
        for name in [name for name in self._devices if name not in desired.links]:
            if self._devices[name] not in self._owned_devices:
                del self._devices[name]
        for name, link in desired.links.items():
            self._devices[name] = self._device_for(name, link, observed)

    def _device_for(self, name: str, link: Link, observed: Observed) -> str:
        own = device_name(name)
        if link.kind is not LinkKind.PHYSICAL:
            return own
        if name in self._given:
            return self._given[name]
        return next((device for device in (own, *other_names(name)) if device in observed.devices), own)

    def _report(self, desired: Desired, observed: Observed) -> None:
        """Tell the state of each link that is not as it was last told."""
        for name in [name for name in self._told if name not in desired.links]:
            del self._told[name]
        for name in desired.links:
            state = self._state(name, desired, observed)
            if self._told.get(name) != state:
                self._told[name] = state
                self._sink.link_changed(state)

    def _state(self, name: str, desired: Desired, observed: Observed) -> LinkState:
        link, device = desired.links[name], self._devices[name]
        if in_the_way(link, device, observed, self._owned()):
            return LinkState(name, present=False, reason=f"a device {device} of others is in the way")
        return link_state(link, device, observed, self._reasons.get(device))


def _protected(desired: Desired | None) -> set[str]:
    tunnels = desired.tunnels.values() if desired is not None else ()
    return {tunnel.name for tunnel in tunnels if tunnel.crypto_map is not None}


def _only_neighbours(before: Desired, desired: Desired) -> bool:
    """Whether nothing but neighbours (and what the forwarder alone needs to know) changed."""
    if before.links != desired.links or before.routes != desired.routes:
        return False
    kinds = {name: tunnel.multipoint for name, tunnel in before.tunnels.items()}
    return kinds == {name: tunnel.multipoint for name, tunnel in desired.tunnels.items()}
