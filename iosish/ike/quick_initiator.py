"""Quick mode as the initiator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import (
    debug_text,
    esp_pair,
    esp_proposals,
    keymat,
    lifetime,
    messages,
    nat_traversal,
    notices,
    packet,
    quick_exchange,
)
from iosish.ike.attributes import KILOBYTES, SECONDS, Phase2
from iosish.ike.config import CryptoMap
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.esp_proposals import Choice
from iosish.ike.events import Flow
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import Opened, Received, all_of, at_most_one, one
from iosish.ike.node import ISAKMP
from iosish.ike.payloads import Identification, KeyExchange, Nonce, Notification, Payload, Sa
from iosish.ike.quick_exchange import QM_I_QM1, QuickMode
from iosish.ipsec.transforms import Mode

if TYPE_CHECKING:
    from iosish.ike.core import Core


def initiate(core: Core, sa: IsakmpSa, flow: Flow, crypto_map: CryptoMap, now: float) -> QuickMode:
    """Begin one under an ISAKMP SA that is up."""
    node = core.node
    message_id = notices.new_message_id(core, sa)
    notices.remember(core, sa, message_id, now)
    keys = messages.keys_of(sa)
    iv = keymat.phase2_iv(keys, sa.last_block, message_id)
    quick = QuickMode(sa, message_id, True, flow, crypto_map, core.pairs.take_spi(), iv)
    quick.nonce_i = node.random.randbytes(c.NONCE_OCTETS)
    sa.quick[message_id] = quick
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d):beginning Quick Mode exchange, M-ID of %d", sa.connection_id, message_id)
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d):QM Initiator gets spi", sa.connection_id)

    debug_text.request(node, flow, crypto_map)

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
            quick_exchange.host(sa.local),
            quick_exchange.host(sa.peer),
            *(nat_traversal.original_addresses(sa, sa.local, sa.peer) if sa.nat and transport else ()),
        )
        rest = packet.encode_payloads(payloads)
        digest = keymat.hash_1(keys, message_id, rest)
        quick.set_step(core, QM_I_QM1)
        quick_exchange.send(core, quick, digest, payloads[0].kind, rest, now, expects_answer=True)

    if crypto_map.pfs is None:
        begin(now)
    elif not quick_exchange.work(core, quick, crypto_map.pfs, begin, now):
        node.after("retransmission", quick, now + c.RETRANSMIT_S)
    return quick


def take_second(core: Core, quick: QuickMode, message: Received, opened: Opened, now: float) -> None:
    """The responder's choice: the SAs are in place before message 3 leaves."""
    sa, keys = quick.sa, messages.keys_of(quick.sa)
    nonce = quick_exchange.nonce_of(opened.payloads)
    opened.check(keymat.hash_2(keys, quick.message_id, quick.nonce_i, opened.rest))
    public = at_most_one(opened.payloads, KeyExchange)
    choice = esp_proposals.accepted(one(opened.payloads, Sa), quick.crypto_map, sa.nat, exchanged=public is not None)
    _check_identities(sa, all_of(opened.payloads, Identification), choice.mode)
    choice = _shortened(choice, opened.payloads)
    core.heard(sa, message.datagram, now)

    def answer(now: float) -> None:
        if core.pairs.outbound(sa.peer, choice.spi) is not None:
            raise Unwanted("SPI is in use")
        shared = b""
        if quick.own is not None and public is not None:
            shared = quick.own.shared(public.value)
        quick.nonce_r, quick.iv, quick.own = nonce, opened.iv, None
        quick.pair = esp_pair.build(core, quick, choice, shared, now)
        core.pairs.install_inbound(quick.pair)
        digest = keymat.hash_3(keys, quick.message_id, quick.nonce_i + quick.nonce_r)
        quick_exchange.send(core, quick, digest, 0, b"", now, expects_answer=False)
        quick_exchange.finish(core, quick, now)

    quick.received = message.datagram.payload
    if public is None:
        answer(now)
    elif choice.pfs is not None and not quick_exchange.work(core, quick, choice.pfs, answer, now):
        quick.received = b""


def _check_identities(sa: IsakmpSa, found: list[Identification], mode: Mode) -> None:
    """The responder repeats ours; the form of a subnet of one host means the same.

    strongSwan behind a NAT puts its own address in place of the one it has outside, in transport mode.
    """
    if not found:
        return
    addresses = quick_exchange.hosts(found)
    behind_nat = sa.nat and mode is Mode.TRANSPORT
    if addresses is None or (addresses != (sa.local, sa.peer) and not behind_nat):
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
