"""Routers without a control side: each gets its `Desired` from the test, and remembers what its plane told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from iosish.desired import Desired, EspRefusal, KernelRoute, Link, LinkKind, LinkState, SeenPacket
from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.forwarding import ipv4
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.plane.memory.plane import MemoryPlane
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import World

FA00 = "FastEthernet0/0"
FA01 = "FastEthernet0/1"


@dataclass
class Recorder:
    """A sink that remembers."""

    links: list[LinkState] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    datagrams: list[Datagram] = field(default_factory=list)
    used: list[tuple[str, frozenset[IPv4Address]]] = field(default_factory=list)
    refused: list[tuple[str | None, str, str]] = field(default_factory=list)
    ike: list[UdpDatagram] = field(default_factory=list)
    sas: list[tuple[str, object]] = field(default_factory=list)
    seen: list[SeenPacket] = field(default_factory=list)
    unseen: list[tuple[str, int]] = field(default_factory=list)

    def link_changed(self, state: LinkState) -> None:
        self.links.append(state)

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        self.missed.append((interface, str(address)))

    def received(self, datagram: Datagram) -> None:
        self.datagrams.append(datagram)

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        self.used.append((interface, peers))

    def noticed(self, event: LogEvent) -> None:
        raise AssertionError(f"the memory plane has nothing to say of itself: {event}")

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        self.refused.append((interface, reason, str(peer)))

    def ike_received(self, datagram: UdpDatagram) -> None:
        self.ike.append(datagram)

    def sa_missed(self, interface: str, peer: IPv4Address) -> None:
        self.sas.append(("missed", (interface, peer)))

    def sas_used(self, used: Mapping[SaKey, SaCounters]) -> None:
        self.sas.append(("used", dict(used)))

    def sa_worn(self, key: SaKey) -> None:
        self.sas.append(("worn", key))

    def sas_lost(self) -> None:
        self.sas.append(("lost", None))

    def esp_refused(self, refusal: EspRefusal) -> None:
        self.sas.append(("refused", refusal))

    def ike_closed(self, reason: str | None) -> None:
        self.sas.append(("closed", reason))

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        self.seen.extend(packets)

    def packets_missed(self, interface: str, count: int) -> None:
        self.unseen.append((interface, count))


class Host:
    """A memory plane, its sink, and an eye on the ICMP that comes back: (type, code, from, inner TTL, time)."""

    def __init__(self, world: World, name: str, wires: Mapping[str, Wire]) -> None:
        self.world = world
        self.sink = Recorder()
        self.plane = MemoryPlane(world, name, self.sink, wires)
        self.plane.icmp_received = self._icmp
        self.icmp: list[tuple[int, int, str, int, float]] = []
        self.raw: list[bytes] = []
        self._sequence = 0

    def _icmp(self, packet: bytes) -> None:
        at = ipv4.header_size(packet)
        self.icmp.append(
            (packet[at], packet[at + 1], str(IPv4Address(packet[12:16])), packet[8], round(self.world.now, 6))
        )
        self.raw.append(packet)

    def ping(self, destination: str, size: int = 100, **how: Any) -> bool:
        """One echo request of `size` octets with its IP header."""
        self._sequence += 1
        message = bytearray(b"\x08\0\0\0\0\x06" + self._sequence.to_bytes(2, "big") + bytes(size - 28))
        message[2:4] = ipv4.checksum(message).to_bytes(2, "big")
        source: str | None = how.get("source")
        return self.plane.send_icmp(
            IPv4Address(destination),
            bytes(message),
            source=None if source is None else IPv4Address(source),
            ttl=how.get("ttl", 255),
            df=how.get("df", False),
        )

    def answered(self) -> bool:
        return bool(self.icmp)


def link(name: str, *addresses: str, up: bool = True, mtu: int | None = None) -> Link:
    kind = LinkKind.PHYSICAL
    if name.startswith("Loopback"):
        kind = LinkKind.LOOPBACK
    elif name.startswith("Tunnel"):
        kind = LinkKind.TUNNEL
    return Link(name, kind, up, mtu, tuple(IPv4Interface(address) for address in addresses))


def route(network: str, next_hop: str | None = None, interface: str | None = None) -> KernelRoute:
    return KernelRoute(IPv4Network(network), interface, None if next_hop is None else IPv4Address(next_hop))


def wanted(
    *links: Link,
    routes: tuple[KernelRoute, ...] = (),
    tunnels: tuple[Tunnel, ...] = (),
    neighbours: Mapping[str, int] | None = None,
    ike: bool = False,
) -> Desired:
    """`neighbours` are next hops on Tunnel0."""
    return Desired(
        {each.name: each for each in links},
        frozenset(routes),
        {("Tunnel0", IPv4Address(address)): index for address, index in (neighbours or {}).items()},
        {tunnel.name: tunnel for tunnel in tunnels},
        ike,
    )


def cloud(number: int, peers: Mapping[int, int], **more: Any) -> Tunnel:
    """Tunnel0 of the classic lab on router `number`; `peers` gives the router behind each adjacency index."""
    settings: dict[str, Any] = {
        "multipoint": True,
        "address": IPv4Address(f"192.168.0.{number}"),
        "adjacencies": {index: IPv4Address(f"172.16.{peer}5.2") for index, peer in peers.items()},
        **more,
    }
    return Tunnel("Tunnel0", IPv4Address(f"172.16.{number}5.2"), **settings)


class ClassicLab:
    """R1 hub, R2 to R4 spokes, R5 in the middle; every spoke knows the hub, the hub knows every spoke."""

    def __init__(self, seed: int = 1, loss: float = 0.0, **tunnel: Any) -> None:
        self.world = World(seed)
        self.wires = {n: Wire(self.world, f"R{n}-R5", loss=loss) for n in range(1, 5)}
        middle = {1: FA00, 2: FA01, 3: "FastEthernet1/0", 4: "FastEthernet1/1"}
        self.r5 = Host(self.world, "R5", {middle[n]: wire for n, wire in self.wires.items()})
        self.r5.plane.apply(wanted(*(link(middle[n], f"172.16.{n}5.1/30") for n in self.wires)))
        self.routers = {n: Host(self.world, f"R{n}", {FA00: wire}) for n, wire in self.wires.items()}
        for n in self.routers:
            self.apply(n, {1: 1} if n > 1 else {2: 2, 3: 3, 4: 4}, **tunnel)
        self.world.run_until(0.1)

    def apply(
        self, n: int, peers: Mapping[int, int], neighbours: Mapping[str, int] | None = None, **tunnel: Any
    ) -> None:
        """Give a router its tunnel; without `neighbours` each peer is its own, and a spoke's others go by the hub.

        With a `crypto_map` UDP 500 and 4500 are open.
        """
        if neighbours is None:
            neighbours = {f"192.168.0.{peer}": index for index, peer in peers.items()}
            if n > 1:
                neighbours = {f"192.168.0.{peer}": 1 for peer in range(1, 5) if peer != n}
        self.routers[n].plane.apply(
            wanted(
                link(FA00, f"172.16.{n}5.2/30"),
                link("Tunnel0", f"192.168.0.{n}/24"),
                routes=(route("0.0.0.0/0", f"172.16.{n}5.1"),),
                tunnels=(cloud(n, peers, **tunnel),),
                neighbours=neighbours,
                ike="crypto_map" in tunnel,
            )
        )
