"""The next hop client (RFC 2332 5.2.3): registering with every server, with IOS's retries."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from iosish.config.model import Nhs
from iosish.nhrp import constants as c
from iosish.nhrp import debug
from iosish.nhrp.cie import CODE_NAMES, Cie, Code
from iosish.nhrp.events import PeerDead
from iosish.nhrp.extensions import ExtensionType
from iosish.nhrp.packet import Exchange, Packet, PacketType
from iosish.nhrp.purge import withdraw
from iosish.nhrp.state import NhsState
from iosish.nhrp.station import Station

MAX_OUTSTANDING = 4
"""Request ids of one server whose reply is still taken."""


@dataclass(slots=True)
class Registration:
    """One server and where we stand with it."""

    nhs: Nhs
    nbma: IPv4Address | None
    up: bool = False
    changed_at: float | None = None
    first: bool = True
    request_id: int = 0
    acknowledged_id: int | None = None
    outstanding: dict[int, None] = field(default_factory=dict)
    refused: bool = False
    complained: bool = False
    dead_at: float | None = None
    unanswered: int = 0
    retry_s: float = c.RETRY_FIRST_S
    fresh_at: float = 0.0
    sent: int = 0
    failed: int = 0
    received: int = 0
    last_reply_at: float | None = None

    @property
    def answered(self) -> bool:
        return self.acknowledged_id == self.request_id


class Client:
    """All registrations of one station."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.registrations: dict[IPv4Address, Registration] = {}

    def configure(self, now: float, again: bool) -> None:
        """Follow the `nhs` lines: new and moved servers are registered with at once, those that are gone are left.

        `again`: what we register has changed, so all servers have to hear of it.
        """
        config = self.station.config
        wanted = {nhs.address: (nhs, config.nhs_nbma(nhs)) for nhs in config.nhs if nhs.address != self.station.address}
        for address, registration in list(self.registrations.items()):
            if address not in wanted or wanted[address][1] != registration.nbma:
                self._drop(registration, now)
            else:
                registration.nhs = wanted[address][0]
                if again:
                    self.start(address, now)
        for address, (nhs, nbma) in wanted.items():
            if address not in self.registrations:
                self.registrations[address] = Registration(nhs, nbma)
                self.start(address, now)
        self.registrations = {address: self.registrations[address] for address in wanted}

    def start(self, address: IPv4Address, now: float) -> None:
        """Begin with one server from the beginning: two registrations, then one every interval. While it has no SA,
        nothing is sent: `secured` begins."""
        registration = self.registrations[address]
        registration.first = True
        registration.outstanding.clear()
        if self._can_reach(registration):
            self._send_fresh(registration, now)
            self._schedule(registration, now + min(c.SECOND_REGISTRATION_S, self._interval_s))
        elif self.station.config.operational and registration.nbma is not None:
            lines = debug.delayed("registration request", self.station.nbma, registration.nbma)
            self.station.trace(debug.PROTOCOL, registration.nbma, lines, address)

    def secured(self, nbma: IPv4Address, up: bool, now: float) -> None:
        """The SA of a peer came: its servers are registered with at once. It went: so did they."""
        for address, registration in self.registrations.items():
            if registration.nbma != nbma:
                continue
            if up:
                self.start(address, now)
            else:
                self._set_up(registration, False, now, "External")
                self._cancel(registration)

    def stop(self, now: float) -> None:
        """The tunnel goes down: tell the servers that we leave, and forget that they answered."""
        for registration in self.registrations.values():
            self._leave(registration)
            self._set_up(registration, False, now, "External")
            self._cancel(registration)

    def best(self) -> Registration | None:
        """The server that open questions and their data go to: one that answers, else any whose NBMA is known."""
        reachable = [item for item in self.registrations.values() if item.nbma is not None]
        return min(reachable, key=lambda item: (not item.up, item.nhs.priority), default=None)

    def due(self, address: IPv4Address, now: float) -> None:
        """The registration timer of one server."""
        registration = self.registrations.get(address)
        if registration is None or not self._can_reach(registration):
            return
        if registration.first:
            registration.first = False
            self._send_fresh(registration, now)
        elif registration.answered or registration.refused:
            self._send_fresh(registration, now)
        else:
            if registration.unanswered >= c.UNANSWERED_UNTIL_DOWN:
                self._set_up(registration, False, now, "NHRP Registration Failure")
                self._suspect(registration, now)
            registration.retry_s = min(registration.retry_s * 2, c.RETRY_LAST_S)
            text = f"NHRP: Setting retrans delay to {int(registration.retry_s)} for nhs dst {address}"
            self.station.trace(debug.PROTOCOL, registration.nbma, (text,), address)
            self._send(registration)
        self._schedule(registration, now + self._retry_delay_s(registration))

    def reply(self, packet: Packet, body: Exchange, now: float) -> str | None:
        """A registration reply for us; returns why it was refused, None when it was taken."""
        registration = self._asked(packet, body)
        if registration is None:
            return "unsolicited reply"
        del registration.outstanding[body.request_id]
        registration.received += 1
        registration.last_reply_at = now
        if body.request_id == registration.request_id:
            registration.acknowledged_id = body.request_id
        code = next((cie.code for cie in body.cies if cie.code != Code.SUCCESS), int(Code.SUCCESS))
        if code != Code.SUCCESS:
            self._refused(registration, code, now)
            return None
        registration.refused = False
        registration.unanswered = 0
        registration.dead_at = None
        self._learn_public_address(packet)
        self._set_up(registration, True, now)
        if not registration.first and registration.answered:
            self._schedule(registration, max(now, registration.fresh_at + self._interval_s))
        return None

    def purged(self, packet: Packet, body: Exchange, now: float) -> None:
        """A server took our own registration back (`clear ip nhrp` there): we register again at once, though not more
        often than once in the time between the first two registrations."""
        if not isinstance(packet.source, IPv4Address) or all(cie.protocol != self.station.address for cie in body.cies):
            return
        registration = self.registrations.get(packet.source)
        if registration is not None and not registration.first:
            self.start(packet.source, now)

    def failed(self, request: Packet) -> None:
        """An error indication quotes a registration of ours."""
        if isinstance(request.body, Exchange) and request.type is PacketType.REGISTRATION_REQUEST:
            registration = self._asked(request, request.body)
            if registration is not None:
                registration.failed += 1
                registration.complained = True

    def states(self) -> tuple[NhsState, ...]:
        return tuple(self._state(registration) for registration in self.registrations.values())

    # --- one registration -------------------------------------------------------------------------------------------

    @property
    def _interval_s(self) -> float:
        return self.station.config.registration_interval_s

    def _can_reach(self, registration: Registration) -> bool:
        nbma = registration.nbma
        return self.station.config.operational and nbma is not None and self.station.protection.passes(nbma)

    def _suspect(self, registration: Registration, now: float) -> None:
        """A server is silent though its SA is up, as when it lost its half: the SA is no good. One that complains
        is not silent."""
        nbma, dead_at = registration.nbma, registration.dead_at
        if nbma is None or not self.station.protection.active or registration.complained:
            return
        if dead_at is None or now - dead_at >= c.PEER_DEAD_AGAIN_S:
            registration.dead_at = now
            self.station.node.tell(PeerDead(self.station.name, nbma))

    def _retry_delay_s(self, registration: Registration) -> float:
        """75 to 100 % of 2, 4 ... 64 s, in the 64 s stage to 110 %; never longer than the interval, so that a server
        that was away is registered with again within it."""
        longest = c.RETRY_LONGEST_AT_LAST if registration.retry_s >= c.RETRY_LAST_S else c.RETRY_LONGEST
        share = self.station.node.random.uniform(c.RETRY_SHORTEST, longest)
        return min(registration.retry_s * share, self._interval_s)

    def _send_fresh(self, registration: Registration, now: float) -> None:
        """A new series with a new request id."""
        registration.request_id = self.station.node.next_request_id()
        registration.outstanding[registration.request_id] = None
        if len(registration.outstanding) > MAX_OUTSTANDING:
            del registration.outstanding[next(iter(registration.outstanding))]
        if not registration.refused:
            registration.retry_s = c.RETRY_FIRST_S
        registration.refused = False
        registration.unanswered = 0
        registration.fresh_at = now
        self._send(registration)

    def _send(self, registration: Registration) -> None:
        station = self.station
        nbma = registration.nbma
        if nbma is None:
            return
        config = station.config
        nat = station.nat_record(nbma, registration.nhs.address)
        cie = Cie(
            prefix=c.REGISTRATION_PREFIX,
            mtu=config.mtu,
            holding_time_s=config.holdtime_s,
            preference=c.PREFERENCE,
        )
        registration.complained = False
        registration.unanswered += 1
        registration.sent += 1
        station.send(
            nbma,
            Packet(
                type=PacketType.REGISTRATION_REQUEST,
                source_nbma=station.nbma,
                source=station.address,
                destination=registration.nhs.address,
                body=Exchange((c.REGISTRATION_UNIQUE if config.unique else 0) | c.NAT, registration.request_id, (cie,)),
                extensions=station.extensions((nat,)),
                hop_count=c.HOP_COUNT,
            ),
        )

    def _asked(self, packet: Packet, body: Exchange) -> Registration | None:
        """The registration that `packet` answers: request id and addresses have to be those that were sent."""
        if packet.source != self.station.address:
            return None
        for registration in self.registrations.values():
            if packet.destination == registration.nhs.address and body.request_id in registration.outstanding:
                return registration
        return None

    def _refused(self, registration: Registration, code: int, now: float) -> None:
        registration.failed += 1
        registration.refused = True
        registration.acknowledged_id = None
        words = CODE_NAMES.get(code, "unknown code")
        self.station.node.log_about(
            registration.nbma or registration.nhs.address,
            now,
            "NHRP",
            3,
            "PAKREPLY",
            f"Receive Registration Reply packet with error - {words}({code})",
        )
        self._set_up(registration, False, now, "NHRP Registration Failure")
        registration.retry_s = min(registration.retry_s * 2, c.RETRY_LAST_S)
        if not registration.first:
            self._schedule(registration, now + self._retry_delay_s(registration))

    def _learn_public_address(self, packet: Packet) -> None:
        """A NAT record about ourselves shows which address the server sees us under."""
        for item in packet.extensions or ():
            if item.type == ExtensionType.NAT:
                seen = [cie.nbma for cie in item.cies if cie.protocol == self.station.address]
                public = seen[0] if seen and isinstance(seen[0], IPv4Address) else None
                self.station.public_nbma = None if public == self.station.nbma else public

    def _set_up(self, registration: Registration, up: bool, now: float, reason: str | None = None) -> None:
        if registration.up == up:
            return
        registration.up = up
        registration.changed_at = now
        self.station.server_changed(registration.nhs.address, registration.nbma, reason)

    def _leave(self, registration: Registration) -> None:
        """Purge our own registration at the server, also where the way back is broken, by which its answers would have
        come; nobody will hear one to this."""
        if registration.nbma is None or not (registration.up or registration.outstanding):
            return
        station, server = self.station, registration.nhs.address
        withdraw(station, registration.nbma, server, station.address, registration.request_id)

    def _drop(self, registration: Registration, now: float) -> None:
        if self.station.config.operational:
            self._leave(registration)
        self._set_up(registration, False, now, "External")
        self._cancel(registration)
        del self.registrations[registration.nhs.address]

    def _schedule(self, registration: Registration, at: float) -> None:
        self.station.node.timers.set(self.station.key("registration", registration.nhs.address), at)

    def _cancel(self, registration: Registration) -> None:
        registration.outstanding.clear()
        self.station.node.timers.cancel(self.station.key("registration", registration.nhs.address))

    def _state(self, registration: Registration) -> NhsState:
        next_at = self.station.node.timers.get(self.station.key("registration", registration.nhs.address))
        return NhsState(
            address=registration.nhs.address,
            nbma=registration.nbma,
            status="RE" if registration.up else "E",
            priority=registration.nhs.priority,
            cluster=registration.nhs.cluster,
            requests_sent=registration.sent,
            requests_failed=registration.failed,
            replies_received=registration.received,
            last_reply_at=registration.last_reply_at,
            request_id=registration.request_id,
            acknowledged_id=registration.acknowledged_id,
            pending=next_at is not None and not registration.answered,
            retry_s=int(registration.retry_s),
            next_at=next_at,
        )
