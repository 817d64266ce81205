"""Answering resolution requests (RFC 2332 5.2.2): as the egress, out of the cache, or by passing them on."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp import debug
from iosish.nhrp.cache import OPEN, Binding, Kind
from iosish.nhrp.cie import Cie, Code
from iosish.nhrp.extensions import ExtensionType, of_cies
from iosish.nhrp.packet import ErrorCode, Exchange, Packet, PacketType
from iosish.nhrp.protection import HeldReply
from iosish.nhrp.resolution import Resolver
from iosish.nhrp.station import Station
from iosish.nhrp.transit import forward, has_unknown


def answer(resolver: Resolver, datagram: Datagram, packet: Packet, body: Exchange, now: float) -> None:
    """A resolution request came in on the resolver's station."""
    station = resolver.station
    target = packet.destination
    if not isinstance(target, IPv4Address):
        return
    if _is_egress(station, target):
        if not station.config.multipoint:
            # A point-to-point tunnel takes packets from its one peer alone: the way by the hub is the only one.
            refusal = Cie(code=Code.ADMINISTRATIVELY_PROHIBITED, mtu=station.config.mtu, preference=c.PREFERENCE)
            station.send(datagram.peer, _reply_to(station, packet, body, refusal))
        elif has_unknown(packet.extensions):
            station.complain(datagram, packet, ErrorCode.UNRECOGNIZED_EXTENSION, now)
        else:
            _answer_as_egress(resolver, datagram, packet, body, target, now)
        return
    known = station.cache.get(target)
    if known is not None and known.kind is Kind.REGISTERED and not body.flags & c.AUTHORITATIVE:
        _answer_from_cache(station, datagram, packet, body, known, now)
        return
    if known is not None and known.kind is Kind.REGISTERED:
        station.trace(debug.PROTOCOL, datagram.peer, ("NHRP: Forwarding request due to authoritative request.",))
    if not forward(station, datagram, packet, target, now):
        nobody = Cie(code=Code.NO_BINDING, mtu=station.config.mtu, preference=c.PREFERENCE)
        station.send(datagram.peer, _reply_to(station, packet, body, nobody))


def _is_egress(station: Station, target: IPv4Address) -> bool:
    """Whether `target` is ours, or leaves the cloud here. Network ids are compared locally only."""
    if station.node.is_own(target):
        return True
    route = station.node.next_hop(station.name, target)
    if route is None:
        return False
    out = station.node.stations.get(route[0])
    return out is None or out.config.network_id != station.config.network_id


def _answer_as_egress(
    resolver: Resolver, datagram: Datagram, packet: Packet, body: Exchange, target: IPv4Address, now: float
) -> None:
    station = resolver.station
    own = station.node.is_own(target)
    holdtime_s = station.config.holdtime_s
    cie = Cie(
        prefix=c.REPLY_PREFIX,
        mtu=station.config.mtu,
        holding_time_s=max(1, holdtime_s - c.OWN_ADDRESS_AGE_S) if own else holdtime_s,
        nbma=station.nbma,
        protocol=station.address,
        preference=c.PREFERENCE,
    )
    reply = _reply_to(station, packet, body, cie)
    if station.config.direct_reply or station.config.protected:
        peer = _requester_nbma(datagram, packet) or datagram.peer
        _learn_requester(resolver, peer, packet, body, now)
        resolver.send_reply(peer, HeldReply(reply, datagram.peer), now)
    else:
        station.send(datagram.peer, reply)
    if own and isinstance(packet.source, IPv4Address):
        _remember(station, target, packet.source, body.request_id, now)


def _reply_to(station: Station, packet: Packet, body: Exchange, cie: Cie) -> Packet:
    """The reply keeps the addresses and extensions of its request."""
    extensions = station.respond(packet.extensions)
    if extensions is not None and station.public_nbma is not None and cie.nbma == station.nbma:
        public = station.nat_record(station.public_nbma, station.address)
        extensions = tuple(
            of_cies(ExtensionType.NAT, (*item.cies, public)) if item.type == ExtensionType.NAT else item
            for item in extensions
        )
    return replace(
        packet,
        type=PacketType.RESOLUTION_REPLY,
        body=Exchange((body.flags & c.COPIED) | c.ANSWERED, body.request_id, (cie,)),
        extensions=extensions,
        hop_count=c.HOP_COUNT,
    )


def _answer_from_cache(
    station: Station, datagram: Datagram, packet: Packet, body: Exchange, known: Binding, now: float
) -> None:
    """A request that does not ask for authority: the client's own registration, for the time that is left of it."""
    left_s = known.holding_s if known.expires_at is None else known.expires_at - now
    cie = Cie(
        prefix=c.REPLY_PREFIX,
        mtu=station.config.mtu,
        holding_time_s=max(1, int(left_s)),
        nbma=known.nbma,
        protocol=known.address,
        preference=c.PREFERENCE,
    )
    if isinstance(packet.source, IPv4Address):
        known.add_requester(packet.source, body.request_id)
    station.send(datagram.peer, _reply_to(station, packet, body, cie))


def _requester_nbma(datagram: Datagram, packet: Packet) -> IPv4Address | None:
    """Where the requester is reached: its NAT record, its outer source when no NHS lies between, what it says."""
    for item in packet.extensions or ():
        if item.type == ExtensionType.NAT:
            for cie in item.cies:
                if cie.protocol == packet.source and isinstance(cie.nbma, IPv4Address):
                    return cie.nbma
    for item in packet.extensions or ():
        if item.type == ExtensionType.FORWARD_RECORD and not item.value:
            return datagram.peer
    return packet.source_nbma if isinstance(packet.source_nbma, IPv4Address) else None


def _learn_requester(resolver: Resolver, nbma: IPv4Address, packet: Packet, body: Exchange, now: float) -> None:
    """Data will go back to the requester: enter it, if its binding is stable and holds (RFC 2332 6.2)."""
    station = resolver.station
    cache = station.cache
    address = packet.source
    holding_s = body.cies[0].holding_time_s if body.cies else 0
    if not isinstance(address, IPv4Address) or not body.flags & c.SOURCE_STABLE or not holding_s:
        return
    if address.is_multicast or address.is_unspecified or nbma.is_multicast or nbma.is_unspecified:
        return
    if nbma == station.nbma:
        return
    known = cache.get(address)
    if known is not None and known.kind is Kind.IMPLICIT and known.nbma == nbma:
        resolver.hold(known, holding_s, now)
        return
    if known is not None and known.kind not in OPEN and known.kind is not Kind.IMPLICIT:
        stale = known.kind is Kind.RESOLVED and known.nbma is not None and not station.protection.passes(known.nbma)
        if not stale:
            return
    if (known is None and len(cache) >= c.MAX_ENTRIES) or cache.count_behind(nbma) >= c.MAX_ENTRIES_PER_PEER:
        return
    if not station.protection.passes(nbma) and len(station.protection.awaited) >= c.MAX_AWAITED:
        return  # made-up requesters make no more work for IKE
    binding = Binding(address, nbma, Kind.IMPLICIT, created_at=now, via=address)
    binding.router = bool(body.flags & c.ROUTER)
    if known is not None:
        binding.asked_id, binding.used_at = known.asked_id, known.used_at
    if isinstance(packet.source_nbma, IPv4Address) and packet.source_nbma != nbma:
        binding.claimed_nbma = packet.source_nbma
    resolver.enter(binding, now)
    resolver.hold(binding, holding_s, now)


def _remember(station: Station, target: IPv4Address, requester: IPv4Address, request_id: int, now: float) -> None:
    """The local entry: who was told about our own address."""
    known = station.cache.get(target)
    if known is None:
        known = Binding(target, station.nbma, Kind.LOCAL, created_at=now, changed_at=now, via=target)
        known.unique = known.router = True
        station.enter(known)
    if known.kind is Kind.LOCAL:
        known.add_requester(requester, request_id)
        station.expire_at(known, now + station.config.holdtime_s)
