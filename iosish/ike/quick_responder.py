"""Quick mode as the responder: which crypto map takes the peer, and what of its offer."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import (
    esp_pair,
    esp_proposals,
    keymat,
    lifetime,
    log_text,
    messages,
    nat_traversal,
    notices,
    packet,
    quick_exchange,
)
from iosish.ike.config import CryptoMap
from iosish.ike.dh import public_octets
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.esp_proposals import Choice
from iosish.ike.events import Flow
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import Opened, Received, all_of, at_most_one, one
from iosish.ike.node import ISAKMP
from iosish.ike.payloads import Identification, KeyExchange, Nonce, Notification, NotifyType, Sa
from iosish.ike.quick_exchange import QM_R_QM2, QM_SPI_STARVE, QuickMode
from iosish.ipsec.transforms import Mode

if TYPE_CHECKING:
    from iosish.ike.core import Core


def respond(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take a first message. Raises PacketError."""
    node, keys, message_id = core.node, messages.keys_of(sa), message.header.message_id
    opened = messages.unprotect(sa, message, keymat.phase2_iv(keys, sa.last_block, message_id))
    opened.check(keymat.hash_1(keys, message_id, opened.rest))
    notices.remember(core, sa, message_id, now)
    core.heard(sa, message.datagram, now)
    open_ = sum(1 for quick in sa.quick.values() if quick.done_at is None)
    if open_ >= c.MAX_QUICK_MODES:
        raise Unwanted("too many quick modes")
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d): processing SA payload. message ID = %d", sa.connection_id, message_id)
    offered, public = one(opened.payloads, Sa), at_most_one(opened.payloads, KeyExchange)
    nonce, identities = quick_exchange.nonce_of(opened.payloads), all_of(opened.payloads, Identification)
    found = _choose(core, sa, offered, identities, public is not None)
    if isinstance(found, NotifyType):
        _refuse(core, sa, offered, found, now)
        return
    crypto_map, choice = found
    if core.pairs.outbound(sa.peer, choice.spi) is not None:
        raise Unwanted("SPI is in use")
    if choice.pfs is not None and public is not None and len(public.value) != public_octets(choice.pfs):
        raise PacketError("public value of a wrong length")
    if choice.pfs is not None and not node.exchanges.allows(sa.peer, now):
        raise Unwanted("too many exchanges with one address")
    flow = Flow(crypto_map.tag, sa.local, sa.peer)
    quick = QuickMode(sa, message_id, False, flow, crypto_map, core.pairs.take_spi(), opened.iv)
    quick.nonce_i, quick.nonce_r = nonce, node.random.randbytes(c.NONCE_OCTETS)
    quick.received = message.datagram.payload
    sa.quick[message_id] = quick
    quick.set_step(core, QM_SPI_STARVE)
    node.after("retransmission", quick, now + c.RETRANSMIT_S)

    def answer(now: float) -> None:
        """Message 2: our choice; what the peer sends by it is taken from here on."""
        shared = b""
        if choice.pfs is not None and public is not None:
            quick.own = core.dh.begin(choice.pfs)
            shared = quick.own.shared(public.value)
        quick.pair = esp_pair.build(core, quick, choice, shared, now, identities)
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
        core.pairs.install_inbound(quick.pair)
        core.pairs.await_use(quick.pair, quick)
        quick.set_step(core, QM_R_QM2)
        quick_exchange.send(core, quick, digest, payloads[0].kind, rest, now, expects_answer=True)

    if choice.pfs is None:
        answer(now)
    elif not quick_exchange.work(core, quick, choice.pfs, answer, now):
        quick_exchange.fail(core, quick, "too much work is waiting", now)


def take_third(core: Core, quick: QuickMode, message: Received, opened: Opened, now: float) -> None:
    keys = messages.keys_of(quick.sa)
    opened.check(keymat.hash_3(keys, quick.message_id, quick.nonce_i + quick.nonce_r))
    core.heard(quick.sa, message.datagram, now)
    quick.received, quick.sent = message.datagram.payload, None
    quick_exchange.commit(core, quick, now)


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
            if not _are_gre(core, sa, identities, choice.mode):
                return NotifyType.INVALID_ID_INFORMATION
            return crypto_map, choice
    return refusal


def _are_gre(core: Core, sa: IsakmpSa, identities: list[Identification], mode: Mode) -> bool:
    """Whether the identities are two hosts and GRE between them.

    Behind a NAT they may be addresses of the other side: in transport mode the outer ones count, in tunnel mode
    the initiator's own may be any that is nobody else's, as it stands inside.
    """
    addresses = quick_exchange.hosts(identities)
    if addresses is None:
        return False
    if sa.nat and mode is Mode.TRANSPORT:
        return True
    theirs, ours = addresses
    return ours == sa.local and (theirs == sa.peer or (sa.nat_peer and _is_free(core, sa, theirs)))


def _is_free(core: Core, sa: IsakmpSa, inside: IPv4Address) -> bool:
    """Whether no other peer has proved to be at this address, nor had it first behind a NAT of its own."""
    ends = sa.local, inside
    there = core.sas.best(ends, None) is not None or core.flows.has_pairs(ends)
    if there or any(pair.peer != sa.peer for pair in core.pairs.inside(*ends)):
        core.node.counters["address of another peer"] += 1
        return False
    return True


def _refuse(core: Core, sa: IsakmpSa, offered: Sa, kind: NotifyType, now: float) -> None:
    """Tell the initiator why not, protected, with the SPI that it had offered."""
    core.node.counters["phase 2 refused"] += 1
    core.node.log_about(sa.peer, log_text.mode_failure("Quick", sa.peer), now)
    if kind is NotifyType.INVALID_ID_INFORMATION:
        core.node.log_about(sa.peer, log_text.no_map(sa.peer, sa.local), now)
    if core.node.notifies.allows((sa.peer, "protected"), now):
        spi = offered.proposals[0].spi if offered.proposals else b""
        notices.send(core, sa, (Notification(3, spi, kind),), now)
