"""The IKE engine: IKEv1 for all crypto maps of a router, behind the surface that every engine has."""

from __future__ import annotations

import random
from collections.abc import Mapping
from ipaddress import IPv4Address

from iosish.engine import Event, UdpDatagram
from iosish.ike import (
    aggressive_mode,
    debug_text,
    dpd,
    informational,
    log_text,
    main_mode,
    packet,
    phase1,
    quick_exchange,
    quick_mode,
    retransmission,
    settings,
    shown,
)
from iosish.ike import constants as c
from iosish.ike.config import IkeConfig
from iosish.ike.core import Core, DhGroups
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.events import Flow
from iosish.ike.isakmp_sa import IsakmpSa, Step
from iosish.ike.messages import Received
from iosish.ike.node import ISAKMP, ISAKMP_ERROR
from iosish.ike.packet import Exchange
from iosish.ike.pairs import Pair
from iosish.ike.quick_exchange import QuickMode
from iosish.ike.sas import NO_COOKIE
from iosish.ike.state import IkeState
from iosish.ipsec.sa import SaChange, SaCounters, SaKey


class IkeEngine:
    """`random` gives cookies, nonces, SPIs, message ids and jitter: in earnest it has to be `random.SystemRandom`.

    `dh` makes Diffie-Hellman exchanges; None: those of `iosish.ike.dh`, with `random`. `debug` are the topics that
    DebugEvents are wanted for.
    """

    def __init__(self, random: random.Random, dh: DhGroups | None = None, debug: frozenset[str] = frozenset()) -> None:
        self._core = Core(random, dh)
        self._core.node.debug = debug

    @property
    def debug(self) -> frozenset[str]:
        return self._core.node.debug

    @debug.setter
    def debug(self, topics: frozenset[str]) -> None:
        self._core.node.debug = topics

    # --- the surface of every engine --------------------------------------------------------------------------------

    def configure(self, config: IkeConfig | None, now: float) -> None:
        """Take a new configuration, or None to shut down. Equal values change nothing."""
        settings.apply(self._core, config if config is not None else IkeConfig(), now)

    def receive(self, datagram: UdpDatagram, now: float) -> None:
        """Take what a peer sent. Never raises for what is in it."""
        node = self._core.node
        if not datagram.payload:
            node.counters["NAT keepalives"] += 1
            return
        if not node.config.maps:
            node.counters["ISAKMP is off"] += 1
            return
        if packet.is_ikev2(datagram.payload):
            node.counters["IKEv2 messages"] += 1
            node.say(ISAKMP_ERROR, datagram.peer, "ISAKMP:(0):IKEv2 message from %s refused", datagram.peer)
            return
        try:
            header, body = packet.decode_header(datagram.payload)
            self._dispatch(Received(datagram, header, body), now)
        except PacketError as error:
            self._core.refused(datagram.peer, error, now)

    def wake(self, now: float) -> None:
        """Do everything that is due at or before `now`, and a little of what waits for Diffie-Hellman."""
        while (key := self._core.node.deadlines.pop_due(now)) is not None:
            self._due(key.reason, key.subject, now)
        self._core.work.run(now)

    def next_wake(self) -> tuple[float, str] | None:
        """When `wake` is wanted next, and why (`"retransmission 10.0.0.1"`); None: never."""
        first, since = self._core.node.deadlines.first(), self._core.work.next_wake()
        if since is not None and (first is None or since <= first[0]):
            return since, "Diffie-Hellman"
        return None if first is None else (first[0], f"{first[1].reason} {_peer_of(first[1].subject)}")

    def datagrams(self) -> list[UdpDatagram]:
        """What is to be sent, in order; taken once. The `changes` until now have to be in force before."""
        return self._core.node.take_datagrams()

    def events(self) -> list[Event]:
        """What happened since the last call; taken once."""
        return self._core.node.take_events()

    def changes(self) -> list[SaChange]:
        """What the data plane is to put in place and to take out, in order; taken once."""
        return self._core.pairs.take_changes()

    # --- what the router asks for and tells -------------------------------------------------------------------------

    def request(self, flow: Flow, now: float) -> None:
        """SAs are wanted for a flow, and kept until `release`. Asked again, it wakes a flow whose SAs ended idle."""
        self._core.flows.request(flow, now)

    def release(self, flow: Flow, now: float) -> None:
        """Nothing of ours needs the flow any more: its SAs go."""
        self._core.flows.release(flow, now)

    def flow_up(self, flow: Flow) -> bool:
        protection = self._core.flows.get(flow)
        return protection is not None and bool(protection.pairs)

    def takes_from(self, local: IPv4Address, peer: IPv4Address) -> bool:
        """Whether packets of this peer come in by any SA: of a pair, or of a quick mode whose message 3 is to come.

        `peer` is where its GRE is from: its outer address, or in tunnel mode behind a NAT the one that it has inside.
        """
        core, ends = self._core, (local, peer)
        return core.flows.has_pairs(ends) or core.sas.has_open_pair(ends) or bool(core.pairs.inside(*ends))

    def worn(self, key: SaKey, now: float) -> None:
        """An outbound SA is near the end of its volume or its sequence numbers."""
        self._core.flows.worn(key, now)

    def used(self, used: Mapping[SaKey, SaCounters], now: float) -> None:
        """SAs carried packets since the last report."""
        core = self._core
        for key in used:
            quick = core.pairs.awaiting(key)
            if quick is not None:
                quick_exchange.commit(core, quick, now)
        for ends, (sent, received) in core.flows.used(used, now).items():
            sa = core.sas.best(ends, None)
            if sa is not None:
                dpd.used(core, sa, sent, received, now)

    def lost(self, now: float) -> None:
        """The forwarder died, with its SAs and their sequence numbers: peers are told, and all are made anew."""
        for protection in self._core.flows:
            had = bool(protection.pairs)
            self._core.flows.end(protection, "forwarder died", now)
            if had:
                protection = self._core.flows.obtain(protection.flow) or protection
                protection.renew = True
            self._core.flows.drive(protection, now)

    def esp_refused(
        self, reason: str, local: IPv4Address, peer: IPv4Address, spi: int, sequence: int, now: float
    ) -> None:
        """The data plane refused ESP: "invalid SPI", "replay", "integrity", "length" or "identity"."""
        core, ends = self._core, (local, peer)
        pair = core.pairs.inbound(peer, spi)
        connection = 0 if pair is None else pair.inbound_id
        match reason:
            case "invalid SPI":
                core.node.log_esp(peer, log_text.invalid_spi(local, peer, spi), now)
                core.lacks_spi(ends, spi, now)
            case "replay":
                core.node.log_esp(peer, log_text.replay_error(local, peer, spi, sequence, connection), now)
            case "integrity":
                core.node.log_esp(peer, log_text.mac_error(local, peer, spi, sequence, connection), now)
            case "identity":
                core.node.log_esp(peer, log_text.not_ipsec(local, peer), now)
            case _:
                core.node.log_esp(peer, log_text.length_error(local, peer, spi), now)

    def clear_sa(self, peer: IPv4Address | None, now: float) -> None:
        """`clear crypto sa [peer A]`: IPsec SAs go, the peer is told, and what is wanted is built again."""
        core = self._core
        cleared = [protection for protection in core.flows if peer in (None, protection.flow.peer)]
        for protection in cleared:
            core.flows.end(protection, "cleared", now)
        for protection in cleared:
            core.flows.drive(protection, now)

    def clear_counters(self, counted: Mapping[SaKey, SaCounters]) -> None:
        """`clear crypto sa counters`: what SAs that ended had counted, and what the others `counted` until now."""
        self._core.flows.clear_counters(counted)

    def clear_isakmp(self, connection_id: int | None, now: float) -> None:
        """`clear crypto isakmp [ID]`: ISAKMP SAs go, IPsec SAs live on; phase 1 comes back where it is needed."""
        core = self._core
        cleared = [sa for sa in core.sas if connection_id in (None, sa.connection_id)]
        for sa in cleared:
            core.sas.delete(sa, "cleared", now)
        for ends in dict.fromkeys(sa.ends for sa in cleared):
            core.phase1_lost(ends, now)
            for protection in core.flows.between(ends):
                core.flows.drive(protection, now)

    def clear_session(self, peer: IPv4Address | None, now: float) -> None:
        """`clear crypto session [remote A]`: both kinds of SAs go; what is wanted is built again."""
        core = self._core
        cleared = [protection for protection in core.flows if peer in (None, protection.flow.peer)]
        for protection in cleared:
            core.flows.end(protection, "cleared", now)
        for sa in core.sas:
            if peer in (None, sa.peer):
                core.sas.delete(sa, "cleared", now)
        for protection in cleared:
            core.flows.drive(protection, now)

    def state(self, now: float) -> IkeState:
        """Everything that `show` prints."""
        return shown.state(self._core, now)

    # --- messages ---------------------------------------------------------------------------------------------------

    def _dispatch(self, message: Received, now: float) -> None:
        core, datagram, header = self._core, message.datagram, message.header
        sa = core.sas.of_message(header.cookie_i, header.cookie_r)
        if sa is None:
            self._take_unknown(message, now)
            return
        if sa.ends != (datagram.local, datagram.peer):
            raise Unwanted("cookies of another peer")
        debug_text.received(core.node, sa, datagram)
        if header.exchange in (Exchange.MAIN, Exchange.AGGRESSIVE) and not header.message_id:
            if sa.received == datagram.payload:
                retransmission.answer_again(core.node, sa, now)
            elif sa.aggressive is not (header.exchange == Exchange.AGGRESSIVE):
                raise Unwanted("another mode than begun with")
            elif sa.aggressive:
                aggressive_mode.receive(core, sa, message, now)
            else:
                main_mode.receive(core, sa, message, now)
        elif header.exchange == Exchange.INFORMATIONAL:
            if header.encrypted and sa.up_at is None:
                core.node.counters["too early"] += 1
            else:
                informational.receive(core, sa, message, now)
        elif header.exchange == Exchange.QUICK:
            if sa.up_at is None:
                # The last message of phase 1 is still to come, and this one will come again. In aggressive mode
                # the initiator does not wait for it to arrive: our message 2 once more makes it send it once more.
                core.node.counters["too early"] += 1
                if sa.step is Step.R_AM2:
                    retransmission.answer_again(core.node, sa, now)
            else:
                quick_mode.receive(core, sa, message, now)
        else:
            raise PacketError("unknown exchange")

    def _take_unknown(self, message: Received, now: float) -> None:
        """A first message, or one of an SA that is not here: never answered, as two could go on for ever."""
        core, datagram, header = self._core, message.datagram, message.header
        is_first = header.cookie_r == NO_COOKIE and not header.encrypted and not header.message_id
        if not core.node.senders.allows(datagram.peer, now):
            core.node.counters["rate limit"] += 1
        elif is_first and header.exchange in (Exchange.MAIN, Exchange.AGGRESSIVE):
            known = core.sas.of_first(datagram.local, datagram.peer, header.cookie_i)
            if known is not None:
                if known.received == datagram.payload:
                    retransmission.answer_again(core.node, known, now)
                else:
                    core.node.counters["unexpected message"] += 1
            elif not core.node.firsts.allows(None, now):
                core.node.counters["rate limit"] += 1
            elif header.exchange == Exchange.MAIN:
                main_mode.respond(core, message, now)
            else:
                aggressive_mode.respond(core, message, now)
        elif header.exchange == Exchange.INFORMATIONAL and not header.encrypted:
            informational.receive_clear(core, None, message, now)
        else:
            core.node.counters["unknown cookies"] += 1
            core.node.say(ISAKMP_ERROR, datagram.peer, "ISAKMP:(0):no SA for the cookies from %s", datagram.peer)
            if header.exchange == Exchange.QUICK:  # it wants a pair of an ISAKMP SA from before we restarted
                core.recover((datagram.local, datagram.peer), now)

    # --- deadlines --------------------------------------------------------------------------------------------------

    def _due(self, reason: str, subject: object, now: float) -> None:
        core = self._core
        match reason, subject:
            case "retransmission", IsakmpSa():
                self._retransmit(subject, now)
            case "retransmission", QuickMode():
                if retransmission.again(core.node, subject, now):
                    debug_text.retransmitting(core.node, subject)
                    dpd.doubted(core, subject.sa, now)
                else:
                    self._unanswered(subject, now)
            case "half-open", IsakmpSa():
                core.node.counters["half-open expired"] += 1
                core.sas.delete(subject, "negotiation took too long", now, tell=False)
            case "lifetime", IsakmpSa():
                core.sas.delete(subject, "lifetime expired", now)
            case "successor", IsakmpSa():
                core.due_successor(subject, now)
            case "dpd", IsakmpSa():
                dpd.due(core, subject, now)
            case "keepalive", IsakmpSa():
                core.due_keepalive(subject, now)
            case "phase 1", (IPv4Address() as local, IPv4Address() as peer):
                core.due_phase1((local, peer), now)
            case "quick mode", QuickMode():
                quick_exchange.abandon(core, subject, now)
            case "retry", Flow():
                core.flows.due_retry(subject, now)
            case "idle", Flow():
                core.flows.due_idle(subject, now)
            case "rekey", Pair():
                core.flows.due_rekey(subject, now)
            case "switch", Pair():
                core.flows.due_switch(subject)
            case "pair lifetime", Pair():
                core.flows.due_lifetime(subject, now)

    def _unanswered(self, quick: QuickMode, now: float) -> None:
        """A quick mode came to nothing. If the peer was silent all the time, it may be back without this ISAKMP SA, and
        would never answer by it: another one is made."""
        core, sa = self._core, quick.sa
        quick_exchange.fail(core, quick, "no answer", now)
        if quick.initiator and now - sa.heard_at >= c.RETRANSMIT_S * c.RETRANSMISSIONS:
            core.sas.delete(sa, "quick mode is not answered", now)
            core.phase1_lost(sa.ends, now)

    def _retransmit(self, sa: IsakmpSa, now: float) -> None:
        core = self._core
        if not retransmission.again(core.node, sa, now):
            unanswered = "message 5 is not answered: Pre-Shared Key mismatch?" if sa.step is Step.I_MM5 else "no answer"
            phase1.give_up(core, sa, unanswered, now)
            return
        core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d): retransmitting phase 1 %s...", sa.connection_id, sa.word)
        core.node.say(
            ISAKMP_ERROR,
            sa.peer,
            "ISAKMP (%d): incrementing error counter on sa, attempt %d of 5: retransmit phase 1",
            sa.connection_id,
            sa.sent_times,
        )
        if sa.step is Step.I_MM5 and sa.sent_times == 1:
            phase1.said_failure(core, sa, "message 5 is not answered: Pre-Shared Key mismatch?", now)


def _peer_of(subject: object) -> object:
    """Whom a deadline is about."""
    match subject:
        case IsakmpSa() | QuickMode() | Pair() | Flow():
            return subject.peer
        case (_, peer):
            return peer
    return subject
