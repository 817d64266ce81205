"""What several commands say of an interface: its two states, MTUs, and the address of its tunnel source."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.config.model import Interface, TunnelSettings
from iosish.show.text import by_name, kind
from iosish.snapshot import InterfaceState, Snapshot

GRE_HEADER = 24
GRE_KEY = 4
#: The MTU of an IOS tunnel interface itself: a packet buffer without the outer headers.
TUNNEL_MTU = 17940
LOOPBACK_MTU = 1514
ETHERNET_MTU = 1500


@dataclass(frozen=True, slots=True)
class Line:
    """An interface with its configuration and its state; one that the snapshot knows no state of is down."""

    config: Interface
    state: InterfaceState

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def kind(self) -> str:
        return kind(self.config.name)

    @property
    def is_tunnel(self) -> bool:
        return self.kind == "Tunnel"

    @property
    def is_loopback(self) -> bool:
        return self.kind == "Loopback"

    @property
    def has_device(self) -> bool:
        return self.state.link is not None and self.state.link.present

    @property
    def hardware_up(self) -> bool:
        """A tunnel or loopback is up unless it is shut; a port needs its carrier."""
        if self.is_tunnel or self.is_loopback or self.state.line_up:
            return True
        return self.state.link is not None and self.state.link.present and self.state.link.carrier

    @property
    def status(self) -> str:
        """`up`, `down` or `administratively down`."""
        if not self.state.admin_up:
            return "administratively down"
        return "up" if self.hardware_up else "down"

    @property
    def protocol(self) -> str:
        return "up" if self.state.admin_up and self.state.line_up else "down"


def lines(snapshot: Snapshot, interface: str | None = None) -> list[Line]:
    """The interfaces of the configuration in the order of show commands; only `interface` if it is named."""
    return [
        line(snapshot, name) for name in sorted(snapshot.config.interfaces, key=by_name) if interface in (None, name)
    ]


def line(snapshot: Snapshot, name: str) -> Line:
    config = snapshot.config.interfaces[name]
    state = snapshot.interfaces.get(name)
    if state is None:
        state = InterfaceState(name, admin_up=not config.shutdown, line_up=False)
    return Line(config, state)


def mtu(line: Line) -> int:
    """The `MTU` of `show interfaces`, in bytes."""
    if line.config.mtu is not None:
        return line.config.mtu
    if line.is_tunnel:
        return TUNNEL_MTU - overhead(line.config.tunnel)
    if line.is_loopback:
        return LOOPBACK_MTU
    return line.state.link.mtu if line.state.link is not None and line.has_device else ETHERNET_MTU


def ip_mtu(snapshot: Snapshot, line: Line) -> int:
    """What an IP packet may have without being cut: `ip mtu`, else what the tunnel's way or the port leaves."""
    if line.config.ip_mtu is not None:
        return line.config.ip_mtu
    if not line.is_tunnel:
        return mtu(line)
    tunnel = snapshot.desired.tunnels.get(line.name)
    return tunnel.mtu if tunnel is not None else transport_mtu(snapshot, line)


def transport_mtu(snapshot: Snapshot, line: Line) -> int:
    """What the port under a tunnel leaves for the packets inside; a loopback stands for any port."""
    port = source_interface(snapshot, line)
    return (ETHERNET_MTU if port is None or port.is_loopback else mtu(port)) - overhead(line.config.tunnel)


def overhead(tunnel: TunnelSettings) -> int:
    return GRE_HEADER + (GRE_KEY if tunnel.key is not None else 0)


def source_interface(snapshot: Snapshot, tunnel: Line) -> Line | None:
    """The port that a tunnel's packets leave from: the one it names, or the one that owns its source address."""
    source = tunnel.config.tunnel.source
    if isinstance(source, IPv4Address):
        for name, config in snapshot.config.interfaces.items():
            if config.ip_address is not None and config.ip_address.address == source:
                return None if kind(name) == "Tunnel" else line(snapshot, name)
        return None
    if source is None or source not in snapshot.config.interfaces or kind(source) == "Tunnel":
        return None
    return line(snapshot, source)
