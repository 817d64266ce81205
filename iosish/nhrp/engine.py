"""The NHRP engine: one station a tunnel, behind the surface that every engine has."""

from __future__ import annotations

import random
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from iosish.engine import Datagram, Event
from iosish.nhrp.answer import answer
from iosish.nhrp.cache import Binding, Kind
from iosish.nhrp.config import NhrpConfig, NhrpInterface, Sessions
from iosish.nhrp.debug import TYPE_NAMES
from iosish.nhrp.extensions import ExtensionType, authentication
from iosish.nhrp.packet import REPLIES, ErrorCode, Exchange, Fault, Packet, PacketType, decode
from iosish.nhrp.purge import obey
from iosish.nhrp.report import report
from iosish.nhrp.server import register
from iosish.nhrp.state import NhrpState
from iosish.nhrp.station import NextHop, Node, Station
from iosish.nhrp.transit import forward, has_unknown
from iosish.nhrp.tunnel import NhrpForwarding, NhrpTunnel
from iosish.nhrp.wire import PacketError

IDENTITY = ("nbma", "own_address", "key", "operational", "protected", "far_end")
"""Settings by which peers know the tunnel: what was learnt under others is worth nothing."""

AGAIN = ("network_id", "authentication", "holdtime_s", "registration_timeout_s", "unique")
"""Settings that the servers have to hear of at once."""

ORIGINATED = frozenset(
    {
        PacketType.RESOLUTION_REQUEST,
        PacketType.REGISTRATION_REQUEST,
        PacketType.PURGE_REQUEST,
        PacketType.ERROR_INDICATION,
        PacketType.TRAFFIC_INDICATION,
    }
)
"""Types whose source is who sent them: with our own address they are a loop or a forgery."""


class NhrpEngine:
    """NHRP for all tunnels of a router.

    `random` gives the jitter of retries. `next_hop` tells where the overlay route of a destination leads, see
    `station.NextHop`; without it every destination is on the tunnel itself.
    """

    def __init__(self, random: random.Random, next_hop: NextHop | None = None) -> None:
        self._node = Node(random, next_hop)
        self._tunnels: dict[str, NhrpTunnel] = {}
        self._version = 0
        self._wanted: Mapping[str, frozenset[IPv4Address]] = MappingProxyType({})

    @property
    def debug(self) -> frozenset[str]:
        """The topics of `iosish.nhrp.debug` that are wanted."""
        return self._node.debug

    @debug.setter
    def debug(self, topics: frozenset[str]) -> None:
        self._node.debug = topics

    # --- the surface of every engine --------------------------------------------------------------------------------

    def configure(self, config: NhrpConfig | None, now: float) -> None:
        """Take a new configuration, or None to shut down. Equal values change nothing."""
        wanted = config.interfaces if config is not None else {}
        for name in [name for name in self._tunnels if name not in wanted]:
            tunnel = self._tunnels.pop(name)
            self._stop(tunnel, now)
            del self._node.stations[name]
            self._version += tunnel.station.cache.version + 1
        for name, interface in wanted.items():
            known = self._tunnels.get(name)
            if known is None:
                self._add(interface, now)
            elif known.station.config != interface:
                self._change(known, interface, now)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take what a peer sent. Never raises for what is in it."""
        tunnel = self._tunnels.get(datagram.interface)
        if tunnel is None or not tunnel.station.config.operational:
            return
        station = tunnel.station
        if not self._node.peers.allows(datagram.peer, now):
            station.refused["rate limit"] += 1
            return
        try:
            if station.config.protected and not datagram.protected:
                raise PacketError("clear text on a protected tunnel")
            if datagram.peer == station.nbma:
                raise PacketError("own NBMA address as source")
            packet = decode(datagram.payload)
            station.received[TYPE_NAMES[packet.type]] += 1
            if self._node.debug:
                station.trace_received(datagram.peer, packet, datagram.payload)
            if datagram.late and packet.type is not PacketType.PURGE_REQUEST:
                # It would bring back what ended with the SA, and we would have somebody to make an SA with. A purge
                # takes back: it may well be the last that a peer says by its SA. What else is lost is said again.
                station.refused["its SA has ended"] += 1
                return
            self._check(station, packet)
            if self._authentic(station, datagram, packet, now):
                self._dispatch(tunnel, datagram, packet, now)
        except PacketError as error:
            station.refuse(datagram.peer, error.reason, now)

    def wake(self, now: float) -> None:
        """Do everything that is due at or before `now`."""
        while (key := self._node.timers.pop_due(now)) is not None:
            tunnel = self._tunnels.get(key.interface)
            if tunnel is None:
                continue
            if key.reason == "registration":
                tunnel.client.due(key.address, now)
                tunnel.follow_servers(now)
            elif key.reason == "resolution":
                tunnel.resolver.due(key.address, now)
            elif key.reason == "refresh":
                tunnel.resolver.due_refresh(key.address, now)
            elif key.reason == "security":
                tunnel.due_security(key.address, now)
            elif key.reason == "reply":
                tunnel.resolver.release_replies(key.address, now)
            else:
                self._lapse(tunnel, key.address, now)

    def next_wake(self) -> tuple[float, str] | None:
        """When `wake` is wanted next, and why (`"registration 192.168.0.1"`); None: never."""
        first = self._node.timers.first()
        return None if first is None else (first[0], f"{first[1].reason} {first[1].address}")

    def datagrams(self) -> list[Datagram]:
        """What is to be sent, in order; taken once."""
        return self._node.take_datagrams()

    def events(self) -> list[Event]:
        """What happened since the last call; taken once."""
        return self._node.take_events()

    # --- what the router asks for -----------------------------------------------------------------------------------

    def resolve(self, interface: str, next_hop: IPv4Address, now: float) -> None:
        """A packet waits for a next hop without adjacency: it gets an NHS's at once, and the NHS is asked."""
        tunnel = self._tunnels.get(interface)
        if tunnel is not None:
            tunnel.resolver.resolve(next_hop, now)

    def used(self, interface: str, peers: frozenset[IPv4Address], now: float) -> None:
        """Data went to these NBMA addresses."""
        tunnel = self._tunnels.get(interface)
        if tunnel is not None:
            for peer in peers:
                for binding in tunnel.station.cache.behind(peer):
                    binding.used_at = now

    def behind(self, nbma: IPv4Address) -> dict[str, frozenset[IPv4Address]]:
        """The tunnels in which entries lead to `nbma`, each with their addresses."""
        found = {name: tunnel.station.cache.behind(nbma) for name, tunnel in self._tunnels.items()}
        return {name: frozenset(each.address for each in entries) for name, entries in found.items() if entries}

    def clear(self, interface: str | None, address: IPv4Address | None, now: float) -> None:
        """`clear ip nhrp [address]`: dynamic entries go, the requesters hear of it, a spoke registers again."""
        for name, tunnel in self._tunnels.items():
            if interface in (None, name):
                tunnel.clear_entries(address, now)

    def clear_sessions(self, sessions: Sessions, now: float) -> None:
        """`clear dmvpn session`. The SAs of a protected tunnel's peers go along, as `SessionCleared` asks."""
        for name, tunnel in self._tunnels.items():
            if sessions.interface in (None, name):
                tunnel.clear_sessions(sessions, now)

    def clear_counters(self, interface: str | None) -> None:
        """`clear ip nhrp counters [interface]`: what was sent, received and refused counts from zero."""
        for name, tunnel in self._tunnels.items():
            if interface in (None, name):
                tunnel.station.clear_counters()

    def secured(self, interface: str, nbma: IPv4Address, up: bool, now: float) -> None:
        """Packets between us and this peer of a protected tunnel have an SA now, or none any more.

        Also told of peers that nobody wanted: they asked. All is forgotten when the tunnel goes down, gets another
        NBMA address, or is not protected any more.
        """
        tunnel = self._tunnels.get(interface)
        if tunnel is not None:
            tunnel.secured(nbma, up, now)

    def wanted(self) -> Mapping[str, frozenset[IPv4Address]]:
        """By protected interface the NBMA addresses that need an SA now; unchanged values are the same objects."""
        wanted = {
            name: tunnel.station.protection.wanted()
            for name, tunnel in self._tunnels.items()
            if tunnel.station.config.protected
        }
        if wanted != self._wanted:
            self._wanted = MappingProxyType(wanted)
        return self._wanted

    @property
    def version(self) -> int:
        """Rises whenever `forwarding` changes."""
        return self._version + sum(tunnel.station.cache.version for tunnel in self._tunnels.values())

    def forwarding(self) -> Mapping[str, NhrpForwarding]:
        """By interface; unchanged values are the same objects as last time."""
        return MappingProxyType({name: tunnel.forwarding() for name, tunnel in self._tunnels.items()})

    def state(self, now: float) -> NhrpState:
        """Everything that `show` prints."""
        return NhrpState(MappingProxyType({name: report(tunnel, now) for name, tunnel in self._tunnels.items()}))

    def servers(self) -> list[tuple[str, IPv4Address, bool]]:
        """Each NHS: interface, address, whether it answers. Cheap, for those who look after every change."""
        return [
            (name, address, registration.up)
            for name, tunnel in self._tunnels.items()
            for address, registration in tunnel.client.registrations.items()
        ]

    # --- configuration ----------------------------------------------------------------------------------------------

    def _add(self, interface: NhrpInterface, now: float) -> None:
        station = Station(self._node, interface)
        tunnel = NhrpTunnel(station)
        self._tunnels[interface.name] = tunnel
        self._node.stations[interface.name] = station
        self._version += 1
        self._set_static(tunnel, now)
        tunnel.client.configure(now, again=False)
        tunnel.follow_servers(now)

    def _change(self, tunnel: NhrpTunnel, wanted: NhrpInterface, now: float) -> None:
        """Each changed setting takes effect; a changed identity begins again."""
        station = tunnel.station
        old = station.config
        moved = any(getattr(old, name) != getattr(wanted, name) for name in IDENTITY)
        if moved:
            # From the line of its protection on nothing leaves in the clear.
            self._stop(tunnel, now, silent=wanted.protected and not old.protected)
        multicast = (old.static_multicast, old.nhs_multicast, old.multicast_dynamic)
        station.configure(wanted)
        if multicast != (wanted.static_multicast, wanted.nhs_multicast, wanted.multicast_dynamic):
            self._version += 1
            tunnel.multicast_changed()
        self._set_static(tunnel, now)
        again = moved or any(getattr(old, name) != getattr(wanted, name) for name in AGAIN)
        tunnel.client.configure(now, again)
        tunnel.follow_servers(now)

    def _stop(self, tunnel: NhrpTunnel, now: float, *, silent: bool = False) -> None:
        """The tunnel goes down or away: what was learnt goes, and those who depend on it hear of it."""
        station = tunnel.station
        if station.config.operational:
            with self._node.parting(silent=silent):
                for binding in station.cache:
                    if binding.kind is not Kind.STATIC:
                        tunnel.clear(binding, now)
                tunnel.client.stop(now)
        station.protection.stop()
        station.public_nbma = None
        self._node.timers.cancel_interface(station.name)

    def _set_static(self, tunnel: NhrpTunnel, now: float) -> None:
        """Make the static entries those of the configuration."""
        cache = tunnel.station.cache
        wanted = tunnel.station.config.static_map
        for binding in cache:
            if binding.kind is Kind.STATIC and wanted.get(binding.address) != binding.nbma:
                tunnel.station.forget(binding.address)
        for address, nbma in wanted.items():
            known = cache.get(address)
            if known is None or known.kind is not Kind.STATIC:
                tunnel.station.forget(address)
                known = Binding(address, nbma, Kind.STATIC, created_at=now, changed_at=now, via=address)
                tunnel.station.enter(known)
            known.up = tunnel.station.protection.passes(nbma)

    # --- packets ----------------------------------------------------------------------------------------------------

    def _check(self, station: Station, packet: Packet) -> None:
        if not isinstance(packet.source, IPv4Address) or not isinstance(packet.destination, IPv4Address):
            raise PacketError("protocol addresses are not IPv4")
        if packet.type in ORIGINATED and self._node.is_own(packet.source):
            raise PacketError("own protocol address as source")

    def _authentic(self, station: Station, datagram: Datagram, packet: Packet, now: float) -> bool:
        """Exactly one authentication extension with our password, where we have one; errors carry none."""
        password = station.config.authentication
        if password is None or packet.type is PacketType.ERROR_INDICATION:
            return True
        found = [item.value for item in packet.extensions or () if item.type == ExtensionType.AUTHENTICATION]
        if found == [authentication(password).value]:
            return True
        station.complain(datagram, packet, ErrorCode.AUTHENTICATION_FAILURE, now)
        self._node.log_about(
            datagram.peer,
            now,
            "DMVPN",
            3,
            "DMVPN_NHRP_ERROR",
            f" {station.name}: Recieved wrong authentication string for  "
            f"{TYPE_NAMES[packet.type]} from {datagram.peer}",
        )
        return False

    def _dispatch(self, tunnel: NhrpTunnel, datagram: Datagram, packet: Packet, now: float) -> None:
        station = tunnel.station
        body = packet.body
        toward = packet.source if packet.type in REPLIES else packet.destination
        if packet.type is PacketType.TRAFFIC_INDICATION:
            return  # it goes one hop only, whatever its destination says; counted like all
        if packet.type is PacketType.RESOLUTION_REQUEST and isinstance(body, Exchange):
            answer(tunnel.resolver, datagram, packet, body, now)
        elif not self._is_for_us(packet, toward):
            if isinstance(toward, IPv4Address) and not forward(station, datagram, packet, toward, now):
                station.complain(datagram, packet, ErrorCode.PROTOCOL_ADDRESS_UNREACHABLE, now)
        elif isinstance(body, Fault):
            self._take_error(tunnel, datagram, body, now)
        elif isinstance(body, Exchange):
            if has_unknown(packet.extensions):
                station.complain(datagram, packet, ErrorCode.UNRECOGNIZED_EXTENSION, now)
            else:
                self._take(tunnel, datagram, packet, body, now)

    def _is_for_us(self, packet: Packet, toward: object) -> bool:
        """A client that does not know its server's address registers to its own (RFC 2332 5.2.3)."""
        registers = packet.type is PacketType.REGISTRATION_REQUEST and packet.source == packet.destination
        return registers or self._node.is_own(toward)

    def _take(self, tunnel: NhrpTunnel, datagram: Datagram, packet: Packet, body: Exchange, now: float) -> None:
        station = tunnel.station
        refusal = None
        match packet.type:
            case PacketType.REGISTRATION_REQUEST:
                register(station, datagram, packet, body, now)
            case PacketType.REGISTRATION_REPLY:
                refusal = tunnel.client.reply(packet, body, now)
                tunnel.follow_servers(now)
            case PacketType.RESOLUTION_REPLY:
                refusal = tunnel.resolver.reply(datagram, packet, body, now)
            case PacketType.PURGE_REQUEST:
                obey(station, datagram, packet, body, now)
                tunnel.client.purged(packet, body, now)
        if refusal is not None:
            station.refuse(datagram.peer, refusal, now)

    def _take_error(self, tunnel: NhrpTunnel, datagram: Datagram, fault: Fault, now: float) -> None:
        """Log it in IOS's words; if it is about a question of ours, that is answered."""
        try:
            quoted = decode(fault.quoted)
        except PacketError:
            quoted = None
        trigger = ""
        if quoted is not None:
            trigger = f"(trigger src: {quoted.source} (nbma: {quoted.source_nbma}) dst: {quoted.destination}), "
        name = ErrorCode(fault.code).name.replace("_", " ").lower() if fault.code in set(ErrorCode) else "unknown"
        self._node.log_about(
            datagram.peer,
            now,
            "NHRP",
            3,
            "PAKERROR",
            f"Received Error Indication from {datagram.peer}, code: {name}({fault.code}), {trigger}"
            f"offset: {fault.offset}, data: {fault.quoted[:40].hex(' ').upper()}",
        )
        if quoted is not None:
            tunnel.client.failed(quoted)
            tunnel.resolver.unreachable(quoted, now)

    # --- entries ----------------------------------------------------------------------------------------------------

    def _lapse(self, tunnel: NhrpTunnel, address: IPv4Address, now: float) -> None:
        binding = tunnel.station.cache.get(address)
        if binding is not None and binding.kind is not Kind.STATIC:
            tunnel.clear(binding, now)
