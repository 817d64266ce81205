"""A small IPv4 stack, one per router: what Linux does in a router's namespace, as far as a DMVPN can tell.

Interfaces, connected routes and longest prefix, TTL and ICMP, reassembly for own addresses, neighbours of
tunnels, and the tunnels themselves through the same `Forwarder` as the other planes.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Protocol

from iosish.desired import KernelRoute, LinkKind
from iosish.engine import UdpDatagram
from iosish.forwarding import gre, ipv4, mss
from iosish.forwarding.reassembly import Reassembly
from iosish.forwarding.rules import Forwarder, Outer, Received
from iosish.forwarding.tables import DropCounters, Tunnel
from iosish.forwarding.tunnel_state import MULTICAST
from iosish.ipsec.sa import SaChange
from iosish.plane import udp_4500
from iosish.plane.memory import icmp
from iosish.plane.memory.held import HeldPackets
from iosish.plane.memory.icmp import Failure
from iosish.plane.memory.interface import Interface
from iosish.plane.memory.routing import Hop, RoutingTable
from iosish.plane.memory.world import World

NESTING_MAX = 4  # tunnels routed into tunnels
ICMP_BURST = 50
ICMP_PER_S = 1000.0


class Upcalls(Protocol):
    """What the stack hands up. It may be called in the middle of a packet: answer by a later event."""

    def missed(self, interface: str, next_hop: bytes) -> None: ...

    def control_received(self, tunnel: str, peer: bytes, local: bytes, payload: bytes, protected: bool) -> None: ...

    def ike_arrived(self, datagram: UdpDatagram) -> None: ...

    def icmp_arrived(self, packet: bytes) -> None: ...

    def tunnel_worked(self) -> None:
        """The forwarding rules had a packet: they may have something to tell."""


class Kernel:
    def __init__(self, world: World, upcalls: Upcalls) -> None:
        self.world = world
        self.interfaces: dict[str, Interface] = {}
        self.forwarder = Forwarder()
        self.drops = DropCounters()
        self.ike = False  # whether UDP 500 and 4500 are open
        self._upcalls = upcalls
        self._routes = RoutingTable()
        self._installed: frozenset[KernelRoute] = frozenset()
        self._tunnels: Mapping[str, Tunnel] = {}
        self._neighbours: dict[tuple[str, bytes], int] = {}
        self._own: dict[bytes, str] = {}
        self._broadcasts: dict[bytes, str] = {}
        self._held = HeldPackets(world, upcalls.missed, lambda count: self._drop("no adjacency", count))
        self._reassembly = Reassembly()
        self._identification = 0
        self._icmp_tokens = float(ICMP_BURST)
        self._icmp_at = 0.0

    # Tables

    def refresh(self) -> None:
        """Work out own addresses and connected routes again, after an interface or its carrier has changed."""
        self._own, self._broadcasts = {}, {}
        connected: list[KernelRoute] = []
        for interface in self.interfaces.values():
            if not interface.up:
                continue
            for address in interface.addresses:
                self._own.setdefault(address.ip.packed, interface.name)
                if interface.carrier and address.network.prefixlen < 32:
                    connected.append(KernelRoute(address.network, interface.name))
                    if address.network.prefixlen < 31:
                        self._broadcasts[address.network.broadcast_address.packed] = interface.name
        usable = {name for name, interface in self.interfaces.items() if interface.up and interface.carrier}
        installed = (route for route in self._installed if route.interface is None or route.interface in usable)
        self._routes.replace(connected, installed)

    def set_routes(self, routes: frozenset[KernelRoute]) -> None:
        self._installed = routes
        self.refresh()

    def set_tunnels(self, tunnels: Mapping[str, Tunnel], neighbours: Mapping[tuple[str, IPv4Address], int]) -> None:
        """Take tunnels and the neighbours on them; packets that waited for a neighbour leave."""
        self._tunnels = tunnels
        self._neighbours = {(name, address.packed): index for (name, address), index in neighbours.items()}
        self.forwarder.configure(tunnels, self.world.now)
        for name, next_hop in self._held.waiting():
            if name not in tunnels:
                self._held.discard(name, next_hop)
            elif (name, next_hop) in self._neighbours:
                for packet in self._held.release(name, next_hop):
                    self._tunnel_out(name, next_hop, packet, 0)

    def source_for(self, destination: bytes) -> bytes | None:
        """The own address that packets to `destination` leave with; None without a route or any address."""
        if destination in self._own:
            return destination
        hop = self._routes.lookup(destination)
        if hop is None or hop.interface is None:
            return None
        addresses = self.interfaces[hop.interface].addresses if hop.interface in self.interfaces else ()
        toward = IPv4Address(hop.next_hop or destination)
        for address in addresses:
            if toward in address.network:
                return address.ip.packed
        if addresses:
            return addresses[0].ip.packed
        return next(iter(self._own), None)

    def next_identification(self) -> int:
        self._identification = self._identification % 0xFFFF + 1
        return self._identification

    # In

    def input(self, name: str, packet: bytes) -> None:
        """A packet that came in on an interface; nothing in it is trusted."""
        interface = self.interfaces.get(name)
        if interface is None or not interface.up:
            return
        total = ipv4.size(packet)
        if not total or not ipv4.checksum_right(packet[: ipv4.header_size(packet)]):
            interface.counters.errors_in += 1
            self._drop("bad IP header")
            return
        packet = packet[:total]
        destination = packet[16:20]
        if interface.kind is LinkKind.PHYSICAL:
            interface.counters.packets_in += 1
            interface.counters.bytes_in += total
            interface.counters.last_in = self.world.now
            if ipv4.is_group(destination):
                interface.counters.multicast_in += 1
        source = packet[12:16]
        if source in self._own or source in self._broadcasts or not ipv4.is_host(source):
            self._drop("bad source address")
        elif destination in self._own:
            self._deliver(packet)
        elif ipv4.is_group(destination) or destination in self._broadcasts:
            self._drop("multicast without listener")
        else:
            self._forward(interface, packet)

    def _forward(self, arrived_on: Interface, packet: bytes) -> None:
        destination = packet[16:20]
        if not ipv4.is_host(destination):
            self._drop("bad destination address")
            return
        if packet[8] <= 1:
            self._answer(packet, icmp.TIME_EXCEEDED)
            return
        hop = self._routes.lookup(destination)
        failure: Failure | None = icmp.NET_UNREACHABLE
        if hop is not None:
            onward = ipv4.with_ttl_decremented(packet)
            for way in (arrived_on, self.interfaces.get(hop.interface or "")):
                if way is not None and way.adjust_mss is not None:
                    onward = bytes(mss.clamp(onward, way.adjust_mss))
            failure = self._emit(hop, onward, 0)
        if failure is not None:
            self._drop("unreachable")
            self._answer(packet, failure)

    def _deliver(self, packet: bytes) -> None:
        if ipv4.is_fragment(packet):
            whole = self._reassembly.add(packet, self.world.now)
            if whole is None:
                return
            packet = whole
        protocol = packet[9]
        if protocol == ipv4.ICMP:
            self._deliver_icmp(packet)
        elif protocol == ipv4.GRE and self._tunnels:
            frame = packet[ipv4.header_size(packet) :]
            received = self.forwarder.receive(packet[12:16], packet[16:20], frame, self.world.now)
            self._deliver_tunnel(received, packet[16:20])
        elif protocol == ipv4.ESP and self.ike:
            self._deliver_esp(packet, packet[ipv4.header_size(packet) :], None)
        elif protocol == ipv4.UDP:
            self._deliver_udp(packet)
        elif protocol == ipv4.TCP:
            self._drop("no TCP here")
        else:
            self._answer(packet, icmp.PROTOCOL_UNREACHABLE)

    def _deliver_icmp(self, packet: bytes) -> None:
        message = packet[ipv4.header_size(packet) :]
        if len(message) < 8 or not ipv4.checksum_right(message):
            self._drop("bad ICMP")
            return
        if message[0] != icmp.ECHO_REQUEST:
            self.forwarder.learn(packet, self.world.now)
            self._upcalls.icmp_arrived(packet)
            return
        self.output(icmp.echo_reply(packet, self.next_identification()))

    def _deliver_udp(self, packet: bytes) -> None:
        header = ipv4.header_size(packet)
        peer_port, port, size = (int.from_bytes(packet[at : at + 2], "big") for at in range(header, header + 6, 2))
        if not self.ike or port not in udp_4500.IKE_PORTS:
            self._answer(packet, icmp.PORT_UNREACHABLE)
            return
        payload = packet[header + 8 : header + size]
        if size < 8 or header + size > len(packet):
            self._drop("bad UDP")
            return
        message = udp_4500.ike_message(port, payload)
        if message is not None:
            local, peer = IPv4Address(packet[16:20]), IPv4Address(packet[12:16])
            self._upcalls.ike_arrived(UdpDatagram(local, port, peer, peer_port, message))
        elif port == udp_4500.NAT_T_PORT and udp_4500.is_esp(payload):
            self._deliver_esp(packet, payload, (port, peer_port))
        elif payload != udp_4500.KEEPALIVE:
            self._drop("bad IKE")

    def _deliver_esp(self, packet: bytes, payload: bytes, udp_ports: tuple[int, int] | None) -> None:
        received = self.forwarder.receive_esp(packet[12:16], packet[16:20], payload, self.world.now, udp_ports)
        self._deliver_tunnel(received, packet[16:20])

    def _deliver_tunnel(self, received: Received | None, local: bytes) -> None:
        self._upcalls.tunnel_worked()
        if received is None:
            return
        name, protocol, payload, peer, protected = received
        if name not in self.interfaces or not self.interfaces[name].up:
            self._drop("tunnel down")
        elif protocol == gre.NHRP:
            self._upcalls.control_received(name, peer, local, payload, protected)
        elif protocol == gre.IPV4:
            # As an event of its own: GRE in GRE in GRE must not nest calls.
            self.world.call_soon(lambda: self.input(name, payload))
        else:
            self._drop("no IPv6 here")

    # Out

    def output(self, packet: bytes) -> bool:
        """A packet of the router's own. False when there is no way for it.

        One that has DF and is too big for the interface comes back as an ICMP 3/4 from ourselves, as it does when it
        is too big for a tunnel.
        """
        source, destination = packet[12:16], packet[16:20]
        if destination in self._own:
            self.world.call_soon(lambda: self._deliver(packet))
            return True
        hop = self._routes.lookup(destination)
        failure = icmp.NET_UNREACHABLE if hop is None else self._emit(hop, packet, 0)
        if failure is not None and failure.code == ipv4.FRAGMENTATION_NEEDED and source in self._own:
            told = ipv4.icmp_error(source, packet, *failure)
            return told is not None and self.output(told)
        return failure is None

    def output_on(self, name: str, packet: bytes) -> bool:
        """A multicast or broadcast packet of the router's own, out of the interface given."""
        return name in self.interfaces and self._emit(Hop(name, packet[16:20]), packet, 0) is None

    def control(self, tunnel: str, peer: bytes, payload: bytes) -> None:
        """An NHRP message out of a tunnel."""
        for outer in self.forwarder.control(tunnel, peer, payload, self.world.now):
            self._outer(tunnel, outer, 0)
        self._upcalls.tunnel_worked()

    def secure(self, change: SaChange) -> None:
        """Put SAs in place, and send what waited for them; take others out."""
        for sa in change.installed:
            for tunnel, outer in self.forwarder.install(sa, self.world.now):
                self._outer(tunnel, outer, 0)
        for key in change.removed:
            self.forwarder.remove(key, self.world.now)
        self._upcalls.tunnel_worked()

    def send_ike(self, datagram: UdpDatagram) -> None:
        payload = udp_4500.wrap(datagram.local_port, datagram.payload)
        if payload is None or not self.ike or datagram.local.packed not in self._own:
            self._drop("IKE not sent")
            return
        self.output(
            ipv4.build(
                datagram.local.packed,
                datagram.peer.packed,
                ipv4.UDP,
                ipv4.udp(datagram.local_port, datagram.peer_port, payload),
                ttl=udp_4500.IKE_TTL,
                tos=udp_4500.IKE_TOS,
                identification=self.next_identification(),
            )
        )

    def _emit(self, hop: Hop, packet: bytes, nesting: int) -> Failure | None:
        if hop.interface is None:
            self._drop("discard route")
            return None
        interface = self.interfaces.get(hop.interface)
        if interface is None or not interface.up or not interface.carrier:
            return icmp.HOST_UNREACHABLE
        if interface.kind is LinkKind.TUNNEL:
            self._tunnel_out(interface.name, hop.next_hop or packet[16:20], packet, nesting)
            return None
        if interface.wire is None or interface.end is None:
            return icmp.HOST_UNREACHABLE
        next_hop = ipv4.BROADCAST if hop.next_hop in self._broadcasts else hop.next_hop
        pieces = [packet]
        if len(packet) > interface.mtu:
            if ipv4.has_df(packet):
                return Failure(ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, interface.mtu)
            pieces = ipv4.fragment(packet, interface.mtu)
        for piece in pieces:
            if not interface.wire.send(interface.end, next_hop, piece):
                return icmp.HOST_UNREACHABLE
            interface.counters.packets_out += 1
            interface.counters.bytes_out += len(piece)
            interface.counters.last_out = self.world.now
        return None

    def _tunnel_out(self, name: str, next_hop: bytes, packet: bytes, nesting: int) -> None:
        tunnel = self._tunnels.get(name)
        destination = packet[16:20]
        if tunnel is None:
            self._drop("unknown tunnel")
            return
        if ipv4.is_group(destination) or self._broadcasts.get(destination) == name:
            adjacency: int | None = MULTICAST
        elif not tunnel.multipoint:
            adjacency = 1
        else:
            adjacency = self._neighbours.get((name, next_hop))
        if adjacency is None:
            self._held.hold(name, next_hop, packet)
            return
        for outer in self.forwarder.transmit(name, adjacency, packet, self.world.now):
            self._outer(name, outer, nesting)
        self._upcalls.tunnel_worked()
        returned = self.forwarder.returned
        while returned:
            self.output(returned.popleft()[1])

    def _outer(self, name: str, outer: Outer, nesting: int) -> None:
        destination, tos, ttl, df, frame, protocol, ports = outer
        if ports is not None:
            frame = ipv4.udp(*ports, frame)
        local = self._tunnels[name].local
        if nesting >= NESTING_MAX:
            self._drop("recursive routing")
            return
        if local is None or local.packed not in self._own or len(frame) > 0xFFFF - ipv4.HEADER_MIN:
            self._drop("no tunnel source")
            return
        packet = ipv4.build(
            local.packed,
            destination,
            protocol,
            frame,
            ttl=ttl,
            tos=tos,
            identification=self.next_identification(),
            df=df,
        )
        hop = self._routes.lookup(destination)
        failure = icmp.NET_UNREACHABLE if hop is None else self._emit(hop, packet, nesting + 1)
        if failure is None:
            return
        self._drop("outer destination unreachable")
        if failure.code == ipv4.FRAGMENTATION_NEEDED:
            told = ipv4.icmp_error(local.packed, packet, *failure)
            if told is not None:
                self.forwarder.learn(told, self.world.now)

    def _answer(self, about: bytes, failure: Failure) -> None:
        """An ICMP error to the sender of a packet that came in; rate-limited."""
        now = self.world.now
        self._icmp_tokens = min(ICMP_BURST, self._icmp_tokens + (now - self._icmp_at) * ICMP_PER_S)
        self._icmp_at = now
        sender = self.source_for(about[12:16])
        if self._icmp_tokens < 1 or sender is None:
            return
        error = ipv4.icmp_error(sender, about, *failure)
        if error is not None:
            self._icmp_tokens -= 1
            self.output(error)

    def _drop(self, reason: str, count: int = 1) -> None:
        self.drops.reasons[reason] = self.drops.reasons.get(reason, 0) + count
