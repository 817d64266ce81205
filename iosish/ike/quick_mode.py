"""Quick mode, both roles: a pair of ESP SAs for the GRE between two hosts (RFC 2409 5.5, 3947 5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike import (
    esp_proposals,
    keymat,
    lifetime,
    log_text,
    messages,
    nat_traversal,
    notices,
    packet,
    retransmission,
)
from iosish.ike.attributes import KILOBYTES, SECONDS, Phase2
from iosish.ike.config import CryptoMap
from iosish.ike.dh import Exchange as DhExchange
from iosish.ike.dh import public_octets
from iosish.ike.errors import PacketError
from iosish.ike.esp_proposals import Choice
from iosish.ike.events import Flow
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import Opened, Received, all_of, at_most_one, one
from iosish.ike.node import IPSEC, ISAKMP
from iosish.ike.packet import Exchange
from iosish.ike.pairs import Pair
from iosish.ike.payloads import (
    Identification,
    IdType,
    KeyExchange,
    Nonce,
    Notification,
    NotifyType,
    Payload,
    Sa,
)
from iosish.ike.work import Job
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Mode

if TYPE_CHECKING:
    from iosish.ike.core import Core

QM_READY, QM_I_QM1, QM_R_QM1 = "IKE_QM_READY", "IKE_QM_I_QM1", "IKE_QM_R_QM1"
QM_R_QM2, QM_COMPLETE = "IKE_QM_R_QM2", "IKE_QM_PHASE2_COMPLETE"


@dataclass(slots=True, eq=False)
class QuickMode:
    """One exchange under its own message id. `spi` is ours; `pair` is there once both ends have agreed.

    `iv` is that of the next message, `done_at` when it ended; it is kept a while to answer what comes again.
    """

    sa: IsakmpSa
    message_id: int
    initiator: bool
    flow: Flow
    crypto_map: CryptoMap
    spi: int
    iv: bytes
    step: str = QM_READY
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    own: DhExchange | None = field(default=None, repr=False)
    pair: Pair | None = None
    busy: bool = False
    done_at: float | None = None
    received: bytes = b""
    sent: UdpDatagram | None = None
    sent_times: int = 0
    sent_at: float = 0.0
    answered_times: int = 0

    @property
    def peer(self) -> IPv4Address:
        return self.sa.peer

    @property
    def spis(self) -> tuple[int, ...]:
        """Ours, and the peer's once it is known."""
        return (self.spi,) if self.pair is None else (self.spi, self.pair.outbound.spi)

    def set_step(self, core: Core, step: str) -> None:
        core.node.say(ISAKMP, self.peer, "ISAKMP:(%d):Node %d", self.sa.connection_id, self.message_id)
        core.node.say(
            ISAKMP,
            self.peer,
            "ISAKMP:(%d):Old State = %s  New State = %s",
            self.sa.connection_id,
            self.step,
            step,
        )
        self.step = step


# --- initiator ------------------------------------------------------------------------------------------------------


def initiate(core: Core, sa: IsakmpSa, flow: Flow, crypto_map: CryptoMap, now: float) -> QuickMode:
    """Begin one under an ISAKMP SA that is up."""
    node = core.node
    message_id = notices.new_message_id(core, sa)
    keys = messages.keys_of(sa)
    iv = keymat.phase2_iv(keys, sa.last_block, message_id)
    quick = QuickMode(sa, message_id, True, flow, crypto_map, core.pairs.take_spi(), iv)
    quick.nonce_i = node.random.randbytes(c.NONCE_OCTETS)
    sa.quick[message_id] = quick
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d):beginning Quick Mode exchange, M-ID of %d", sa.connection_id, message_id)
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d):QM Initiator gets spi", sa.connection_id)

    def begin(now: float) -> None:
        group = crypto_map.pfs
        if group is not None:
            quick.own = core.dh.begin(group)
        offer = esp_proposals.offer(crypto_map, quick.spi, sa.nat, nat_traversal.is_draft(sa.natt))
        transport = any(item.mode is Mode.TRANSPORT for item in crypto_map.sets)
        payloads = (
            offer,
            Nonce(quick.nonce_i),
            *((KeyExchange(quick.own.public),) if quick.own is not None else ()),
            _host(sa.local),
            _host(sa.peer),
            *(nat_traversal.original_addresses(sa, sa.local, sa.peer) if sa.nat and transport else ()),
        )
        rest = packet.encode_payloads(payloads)
        digest = keymat.hash_1(keys, message_id, rest)
        quick.set_step(core, QM_I_QM1)
        _send(core, quick, digest, payloads[0].kind, rest, now, expects_answer=True)

    if crypto_map.pfs is None:
        begin(now)
    elif not _work(core, quick, crypto_map.pfs, begin, now):
        node.after("retransmission", quick, now + c.RETRANSMIT_S)
    return quick


def _take_qm2(core: Core, quick: QuickMode, message: Received, opened: Opened, now: float) -> None:
    """The responder's choice: the SAs are in place before message 3 leaves."""
    sa, keys = quick.sa, messages.keys_of(quick.sa)
    nonce = _nonce(opened.payloads)
    opened.check(keymat.hash_2(keys, quick.message_id, quick.nonce_i, opened.rest))
    exchange = at_most_one(opened.payloads, KeyExchange)
    choice = esp_proposals.accepted(one(opened.payloads, Sa), quick.crypto_map, sa.nat, exchanged=exchange is not None)
    _check_identities(opened.payloads, _host(sa.local), _host(sa.peer))
    choice = _shortened(choice, opened.payloads)
    core.heard(sa, message.datagram, now)
    if core.pairs.outbound(sa.peer, choice.spi) is not None:
        raise PacketError("SPI is in use")

    def answer(now: float) -> None:
        shared = b""
        if quick.own is not None and exchange is not None:
            shared = quick.own.shared(exchange.value)
        quick.nonce_r, quick.iv, quick.own = nonce, opened.iv, None
        quick.pair = _pair(core, quick, choice, shared, now)
        core.pairs.install(quick.pair.inbound, quick.pair.outbound)
        digest = keymat.hash_3(keys, quick.message_id, quick.nonce_i + quick.nonce_r)
        _send(core, quick, digest, 0, b"", now, expects_answer=False)
        _finish(core, quick, now)

    quick.received = message.datagram.payload
    if exchange is None:
        answer(now)
    elif choice.pfs is not None and not _work(core, quick, choice.pfs, answer, now):
        quick.received = b""


# --- responder ------------------------------------------------------------------------------------------------------


def _respond(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take a first message. Raises PacketError."""
    node, keys, message_id = core.node, messages.keys_of(sa), message.header.message_id
    opened = messages.unprotect(sa, message, keymat.phase2_iv(keys, sa.last_block, message_id))
    opened.check(keymat.hash_1(keys, message_id, opened.rest))
    notices.remember(sa, message_id)
    core.heard(sa, message.datagram, now)
    open_ = sum(1 for quick in sa.quick.values() if quick.done_at is None)
    if open_ >= c.MAX_QUICK_MODES:
        raise PacketError("too many quick modes")
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d): processing SA payload. message ID = %d", sa.connection_id, message_id)
    offered, exchange = one(opened.payloads, Sa), at_most_one(opened.payloads, KeyExchange)
    nonce, identities = _nonce(opened.payloads), all_of(opened.payloads, Identification)
    found = _choose(core, sa, offered, identities, exchange is not None)
    if isinstance(found, NotifyType):
        _refuse(core, sa, offered, found, now)
        return
    crypto_map, choice = found
    if core.pairs.outbound(sa.peer, choice.spi) is not None:
        raise PacketError("SPI is in use")
    if choice.pfs is not None and exchange is not None and len(exchange.value) != public_octets(choice.pfs):
        raise PacketError("public value of a wrong length")
    flow = Flow(crypto_map.tag, sa.local, sa.peer)
    quick = QuickMode(sa, message_id, False, flow, crypto_map, core.pairs.take_spi(), opened.iv)
    quick.nonce_i, quick.nonce_r = nonce, node.random.randbytes(c.NONCE_OCTETS)
    quick.received = message.datagram.payload
    sa.quick[message_id] = quick
    quick.set_step(core, QM_R_QM1)
    node.after("retransmission", quick, now + c.RETRANSMIT_S)

    def answer(now: float) -> None:
        """Message 2: our choice; what the peer sends by it is taken from here on."""
        shared = b""
        if choice.pfs is not None and exchange is not None:
            quick.own = core.dh.begin(choice.pfs)
            shared = quick.own.shared(exchange.value)
        quick.pair = _pair(core, quick, choice, shared, now, identities)
        spi = quick.spi.to_bytes(4, "big")
        shorter_s = choice.lifetime_s if choice.offered_s is not None and choice.lifetime_s < choice.offered_s else None
        shorter_kb = None
        if choice.offered_kb is not None and choice.lifetime_kb is not None and choice.lifetime_kb < choice.offered_kb:
            shorter_kb = choice.lifetime_kb
        payloads = (
            replace(offered, proposals=(replace(choice.answer, spi=spi),)),
            Nonce(quick.nonce_r),
            *((KeyExchange(quick.own.public),) if quick.own is not None else ()),
            *identities,
            *(
                nat_traversal.original_addresses(sa, sa.peer, sa.local)
                if sa.nat and choice.mode is Mode.TRANSPORT
                else ()
            ),
            *lifetime.of_phase2(spi, shorter_s, shorter_kb),
        )
        quick.own = None
        rest = packet.encode_payloads(payloads)
        digest = keymat.hash_2(keys, message_id, quick.nonce_i, rest)
        core.pairs.install(quick.pair.inbound)
        core.pairs.await_use(quick.pair, quick)
        quick.set_step(core, QM_R_QM2)
        _send(core, quick, digest, payloads[0].kind, rest, now, expects_answer=True)

    if choice.pfs is None:
        answer(now)
    elif not _work(core, quick, choice.pfs, answer, now):
        fail(core, quick, "too much work is waiting", now)


def _take_qm3(core: Core, quick: QuickMode, message: Received, opened: Opened, now: float) -> None:
    keys = messages.keys_of(quick.sa)
    opened.check(keymat.hash_3(keys, quick.message_id, quick.nonce_i + quick.nonce_r))
    core.heard(quick.sa, message.datagram, now)
    quick.received, quick.sent = message.datagram.payload, None
    commit(core, quick, now)


def commit(core: Core, quick: QuickMode, now: float) -> None:
    """A responder knows that the initiator has the SAs: by message 3, or by a packet that came by them."""
    if quick.done_at is None and quick.pair is not None:
        core.pairs.install(quick.pair.outbound)
        _finish(core, quick, now)


def _choose(
    core: Core, sa: IsakmpSa, offered: Sa, identities: list[Identification], exchanged: bool
) -> tuple[CryptoMap, Choice] | NotifyType:
    """The crypto map that takes the peer, and what is taken of its offer; or how it is refused."""
    node = core.node
    refusal = NotifyType.INVALID_ID_INFORMATION
    maps = [
        item
        for item in node.config.maps.values()
        if item.local == sa.local
        and (item.peers is None or sa.peer in item.peers)
        and item.isakmp_profile in (None, sa.profile)
    ]
    for crypto_map in sorted(maps, key=lambda item: (item.peers is None, item.isakmp_profile is None)):
        refusal = NotifyType.NO_PROPOSAL_CHOSEN
        choice = esp_proposals.choose(node, sa.peer, sa.connection_id, offered, crypto_map, sa.nat, exchanged)
        if choice is not None:
            if not _are_gre(sa, identities, choice.mode):
                return NotifyType.INVALID_ID_INFORMATION
            return crypto_map, choice
    return refusal


def _are_gre(sa: IsakmpSa, identities: list[Identification], mode: Mode) -> bool:
    """Whether the identities are two hosts and GRE between them.

    Behind a NAT they may be addresses of the other side: in transport mode the outer ones count, in tunnel mode
    the initiator's own may be any, as it stands inside.
    """
    if len(identities) != 2 or any(item.protocol != c.GRE or item.port for item in identities):
        return False
    theirs, ours = (item.address() for item in identities)
    if theirs is None or ours is None:
        return False
    if sa.nat and mode is Mode.TRANSPORT:
        return True
    return ours == sa.local and (theirs == sa.peer or sa.nat_peer)


def _refuse(core: Core, sa: IsakmpSa, offered: Sa, kind: NotifyType, now: float) -> None:
    """Tell the initiator why not, protected, with the SPI that it had offered."""
    core.node.counters["phase 2 refused"] += 1
    core.node.log_about(sa.peer, log_text.mode_failure("Quick", sa.peer), now)
    if kind is NotifyType.INVALID_ID_INFORMATION:
        core.node.log_about(sa.peer, log_text.no_map(sa.peer, sa.local), now)
    if core.node.notifies.allows((sa.peer, "protected"), now):
        spi = offered.proposals[0].spi if offered.proposals else b""
        notices.send(core, sa, (Notification(3, spi, kind),), now)


# --- both -----------------------------------------------------------------------------------------------------------


def receive(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take a message of quick mode under an ISAKMP SA that is up. Raises PacketError; nothing has changed then."""
    message_id = message.header.message_id
    quick = sa.quick.get(message_id)
    if quick is None:
        if not message_id or message_id in sa.message_ids:
            raise PacketError("message id was used before")
        _respond(core, sa, message, now)
    elif quick.received == message.datagram.payload:
        retransmission.answer_again(core.node, quick, now)
    elif quick.busy or (quick.done_at is not None and not _awaits_qm3(quick)):
        core.node.counters["unexpected message"] += 1
    else:
        opened = messages.unprotect(sa, message, quick.iv)
        if quick.initiator:
            _take_qm2(core, quick, message, opened, now)
        else:
            _take_qm3(core, quick, message, opened, now)


def _awaits_qm3(quick: QuickMode) -> bool:
    """Committed by a packet, with message 3 still under way."""
    return not quick.initiator and quick.sent is not None


def fail(core: Core, quick: QuickMode, reason: str, now: float) -> None:
    """An exchange came to nothing, or its ISAKMP SA has ended."""
    if abandon(core, quick, now):
        core.node.counters["quick modes failed"] += 1
        core.node.say(
            ISAKMP,
            quick.peer,
            'ISAKMP:(%d):deleting node %d error TRUE reason "%s"',
            quick.sa.connection_id,
            quick.message_id,
            reason,
        )
        if quick.initiator:
            core.flows.quick_failed(quick, reason, now)


def abandon(core: Core, quick: QuickMode, now: float) -> bool:
    """Forget an exchange, and what it had put in place if it was not done. False: it was done."""
    quick.sa.quick.pop(quick.message_id, None)
    retransmission.stop(core.node, quick)
    core.node.cancel("quick mode", quick)
    if quick.done_at is not None:
        return False
    quick.done_at = now
    if quick.pair is not None:
        core.pairs.settle(quick.pair)
        core.pairs.withdraw(quick.pair.inbound)
    core.pairs.free_spi(quick.spi)
    return True


def _finish(core: Core, quick: QuickMode, now: float) -> None:
    if quick.pair is None:
        return
    quick.done_at = now
    retransmission.stop(core.node, quick)
    core.pairs.settle(quick.pair)
    core.node.after("quick mode", quick, now + c.DONE_KEPT_S)
    quick.set_step(core, QM_COMPLETE)
    core.node.say(
        ISAKMP,
        quick.peer,
        'ISAKMP:(%d):deleting node %d error FALSE reason "No Error"',
        quick.sa.connection_id,
        quick.message_id,
    )
    core.flows.pair_up(quick.pair, now)


def _work(core: Core, quick: QuickMode, group: int, job: Job, now: float) -> bool:
    def run(now: float) -> None:
        quick.busy = False
        if quick.done_at is None:
            try:
                job(now)
            except PacketError as error:
                core.bad_message(quick.peer, error.reason, now)
                fail(core, quick, error.reason, now)

    quick.busy = core.work.add(group, run, now)
    return quick.busy


def _send(
    core: Core, quick: QuickMode, digest: bytes, first: int, rest: bytes, now: float, expects_answer: bool
) -> None:
    sa = quick.sa
    data, quick.iv = messages.protect(sa, Exchange.QUICK, quick.message_id, quick.iv, digest, first, rest)
    core.node.say(
        ISAKMP,
        sa.peer,
        "ISAKMP:(%d): sending packet to %s my_port %d peer_port %d (%s) %s",
        sa.connection_id,
        sa.peer,
        sa.local_port,
        sa.peer_port,
        sa.role,
        sa.word,
    )
    datagram = UdpDatagram(sa.local, sa.local_port, sa.peer, sa.peer_port, data)
    retransmission.send(core.node, quick, datagram, now, expects_answer)


def _host(address: IPv4Address) -> Identification:
    """GRE of one host: what both ends say in either mode."""
    return Identification(IdType.IPV4, c.GRE, 0, address.packed)


def _nonce(payloads: tuple[Payload, ...]) -> bytes:
    nonce = one(payloads, Nonce).value
    if not c.SHORTEST_NONCE <= len(nonce) <= c.LONGEST_NONCE:
        raise PacketError("nonce of a wrong length")
    return nonce


def _check_identities(payloads: tuple[Payload, ...], *expected: Identification) -> None:
    """The responder repeats ours; the form of a subnet of one host means the same."""
    found = all_of(payloads, Identification)
    if found and [(item.address(), item.protocol) for item in found] != [
        (item.address(), item.protocol) for item in expected
    ]:
        raise PacketError("responder answers for other hosts")


def _shortened(choice: Choice, payloads: tuple[Payload, ...]) -> Choice:
    for notification in all_of(payloads, Notification):
        lives = lifetime.of_responder(notification, Phase2.LIFE_TYPE, Phase2.LIFE_DURATION)
        seconds, kilobytes = lives.get(SECONDS), lives.get(KILOBYTES)
        if seconds is not None:
            choice = replace(choice, lifetime_s=min(choice.lifetime_s, seconds))
        if kilobytes is not None:
            volume = kilobytes if choice.lifetime_kb is None else min(choice.lifetime_kb, kilobytes)
            choice = replace(choice, lifetime_kb=volume)
    return choice


def _pair(
    core: Core,
    quick: QuickMode,
    choice: Choice,
    shared: bytes,
    now: float,
    identities: list[Identification] | None = None,
) -> Pair:
    """Both SAs with their keys. `identities` are those that a responder got."""
    sa, crypto_map, keys = quick.sa, quick.crypto_map, messages.keys_of(quick.sa)
    nonces = quick.nonce_i + quick.nonce_r
    hard = None if choice.lifetime_kb is None else choice.lifetime_kb * 1024
    soft = None if hard is None else hard - min(c.REKEY_OCTETS, int(hard * c.REKEY_OCTETS_SHARE))
    theirs = identities[0].address() if identities and sa.nat_peer and choice.mode is Mode.TUNNEL else None

    def one_way(spi: int, inbound: bool) -> SecurityAssociation:
        encryption, integrity = keymat.esp_keys(keys, choice.transform, spi.to_bytes(4, "big"), nonces, shared)
        return SecurityAssociation(
            spi=spi,
            inbound=inbound,
            crypto_map=crypto_map.tag,
            local=sa.local,
            peer=sa.peer,
            selector_local=sa.local,
            selector_peer=theirs or sa.peer,
            transform=choice.transform,
            encryption_key=encryption,
            integrity_key=integrity,
            mode=choice.mode,
            udp_ports=(sa.local_port, sa.peer_port) if sa.nat else None,
            replay_window=crypto_map.replay_window,
            df=crypto_map.df,
            soft_octets=soft,
            hard_octets=hard,
        )

    pair = Pair(
        flow=quick.flow,
        inbound=one_way(quick.spi, True),
        outbound=one_way(choice.spi, False),
        initiator=quick.initiator,
        created_at=now,
        lifetime_s=choice.lifetime_s,
        lifetime_kb=choice.lifetime_kb,
        pfs=choice.pfs,
        profile=sa.profile,
        inbound_id=core.pairs.next_flow_id(),
        outbound_id=core.pairs.next_flow_id(),
    )
    for way in (pair.inbound, pair.outbound):
        core.node.say(
            IPSEC,
            sa.peer,
            "IPSEC(create_sa): sa created, (sa) sa_dest= %s, sa_proto= 50, sa_spi= 0x%X(%d), sa_conn_id= %d",
            sa.local if way.inbound else sa.peer,
            way.spi,
            way.spi,
            pair.inbound_id if way.inbound else pair.outbound_id,
        )
    return pair
