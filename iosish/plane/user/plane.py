"""The user plane: the kernel routes, a forwarder process carries what is routed into a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from pyroute2.netlink.exceptions import NetlinkError

from iosish.desired import TO_ITSELF, ArpEntry, Desired, Link, LinkKind, LinkState, PlaneCounters, PlaneSink, SaChange
from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.forwarding import ipv4
from iosish.plane import udp_4500
from iosish.plane.device_name import device_name, other_names
from iosish.plane.drift import Healing
from iosish.plane.patience import Patience
from iosish.plane.plan import (
    LINK_STEPS,
    AddGuard,
    CreateDevice,
    Observed,
    RemoveDevice,
    RemoveGuard,
    RemoveNeighbour,
    SetNeighbour,
    Step,
    in_the_way,
    plan,
)
from iosish.plane.user import kernel, routes, sockets, tap
from iosish.plane.user.events import Concern, Events, event_socket
from iosish.plane.user.forwarder_link import QUEUE_MAX, ForwarderLink
from iosish.plane.user.ike_ports import IkePorts
from iosish.plane.user.kernel_settings import KernelSettings
from iosish.plane.user.link_state import link_state
from iosish.plane.user.mss_clamp import MssClamp
from iosish.plane.user.ownership import Ownership
from iosish.plane.user.packet_sockets import PacketSockets

#: What failed is tried again, later and later; at once when the kernel says that something of ours changed.
RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0
#: The kernel is looked at so often as soon as it says that something of ours changed, then at most so often a second.
LOOKS_AT_ONCE, LOOK_FIRST_S, LOOK_MOST_S, CALM_S = 20, 0.05, 0.5, 1.0
CONTESTED = "somebody changes it again and again"
#: How often the settings of the kernel are looked at.
SETTINGS_EVERY_S = 1.0
#: Log lines about steps that failed, at once, and addresses of others that are kept in mind.
COMPLAINTS_MAX, STRANGERS_MAX = 8, 1024
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
        self._own = Ownership()
        self._devices: dict[str, str] = {}
        self._told: dict[str, LinkState] = {}
        self._reasons: dict[str, str] = {}
        self._broken: set[str] = set()
        self._complained: frozenset[str] = frozenset()
        self._seen: dict[str, int] = {}
        self._strangers: dict[tuple[str, IPv4Interface], None] = {}
        self._healing = Healing(sink.noticed)
        self._settings = KernelSettings(self._healing)
        self._undone: frozenset[Step] = frozenset()
        self._looks = Patience(LOOKS_AT_ONCE, LOOK_FIRST_S, LOOK_MOST_S, CALM_S)
        self._retries = Patience(0, RETRY_FIRST_S, RETRY_MOST_S, CALM_S)
        self._again_at = math.inf
        self._wanted = asyncio.Event()
        self._changing = asyncio.Lock()
        self._asked = True
        self._stale = True
        self._settled = asyncio.Event()
        self._settled.set()  # nothing was asked for yet
        self._worker: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._forwarder = ForwarderLink(sink, self._taps, warm=bool(interfaces))
        self._ike_ports = IkePorts(sink, self._forwarder.open)
        self._packet_sockets = PacketSockets(sink)
        self._watched: frozenset[str] = frozenset()
        self._muted: socket.socket | None = None
        self._held: list[Datagram | UdpDatagram | SaChange] = []
        self._mss_clamp = MssClamp(self._look)
        self._tender: asyncio.Task[None] | None = None

    # Plane

    async def start(self) -> None:
        """Open netlink and fork the forwarder. Raises OSError without the rights for it."""
        self._settings.begin()
        self._muted = sockets.mute(ipv4.GRE)  # also while no forwarder is there, clear GRE gets no answer
        self._forwarder.start()
        self._kernel = kernel.Kernel()
        await self._kernel.bring_up_loopback()
        self._listener = event_socket()
        self._events = Events(self._listener, self._kernel.ports, routes.ROUTE_PROTOCOL)
        self._loop.add_reader(self._listener, self._changed)
        self._worker = self._loop.create_task(self._work())  # there may be something left of a router that was killed
        self._tender = self._loop.create_task(self._tend())

    def apply(self, desired: Desired) -> None:
        self._desired = desired
        self._forwarder.carry(desired.tunnels)
        if desired.ike:
            self._ike_ports.want(True)  # they close when what was to be sent is sent
        self._settled.clear()
        self._asked = True
        self._wanted.set()

    def send(self, datagram: Datagram) -> None:
        """What is asked about a packet leaves after that packet: first the neighbours that it may wait for are set.
        A farewell cannot wait: with the next picture its tunnel is another one."""
        if datagram.farewell:
            self._hand_over(datagram)
        else:
            self._send(datagram)

    def secure(self, change: SaChange) -> None:
        if self._held and change.removed:
            self._held.append(SaChange(removed=change.removed))  # what was sent before may still need them
            change = SaChange(change.installed)
        self._forwarder.secure(change)

    def send_ike(self, datagram: UdpDatagram) -> None:
        """Its address and its route may be in a picture that is not in the kernel yet."""
        self._send(datagram)

    def watch(self, interfaces: frozenset[str]) -> None:
        self._watched = interfaces
        self._forwarder.watch(interfaces)
        self._watch_devices()

    async def caught_up(self) -> None:
        await self._forwarder.caught_up()
        await self._packet_sockets.caught_up()

    def _watch_devices(self) -> None:
        """A tunnel's packets come from the forwarder, all others from the kernel: also what stays in this router."""
        watched = self._watched - self._desired.tunnels.keys()
        devices = {**self._devices, TO_ITSELF: kernel.LOOPBACK}
        self._packet_sockets.listen({name: devices[name] for name in watched if name in devices})

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
        return tuple(own + self._kernel.arp(physical))

    async def stop(self, *, final: bool = True) -> None:
        """Take back what is ours and end the forwarder. Guards stay for the next start, unless this end is `final`."""
        for task in (self._tender, self._worker):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._settings.end()  # nothing is forwarded any more when guards go
        if self._worker is not None:
            self._worker = None
            await self._take_back(final)
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self._kernel.close()
        self._ike_ports.close()
        self._packet_sockets.listen({})
        self._forwarder.end()
        if self._muted is not None:
            self._muted.close()

    async def _take_back(self, final: bool) -> None:
        self._mss_clamp.apply({})
        self._mss_clamp.close()
        try:
            observed = await self._kernel.observe(self._own.devices)
        except (NetlinkError, OSError):
            return  # our devices go with their descriptors all the same
        for step in plan(Desired(), observed, self._own.snapshot(), {}):
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
        news = self._events.read()
        changed = news.changed
        if news.missed or news.altered:
            names = {index: name for name, index in self._kernel.indexes.items()}
            tunnels = {self._devices.get(name): name for name in self._desired.tunnels}
            for index, address in dict.fromkeys(news.missed):
                tunnel = tunnels.get(names.get(index))
                if tunnel is None:
                    continue
                # Somebody removed a neighbour that was there: the whole picture has to be looked at.
                changed = changed or (tunnel, address) in self._desired.neighbours
                self._sink.next_hop_missed(tunnel, address)
            for index, address, mac in news.altered:
                tunnel = tunnels.get(names.get(index))
                if tunnel is not None and not changed:
                    changed = self._drifted_neighbour(tunnel, address, mac)
        if changed:
            self._look()

    def _drifted_neighbour(self, tunnel: str, address: IPv4Address, mac: bytes | None) -> bool:
        right = {picture.neighbours.get((tunnel, address)) for picture in (self._desired, self._applied) if picture}
        return (tap.adjacency_of(mac) if mac is not None else None) not in right

    def _look(self) -> None:
        """The whole picture has to be looked at."""
        self._stale = True
        self._wanted.set()

    async def _work(self) -> None:
        """Make the kernel as desired, each time that one of them changes."""
        while True:
            await self._work_to_do()
            desired = self._desired
            held, self._held = self._held, []  # what comes from now on may wait for a later picture
            try:
                async with self._changing:
                    await self._reach(desired)
                if desired is not self._unasked:
                    self._settings.forward()
            except Exception as error:  # of our own making: told, and tried again, for the router must go on
                self._failed(error)
            self._applied = desired
            if not self._asked:
                self._settled.set()
                held, self._held = held + self._held, []
            for datagram in held:
                self._hand_over(datagram)
            if not self._asked and not desired.ike:  # else something may still wait for the picture to come
                self._ike_ports.want(False)

    async def _work_to_do(self) -> None:
        """Wait until the router wants something, the kernel has changed, or it is time to try again. Without the
        router, changes are looked at ever less often while they go on: others have to live, too."""
        while not self._asked:
            now, at = self._loop.time(), self._again_at
            if self._stale:
                at = min(at, self._looks.ready_at(None))
            if at <= now:
                self._stale = True
                break
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), None if at == math.inf else at - now)
        self._asked = False

    async def _reach(self, desired: Desired) -> None:
        if _protected(desired) - _protected(self._applied):
            # What they sent in the clear before may still wait for an ARP answer.
            await self._forwarder.taken()
            self._kernel.drop_unresolved(frozenset(self._own.devices))
        now = self._loop.time()
        if self._applied is None or not _only_neighbours(self._applied, desired):
            self._retries.forget(None)
        elif not self._stale or self._looks.ready_at(None) > now:
            await self._set_neighbours(self._applied, desired)
            return
        if self._stale:
            self._looks.tried(None, now)
        self._stale = False
        self._again_at = math.inf
        await self._converge(desired)

    def _failed(self, error: Exception) -> None:
        reason = f"The data plane failed ({type(error).__name__}: {error}); it tries again"
        if self._reasons.get("") != reason:
            self._sink.noticed(LogEvent("IOSISH", 3, "PLANE", reason))
        self._reasons[""] = reason
        self._try_again()

    def _try_again(self) -> None:
        self._retries.tried(None, self._loop.time())
        self._again_at = min(self._again_at, self._retries.ready_at(None))

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
                self._look()

    async def _observe(self) -> Observed:
        """What there is; read again for as long as it changes while it is read."""
        while True:
            try:
                observed = await self._kernel.observe(self._own.devices)
                break
            except (NetlinkError, OSError):
                await asyncio.sleep(READ_AGAIN_S)
        for device in self._own.forget_gone(observed):
            self._kernel.forget(device)
        return observed

    def _expect(self, desired: Desired) -> None:
        """Hear also of devices that come while we look: the lab makes one as soon as its interface is configured."""
        names = {name.encode() for link in desired.links.values() for name in self._candidates(link)}
        self._events.concern = replace(self._events.concern, names=self._events.concern.names | names)

    def _listen(self, desired: Desired, observed: Observed) -> None:
        """Say what of all that changes in the kernel concerns us."""
        names = {name for link in desired.links.values() for name in self._candidates(link)}
        indexes = {observed.devices[name].index for name in names if name in observed.devices}
        networks = {route.network for route in desired.routes}
        for link in desired.links.values():
            for address in link.addresses:
                networks |= {address.network, IPv4Network(address.ip)}
        tunnels = {self._devices[name] for name in desired.tunnels if name in self._devices} & observed.devices.keys()
        self._events.concern = Concern(
            frozenset(indexes | set(self._own.devices.values())),
            frozenset(name.encode() for name in names),
            frozenset((network.network_address.packed, network.prefixlen) for network in networks),
            frozenset(observed.devices[device].index for device in tunnels),
        )

    async def _converge(self, desired: Desired) -> None:
        self._expect(desired)
        observed = await self._observe()
        self._name_devices(desired, observed)
        self._listen(desired, observed)
        drifted, healed, left = self._drifted(observed), list[Step](), set[Step]()
        steps = plan(desired, observed, self._own.snapshot(), self._devices)
        for _ in range(PASSES):
            if set(steps) <= left:
                break
            self._reasons.clear()
            self._broken.clear()
            done, left = await self._apply_steps(desired, observed, steps, drifted)
            healed += [step for step in done if step in drifted]
            before, observed = observed, await self._observe()
            steps = plan(desired, observed, self._own.snapshot(), self._devices)
            if desired is self._applied:
                drifted |= set(steps) - left  # what went along with something else
            # A device of others that is back was not brought by us, whatever else this picture changes.
            back = observed.devices.keys() - before.devices.keys() - {step.device for step in done}
            drifted |= {step for step in steps if step.device in back & self._seen.keys()}
        if not steps:
            self._reasons.clear()
            self._broken.clear()
        self._undone = frozenset(left - drifted)
        self._own.routes &= {route.network for route in desired.routes if not route.guard}
        self._listen(desired, observed)
        self._clamp(desired, observed)
        self._say(desired, observed, healed)
        if self._watched:
            self._watch_devices()
        self._report(desired, observed)
        if self._reasons:
            self._try_again()
        else:
            self._retries.forget(None)

    def _drifted(self, observed: Observed) -> set[Step]:
        """What is to be put back: the kernel was as last applied, and is not any more."""
        if self._applied is None or self._applied is self._unasked:
            return set()
        steps = plan(self._applied, observed, self._own.snapshot(), self._devices)
        # A device of others that comes for the first time was not changed by anybody.
        return {step for step in steps if step.device is None or step.device in self._seen} - self._undone

    async def _apply_steps(
        self, desired: Desired, observed: Observed, steps: Iterable[Step], drifted: set[Step]
    ) -> tuple[list[Step], set[Step]]:
        """Do the steps. Gives those that are done, and those that failed, have to wait, or hang on one of these."""
        failed: set[str | None] = set()
        done, left = list[Step](), set[Step]()
        for step in steps:
            if isinstance(step, RemoveGuard) and desired is self._unasked:
                continue  # of a life before this one: it goes on guarding
            if step.device is not None and step.device in failed:
                left.add(step)
                continue
            try:
                self._wait_with(step, drifted)
                await self._kernel.apply(step)
                self._note(step, observed)
                done.append(step)
            except kernel.StepError as error:
                left.add(step)
                self._reasons[step.device or ""] = str(error)
                if isinstance(step, AddGuard):
                    # Without all guards no protected tunnel is touched.
                    held = {self._devices[name] for name in _protected(desired) if name in self._devices}
                    failed |= held
                    self._reasons.update(dict.fromkeys(held, str(error)))
                if isinstance(step, LINK_STEPS):
                    failed.add(step.device)
                    self._broken.add(step.device or "")
        return done, left

    def _wait_with(self, step: Step, drifted: set[Step]) -> None:
        """Raises StepError for what is undone again and again, while it is not yet time to put it back."""
        ready_at = self._healing.ready_at(step) if step in drifted else 0.0
        if ready_at > self._loop.time():
            self._again_at = min(self._again_at, ready_at)
            raise kernel.StepError(CONTESTED)

    def _clamp(self, desired: Desired, observed: Observed) -> None:
        clamps: dict[str, int] = {}
        for name, link in desired.links.items():
            if link.adjust_mss is not None and self._devices[name] in observed.devices:
                clamps[self._devices[name]] = link.adjust_mss
        drifted = self._mss_clamp.drifted
        failed = self._mss_clamp.apply(clamps)
        self._reasons = {**failed, **self._reasons}
        if drifted and not failed:
            names = {device: name for name, device in self._devices.items()}
            self._healing.done_clamps([names[device] for device in clamps], self._loop.time())

    def _say(self, desired: Desired, observed: Observed, healed: list[Step]) -> None:
        """Log what was put back, what failed, and which addresses others have added."""
        names = {device: name for name, device in self._devices.items()}
        self._healing.done(healed, names, self._loop.time())
        # What keeps a link down is logged with its state.
        told_elsewhere = {CONTESTED, *(self._reasons[device] for device in self._broken if device in self._reasons)}
        complaints = frozenset(self._reasons.values()) - told_elsewhere
        for why in sorted(complaints - self._complained)[:COMPLAINTS_MAX]:
            self._sink.noticed(LogEvent("IOSISH", 3, "APPLY", f"{why}; it is tried again"))
        self._complained = complaints
        for name, link in desired.links.items():
            device = self._devices[name]
            if device in observed.devices:
                self._look_for_strangers(link, device, observed)
                self._seen[device] = observed.devices[device].index

    def _look_for_strangers(self, link: Link, device: str, observed: Observed) -> None:
        """Addresses that came to a device of others while we looked on stay."""
        for address in observed.addresses.get(device, ()):
            if address in link.addresses or (device, address) in self._strangers:
                continue
            if len(self._strangers) < STRANGERS_MAX:
                self._strangers[device, address] = None
                if device in self._seen and (device, address) not in self._own.addresses:
                    text = f"{link.name} has an address that is not in its config and stays: {address}"
                    self._sink.noticed(LogEvent("IOSISH", 4, "FOREIGN_ADDRESS", text))

    async def _tend(self) -> None:
        """Look at the settings of the kernel, of which it says nothing, from time to time."""
        while True:
            await asyncio.sleep(SETTINGS_EVERY_S)
            async with self._changing:  # what a step makes anew has the kernel's own settings for a moment
                kinds = {self._devices.get(link.name, ""): link.kind for link in self._desired.links.values()}
                ours = {device: kind for device, kind in kinds.items() if device in self._own.devices}
                self._settings.look(ours, self._loop.time())

    def _note(self, step: Step, before: Observed) -> None:
        """Remember what is ours; the forwarder gets the device of a tunnel."""
        self._own.note(step, before, self._kernel.indexes)
        match step:
            case CreateDevice(device=str(device), kind=LinkKind.TUNNEL):
                for name, descriptor in self._taps():
                    if self._devices[name] == device:
                        self._forwarder.add_tap(name, descriptor)
            case RemoveDevice(device=str(device)):
                self._forwarder.drop_tap(
                    next((name for name, behind in self._devices.items() if behind == device), device)
                )

    def _name_devices(self, desired: Desired, observed: Observed) -> None:
        for name in [name for name in self._devices if name not in desired.links]:
            if self._devices[name] not in self._own.devices:
                del self._devices[name]
        for name, link in desired.links.items():
            self._devices[name] = self._device_for(link, observed)

    def _device_for(self, link: Link, observed: Observed) -> str:
        candidates = self._candidates(link)
        return next((device for device in candidates if device in observed.devices), candidates[0])

    def _candidates(self, link: Link) -> tuple[str, ...]:
        """The names that the device behind an interface may have, best first."""
        if link.kind is LinkKind.PHYSICAL and link.name in self._given:
            return (self._given[link.name],)
        others = other_names(link.name) if link.kind is LinkKind.PHYSICAL else ()
        return device_name(link.name), *others

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
        if in_the_way(link, device, observed, self._own.snapshot()):
            return LinkState(name, present=False, reason=f"a device {device} of others is in the way")
        return link_state(link, device, observed, self._reasons.get(device), broken=device in self._broken)


def _protected(desired: Desired | None) -> set[str]:
    tunnels = desired.tunnels.values() if desired is not None else ()
    return {tunnel.name for tunnel in tunnels if tunnel.crypto_map is not None}


def _only_neighbours(before: Desired, desired: Desired) -> bool:
    """Whether nothing but neighbours (and what the forwarder alone needs to know) changed."""
    if before.links != desired.links or before.routes != desired.routes:
        return False
    kinds = {name: tunnel.multipoint for name, tunnel in before.tunnels.items()}
    return kinds == {name: tunnel.multipoint for name, tunnel in desired.tunnels.items()}
