"""Asking (RFC 2332 5.2.1): from a packet without adjacency to a mapping, and keeping it while it is used."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp import debug
from iosish.nhrp.cache import OPEN, Binding, Kind
from iosish.nhrp.cie import CODE_NAMES, Cie, Code
from iosish.nhrp.client import Client
from iosish.nhrp.extensions import ExtensionType
from iosish.nhrp.packet import Exchange, Packet, PacketType
from iosish.nhrp.protection import HeldReply
from iosish.nhrp.station import Station

LEARNT = frozenset({Kind.RESOLVED, Kind.IMPLICIT})


class Resolver:
    """The open questions of one station."""

    def __init__(self, station: Station, client: Client) -> None:
        self.station = station
        self.client = client

    def resolve(self, next_hop: IPv4Address, now: float) -> None:
        """Data waits for `next_hop`: it goes by an NHS at once, and the NHS is asked. Without one: nothing."""
        station = self.station
        if not station.config.operational or not self._askable(next_hop):
            return
        server = self.client.best()
        if server is None or server.nbma is None or station.cache.get(next_hop) is not None:
            return
        if len(station.cache.open) >= c.MAX_INCOMPLETE:
            station.forget(next(iter(station.cache.open)))
        binding = Binding(next_hop, server.nbma, Kind.INCOMPLETE, created_at=now, up=False)
        station.enter(binding)
        station.expire_at(binding, now + c.INCOMPLETE_S)
        if not station.config.server_only:
            self._ask(binding, now)

    def due(self, address: IPv4Address, now: float) -> None:
        """No answer yet: the same request again."""
        binding = self.station.cache.get(address)
        if binding is not None and binding.asked_id is not None:
            self._send(binding, now)

    def due_refresh(self, address: IPv4Address, now: float) -> None:
        """The end of an entry is near: asked for again if data used it lately; unused ones lapse."""
        binding = self.station.cache.get(address)
        if binding is None or binding.kind not in LEARNT or binding.expires_at is None:
            return
        step = self._lead_s(binding) / 2
        used = binding.used_at is not None and binding.used_at >= now - max(1.0, step)
        if used and not self.station.config.server_only:
            self._ask(binding, now)
        elif now + step < binding.expires_at:
            self.station.node.timers.set(self.station.key("refresh", address), now + step)

    def reply(self, datagram: Datagram, packet: Packet, body: Exchange, now: float) -> str | None:
        """A resolution reply for us; returns why it was refused, None when it was taken."""
        binding = self._asked(packet, body)
        if binding is None:
            return "unsolicited reply"
        cie = body.cies[0] if body.cies else None
        if cie is None:
            return "reply without a client"
        if cie.code != Code.SUCCESS:
            self._denied(datagram, binding, cie.code, now)
            return None
        nbma = self._reachable_at(packet, cie)
        if not isinstance(cie.nbma, IPv4Address) or not isinstance(nbma, IPv4Address):
            return "reply without an NBMA address"
        if nbma == self.station.nbma or nbma.is_multicast or nbma.is_unspecified:
            return "reply with an impossible NBMA address"
        if not cie.holding_time_s or (0 < cie.prefix < 8):
            return "reply that holds for nothing"
        self._learn(binding, cie, nbma, bool(body.flags & c.ROUTER), now)
        return None

    def unreachable(self, request: Packet, now: float) -> None:
        """An error indication quotes a request of ours."""
        if isinstance(request.body, Exchange) and request.type is PacketType.RESOLUTION_REQUEST:
            binding = self._asked(request, request.body)
            if binding is not None:
                self._negative(binding, now)

    def repoint(self, now: float) -> None:
        """Another server answers now: data of open questions goes there, and of peers that have no SA."""
        server = self.client.best()
        for address in list(self.station.cache.open):
            binding = self.station.cache.get(address)
            if server is None or server.nbma is None:
                self.station.forget(address)
            elif binding is not None and binding.nbma != server.nbma:
                self.station.enter(replace(binding, nbma=server.nbma))
        for address in list(self.station.cache.detoured):
            binding = self.station.cache.get(address)
            if binding is not None:
                self.steer(binding)

    # --- peers and their SAs ----------------------------------------------------------------------------------------

    def enter(self, binding: Binding, now: float) -> None:
        """A learnt entry. Until its peer has an SA, its data goes on by the NHS."""
        self.station.enter(binding)
        self.steer(binding)
        binding.changed_at = now if binding.up else None
        if binding.nbma is not None:
            self.station.await_sa(binding.nbma, now)

    def steer(self, binding: Binding) -> None:
        """Send the data of a learnt entry straight where it can go straight, else by the NHS."""
        nbma, server = binding.nbma, self.client.best()
        passes = nbma is None or self.station.protection.passes(nbma)
        binding.up = passes
        detour = None if passes or server is None or server.nbma == nbma else server.nbma
        self.station.cache.divert(binding, detour)

    def send_reply(self, nbma: IPv4Address, reply: HeldReply, now: float) -> None:
        """Send a resolution reply straight to its requester, at once or as soon as that has an SA."""
        station = self.station
        if station.protection.passes(nbma):
            station.send(nbma, reply.packet)
        elif nbma == reply.nhs or not station.protection.hold(nbma, reply):
            station.send(reply.nhs, reply.packet)
        else:
            station.trace(debug.PROTOCOL, nbma, debug.delayed("resolution request", station.nbma, nbma))
            if station.node.timers.get(station.key("reply", nbma)) is None:
                station.node.timers.set(station.key("reply", nbma), now + c.REPLY_HELD_S)

    def release_replies(self, nbma: IPv4Address, now: float) -> None:
        """A requester got its SA, or its time is over: then the reply goes by the NHS, for it may reach us."""
        station = self.station
        station.node.timers.cancel(station.key("reply", nbma))
        for reply in station.protection.release(nbma):
            source, destination = reply.packet.source, reply.packet.destination
            text = f"NHRP: Process delayed resolution request src:{source} dst:{destination}"
            station.trace(debug.PROTOCOL, nbma, (text,), source)
            station.send(nbma if station.protection.passes(nbma) else reply.nhs, reply.packet)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _askable(self, address: IPv4Address) -> bool:
        network = self.station.config.address.network
        if network.prefixlen < 31 and address in (network.network_address, network.broadcast_address):
            return False
        return not (self.station.node.is_own(address) or address.is_multicast or address.is_unspecified)

    def _ask(self, binding: Binding, now: float) -> None:
        binding.asked_id = self.station.node.next_request_id()
        binding.tries = 0
        self._send(binding, now)

    def _send(self, binding: Binding, now: float) -> None:
        station = self.station
        server = self.client.best()
        if server is None or server.nbma is None or binding.asked_id is None:
            return
        if not station.protection.passes(server.nbma):
            station.node.timers.set(station.key("resolution", binding.address), now + c.RETRY_FIRST_S)
            return
        config = station.config
        cie = Cie(
            prefix=c.REQUEST_PREFIX,
            mtu=config.mtu,
            holding_time_s=config.holdtime_s,
            preference=c.PREFERENCE,
        )
        public = station.public_nbma
        station.send(
            server.nbma,
            Packet(
                type=PacketType.RESOLUTION_REQUEST,
                source_nbma=station.nbma,
                source=station.address,
                destination=binding.address,
                body=Exchange(c.RESOLUTION_FLAGS, binding.asked_id, (cie,)),
                extensions=station.extensions(() if public is None else (station.nat_record(public, station.address),)),
                hop_count=c.HOP_COUNT,
            ),
        )
        retry_s: float = min(c.RETRY_FIRST_S << min(binding.tries, 5), c.RETRY_LAST_S)
        if binding.kind in LEARNT:
            retry_s = min(retry_s, self._lead_s(binding) / 4)
        binding.tries += 1
        delay_s = retry_s * station.node.random.uniform(c.RETRY_SHORTEST, c.RETRY_LONGEST)
        station.node.timers.set(station.key("resolution", binding.address), now + delay_s)

    def _asked(self, packet: Packet, body: Exchange) -> Binding | None:
        if packet.source != self.station.address or not isinstance(packet.destination, IPv4Address):
            return None
        binding = self.station.cache.get(packet.destination)
        return binding if binding is not None and binding.asked_id == body.request_id else None

    def _reachable_at(self, packet: Packet, cie: Cie) -> object:
        """The answered NBMA address, or the one that the NAT extension gives for it."""
        for item in packet.extensions or ():
            if item.type == ExtensionType.NAT:
                for public in item.cies:
                    if public.protocol == cie.protocol:
                        return public.nbma
        return cie.nbma

    def _learn(self, known: Binding, cie: Cie, nbma: IPv4Address, router: bool, now: float) -> None:
        station = self.station
        via = cie.protocol if isinstance(cie.protocol, IPv4Address) else known.address
        station.node.timers.cancel(station.key("resolution", known.address))
        binding = known
        if known.kind in LEARNT and known.nbma == nbma:
            binding.kind = Kind.RESOLVED
        else:
            binding = Binding(known.address, nbma, Kind.RESOLVED, created_at=now, used_at=known.used_at)
            self.enter(binding, now)
        binding.via = via
        binding.router = router
        binding.asked_id = None
        binding.claimed_nbma = cie.nbma if isinstance(cie.nbma, IPv4Address) and cie.nbma != nbma else None
        self.hold(binding, cie.holding_time_s, now)

    def hold(self, binding: Binding, holding_s: float, now: float) -> None:
        """Keep a learnt entry so long, and look before its end whether it is used."""
        binding.holding_s = holding_s
        self.station.expire_at(binding, now + holding_s)
        at = now + holding_s - self._lead_s(binding)
        self.station.node.timers.set(self.station.key("refresh", binding.address), at)

    @staticmethod
    def _lead_s(binding: Binding) -> float:
        return min(c.REFRESH_S, binding.holding_s * c.REFRESH_SHARE)

    def _denied(self, datagram: Datagram, binding: Binding, code: int, now: float) -> None:
        words = CODE_NAMES.get(code, "unknown code")
        self.station.node.log_about(
            datagram.peer,
            now,
            "NHRP",
            3,
            "PAKREPLY",
            f"Receive Resolution Reply packet with error - {words}({code})",
        )
        self._negative(binding, now)

    def _negative(self, binding: Binding, now: float) -> None:
        """Not to be had: an open question becomes a negative entry; a live one is left to its end."""
        binding.asked_id = None
        self.station.node.timers.cancel(self.station.key("resolution", binding.address))
        if binding.kind in OPEN:
            binding = replace(binding, kind=Kind.NEGATIVE)
            self.station.enter(binding)
            self.station.expire_at(binding, now + c.INCOMPLETE_S)
