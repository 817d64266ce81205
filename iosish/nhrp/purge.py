"""Purges (RFC 2332 5.2.5): sent when an answer that we gave is no longer true, and obeyed when they come."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp.cache import Binding, Kind
from iosish.nhrp.cie import Cie
from iosish.nhrp.packet import Exchange, Packet, PacketType
from iosish.nhrp.station import Station


def purge_requesters(station: Station, binding: Binding) -> None:
    """Tell everybody who was answered about `binding` that it is gone.

    The purge goes where data to the requester would go: straight where we know how, else by
    an NHS that is in the cache.
    """
    if not station.config.operational:
        return
    cie = Cie(prefix=32, mtu=station.config.mtu, protocol=binding.address)
    for requester in binding.requesters:
        nbma = _way_to(station, requester)
        if nbma is None:
            continue
        station.send(
            nbma,
            Packet(
                type=PacketType.PURGE_REQUEST,
                source_nbma=station.nbma,
                source=station.address,
                destination=requester,
                body=Exchange(c.NAT, station.node.next_request_id(), (cie,)),
                extensions=station.extensions(),
                hop_count=c.HOP_COUNT,
            ),
        )
    binding.requesters.clear()


def recall(station: Station, client: Binding) -> None:
    """Tell a registered client that we do not know it any more; it had better register again.

    One that has just lost its SA registers with the next one anyway. Told by the old one, which the data plane may
    still have, it would come back by that, and we would have a peer again whom we have to make an SA with.
    """
    if client.nbma is None or not station.protection.passes(client.nbma):
        return
    withdraw(station, client.nbma, client.address, client.address, station.node.next_request_id())


def withdraw(
    station: Station, peer: IPv4Address, destination: IPv4Address, client: IPv4Address, request_id: int
) -> None:
    """Purge the binding of `client` at `peer`; no answer is asked for."""
    cie = Cie(prefix=32, mtu=station.config.mtu, protocol=client)
    station.send(
        peer,
        Packet(
            type=PacketType.PURGE_REQUEST,
            source_nbma=station.nbma,
            source=station.address,
            destination=destination,
            body=Exchange(c.NO_REPLY | c.NAT, request_id, (cie,)),
            extensions=station.extensions(),
            hop_count=c.HOP_COUNT,
        ),
    )


def _way_to(station: Station, requester: IPv4Address) -> IPv4Address | None:
    known = station.cache.known(requester)
    if known is not None:
        return known.way
    servers = (station.cache.known(nhs.address) for nhs in station.config.nhs)
    return next((server.nbma for server in servers if server is not None), None)


def obey(station: Station, datagram: Datagram, packet: Packet, body: Exchange, now: float) -> None:
    """A purge request for us: what it names goes, static entries stay; answered unless it says N."""
    for cie in body.cies:
        if not isinstance(cie.protocol, IPv4Address):
            continue
        prefix = cie.prefix if 0 < cie.prefix < 32 else 32
        for binding in _named(station, packet, IPv4Network((cie.protocol, prefix), strict=False)):
            if _entitled(binding, packet, datagram.peer):
                station.forget(binding.address)
                purge_requesters(station, binding)
                station.client_down(binding, now)
    if not body.flags & c.NO_REPLY:
        station.send(
            datagram.peer,
            replace(
                packet,
                type=PacketType.PURGE_REPLY,
                extensions=station.respond(packet.extensions),
                hop_count=c.HOP_COUNT,
            ),
        )


def _named(station: Station, packet: Packet, network: IPv4Network) -> tuple[Binding, ...]:
    """What a purge means; of a whole network only what leads to its sender, which also keeps the work small."""
    if network.prefixlen == 32:
        binding = station.cache.get(network.network_address)
        return () if binding is None else (binding,)
    if not isinstance(packet.source_nbma, IPv4Address):
        return ()
    return tuple(binding for binding in station.cache.behind(packet.source_nbma) if binding.address in network)


def _entitled(binding: Binding, packet: Packet, peer: IPv4Address) -> bool:
    """A registration is the client's own to take back; what was learnt by resolution anybody on the way may recall."""
    if binding.kind is Kind.REGISTERED:
        return binding.address == packet.source and binding.nbma == peer
    return binding.kind in (Kind.RESOLVED, Kind.IMPLICIT)
