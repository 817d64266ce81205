"""The memory plane: one router's data plane on wires in memory, behind the same `Plane` surface as the real ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from iosish.desired import (
    ArpEntry,
    Desired,
    EspRefusal,
    Link,
    LinkKind,
    LinkState,
    PlaneCounters,
    PlaneSink,
    SaChange,
    SeenPacket,
)
from iosish.engine import Datagram, UdpDatagram
from iosish.forwarding import ipv4
from iosish.plane.memory.icmp import TTL
from iosish.plane.memory.interface import Interface
from iosish.plane.memory.kernel import Kernel
from iosish.plane.memory.wire import Capture, Wire
from iosish.plane.memory.world import World
from iosish.plane.sa_notices import SaNotices

REPORT_EVERY_S = 0.5
REFUSAL_AGAIN_S = 10.0
REFUSALS_MAX = 256
SPEED_KBPS = 100_000

_Refusal = tuple[str | None, str, bytes]


class MemoryPlane:
    """A router's part of a `World`.

    `wires` says which cable each physical interface is plugged into (IOS names in full); an interface without one is
    not present. Everything the plane tells its `sink` is an event of its own, never a call from within `apply` or
    `send`. `icmp_received` gets every ICMP packet for the router but echo requests, IPv4 header first.
    """

    name = "memory"

    def __init__(self, world: World, router: str, sink: PlaneSink, wires: Mapping[str, Wire]) -> None:
        self.world = world
        self.router = router
        self.icmp_received: Callable[[bytes], None] | None = None
        self._sink = sink
        self._kernel = Kernel(world, self)
        self._links: Mapping[str, Link] = {}
        self._told: dict[str, LinkState] = {}
        self._report_due = False
        self._refreshing = False
        self._watched: frozenset[str] = frozenset()
        self._refusals: dict[_Refusal, float] = {}
        self._notices = SaNotices(self._kernel.forwarder)
        for interface, wire in wires.items():
            self.plug(interface, wire)

    # Cables

    def plug(self, name: str, wire: Wire) -> None:
        """Give a physical interface its cable."""
        self.unplug(name)
        interface = Interface(name, LinkKind.PHYSICAL)
        interface.wire = wire
        interface.end = wire.attach(
            f"{self.router} {name}", lambda packet: self._kernel.input(name, packet), self._carrier_changed
        )
        self._kernel.interfaces[name] = interface
        self.watch(self._watched)
        self._refresh()

    def unplug(self, name: str) -> None:
        interface = self._kernel.interfaces.pop(name, None)
        if interface is not None and interface.wire is not None and interface.end is not None:
            interface.wire.detach(interface.end)
            self._refresh()

    def power_off(self) -> None:
        """Pull all cables: the router is gone, as after a crash."""
        self._links = {}
        for name in list(self._kernel.interfaces):
            self.unplug(name)

    # Plane

    def apply(self, desired: Desired) -> None:
        self._links = desired.links
        self._refresh()
        self._kernel.set_routes(desired.routes)
        self._kernel.set_tunnels(desired.tunnels, desired.neighbours)
        if self._kernel.ike != desired.ike:
            self._kernel.ike = desired.ike
            if desired.ike:
                self.world.call_soon(lambda: self._sink.ike_closed(None))

    def send(self, datagram: Datagram) -> None:
        self._kernel.control(datagram.interface, datagram.peer.packed, datagram.payload)

    def secure(self, change: SaChange) -> None:
        self._kernel.secure(change)

    def send_ike(self, datagram: UdpDatagram) -> None:
        self._kernel.send_ike(datagram)

    def watch(self, interfaces: frozenset[str]) -> None:
        self._watched = self._kernel.forwarder.watched = interfaces
        for interface in self._kernel.interfaces.values():
            if interface.end is not None:
                watched = interface.name in interfaces
                interface.end.taps[:] = [partial(self._passed, interface.name)] if watched else []

    async def caught_up(self) -> None:
        """What passes is told at once."""

    def lose_sas(self) -> None:
        """What a real plane suffers when its forwarder process dies."""
        self._kernel.forwarder.drop_all_sas()
        self.world.call_soon(self._sink.sas_lost)

    async def counters(self) -> PlaneCounters:
        return self.read_counters()

    async def arp(self) -> tuple[ArpEntry, ...]:
        return self.read_arp()

    def read_counters(self) -> PlaneCounters:
        """What `counters` gives, without a loop to await it on."""
        counted = {name: interface.counters for name, interface in self._kernel.interfaces.items()}
        counted.update(self._kernel.forwarder.counters)
        interfaces = {name: replace(counters) for name, counters in counted.items()}
        drops = dict(self._kernel.drops.reasons)
        for reason, count in self._kernel.forwarder.drops.reasons.items():
            drops[reason] = drops.get(reason, 0) + count
        return PlaneCounters(interfaces, drops, self._kernel.forwarder.sa_counters())

    def read_arp(self) -> tuple[ArpEntry, ...]:
        """Own addresses only: there is no ARP on the wires."""
        return tuple(
            ArpEntry(interface.name, address.ip, self._mac(interface.name), None)
            for interface in self._kernel.interfaces.values()
            if interface.kind is LinkKind.PHYSICAL and interface.up
            for address in interface.addresses
        )

    # ICMP socket and raw IP, for ping and traceroute

    def source_for(self, destination: IPv4Address) -> IPv4Address | None:
        source = self._kernel.source_for(destination.packed)
        return None if source is None else IPv4Address(source)

    def send_icmp(
        self,
        destination: IPv4Address,
        message: bytes,
        *,
        source: IPv4Address | None = None,
        ttl: int = TTL,
        tos: int = 0,
        df: bool = False,
    ) -> bool:
        """Send an ICMP message (its checksum filled in); False when there is no way to the destination."""
        return self.send_ip(destination, ipv4.ICMP, message, source=source, ttl=ttl, tos=tos, df=df)

    def send_ip(
        self,
        destination: IPv4Address,
        protocol: int,
        payload: bytes,
        *,
        source: IPv4Address | None = None,
        ttl: int = TTL,
        tos: int = 0,
        df: bool = False,
    ) -> bool:
        """Send a packet of any protocol from `source`, or from the address of the interface it leaves by."""
        sender = source or self.source_for(destination)
        if sender is None:
            return False
        identification = self._kernel.next_identification()
        return self._kernel.output(
            ipv4.build(
                sender.packed,
                destination.packed,
                protocol,
                payload,
                ttl=ttl,
                tos=tos,
                identification=identification,
                df=df,
            )
        )

    def send_group(self, interface: str, packet: bytes) -> bool:
        """Send a whole multicast or broadcast packet of the router's own out of an interface."""
        return self._kernel.output_on(interface, packet)

    # Upcalls of the stack

    def missed(self, interface: str, next_hop: bytes) -> None:
        self.world.call_soon(lambda: self._sink.next_hop_missed(interface, IPv4Address(next_hop)))

    def control_received(self, tunnel: str, peer: bytes, local: bytes, payload: bytes, protected: bool) -> None:
        datagram = Datagram(tunnel, IPv4Address(peer), IPv4Address(local), payload, protected)
        self.world.call_soon(lambda: self._sink.received(datagram))

    def icmp_arrived(self, packet: bytes) -> None:
        if self.icmp_received is not None:
            listener = self.icmp_received
            self.world.call_soon(lambda: listener(packet))

    def ike_arrived(self, datagram: UdpDatagram) -> None:
        self.world.call_soon(lambda: self._sink.ike_received(datagram))

    def tunnel_worked(self) -> None:
        self._notify()
        for name, inbound, at, packet in self._kernel.forwarder.seen.take():
            self._show(SeenPacket(name, inbound, at, packet, len(packet)))
        if not self._report_due:
            self._report_due = True
            self.world.call_later(REPORT_EVERY_S, self._report)

    # Reports

    def _notify(self) -> None:
        """Tell what cannot wait for a report."""
        forwarder, sink, now = self._kernel.forwarder, self._sink, self.world.now
        for name, peer in self._notices.missed(now):
            self.world.call_soon(partial(sink.sa_missed, name, IPv4Address(peer)))
        for key in forwarder.take_worn():
            self.world.call_soon(partial(sink.sa_worn, key))
        for reason, local, source, spi, sequence in self._notices.refused(now):
            refusal = EspRefusal(reason, IPv4Address(local), IPv4Address(source), spi, sequence)
            self.world.call_soon(partial(sink.esp_refused, refusal))

    def _report(self) -> None:
        self._report_due = False
        forwarder = self._kernel.forwarder
        for name, peers in forwarder.take_used().items():
            self._sink.adjacencies_used(name, frozenset(IPv4Address(peer) for peer in peers))
        used = forwarder.take_sa_usage()
        if used:
            self._sink.sas_used(used)
        now = self.world.now
        self._refusals = {key: at for key, at in self._refusals.items() if now - at < REFUSAL_AGAIN_S}
        for refusal in forwarder.take_refused():
            if refusal not in self._refusals and len(self._refusals) < REFUSALS_MAX:
                self._refusals[refusal] = now
                interface, reason, peer = refusal
                self._sink.dropped(interface, reason, IPv4Address(peer))

    # Watching

    def _passed(self, name: str, capture: Capture) -> None:
        """A packet on the cable of a watched interface, in an Ethernet frame as it would have there."""
        label = f"{self.router} {name}"
        inbound = capture.direction != label
        sender = _mac_of(capture.direction)
        group = ipv4.is_group(capture.packet[16:20])
        receiver = b"\xff" * 6 if group else _mac_of(label) if inbound else _mac_of(f"beyond {label}")
        frame = b"".join((receiver, sender, b"\x08\x00", capture.packet))
        self._show(SeenPacket(name, inbound, capture.time, frame, len(frame)))

    def _show(self, packet: SeenPacket) -> None:
        self.world.call_soon(lambda: self._sink.packets_seen((packet,)))

    # Interfaces

    def _refresh(self) -> None:
        """Make the interfaces what the links say, and tell what has changed."""
        interfaces = self._kernel.interfaces
        for name in [name for name, interface in interfaces.items() if interface.kind is not LinkKind.PHYSICAL]:
            link = self._links.get(name)
            if link is None or link.kind is not interfaces[name].kind:
                del interfaces[name]
        for name, link in self._links.items():
            if link.kind is not LinkKind.PHYSICAL and name not in interfaces:
                interfaces[name] = Interface(name, link.kind)
        for name, interface in interfaces.items():
            link = self._links.get(name)
            interface.up = link is not None and link.up
            interface.addresses = () if link is None else link.addresses
            interface.adjust_mss = None if link is None else link.adjust_mss
            if link is not None and link.mtu is not None:
                interface.mtu = link.mtu
        self._refreshing = True  # our own ends change one by one: look at them when all have
        for interface in interfaces.values():
            if interface.wire is not None and interface.end is not None:
                owned = tuple(address.ip.packed for address in interface.addresses)
                interface.wire.set_end(interface.end, interface.up, owned)
        self._refreshing = False
        self._carrier_changed()

    def _carrier_changed(self) -> None:
        if not self._refreshing:
            self._kernel.refresh()
            self._tell()

    def _tell(self) -> None:
        """Report each link that is not as it was last reported."""
        for name in dict.fromkeys((*self._links, *self._told)):
            state = self._state(name)
            if state == self._told.get(name):
                continue
            if state.present or name in self._links:
                self._told[name] = state
            else:
                del self._told[name]
            self.world.call_soon(lambda state=state: self._sink.link_changed(state))  # type: ignore[misc] # a default binds the loop's value

    def _state(self, name: str) -> LinkState:
        interface = self._kernel.interfaces.get(name)
        if interface is None:
            return LinkState(name, present=False, reason="no cable" if name in self._links else None)
        return LinkState(
            name,
            present=True,
            carrier=interface.carrier,
            mtu=interface.mtu,
            mac=self._mac(name) if interface.kind is LinkKind.PHYSICAL else "",
            addresses=interface.addresses,
            speed_kbps=SPEED_KBPS if interface.kind is LinkKind.PHYSICAL else None,
        )

    def _mac(self, interface: str) -> str:
        """A MAC address that is the same in every run: locally administered, made of both names."""
        return _mac_of(f"{self.router} {interface}").hex(":")


def _mac_of(label: str) -> bytes:
    return b"\x02\x00" + zlib.crc32(label.encode()).to_bytes(4, "big")
