"""The user plane: the kernel routes, a forwarder process carries what is routed into a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from iosish.desired import ArpEntry, Desired, Link, LinkKind, LinkState, PlaneCounters, PlaneSink
from iosish.engine import Datagram, LogEvent
from iosish.forwarding.tables import InterfaceCounters, Tunnel
from iosish.plane.device_name import device_name, other_names
from iosish.plane.plan import (
    AddAddress,
    CreateDevice,
    Found,
    Observed,
    Owned,
    RemoveAddress,
    RemoveDevice,
    RemoveNeighbour,
    SetMtu,
    SetNeighbour,
    SetUp,
    Step,
    in_the_way,
    plan,
)
from iosish.plane.user import channel, forwarder, kernel
from iosish.plane.user.channel import pack
from iosish.plane.user.mss_clamp import MssClamp
from iosish.plane.user.refusals import Refusals

#: Steps that failed are tried again this much later.
RETRY_S = 2.0
#: The kernel's tables changed while they were read: read them again this much later.
READ_AGAIN_S = 0.05
#: A forwarder that ends sooner than this after its start is replaced only when as much time has gone by.
FORWARDER_MIN_LIFE_S = 1.0
COUNTERS_WITHIN_S = 1.0
#: When so many messages to the forwarder wait for room, NHRP is lost, as on a full link. Tables and devices are not.
QUEUE_MAX = 1000


class UserPlane:
    """The `Plane` of this network namespace.

    `interfaces` names the devices behind IOS interfaces where they are not called as `device_name` says. What the
    plane did not make or add it does not remove.
    """

    name = "user"

    def __init__(self, sink: PlaneSink, interfaces: Mapping[str, str]) -> None:
        self._sink = sink
        self._given = dict(interfaces)
        self._desired = Desired()
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
        self._channel: socket.socket | None = None
        self._waiting: deque[tuple[bytes, int | None]] = deque()
        self._carried: Mapping[str, Tunnel] = {}
        self._held: list[bytes] = []
        self._pid: int | None = None
        self._forked_at = 0.0
        self._why = ""
        self._replacing: asyncio.TimerHandle | None = None
        self._settings_before: dict[str, int] = {}
        self._counting: asyncio.Future[tuple[dict[str, InterfaceCounters], dict[str, int]]] | None = None
        self._stopping = False
        self._refusals = Refusals()
        self._mss_clamp = MssClamp()

    # Plane

    async def start(self) -> None:
        """Open netlink and fork the forwarder. Raises OSError without the rights for it."""
        self._settings_before = kernel.set_namespace()
        self._start_forwarder()
        self._kernel = kernel.Kernel()
        await self._kernel.bring_up_loopback()
        self._listener = kernel.event_socket()
        self._events = kernel.Events(self._listener)
        self._loop.add_reader(self._listener, self._changed)
        self._wanted.set()  # there may be something left of a router that was killed
        self._worker = self._loop.create_task(self._work())

    def apply(self, desired: Desired) -> None:
        self._desired = desired
        self._carry(desired.tunnels)
        self._settled.clear()
        self._wanted.set()

    def send(self, datagram: Datagram) -> None:
        """What is asked about a packet leaves after that packet: first the neighbours that it may wait for are set."""
        message = pack(channel.SEND, (datagram.interface, datagram.peer.packed, datagram.payload))
        if self._settled.is_set():
            self._offer(message)
        elif len(self._held) < QUEUE_MAX:
            self._held.append(message)

    async def settled(self) -> None:
        """Wait until what was applied last is in the kernel."""
        await self._settled.wait()

    async def counters(self) -> PlaneCounters:
        tunnels, drops = await self._forwarder_counters()
        interfaces = {device: name for name, device in self._devices.items()}
        interfaces = {device: name for device, name in interfaces.items() if name not in self._desired.tunnels}
        counters = await self._kernel.read_counters(interfaces)
        counters.update({name: counted for name, counted in tunnels.items() if name in self._desired.tunnels})
        return PlaneCounters(counters, drops)

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

    async def stop(self) -> None:
        """Take back what is ours and end the forwarder."""
        self._stopping = True
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
            await self._take_back()
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self._kernel.close()
        if self._replacing is not None:
            self._replacing.cancel()
        self._end_forwarder()
        kernel.restore_namespace(self._settings_before)

    async def _take_back(self) -> None:
        self._mss_clamp.apply({})
        try:
            observed = await self._kernel.observe(frozenset(self._owned_devices))
        except (NetlinkError, OSError):
            return  # our devices go with their descriptors all the same
        for step in plan(Desired(), observed, self._owned(), {}):
            with contextlib.suppress(kernel.StepError):
                await self._kernel.apply(step)

    # The forwarder

    def _start_forwarder(self) -> None:
        own, its = channel.pair()
        self._pid = forwarder.fork(its)
        self._forked_at = self._loop.time()
        its.close()
        self._channel = own
        self._loop.add_reader(own, self._heard)

    def _end_forwarder(self) -> None:
        if self._channel is not None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
            self._channel = None
        for _, descriptor in self._waiting:
            if descriptor is not None:
                os.close(descriptor)
        self._waiting.clear()
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = None

    def _forwarder_died(self) -> None:
        """Start another one: at once, unless this one ended as soon as it began."""
        lived_s = self._loop.time() - self._forked_at
        why, self._why = self._why, ""
        self._end_forwarder()
        if self._stopping:
            return
        self._sink.noticed(
            LogEvent("IOSISH", 3, "FORWARDER", f"The forwarder process ended{why}; a new one takes over")
        )
        wait_s = 0.0 if lived_s >= FORWARDER_MIN_LIFE_S else FORWARDER_MIN_LIFE_S
        self._replacing = self._loop.call_later(wait_s, self._replace_forwarder)

    def _replace_forwarder(self) -> None:
        """Start the next one, with the same tables and devices."""
        self._replacing = None
        self._start_forwarder()
        self._tell(pack(channel.TABLES, channel.pack_tunnels(self._carried)))
        for name in self._desired.tunnels:
            self._hand_over(name)

    def _hand_over(self, tunnel: str) -> None:
        device = self._devices.get(tunnel)
        descriptor = self._kernel.descriptor(device) if device is not None else None
        if descriptor is not None:
            self._tell(pack(channel.TAP, tunnel), os.dup(descriptor))

    def _carry(self, tunnels: Mapping[str, Tunnel]) -> None:
        """Give the forwarder its tables. One that still waits is overtaken: the latest is right for all behind it."""
        if tunnels == self._carried:
            return
        self._carried = tunnels
        message = pack(channel.TABLES, channel.pack_tunnels(tunnels))
        for place, (waiting, _) in enumerate(self._waiting):
            if waiting[:1] == channel.TABLES:
                self._waiting[place] = message, None
                return
        self._tell(message)

    def _offer(self, message: bytes) -> None:
        """Tell what may be lost while the forwarder does not keep up."""
        if len(self._waiting) < QUEUE_MAX:
            self._tell(message)

    def _tell(self, message: bytes, descriptor: int | None = None) -> None:
        if self._channel is None:
            if descriptor is not None:
                os.close(descriptor)
            return
        self._waiting.append((message, descriptor))
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        if self._channel is None:
            return
        while self._waiting:
            message, descriptor = self._waiting[0]
            try:
                socket.send_fds(self._channel, [message], [] if descriptor is None else [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._flush)
                return
            except OSError:
                pass  # the reader sees that the forwarder is gone, or the message cannot be sent at all
            self._waiting.popleft()
            if descriptor is not None:
                os.close(descriptor)
        self._loop.remove_writer(self._channel)

    def _heard(self) -> None:
        for _ in range(forwarder.BURST):
            if self._channel is None:
                return
            try:
                message = self._channel.recv(channel.MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._forwarder_died()
                return
            self._take(*channel.unpack(message))

    def _take(self, kind: bytes, value: object) -> None:
        match kind, value:
            case channel.RECEIVED, (str(name), bytes(source), bytes(local), bytes(payload)):
                self._sink.received(Datagram(name, IPv4Address(source), IPv4Address(local), payload))
            case channel.USED, dict(used):
                for name, peers in used.items():
                    self._sink.adjacencies_used(name, frozenset(IPv4Address(peer) for peer in peers))
            case channel.REFUSED, list(refused):
                for tunnel, reason, source in self._refusals.worth_telling(refused, self._loop.time()):
                    self._sink.dropped(tunnel, reason, IPv4Address(source))
            case channel.ENDED, str(why):
                self._why = f" ({why})"
            case channel.COUNTED, (dict(counters), dict(drops)):
                if self._counting is not None and not self._counting.done():
                    self._counting.set_result((channel.unpack_counters(counters), drops))

    async def _forwarder_counters(self) -> tuple[dict[str, InterfaceCounters], dict[str, int]]:
        if self._counting is None or self._counting.done():
            self._counting = self._loop.create_future()
            self._offer(pack(channel.COUNT, None))
        try:
            return await asyncio.wait_for(asyncio.shield(self._counting), COUNTERS_WITHIN_S)
        except TimeoutError:
            self._counting = None  # the forwarder that was asked may be gone: the next one who asks asks anew
            return {}, {}

    # The kernel

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
            except Exception as error:  # of our own making: told, and tried again, for the router must go on
                self._failed(error)
            self._applied = desired
            if not self._wanted.is_set():
                self._settled.set()
                held, self._held = held + self._held, []
            for message in held:
                self._offer(message)

    async def _reach(self, desired: Desired) -> None:
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
        steps = plan(desired, observed, self._owned(), self._devices)
        failed: set[str | None] = set()
        for step in steps:
            if step.device is not None and step.device in failed:
                continue
            try:
                await self._kernel.apply(step)
                self._note(step, observed)
            except kernel.StepError as error:
                self._reasons[step.device or ""] = str(error)
                if step.device is not None and step.rank < AddAddress.rank:
                    failed.add(step.device)
        if steps:
            observed = await self._observe()
        self._clamp(desired, observed)
        self._report(desired, observed)

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
                    for name in [name for name, behind in self._devices.items() if behind == device]:
                        self._hand_over(name)
            case SetMtu(device=str(device)) | SetUp(device=str(device)) if device not in self._owned_devices:
                there, found = before.devices[device], self._found.get(device)
                if found is None or found.index != there.index:
                    found = Found(there.index)
                self._found[device] = found.after(step, there)
            case RemoveDevice(device=str(device)):
                self._owned_devices.discard(device)
                self._tell(pack(channel.NO_TAP, next((n for n, d in self._devices.items() if d == device), device)))
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
        device = self._devices[name]
        there = observed.devices.get(device)
        if in_the_way(desired.links[name], device, observed, self._owned()):
            return LinkState(name, present=False, reason=f"a device {device} of others is in the way")
        if there is None:
            reason = self._reasons.get(device, f"no device {device}")
            return LinkState(name, present=False, reason=reason)
        addresses = observed.addresses.get(device, ())
        state = LinkState(name, True, there.carrier, there.mtu, there.mac, addresses, self._reasons.get(device))
        physical = desired.links[name].kind is LinkKind.PHYSICAL
        return replace(state, speed_kbps=_speed_kbps(device) if physical else None)


def _only_neighbours(before: Desired, desired: Desired) -> bool:
    """Whether nothing but neighbours (and what the forwarder alone needs to know) changed."""
    if before.links != desired.links or before.routes != desired.routes:
        return False
    kinds = {name: tunnel.multipoint for name, tunnel in before.tunnels.items()}
    return kinds == {name: tunnel.multipoint for name, tunnel in desired.tunnels.items()}


def _speed_kbps(device: str) -> int | None:
    """What the device says of its speed; None where it says nothing."""
    try:
        speed = int(Path("/sys/class/net", device, "speed").read_text())
    except (OSError, ValueError):
        return None
    return speed * 1000 if speed > 0 else None
