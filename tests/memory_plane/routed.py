"""Whole routers on wires in memory: the real `Router` and its engines, driven by the world's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from iosish.config.model import Config, Interface, IpAddress, NhrpSettings, Nhs, StaticRoute, TunnelSettings
from iosish.desired import LinkState
from iosish.engine import Datagram, Event
from iosish.forwarding import ipv4
from iosish.icmp.ping import Ping, PingRequest
from iosish.nhrp.state import CacheEntry
from iosish.plane.memory.plane import MemoryPlane
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import Call, World
from iosish.router import Router
from tests.memory_plane.routers import FA00


class RoutedHost:
    """A router with its memory plane; as the runtime does, one flush follows all that came in at one moment."""

    def __init__(self, world: World, name: str, wires: Mapping[str, Wire]) -> None:
        self.world = world
        self.name = name
        self.router = Router(world.random(f"router {name}"))
        self.plane = MemoryPlane(world, name, self, wires)
        self.plane.icmp_received = self._icmp
        self.events: list[Event] = []
        self.screen = ""
        self._planned = False
        self._timer: Call | None = None
        self._ping: Ping | None = None
        self._ping_timer: Call | None = None

    def configure(self, config: Config) -> None:
        self.router.configure(config, self.world.now)
        self._plan()

    # PlaneSink

    def link_changed(self, state: LinkState) -> None:
        self.router.link_changed(state, self.world.now)
        self._plan()

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.router.next_hop_missed(interface, address, self.world.now)
        self._plan()

    def received(self, datagram: Datagram) -> None:
        self.router.received(datagram, self.world.now)
        self._plan()

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.router.adjacencies_used(interface, peers, self.world.now)
        self._plan()

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.router.dropped(interface, reason, peer)
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self.world.call_soon(self._flush)

    def _wake(self) -> None:
        self.router.wake(self.world.now)
        self._plan()

    def _flush(self) -> None:
        self._planned = False
        if self.router.changed():
            self.plane.apply(self.router.desired)
        for datagram in self.router.datagrams():
            self.plane.send(datagram)
        self.events += self.router.events()
        if self._timer is not None:
            self._timer.cancel()
        due = self.router.next_wake()
        self._timer = None if due is None else self.world.call_at(due[0], self._wake)

    # What is looked at

    def entries(self) -> dict[str, CacheEntry]:
        """The NHRP cache of Tunnel0 by protocol address."""
        state = self.router.nhrp_state(self.world.now).interfaces.get("Tunnel0")
        return {} if state is None else {str(entry.target.network_address): entry for entry in state.entries}

    def peers_up(self) -> dict[str, str]:
        """Protocol to NBMA address of the entries that are up."""
        return {address: str(entry.nbma) for address, entry in self.entries().items() if entry.up}

    # ping, as the console gives it

    def ping(self, destination: str, repeat: int = 5) -> str:
        """Run the ping to its end; what IOS prints."""
        self.start_ping(destination, repeat)
        assert self.world.run_until(self.ping_done, ceiling=self.world.now + 2 * repeat + 5)
        return self.screen

    def start_ping(self, destination: str, repeat: int = 5) -> None:
        self.screen = ""
        self._ping = Ping(PingRequest(IPv4Address(destination), repeat=repeat), identifier=6)
        self._ping.start(self.world.now)
        self._pump()

    def ping_done(self) -> bool:
        return self._ping is not None and self._ping.done

    def _icmp(self, packet: bytes) -> None:
        if self._ping is not None and not self._ping.done:
            self._ping.receive(
                IPv4Address(packet[12:16]), packet[8], packet[ipv4.header_size(packet) :], self.world.now
            )
            self._pump()

    def _pump(self) -> None:
        assert self._ping is not None
        for probe in self._ping.datagrams():
            self.plane.send_ip(
                probe.destination,
                probe.protocol,
                probe.payload,
                source=probe.source,
                ttl=probe.ttl,
                tos=probe.tos,
                df=probe.df,
            )
        self.screen += self._ping.text()
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        due = self._ping.next_wake()
        self._ping_timer = None if due is None else self.world.call_at(due[0], self._wake_ping)

    def _wake_ping(self) -> None:
        assert self._ping is not None
        self._ping.wake(self.world.now)
        self._pump()


def address(text: str) -> IpAddress:
    interface = IPv4Interface(text)
    return IpAddress(interface.ip, interface.netmask)


def config(name: str, *interfaces: Interface, default: str | None = None) -> Config:
    routes = {}
    if default is not None:
        route = StaticRoute(IPv4Address(0), IPv4Address(0), next_hop=IPv4Address(default))
        routes[(route.prefix, route.mask, route.interface, route.next_hop)] = route
    return Config(hostname=name, interfaces={each.name: each for each in interfaces}, routes=routes)


MIDDLE = {1: FA00, 2: "FastEthernet0/1", 3: "FastEthernet1/0", 4: "FastEthernet1/1", 6: "FastEthernet2/0"}
HUB_NBMA = IPv4Address("172.16.15.2")
HUB = IPv4Address("192.168.0.1")


def hub_config(**tunnel: object) -> Config:
    nhrp = NhrpSettings(network_id=1, multicast_dynamic=True)
    return _member(1, nhrp, tunnel)


def spoke_config(number: int, nhrp: NhrpSettings | None = None, **tunnel: object) -> Config:
    settings = nhrp or NhrpSettings()
    settings = replace(
        settings,
        network_id=settings.network_id or 1,
        map={HUB: HUB_NBMA},
        multicast={HUB_NBMA: True},
        nhs={HUB: Nhs(HUB)},
    )
    return _member(number, settings, tunnel)


def _member(number: int, nhrp: NhrpSettings, tunnel: Mapping[str, object]) -> Config:
    settings = TunnelSettings(source=IPv4Address(f"172.16.{number}5.2"), mode="gre multipoint")
    return config(
        f"R{number}",
        Interface(FA00, ip_address=address(f"172.16.{number}5.2/30")),
        Interface(
            "Tunnel0",
            ip_address=address(f"192.168.0.{number}/24"),
            tunnel=replace(settings, **tunnel),  # type: ignore[arg-type] # fields by name from the test
            nhrp=nhrp,
        ),
        default=f"172.16.{number}5.1",
    )


class RoutedLab:
    """The classic lab from its configurations: R1 hub, R2 to R4 spokes, R5 in the middle."""

    def __init__(self, seed: int = 1, loss: float = 0.0, spokes: tuple[int, ...] = (2, 3, 4)) -> None:
        self.world = World(seed)
        self.wires = {n: Wire(self.world, f"R{n}-R5", loss=loss) for n in (1, *spokes)}
        self.middle = RoutedHost(self.world, "R5", {MIDDLE[n]: wire for n, wire in self.wires.items()})
        self.middle.configure(
            config("R5", *(Interface(MIDDLE[n], ip_address=address(f"172.16.{n}5.1/30")) for n in self.wires))
        )
        self.routers = {n: RoutedHost(self.world, f"R{n}", {FA00: wire}) for n, wire in self.wires.items()}
        self.hub = self.routers[1]
        self.hub.configure(hub_config())
        for n in spokes:
            self.routers[n].configure(spoke_config(n))

    def add(self, number: int) -> RoutedHost:
        """One more spoke, on a cable of its own, with no change on the hub."""
        self.wires[number] = Wire(self.world, f"R{number}-R5")
        self.middle.plane.plug(MIDDLE[number], self.wires[number])
        ports = (Interface(MIDDLE[n], ip_address=address(f"172.16.{n}5.1/30")) for n in self.wires)
        self.middle.configure(config("R5", *ports))
        host = self.routers[number] = RoutedHost(self.world, f"R{number}", {FA00: self.wires[number]})
        host.configure(spoke_config(number))
        return host

    def registered(self, *spokes: int) -> bool:
        return {f"192.168.0.{n}" for n in spokes} <= self.hub.peers_up().keys()
