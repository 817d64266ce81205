"""The classic lab of whole simulated routers, configured by values; spokes can be added and the hub replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from iosish.config.model import Config, Interface, IpAddress, NhrpSettings, Nhs, StaticRoute, TunnelSettings
from iosish.forwarding import ipv4
from iosish.icmp.ping import Ping, PingRequest
from iosish.nhrp.state import CacheEntry
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import World
from iosish.sim.node import Node
from tests.memory_plane.routers import FA00


class RoutedHost(Node):
    """A node with eyes on its NHRP cache, and a ping that runs beside whatever else the world does."""

    screen = ""
    _session: Ping | None = None

    def entries(self) -> dict[str, CacheEntry]:
        """The NHRP cache of Tunnel0 by protocol address."""
        state = self.router.nhrp_state(self.world.now).interfaces.get("Tunnel0")
        return {} if state is None else {str(entry.target.network_address): entry for entry in state.entries}

    def peers_up(self) -> dict[str, str]:
        """Protocol to NBMA address of the entries that are up."""
        return {address: str(entry.nbma) for address, entry in self.entries().items() if entry.up}

    def ping_five(self, destination: str) -> str:
        """What IOS prints for `ping destination`."""
        return self.ping(PingRequest(IPv4Address(destination)))

    def start_ping(self, destination: str, repeat: int = 5) -> None:
        self.screen = ""
        self._session = Ping(PingRequest(IPv4Address(destination), repeat=repeat), identifier=6)
        self.plane.icmp_received = self._icmp
        self._session.start(self.world.now)
        self._pump()

    def ping_done(self) -> bool:
        return self._session is not None and self._session.done

    def _icmp(self, packet: bytes) -> None:
        if self._session is not None:
            message = packet[ipv4.header_size(packet) :]
            self._session.receive(IPv4Address(packet[12:16]), packet[8], message, self.world.now)
            self._pump()

    def _pump(self) -> None:
        assert self._session is not None
        for probe in self._session.datagrams():
            self.plane.send_ip(probe.destination, probe.protocol, probe.payload, ttl=probe.ttl)
        self.screen += self._session.text()
        due = self._session.next_wake()
        if due is not None:
            self.world.call_at(due[0], self._wake_ping)

    def _wake_ping(self) -> None:
        if self._session is not None:
            self._session.wake(self.world.now)
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
        self.middle = RoutedHost(self.world, self._middle_config(), {MIDDLE[n]: wire for n, wire in self.wires.items()})
        self.routers = {1: RoutedHost(self.world, hub_config(), {FA00: self.wires[1]})}
        for n in spokes:
            self.routers[n] = RoutedHost(self.world, spoke_config(n), {FA00: self.wires[n]})

    @property
    def hub(self) -> RoutedHost:
        return self.routers[1]

    def _middle_config(self) -> Config:
        return config("R5", *(Interface(MIDDLE[n], ip_address=address(f"172.16.{n}5.1/30")) for n in self.wires))

    def add(self, number: int) -> RoutedHost:
        """One more spoke, on a cable of its own, with no change on the hub."""
        self.wires[number] = Wire(self.world, f"R{number}-R5")
        self.middle.plane.plug(MIDDLE[number], self.wires[number])
        self.middle.configure(self._middle_config())
        host = self.routers[number] = RoutedHost(self.world, spoke_config(number), {FA00: self.wires[number]})
        return host

    def registered(self, *spokes: int) -> bool:
        return {f"192.168.0.{n}" for n in spokes} <= self.hub.peers_up().keys()
