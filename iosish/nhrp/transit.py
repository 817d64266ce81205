"""Passing packets on (RFC 2332 5.3.2): transit records, hop count, loops, authentication at each hop."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import Datagram
from iosish.nhrp.cache import Kind
from iosish.nhrp.cie import Cie
from iosish.nhrp.extensions import KNOWN, Extension, ExtensionType, of_cies
from iosish.nhrp.packet import REPLIES, ErrorCode, Exchange, Packet, PacketType
from iosish.nhrp.station import Station

UNRECORDED = frozenset({PacketType.ERROR_INDICATION, PacketType.TRAFFIC_INDICATION})


def has_unknown(extensions: tuple[Extension, ...] | None) -> bool:
    """Whether there is a compulsory extension that we do not know."""
    return any(item.compulsory and item.type not in KNOWN for item in extensions or ())


def way(station: Station, toward: IPv4Address, came_from: IPv4Address) -> tuple[Station, IPv4Address] | None:
    """The station and NBMA address that lead to `toward`; None when there is no way within the cloud.

    Network ids are compared here and nowhere on the wire: two tunnels with the same id are one cloud.
    """
    route = station.node.next_hop(station.name, toward)
    if route is None:
        return None
    out = station.node.stations.get(route[0])
    if out is None or not out.config.operational or out.config.network_id != station.config.network_id:
        return None
    known = out.cache.known(route[1])
    if known is not None and known.way is not None:
        return out, known.way
    for nhs in out.config.nhs:
        server = out.cache.known(nhs.address)
        if server is not None and server.nbma is not None and server.nbma != came_from:
            return out, server.nbma
    return None


def forward(station: Station, datagram: Datagram, packet: Packet, toward: IPv4Address, now: float) -> bool:
    """Pass `packet` on to `toward`; False when there is no way, anything else that is wrong is answered here."""
    found = way(station, toward, datagram.peer)
    if found is None:
        return False
    out, nbma = found
    if packet.hop_count <= 1:
        station.complain(datagram, packet, ErrorCode.HOP_COUNT_EXCEEDED, now)
        return True
    if (out is station and nbma == datagram.peer) or _seen_before(station, packet):
        station.complain(datagram, packet, ErrorCode.LOOP_DETECTED, now)
        return True
    extensions = packet.extensions
    if extensions is not None and not has_unknown(extensions) and packet.type not in UNRECORDED:
        extensions = tuple(_passed_on(station, out, packet, item) for item in extensions)
    out.send(nbma, replace(packet, hop_count=packet.hop_count - 1, extensions=extensions), forwarded=True)
    return True


def _seen_before(station: Station, packet: Packet) -> bool:
    return any(
        station.node.is_own(cie.protocol)
        for item in packet.extensions or ()
        if item.type == _record_of(packet)
        for cie in item.cies
    )


def _record_of(packet: Packet) -> ExtensionType:
    return ExtensionType.REVERSE_RECORD if packet.type in REPLIES else ExtensionType.FORWARD_RECORD


def _passed_on(station: Station, out: Station, packet: Packet, item: Extension) -> Extension:
    """One extension as it leaves: our record added, an empty NAT extension filled where we know better."""
    if item.type == _record_of(packet):
        return of_cies(ExtensionType(item.type), (*item.cies, out.record()))
    if item.type == ExtensionType.NAT and not item.value:
        record = _translated(station, packet)
        return item if record is None else of_cies(ExtensionType.NAT, (record,))
    return item


def _translated(station: Station, packet: Packet) -> Cie | None:
    """The public address of the requester, or in a reply of the answered address, when it registered behind NAT."""
    subject = packet.source
    if packet.type is PacketType.RESOLUTION_REPLY and isinstance(packet.body, Exchange) and packet.body.cies:
        subject = packet.body.cies[0].protocol
    if not isinstance(subject, IPv4Address):
        return None
    known = station.cache.get(subject)
    if known is None or known.kind is not Kind.REGISTERED or known.claimed_nbma is None or known.nbma is None:
        return None
    return station.nat_record(known.nbma, subject)
