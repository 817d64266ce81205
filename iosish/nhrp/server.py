"""The next hop server's side of registration (RFC 2332 5.2.3): who may enter the cache, and what the reply says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp import debug
from iosish.nhrp.cache import Binding, Kind
from iosish.nhrp.cie import Cie, Code
from iosish.nhrp.extensions import Extension, ExtensionType, of_cies
from iosish.nhrp.packet import Exchange, Packet, PacketType
from iosish.nhrp.purge import purge_requesters
from iosish.nhrp.station import Station
from iosish.nhrp.wire import PacketError

HOST_PREFIXES = frozenset({0, 32, 255})


def register(station: Station, datagram: Datagram, packet: Packet, body: Exchange, now: float) -> None:
    """Serve a registration request: every client in it is entered or refused; the reply goes to the outer source."""
    if not body.cies:
        raise PacketError("registration without a client")
    cies = tuple(_enter(station, datagram.peer, packet, body, cie, now) for cie in body.cies)
    station.send(
        datagram.peer,
        replace(
            packet,
            type=PacketType.REGISTRATION_REPLY,
            body=replace(body, cies=cies),
            extensions=_reply_extensions(station, datagram.peer, packet),
            hop_count=c.HOP_COUNT,
        ),
    )


def _enter(station: Station, peer: IPv4Address, packet: Packet, body: Exchange, cie: Cie, now: float) -> Cie:
    """Enter one client; the entry of the reply, unchanged when all is well (a refusal holds for 0 s)."""
    protocol = cie.protocol or packet.source
    claimed = cie.nbma or packet.source_nbma
    if not isinstance(protocol, IPv4Address) or not isinstance(claimed, IPv4Address):
        return replace(cie, code=Code.ADMINISTRATIVELY_PROHIBITED, holding_time_s=0)
    unique = bool(body.flags & c.REGISTRATION_UNIQUE)
    if _passed_on(packet):  # its client is not where the packet came from, and nothing proves where it is
        return replace(cie, code=Code.ADMINISTRATIVELY_PROHIBITED, holding_time_s=0)
    code = _admit(station, peer, protocol, cie, now)
    if code != Code.SUCCESS:
        return replace(cie, code=code, holding_time_s=0)
    _bind(station, peer, protocol, claimed, unique, body.request_id, cie.holding_time_s, now)
    return cie


def _passed_on(packet: Packet) -> bool:
    """Whether another station passed the request on (RFC 2332 5.3.2: it left a record)."""
    records = (item for item in packet.extensions or () if item.type == ExtensionType.FORWARD_RECORD)
    return any(item.value for item in records)


def _admit(station: Station, peer: IPv4Address, protocol: IPv4Address, cie: Cie, now: float) -> Code:
    if cie.prefix not in HOST_PREFIXES or not cie.holding_time_s or station.node.is_own(protocol):
        return Code.ADMINISTRATIVELY_PROHIBITED
    if protocol.is_multicast or protocol.is_unspecified or protocol.is_loopback:
        return Code.ADMINISTRATIVELY_PROHIBITED
    cache = station.cache
    known = cache.get(protocol)
    if known is not None and known.kind is Kind.STATIC:
        return Code.ADMINISTRATIVELY_PROHIBITED
    if known is not None and known.kind is Kind.REGISTERED:
        live = known.expires_at is None or known.expires_at > now
        if known.nbma is not None and not station.protection.passes(known.nbma):
            live = False  # it lost its SA: it may well have come back under another address
        return Code.ALREADY_REGISTERED if known.unique and live and known.nbma != peer else Code.SUCCESS
    full = known is None and len(cache) >= c.MAX_ENTRIES
    if full or cache.registered.get(peer, 0) >= c.MAX_ENTRIES_PER_PEER:
        return Code.INSUFFICIENT_RESOURCES
    return Code.SUCCESS


def _bind(
    station: Station,
    peer: IPv4Address,
    protocol: IPv4Address,
    claimed: IPv4Address,
    unique: bool,
    request_id: int,
    holding_s: int,
    now: float,
) -> None:
    known = station.cache.get(protocol)
    if known is not None and known.kind is Kind.REGISTERED and known.nbma == peer:
        binding = known
    else:
        if known is not None:
            station.forget(protocol)
            purge_requesters(station, known)
        binding = Binding(protocol, peer, Kind.REGISTERED, created_at=now, changed_at=now, via=protocol)
        station.enter(binding)
        station.await_sa(peer, now)
        text = f"NHRP: Adding Tunnel Endpoints (VPN: {protocol}, NBMA: {peer})"
        station.trace(debug.PROTOCOL, peer, (text,), protocol)
        binding.said_up = known is not None and known.said_up
        station.client_up(binding, now)
    binding.unique = unique
    binding.request_id = request_id
    binding.claimed_nbma = claimed if claimed != peer else None
    binding.holding_s = holding_s
    station.expire_at(binding, now + holding_s)


def _reply_extensions(station: Station, peer: IPv4Address, packet: Packet) -> tuple[Extension, ...] | None:
    """A client that is seen under another address than it claims learns it from a second NAT record."""
    extensions = station.respond(packet.extensions)
    if extensions is None or packet.source_nbma == peer or not isinstance(packet.source, IPv4Address):
        return extensions
    seen = station.nat_record(peer, packet.source)
    return tuple(
        of_cies(ExtensionType.NAT, (*item.cies, seen)) if item.type == ExtensionType.NAT else item
        for item in extensions
    )
