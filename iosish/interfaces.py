"""Which interfaces are up, and why one is not: from the configuration and what the data plane reports. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface

from iosish import protection, recursive_routes
from iosish.config.interface_name import is_subinterface, kind
from iosish.config.model import Config, Interface
from iosish.desired import LinkState
from iosish.rib import Rib, build

#: Kinds that need no device from outside.
DEVICELESS = ("Tunnel", "Loopback", "Null")
GRE_MODES = ("gre ip", "gre multipoint")
#: Outer headers in front of an inner packet (RFC 2784, 2890): IP and GRE, and the key.
GRE_OVERHEAD, KEY_OVERHEAD = 24, 4


@dataclass(frozen=True, slots=True)
class Status:
    """An interface as it works out. `source` is a tunnel's outer address; `reason` says why the line is down.

    `guarded`: a protected tunnel that was not shut by hand, so that what leads into it takes no other way.
    `claim` is by what a tunnel's packets are known: one that is up keeps it when another wants the same.
    """

    name: str
    admin_up: bool
    line_up: bool
    reason: str | None = None
    source: IPv4Address | None = None
    addresses: tuple[IPv4Interface, ...] = ()
    guarded: bool = False
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What tells the packets of one tunnel from those of the others; `tag` and `profile` are its protection."""

    source: IPv4Address
    key: int | None
    destination: IPv4Address | None
    tag: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What was so before: statuses, the names of crypto maps, and tunnels that are not to come up yet."""

    statuses: Mapping[str, Status] = field(default_factory=dict)
    tags: Mapping[str, str] | None = None
    held_down: Collection[str] = ()


def addresses(interface: Interface) -> tuple[IPv4Interface, ...]:
    """Primary address first."""
    primary = (interface.ip_address.interface,) if interface.ip_address else ()
    return primary + tuple(extra.interface for extra in interface.secondary.values())


def held(config: Config, interface: Interface) -> str | None:
    """Why the interface stays down whatever else holds: it asks for something that is not built, or not there.

    A kept line never opens what it was to close: what should be apart (a VRF) or protected is not run in the clear.
    """
    tunnel = interface.tunnel
    if is_subinterface(interface.name):
        return "subinterfaces are kept without effect"
    if vrf := interface.vrf or interface.ip_vrf:
        return f"VRF {vrf}: VRFs are not supported yet"
    if kind(interface.name) != "Tunnel":
        return None
    if tunnel.vrf is not None:
        return f"tunnel vrf {tunnel.vrf}: VRFs are not supported yet"
    if tunnel.mode not in GRE_MODES:
        return f"tunnel mode {tunnel.mode} is not supported"
    if reason := protection.held(config, interface):
        return f"tunnel protection: {reason}"
    return None


def transport_mtu(interface: Interface) -> int:
    """`Tunnel transport MTU`: what fits into one packet of 1500 octets."""
    return 1500 - GRE_OVERHEAD - (KEY_OVERHEAD if interface.tunnel.key is not None else 0)


def evaluate(
    config: Config, links: Mapping[str, LinkState], known: Known | None = None
) -> tuple[dict[str, Status], Rib]:
    """The status of every interface, and the routing table that follows from it."""
    known = known or Known()
    tags = protection.MapTags().follow(config) if known.tags is None else known.tags
    statuses: dict[str, Status] = {}
    tunnels: list[tuple[bool, Interface, Claim | None]] = []
    for name, interface in config.interfaces.items():
        if kind(name) != "Tunnel":
            statuses[name] = _plain(config, interface, links.get(name))
    for name, interface in config.interfaces.items():
        if kind(name) == "Tunnel":
            claim, before = _claim(config, interface, statuses, tags), known.statuses.get(name)
            newcomer = before is None or not before.line_up or before.claim != claim
            tunnels.append((newcomer, interface, claim))
    transport = build(config.routes.values(), statuses)
    taken: dict[tuple[IPv4Address, int | None], str] = {}
    claims = protection.Claims(config, tags)
    for _, interface, claim in sorted(tunnels, key=lambda entry: entry[0]):
        status = _tunnel(config, interface, statuses, transport, links.get(interface.name), taken, claims)
        statuses[interface.name] = replace(status, claim=claim)
    ordered = {name: statuses[name] for name in config.interfaces}
    rib = build(config.routes.values(), ordered)
    recursive = recursive_routes.find(config, ordered, rib).union(known.held_down)
    down = [name for name in recursive if ordered[name].line_up]
    if not down:
        return ordered, rib
    for name in down:
        ordered[name] = replace(ordered[name], line_up=False, reason=recursive_routes.REASON)
    return ordered, build(config.routes.values(), ordered)


def _claim(
    config: Config, interface: Interface, statuses: Mapping[str, Status], tags: Mapping[str, str]
) -> Claim | None:
    tunnel = interface.tunnel
    source = _source(tunnel.source, statuses)[0] if tunnel.source is not None else None
    if source is None:
        return None
    destination = None if tunnel.mode == "gre multipoint" else tunnel.destination
    profile = protection.isakmp_profile_name(config, interface)
    return Claim(source, tunnel.key, destination, tags.get(interface.name), profile)


def _plain(config: Config, interface: Interface, link: LinkState | None) -> Status:
    name = interface.name
    admin_up = not interface.shutdown
    own = addresses(interface)
    if not admin_up:
        return Status(name, False, False, "administratively down", None, own)
    if reason := held(config, interface):
        return Status(name, True, False, reason, None, own)
    if kind(name) in ("Loopback", "Null"):
        return Status(name, True, True, None, None, own)
    if link is None or not link.present:
        reason = link.reason if link and link.reason else "no device behind this interface"
        return Status(name, True, False, reason, None, own)
    if not link.carrier:
        return Status(name, True, False, link.reason or "no carrier", None, own)
    return Status(name, True, True, link.reason, None, own)


def _tunnel(
    config: Config,
    interface: Interface,
    statuses: Mapping[str, Status],
    transport: Rib,
    link: LinkState | None,
    taken: dict[tuple[IPv4Address, int | None], str],
    claims: protection.Claims,
) -> Status:
    name, tunnel, own = interface.name, interface.tunnel, addresses(interface)
    guarded = tunnel.protection is not None
    if interface.shutdown:
        return Status(name, False, False, "administratively down", None, own)

    def down(reason: str, source: IPv4Address | None = None) -> Status:
        return Status(name, True, False, reason, source, own, guarded)

    if reason := held(config, interface):
        return down(reason)
    if tunnel.source is None:
        return down("no tunnel source")
    source, why = _source(tunnel.source, statuses)
    if source is None:
        return down(why)
    multipoint = tunnel.mode == "gre multipoint"
    if not multipoint:
        if tunnel.destination is None:
            return down("no IPv4 tunnel destination address", source)
        if transport.lookup(tunnel.destination) is None:
            return down("no output interface", source)
    if link is not None and link.reason:
        return down(link.reason, source)
    if multipoint:
        # Only source and key tell which mGRE tunnel a packet belongs to.
        other = taken.setdefault((source, tunnel.key), name)
        if other != name:
            return down(f"Tunnel source/key already in use by {other}", source)
    if refusal := claims.refusal(interface, source):
        return down(f"tunnel protection: {refusal}", source)
    return Status(name, True, True, None, source, own, guarded)


def _source(source: IPv4Address | str, statuses: Mapping[str, Status]) -> tuple[IPv4Address | None, str]:
    if isinstance(source, str):
        status = statuses.get(source)
        if status is None or not status.addresses:
            return None, f"tunnel source {source} has no address"
        if not status.line_up:
            return None, f"tunnel source {source} is down"
        return status.addresses[0].ip, ""
    for status in statuses.values():
        if any(address.ip == source for address in status.addresses):
            if status.line_up:
                return source, ""
            return None, f"interface {status.name} of tunnel source {source} is down"
    return None, f"tunnel source {source} is no address of this router"
