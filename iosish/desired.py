"""What a router wants of its data plane, and what the plane reports back: values only.

`Router` computes a `Desired` from the configuration and from what the engines learned; a plane
compares it with what is there, plans the steps and applies them. A plan after its own apply is
empty. Interface names are the IOS names in full (`FastEthernet0/0`, `Tunnel0`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol

from iosish.engine import Datagram, LogEvent, UdpDatagram
from iosish.forwarding.tables import InterfaceCounters, Tunnel
from iosish.ipsec.sa import SaChange as SaChange  # a value of the room in which IKE may read it
from iosish.ipsec.sa import SaCounters, SaKey


class LinkKind(Enum):
    PHYSICAL = "physical"  # a device that exists outside of us: taken as it is, never made or removed
    LOOPBACK = "loopback"
    TUNNEL = "tunnel"


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as it should be. `mtu` None leaves a physical device's own.

    `adjust_mss` is the highest TCP MSS of connections through a physical device; a tunnel's is in its `Tunnel`.
    """

    name: str
    kind: LinkKind
    up: bool
    mtu: int | None = None
    addresses: tuple[IPv4Interface, ...] = ()
    adjust_mss: int | None = None


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """A route to install. Neither interface nor next hop: packets to it are discarded (Null0).

    `guard`: discards what a protected tunnel would have carried, when the tunnel's own route is gone. It has the
    worst metric, is made before that route, removed after it, and outlives the process.
    """

    network: IPv4Network
    interface: str | None = None
    next_hop: IPv4Address | None = None
    guard: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole picture.

    `neighbours` gives, for a next hop on a tunnel, the adjacency index its packets take;
    the index leads to the NBMA address in `tunnels[interface].adjacencies`.
    `ike`: UDP 500 and 4500 are to be open.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    routes: frozenset[KernelRoute] = frozenset()
    neighbours: Mapping[tuple[str, IPv4Address], int] = field(default_factory=dict)
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    ike: bool = False


@dataclass(frozen=True, slots=True)
class EspRefusal:
    """ESP that was refused. `reason`: "invalid SPI", "replay", "integrity", "length", "identity"; once per burst."""

    reason: str
    local: IPv4Address
    peer: IPv4Address
    spi: int
    sequence: int


@dataclass(frozen=True, slots=True)
class LinkState:
    """An interface as it is. `carrier` is whether packets can pass; `reason` says why it is not there or failed."""

    name: str
    present: bool
    carrier: bool = False
    mtu: int = 1500
    mac: str = ""
    addresses: tuple[IPv4Interface, ...] = ()
    reason: str | None = None
    speed_kbps: int | None = None


@dataclass(frozen=True, slots=True)
class ArpEntry:
    """A neighbour of a physical interface. `age_s` None: an address of our own."""

    interface: str
    address: IPv4Address
    mac: str | None
    age_s: float | None


@dataclass(frozen=True, slots=True)
class PlaneCounters:
    """Everything a plane counts: per interface, per tunnel and NBMA address (packets out), and drops by reason."""

    interfaces: Mapping[str, InterfaceCounters] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    sas: Mapping[SaKey, SaCounters] = field(default_factory=dict)


#: The name under which a plane shows what a router sends to its own addresses.
TO_ITSELF = "lo"


@dataclass(frozen=True, slots=True)
class SeenPacket:
    """A packet as it passed an interface that is watched.

    `data` of a tunnel is an IPv4 header, GRE, and what is inside, in the clear: before ESP on its way out, after it on
    its way in. (Of the outer header of what came in only the addresses are known.) Of every other interface it is the
    Ethernet frame as it is on the wire, cut into segments and with its checksums; a device without Ethernet gets a
    header of zeros. `length` is the packet's own where `data` is only its beginning. `at` is the wall clock in seconds.
    """

    interface: str
    inbound: bool
    at: float
    data: bytes
    length: int


class PlaneSink(Protocol):
    """What a plane tells its router; called on the router's own thread or loop."""

    def link_changed(self, state: LinkState) -> None: ...

    def next_hop_missed(self, interface: str, address: IPv4Address) -> None:
        """A packet waits for a neighbour on a tunnel that has no adjacency yet."""

    def received(self, datagram: Datagram) -> None:
        """NHRP came in on a tunnel."""

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address]) -> None:
        """Data went to these NBMA addresses since the last report (about twice a second, only if any)."""

    def ike_received(self, datagram: UdpDatagram) -> None:
        """An IKE message came in on UDP 500 or 4500."""

    def sa_missed(self, interface: str, peer: IPv4Address) -> None:
        """A packet of a protected tunnel to this NBMA address has no SA to leave by; it is held a little."""

    def sas_used(self, used: Mapping[SaKey, SaCounters]) -> None:
        """SAs that carried packets since the last report (about twice a second), with their counters."""

    def sa_worn(self, key: SaKey) -> None:
        """An outbound SA has reached its `soft_octets`, or nearly the last sequence number."""

    def sas_lost(self) -> None:
        """The forwarder died and took its SAs and their sequence numbers along: all must be made anew."""

    def esp_refused(self, refusal: EspRefusal) -> None:
        """ESP was refused; rate-limited by the plane."""

    def ike_closed(self, reason: str | None) -> None:
        """UDP 500 or 4500 cannot be opened (another IKE daemon has it, say); None: now they are open."""

    def noticed(self, event: LogEvent) -> None:
        """Something about the plane itself that belongs into the log."""

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        """Packets were refused for a reason worth a log line (`"key mismatch"`); rate-limited by the plane."""

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        """What passed the interfaces that are watched; those of one interface are in order."""

    def packets_missed(self, interface: str, count: int) -> None:
        """So many packets of a watched interface passed unseen, because there were too many at once."""


class Plane(Protocol):
    """A data plane. `apply` never raises for a single object that fails: it reports a LinkState with the reason."""

    name: str

    def apply(self, desired: Desired) -> None: ...

    def send(self, datagram: Datagram) -> None:
        """A farewell leaves by the tunnel as it is, before what is applied next."""

    def secure(self, change: SaChange) -> None:
        """Put SAs in place and take them out; in force before anything that is sent afterwards leaves."""

    def send_ike(self, datagram: UdpDatagram) -> None: ...

    def watch(self, interfaces: frozenset[str]) -> None:
        """The interfaces whose packets the sink is to see from now on; nothing costs nothing."""

    async def caught_up(self) -> None:
        """Wait until each packet that has passed a watched interface so far is told, as seen or as missed."""

    async def counters(self) -> PlaneCounters: ...

    async def arp(self) -> tuple[ArpEntry, ...]: ...
