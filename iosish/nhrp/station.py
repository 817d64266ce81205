"""One tunnel's station and the node it belongs to: what client, server and resolution have in common."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import Datagram, DebugEvent, Event, LogEvent
from iosish.nhrp import constants as c
from iosish.nhrp import debug
from iosish.nhrp.cache import Binding, Cache, Kind
from iosish.nhrp.cie import Cie
from iosish.nhrp.config import NhrpInterface
from iosish.nhrp.debug import TYPE_NAMES
from iosish.nhrp.extensions import Extension, ExtensionType, authentication, of_cies
from iosish.nhrp.packet import REPLIES, ErrorCode, Fault, Packet, PacketType
from iosish.nhrp.protection import Protection
from iosish.nhrp.timers import Key, Timers
from iosish.nhrp.wire import Address, PacketError
from iosish.rate_limit import RateLimit

IP_AND_GRE, KEY = 24, 4
"""Octets around an NHRP packet: outer headers, and a tunnel key."""

NextHop = Callable[[str, IPv4Address], tuple[str, IPv4Address] | None]
"""Interface and destination to the interface and next hop of the overlay route; None: there is no route."""


def direct_route(interface: str, destination: IPv4Address) -> tuple[str, IPv4Address]:
    """The overlay of a router without overlay routes: everybody is on the tunnel itself."""
    return interface, destination


class Node:
    """What all stations of a router share: clock-free timers, one counter of request ids, and what goes out."""

    def __init__(self, source: random.Random, next_hop: NextHop | None) -> None:
        self.random = source
        self.next_hop = next_hop or direct_route
        self.debug: frozenset[str] = frozenset()
        self.timers = Timers()
        self.stations: dict[str, Station] = {}
        self.peers = RateLimit(c.PEER_BURST, c.PEER_RATE, c.MAX_PEERS)
        self._errors = RateLimit(c.ERROR_BURST, c.ERROR_RATE, c.MAX_PEERS)
        self._lines = RateLimit(c.LOG_BURST, c.LOG_RATE, c.MAX_PEERS)
        self._all_lines = RateLimit(c.ALL_LOG_BURST, c.ALL_LOG_RATE, c.MAX_PEERS)
        self._request_id = 0
        self._datagrams: list[Datagram] = []
        self._events: list[Event] = []

    def next_request_id(self) -> int:
        self._request_id = self._request_id % 0xFFFFFFFF + 1
        return self._request_id

    def is_own(self, address: object) -> bool:
        """Whether a tunnel of ours has this protocol address."""
        return any(station.address == address for station in self.stations.values())

    def queue(self, datagram: Datagram) -> bool:
        if len(self._datagrams) >= c.MAX_QUEUED:
            return False
        self._datagrams.append(datagram)
        return True

    @contextmanager
    def parting(self, *, silent: bool) -> Iterator[None]:
        """What is queued meanwhile is a farewell, which is not sent if this is `silent`."""
        before = self.take_datagrams()
        try:
            yield
        finally:
            farewells = [] if silent else [replace(datagram, farewell=True) for datagram in self._datagrams]
            self._datagrams = before + farewells

    def log(self, facility: str, severity: int, mnemonic: str, text: str) -> None:
        if len(self._events) < c.MAX_QUEUED:
            self._events.append(LogEvent(facility, severity, mnemonic, text))

    def trace(self, topic: str, lines: Iterable[DebugEvent]) -> None:
        """Lines of `debug TOPIC`. Give an iterator: it is not run while nobody wants them."""
        if topic in self.debug and len(self._events) < c.MAX_QUEUED:
            self._events += lines

    def tell(self, event: Event) -> None:
        """An event that somebody acts upon: never left out."""
        self._events.append(event)

    def log_about(self, peer: IPv4Address, now: float, facility: str, severity: int, mnemonic: str, text: str) -> None:
        """A line that `peer` can cause: only so many of one kind, also when the peers are made up."""
        if self._lines.allows((peer, mnemonic), now) and self._all_lines.allows(mnemonic, now):
            self.log(facility, severity, mnemonic, text)

    def may_complain(self, peer: IPv4Address, now: float) -> bool:
        return self._errors.allows(peer, now)

    def take_datagrams(self) -> list[Datagram]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def take_events(self) -> list[Event]:
        taken, self._events = self._events, []
        return taken


class Station:
    """NHRP on one operational or idle tunnel: configuration, cache, counters, and the way out."""

    def __init__(self, node: Node, config: NhrpInterface) -> None:
        self.node = node
        self.config = config
        self.cache = Cache()
        self.protection = Protection(self.cache)
        self.protection.configure(config)
        self.public_nbma: IPv4Address | None = None
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def configure(self, config: NhrpInterface) -> None:
        self.config = config
        self.protection.configure(config)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def address(self) -> IPv4Address:
        return self.config.address.ip

    @property
    def nbma(self) -> IPv4Address:
        """Our outer address; only asked of an operational station."""
        if self.config.nbma is None:
            raise ValueError(f"{self.name} has no source")
        return self.config.nbma

    def key(self, reason: str, address: IPv4Address) -> Key:
        return Key(self.name, reason, address)

    # --- building ---------------------------------------------------------------------------------------------------

    def record(self, protocol: IPv4Address | None = None) -> Cie:
        """This station as responder and transit records show it."""
        return Cie(
            prefix=c.RECORD_PREFIX,
            mtu=self.config.mtu,
            holding_time_s=self.config.holdtime_s,
            nbma=self.nbma,
            protocol=protocol or self.address,
            preference=c.PREFERENCE,
        )

    def nat_record(self, nbma: IPv4Address, protocol: IPv4Address) -> Cie:
        return Cie(prefix=c.NAT_PREFIX, mtu=self.config.mtu, nbma=nbma, protocol=protocol, preference=c.PREFERENCE)

    def extensions(self, nat: Iterable[Cie] = ()) -> tuple[Extension, ...]:
        """What a request of ours carries; authentication is put in when it leaves."""
        records = (ExtensionType.FORWARD_RECORD, ExtensionType.REVERSE_RECORD) if self.config.record else ()
        empty = (of_cies(kind) for kind in (ExtensionType.RESPONDER, *records))
        return (*empty, of_cies(ExtensionType.NAT, nat))

    def respond(self, extensions: tuple[Extension, ...] | None) -> tuple[Extension, ...] | None:
        """The extensions of a request as its reply carries them: all back, in their order, with us as the responder."""
        if extensions is None:
            return None
        responder = of_cies(ExtensionType.RESPONDER, (self.record(self.config.responder),))
        return tuple(responder if item.type == ExtensionType.RESPONDER else item for item in extensions)

    def clear_counters(self) -> None:
        for counted in (self.sent, self.received, self.refused):
            counted.clear()

    def trace(self, topic: str, peer: IPv4Address | None, lines: Iterable[str], inside: Address = None) -> None:
        """Lines of `debug TOPIC` about an NBMA address, and a tunnel address if that is known. Give an iterator."""
        known = inside if isinstance(inside, IPv4Address) else None
        self.node.trace(topic, (DebugEvent(topic, line, peer, known, self.name) for line in lines))

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, peer: IPv4Address, packet: Packet, forwarded: bool = False) -> None:
        """Hand `packet` out for `peer`, with exactly one authentication extension where we have a password."""
        packet = replace(packet, extensions=self._seal(packet))
        try:
            payload = packet.encode()
        except PacketError as error:
            self.refused[error.reason] += 1
            return
        if self.node.queue(Datagram(self.name, peer, self.nbma, payload, self.config.protected)):
            self.sent[TYPE_NAMES[packet.type]] += 1
            if self.node.debug:
                self._trace_sent("Forwarding" if forwarded else "Send", peer, packet, payload)
        else:
            self.refused["queue is full"] += 1

    def _trace_sent(self, verb: str, peer: IPv4Address, packet: Packet, payload: bytes) -> None:
        framed = len(payload) + IP_AND_GRE + (KEY if self.config.key is not None else 0)
        far = packet.destination
        self.trace(debug.PROTOCOL, peer, debug.sent(verb, self.name, peer, packet, len(payload), framed), far)
        if debug.PROTOCOL not in self.node.debug:
            self.trace(debug.PACKET, peer, debug.headline(verb, self.name, packet, len(payload)), far)
        self.trace(debug.PACKET, peer, debug.dump(packet, payload), far)

    def trace_received(self, peer: IPv4Address, packet: Packet, payload: bytes) -> None:
        """`debug nhrp` and `debug nhrp packet` of what came in."""
        topic = debug.PROTOCOL if debug.PROTOCOL in self.node.debug else debug.PACKET
        self.trace(topic, peer, debug.headline("Receive", self.name, packet, len(payload)), packet.source)
        self.trace(debug.PACKET, peer, debug.dump(packet, payload), packet.source)

    def _seal(self, packet: Packet) -> tuple[Extension, ...] | None:
        password = self.config.authentication
        if password is None or packet.type is PacketType.ERROR_INDICATION:
            return packet.extensions
        # What came with one keeps its place; a request of ours gets it before the NAT extension, as IOS does.
        items = packet.extensions or ()
        kinds = [item.type for item in items]
        wanted = ExtensionType.AUTHENTICATION if ExtensionType.AUTHENTICATION in kinds else ExtensionType.NAT
        place = kinds.index(wanted) if wanted in kinds else len(items)
        before, behind = (
            tuple(item for item in part if item.type != ExtensionType.AUTHENTICATION)
            for part in (items[:place], items[place:])
        )
        return (*before, authentication(password), *behind)

    def complain(
        self,
        datagram: Datagram,
        packet: Packet,
        code: ErrorCode,
        now: float,
        offset: int = 0,
        reason: str | None = None,
    ) -> None:
        """Refuse `packet` with an error indication to who handed it to us; never about an error (RFC 2332 5.2.7)."""
        self.refuse(datagram.peer, reason or code.name.lower().replace("_", " "), now)
        if packet.type is PacketType.ERROR_INDICATION or not self.node.may_complain(datagram.peer, now):
            return
        self.send(
            datagram.peer,
            Packet(
                type=PacketType.ERROR_INDICATION,
                source_nbma=self.nbma,
                source=self.address,
                destination=packet.destination if packet.type in REPLIES else packet.source,
                body=Fault(code, offset, datagram.payload[: c.MAX_QUOTED]),
                hop_count=c.HOP_COUNT,
            ),
        )

    def refuse(self, peer: IPv4Address, reason: str, now: float) -> None:
        """Count a packet that is not obeyed, and say so in the log."""
        self.refused[reason] += 1
        self.trace(debug.ERROR, peer, (f"NHRP-ERROR: {self.name}: packet from {peer} refused: {reason}",))
        self.node.log_about(
            peer, now, "IOSISH", 4, "NHRP_REFUSED", f"{self.name}: NHRP packet from {peer} refused: {reason}"
        )

    # --- cache ------------------------------------------------------------------------------------------------------

    def enter(self, binding: Binding) -> None:
        """Put an entry into the cache, in place of what was known about its address."""
        verb = "add" if self.cache.get(binding.address) is None else "update"
        self.cache.put(binding)
        self.trace(debug.CACHE, binding.nbma, debug.cached(verb, self.name, binding), binding.address)

    def expire_at(self, binding: Binding, at: float) -> None:
        binding.expires_at = at
        self.node.timers.set(self.key("expiry", binding.address), at)

    def forget(self, address: IPv4Address) -> Binding | None:
        """Remove an entry with its timers."""
        for reason in ("expiry", "refresh", "resolution"):
            self.node.timers.cancel(self.key(reason, address))
        binding = self.cache.remove(address)
        if binding is not None:
            self.trace(debug.CACHE, binding.nbma, debug.cached("delete", self.name, binding), binding.address)
        return binding

    def await_sa(self, nbma: IPv4Address, now: float, within_s: float = c.SA_AWAITED_S) -> None:
        """Entries lead to `nbma`, which has no SA: they end when it gets none in time."""
        if not self.protection.passes(nbma) and nbma not in self.protection.awaited:
            self.protection.awaited.add(nbma)
            self.node.timers.set(self.key("security", nbma), now + within_s)

    def server_changed(self, address: IPv4Address, nbma: IPv4Address | None, down: str | None = None) -> None:
        """`%DMVPN-5-NHRP_NHS_UP`, or `DOWN` with a reason, as IOS words it."""
        mnemonic = "NHRP_NHS_UP" if down is None else "NHRP_NHS_DOWN"
        self.node.log("DMVPN", 5, mnemonic, self._session("Server", address, nbma, down))

    def client_up(self, binding: Binding, now: float) -> None:
        """`%DMVPN-5-NHRP_NHC_UP` of a client, once: as on IOS after the line that its crypto socket is up, although its
        registration may come by the SA before we hear of that."""
        if binding.said_up or binding.kind is not Kind.REGISTERED or binding.nbma is None:
            return
        if self.protection.passes(binding.nbma):
            binding.said_up = True
            self._client_changed("NHRP_NHC_UP", binding, now, None)

    def client_down(self, binding: Binding, now: float) -> None:
        """`%DMVPN-5-NHRP_NHC_DOWN` of a client that was called up."""
        if binding.said_up:
            self._client_changed("NHRP_NHC_DOWN", binding, now, "External")

    def _client_changed(self, mnemonic: str, binding: Binding, now: float, down: str | None) -> None:
        """One that flaps does not fill the log."""
        text = self._session("Client", binding.address, binding.nbma, down)
        self.node.log_about(binding.address, now, "DMVPN", 5, mnemonic, text)

    def _session(self, role: str, address: IPv4Address, nbma: IPv4Address | None, down: str | None) -> str:
        """With the blanks of IOS, which are others when one is up."""
        far, near = f"(Tunnel: {address} NBMA: {nbma}", f"(Tunnel: {self.address} NBMA: {self.config.nbma})"
        if down is not None:
            return f"{self.name}: Next Hop {role} : {far} ) for {near} is DOWN, Reason: {down}(NHRP: no error)"
        gap = "  " if role == "Server" else " "
        return f"{self.name}: Next Hop {role} : {far}) for {near} is{gap}UP"
