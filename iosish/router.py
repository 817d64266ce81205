"""One router, without I/O: the configuration and what the engines learn become the desired state of a data plane.

Whoever drives it (the runtime, or the memory plane's world) gives it configurations, what the plane reports, and time;
it takes `desired` when `changed()` says so, `datagrams`, and `events` for the log.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from iosish import interfaces, protection, recursive_routes
from iosish.config.interface_name import kind
from iosish.config.model import Config, Interface
from iosish.crypto_sockets import CryptoSockets
from iosish.desired import Desired, EspRefusal, KernelRoute, Link, LinkKind, LinkState, SaChange
from iosish.engine import Datagram, Event, LogEvent, UdpDatagram
from iosish.forwarding.tables import Tunnel
from iosish.ike import log_text
from iosish.ike.engine import IkeEngine
from iosish.ike.events import FlowDown, FlowUp
from iosish.ike.state import IkeState
from iosish.interfaces import Status
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.nhrp import config as nhrp_config
from iosish.nhrp.config import Sessions
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.events import PeerDead, SessionCleared
from iosish.nhrp.state import NhrpState
from iosish.rib import Rib

#: The adjacency of a point-to-point tunnel; peers of multipoint tunnels count from here on.
FIRST_ADJACENCY = 1
#: Log lines about refused packets: at most this many wait to be taken.
MAX_EVENTS = 1000


class Router:
    """Joins the configuration, the routing table and the engines of one router."""

    def __init__(self, source: random.Random) -> None:
        self.config = Config()
        self.links: dict[str, LinkState] = {}
        self.statuses: dict[str, Status] = {}
        self.changed_at: dict[str, float] = {}
        self.rib = Rib()
        self.random = source
        self.nhrp = NhrpEngine(source, self._overlay_route)
        self.ike = IkeEngine(source)
        self._sockets = CryptoSockets(self.ike, self.nhrp)
        self.desired = Desired()
        self._adjacencies: dict[str, dict[IPv4Address, int]] = {}
        self._next_adjacency = FIRST_ADJACENCY
        self._nhrp_version: object = None
        self._changed = False
        self._events: list[Event] = []
        self._reasons_said: dict[str, str] = {}
        self._maps: dict[str, str] = {}
        self._single: dict[str, frozenset[IPv4Address]] = {}
        self._map_tags = protection.MapTags()
        self._tags: Mapping[str, str] = {}
        self._recursive: dict[str, float | None] = {}  # when they may come up again; None: as soon as that is mended

    # What the driver tells

    def configure(self, config: Config, now: float) -> None:
        """Take a new running configuration."""
        self.config = config
        self._reconcile(now)

    def link_changed(self, state: LinkState, now: float) -> None:
        if self.links.get(state.name) != state:
            self.links[state.name] = state
            if kind(state.name) != "Loopback":  # up whatever its device does: a thousand of them cost nothing
                self._reconcile(now)

    def next_hop_missed(self, interface: str, address: IPv4Address, now: float) -> None:
        self.nhrp.resolve(interface, address, now)
        self._settle(now)

    def received(self, datagram: Datagram, now: float) -> None:
        if datagram.protected and not self.ike.takes_from(datagram.local, datagram.peer):
            datagram = replace(datagram, late=True)  # the plane had opened it before it heard that the SA ends
        self.nhrp.receive(datagram, now)
        self._settle(now)

    def adjacencies_used(self, interface: str, peers: frozenset[IPv4Address], now: float) -> None:
        self.nhrp.used(interface, peers, now)
        self._settle(now)

    def ike_received(self, datagram: UdpDatagram, now: float) -> None:
        self.ike.receive(datagram, now)
        self._settle(now)

    def sa_missed(self, interface: str, peer: IPv4Address, now: float) -> None:
        self._sockets.missed(interface, peer, now)
        self._settle(now)

    def sas_used(self, used: Mapping[SaKey, SaCounters], now: float) -> None:
        self.ike.used(used, now)
        self._settle(now)

    def sa_worn(self, key: SaKey, now: float) -> None:
        self.ike.worn(key, now)
        self._settle(now)

    def sas_lost(self, now: float) -> None:
        self.ike.lost(now)
        self._settle(now)

    def esp_refused(self, refusal: EspRefusal, now: float) -> None:
        self.ike.esp_refused(refusal.reason, refusal.local, refusal.peer, refusal.spi, refusal.sequence, now)
        self._settle(now)

    def ike_closed(self, reason: str | None, now: float) -> None:
        if reason is not None:
            self._log(LogEvent("IOSISH", 3, "IKE_PORT", f"IKE cannot work: {reason}"))

    def noticed(self, event: LogEvent) -> None:
        self._log(event)

    def dropped(self, interface: str | None, reason: str, peer: IPv4Address) -> None:
        status = self.statuses.get(interface or "")
        if reason == "not protected" and status is not None and status.source is not None:
            self._log(log_text.not_ipsec(status.source, peer))
            return
        where = interface or "GRE"
        self._log(LogEvent("IOSISH", 4, "GRE_REFUSED", f"{where}: packets from {peer} are refused: {reason}"))

    def wake(self, now: float) -> None:
        if any(until <= now for _, until in self._holds()):
            self._reconcile(now)
        self.nhrp.wake(now)
        self.ike.wake(now)
        self._settle(now)

    def next_wake(self) -> tuple[float, str] | None:
        held = [(until, f"recursive routing {name}") for name, until in self._holds()]
        return min(filter(None, (self.nhrp.next_wake(), self.ike.next_wake(), *held)), default=None)

    def clear_nhrp(self, interface: str | None, address: IPv4Address | None, now: float) -> None:
        self.nhrp.clear(interface, address, now)
        self._settle(now)

    def clear_dmvpn(self, sessions: Sessions, now: float) -> None:
        self.nhrp.clear_sessions(sessions, now)
        self._settle(now)

    def clear_nhrp_counters(self, interface: str | None) -> None:
        self.nhrp.clear_counters(interface)

    def clear_crypto_sa(self, peer: IPv4Address | None, now: float) -> None:
        self.ike.clear_sa(peer, now)
        self._settle(now)

    def clear_crypto_isakmp(self, connection_id: int | None, now: float) -> None:
        self.ike.clear_isakmp(connection_id, now)
        self._settle(now)

    def clear_crypto_session(self, peer: IPv4Address | None, now: float) -> None:
        self.ike.clear_session(peer, now)
        self._settle(now)

    def clear_crypto_counters(self, counted: Mapping[SaKey, SaCounters]) -> None:
        self.ike.clear_counters(counted)

    def end(self, now: float) -> None:
        """Give up every SA; what tells the peers is in `ike_datagrams`."""
        self.ike.configure(None, now)

    def debug(self, topics: frozenset[str]) -> None:
        """What is debugged from now on."""
        self.nhrp.debug = self.ike.debug = self._sockets.debug = topics

    def tunnels_to(self, peer: IPv4Address) -> Mapping[str, frozenset[IPv4Address]]:
        """The tunnels that lead to an NBMA address, with the addresses inside them that are known to be there. Who is
        not known yet may come to any protected one."""
        none = frozenset[IPv4Address]()
        found = {name: none for name, peers in self._single.items() if peer in peers} | self.nhrp.behind(peer)
        return found or dict.fromkeys(self._maps, none)

    # What the driver takes

    def changed(self) -> bool:
        """Whether `desired` differs from what was last taken.

        It is worked out here, once for all that came in since, so that a burst of registrations costs little.
        """
        self._learn()
        changed, self._changed = self._changed, False
        return changed

    def datagrams(self) -> list[Datagram]:
        return self.nhrp.datagrams()

    def sa_changes(self) -> list[SaChange]:
        return self.ike.changes()

    def ike_datagrams(self) -> list[UdpDatagram]:
        return self.ike.datagrams()

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def servers(self) -> list[tuple[str, IPv4Address, bool]]:
        """Each next hop server: interface, address, whether it answers."""
        return self.nhrp.servers()

    def nhrp_state(self, now: float) -> NhrpState:
        return self.nhrp.state(now)

    def ike_state(self, now: float) -> IkeState:
        return self.ike.state(now)

    @property
    def sockets(self) -> Mapping[str, int]:
        """What became of crypto sockets, see `CryptoSockets.counts`."""
        return self._sockets.counts

    # Within

    def _log(self, event: Event) -> None:
        if len(self._events) < MAX_EVENTS:
            self._events.append(event)

    def _overlay_route(self, interface: str, destination: IPv4Address) -> tuple[str, IPv4Address] | None:
        """Where the routing table sends a packet to `destination`, for NHRP requests on their way."""
        path = self.rib.lookup(destination)
        if path is None or path.out is None or path.out == "Null0":
            return None
        return path.out, path.via or destination

    def _reconcile(self, now: float) -> None:
        before = self.statuses
        self._tags = self._map_tags.follow(self.config)
        held_down = [name for name, until in self._holds() if until > now and name in self.config.interfaces]
        known = interfaces.Known(before, self._tags, held_down)
        self.statuses, self.rib = interfaces.evaluate(self.config, self.links, known)
        self._note_recursive(now)
        self._note_changes(before, now)
        for name in set(self.links) - set(self.config.interfaces):
            del self.links[name]
        self.nhrp.configure(self._nhrp_config(), now)
        ike = protection.ike_config(self.config, self._protected(), self._tags)
        self.ike.configure(ike, now)
        self._sockets.configure(ike.maps, now)
        self._maps = {name: tag for tag, crypto_map in ike.maps.items() for name in crypto_map.interfaces}
        self._single = {name: peers for name in self._maps if (peers := _only_peer(self.config.interfaces[name]))}
        self._nhrp_version = None
        self._settle(now)

    def _protected(self) -> dict[str, IPv4Address]:
        """The protected tunnels that are up, with their outer address."""
        interfaces = self.config.interfaces
        return {
            name: status.source
            for name, status in self.statuses.items()
            if status.line_up and status.source is not None and interfaces[name].tunnel.protection is not None
        }

    def _settle(self, now: float) -> None:
        """Hand on what one engine has for another, until none has anything."""
        while True:
            self._sockets.follow(self._wanted_peers(), now)
            self._log_sockets()
            events = [*self.ike.events(), *self.nhrp.events()]
            for event in events:
                match event:
                    case FlowUp(flow):
                        self._sockets.up(flow, now)
                    case FlowDown(flow, "idle"):
                        self._sockets.idle(flow)
                    case FlowDown(flow):
                        self._sockets.down(flow, now)
                    case PeerDead(_, nbma) | SessionCleared(_, nbma):
                        self.ike.clear_session(nbma, now)
                    case _:
                        self._log(event)
                self._log_sockets()
            if not events:
                return

    def _log_sockets(self) -> None:
        sockets = self._sockets
        debugs, said, sockets.debugs, sockets.events = sockets.debugs, sockets.events, [], []
        for line in (*debugs, *said):
            self._log(line)

    def _wanted_peers(self) -> Mapping[str, frozenset[IPv4Address]]:
        """The far ends that the GRE of each protected tunnel goes to."""
        wanted = self.nhrp.wanted()
        return {**wanted, **self._single} if self._single else wanted

    def _note_recursive(self, now: float) -> None:
        """Remember which tunnels are down by their own routes, each for a while; one that still would be stays so."""
        before, self._recursive = self._recursive, {}
        for name, status in self.statuses.items():
            if status.reason == recursive_routes.REASON:
                until = before.get(name, now + recursive_routes.HOLD_S)
                self._recursive[name] = until if until is not None and until > now else None
                if name not in before:
                    text = f"{name} temporarily disabled due to recursive routing"
                    self._log(LogEvent("TUN", 5, "RECURDOWN", text))

    def _holds(self) -> Iterator[tuple[str, float]]:
        return ((name, until) for name, until in self._recursive.items() if until is not None)

    def _note_changes(self, before: Mapping[str, Status], now: float) -> None:
        for name, status in self.statuses.items():
            old = before.get(name)
            if old is None or (old.admin_up, old.line_up) != (status.admin_up, status.line_up):
                self.changed_at[name] = now
                for event in _transitions(old, status):
                    self._log(event)
        for name in set(before) - set(self.statuses):
            self.changed_at.pop(name, None)
            self._reasons_said.pop(name, None)
        self._say_reasons()

    def _say_reasons(self) -> None:
        """Log why a line stays down, each reason once, when the plane has said of all devices if they are there."""
        if any(name not in self.links for name in self.config.interfaces if kind(name) not in interfaces.DEVICELESS):
            return
        for name, status in self.statuses.items():
            reason = status.reason if status.admin_up and not status.line_up else None
            # A lost carrier is said by the change of state itself, also to those that hang on it.
            # What RECURDOWN says is not said again.
            if reason is not None and reason.endswith(("is down", "no carrier", recursive_routes.REASON)):
                reason = None
            if reason is None:
                self._reasons_said.pop(name, None)
            elif self._reasons_said.get(name) != reason:
                self._reasons_said[name] = reason
                self._log(LogEvent("IOSISH", 4, "LINE_DOWN", f"Interface {name} stays down: {reason}"))

    def _nhrp_config(self) -> nhrp_config.NhrpConfig:
        tunnels: dict[str, nhrp_config.NhrpInterface] = {}
        for name, interface in self.config.interfaces.items():
            if kind(name) == "Tunnel" and interface.nhrp.network_id is not None and interface.ip_address is not None:
                tunnels[name] = _nhrp_interface(interface, self.statuses[name], self.statuses)
        return nhrp_config.NhrpConfig(tunnels)

    def _learn(self) -> None:
        """Put what the engines learned into the desired state, if it is news."""
        if self._nhrp_version == self.nhrp.version:
            return
        self._nhrp_version = self.nhrp.version
        desired = self._desired()
        if desired != self.desired:
            self.desired = desired
            self._changed = True

    def _desired(self) -> Desired:
        links: dict[str, Link] = {}
        tunnels: dict[str, Tunnel] = {}
        neighbours: dict[tuple[str, IPv4Address], int] = {}
        learned = self.nhrp.forwarding()
        for name, interface in self.config.interfaces.items():
            status = self.statuses[name]
            link = _link(self.config, interface, status)
            if link is None:
                continue
            links[name] = link
            if link.kind is not LinkKind.TUNNEL:
                continue
            tunnel = _tunnel(interface, status, self._tags.get(name))
            if not status.line_up:
                self._adjacencies.pop(name, None)
            elif not tunnel.multipoint:
                destination = interface.tunnel.destination
                assert destination is not None  # a point-to-point tunnel without one is not up
                tunnel = replace(tunnel, adjacencies={FIRST_ADJACENCY: destination}, multicast=(destination,))
            elif name in learned:
                peers = learned[name]
                indexes = self._indexes(name, set(peers.neighbours.values()))
                neighbours.update(((name, address), indexes[nbma]) for address, nbma in peers.neighbours.items())
                looped = recursive_routes.goes_round(self.rib, name, peers.neighbours)
                adjacencies = {index: nbma for nbma, index in indexes.items() if nbma not in looped}
                tunnel = replace(tunnel, adjacencies=adjacencies, multicast=tuple(peers.multicast))
            tunnels[name] = tunnel
        for name in set(self._adjacencies) - set(tunnels):
            del self._adjacencies[name]
        return Desired(links, self._routes() | self._guard_routes(), neighbours, tunnels, ike=bool(self._maps))

    def _indexes(self, tunnel: str, peers: set[IPv4Address]) -> dict[IPv4Address, int]:
        """An index for each peer of a tunnel: kept while the peer is known, never used again for another one."""
        indexes = self._adjacencies.setdefault(tunnel, {})
        for gone in set(indexes) - peers:
            del indexes[gone]
        for nbma in sorted(peers - set(indexes)):
            indexes[nbma] = self._next_adjacency
            self._next_adjacency = self._next_adjacency % 0xFFFFFFFE + 1
        return dict(indexes)

    def _routes(self) -> frozenset[KernelRoute]:
        routes = set()
        for network, paths in self.rib.paths.items():
            path = paths[0]
            if path.code != "S":
                continue  # the kernel makes the routes of addresses itself
            discard = path.out == "Null0"
            routes.add(KernelRoute(network, None if discard else path.out, None if discard else path.via))
        return frozenset(routes)

    def _guard_routes(self) -> frozenset[KernelRoute]:
        """What stops the packets of protected tunnels when a tunnel, or this process, is no longer there to take them.

        Guarded is every prefix that leads into such a tunnel, or would if it were up; one that was shut by hand follows
        the routing table, as on IOS.
        """
        return frozenset(KernelRoute(network, guard=True) for network in self.rib.guarded)


def _transitions(old: Status | None, new: Status) -> list[LogEvent]:
    """What IOS logs when an interface changes: the link first, then its line protocol."""
    events: list[LogEvent] = []
    name = new.name
    if old is not None and old.admin_up and not new.admin_up:
        text = f"Interface {name}, changed state to administratively down"
        events.append(LogEvent("LINK", 5, "CHANGED", text))
    elif kind(name) == "Tunnel":  # its link is up while it is not shut
        if new.admin_up and (old is None or not old.admin_up):
            events.append(LogEvent("LINK", 5, "UPDOWN", f"Interface {name}, changed state to up"))
    elif new.line_up and (old is None or not old.line_up) and kind(name) not in ("Loopback", "Null"):
        events.append(LogEvent("LINK", 3, "UPDOWN", f"Interface {name}, changed state to up"))
    elif old is not None and old.line_up and new.admin_up:
        events.append(LogEvent("LINK", 3, "UPDOWN", f"Interface {name}, changed state to down"))
    if (old.line_up if old else False) != new.line_up:
        state = "up" if new.line_up else "down"
        text = f"Line protocol on Interface {name}, changed state to {state}"
        events.append(LogEvent("LINEPROTO", 5, "UPDOWN", text))
    return events


def _link(config: Config, interface: Interface, status: Status) -> Link | None:
    """The device that an interface wants; None where it can have none."""
    what = kind(interface.name)
    if what == "Null" or (what != "Tunnel" and interfaces.held(config, interface) is not None):
        return None
    addresses: tuple[IPv4Interface, ...] = interfaces.addresses(interface)
    if what == "Loopback":
        return Link(interface.name, LinkKind.LOOPBACK, status.admin_up, None, addresses)
    if what == "Tunnel":
        mtu = interface.ip_mtu or interfaces.transport_mtu(interface)
        # A tunnel that is down has no device routes, so that nothing is sent into it.
        return Link(interface.name, LinkKind.TUNNEL, status.line_up, mtu, addresses)
    own_mtu, mss = interface.ip_mtu or interface.mtu, interface.adjust_mss
    return Link(interface.name, LinkKind.PHYSICAL, status.admin_up, own_mtu, addresses, mss)


def _only_peer(interface: Interface) -> frozenset[IPv4Address]:
    """The far end of a point-to-point tunnel."""
    tunnel = interface.tunnel
    if tunnel.mode == "gre multipoint" or tunnel.destination is None:
        return frozenset()
    return frozenset({tunnel.destination})


def _tunnel(interface: Interface, status: Status, tag: str | None) -> Tunnel:
    settings = interface.tunnel
    return Tunnel(
        name=interface.name,
        local=status.source if status.line_up else None,
        key=settings.key,
        multipoint=settings.mode == "gre multipoint",
        address=interface.ip_address.address if interface.ip_address else None,
        mtu=interface.ip_mtu or interfaces.transport_mtu(interface),
        tos=settings.tos,
        ttl=settings.ttl,
        path_mtu_discovery=settings.path_mtu_discovery,
        adjust_mss=interface.adjust_mss,
        blocked=None if status.line_up else status.reason or "down",
        crypto_map=tag,
    )


def _nhrp_interface(interface: Interface, status: Status, statuses: Mapping[str, Status]) -> nhrp_config.NhrpInterface:
    settings = interface.nhrp
    assert interface.ip_address is not None and settings.network_id is not None
    responder = statuses.get(settings.responder) if settings.responder else None
    return nhrp_config.NhrpInterface(
        name=interface.name,
        up=status.line_up,
        address=interface.ip_address.interface,
        nbma=status.source,
        multipoint=interface.tunnel.mode == "gre multipoint",
        destination=interface.tunnel.destination,
        key=interface.tunnel.key,
        network_id=settings.network_id,
        authentication=settings.authentication.octets if settings.authentication is not None else None,
        map=dict(settings.map),
        multicast=tuple(settings.multicast),
        multicast_dynamic=settings.multicast_dynamic,
        nhs=tuple(settings.nhs.values()),
        holdtime_s=settings.holdtime_s,
        registration_timeout_s=settings.registration_timeout_s,
        unique=not settings.registration_no_unique,
        server_only=settings.server_only,
        record=settings.record,
        responder=responder.addresses[0].ip if responder and responder.addresses else None,
        direct_reply=settings.redirect or settings.shortcut,
        protected=interface.tunnel.protection is not None,
    )
