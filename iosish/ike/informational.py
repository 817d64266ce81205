"""The informational exchange: what a peer tells under the keys of phase 1, and what anybody may tell without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import dpd, keymat, log_text, messages, notices, packet, phase1, quick_exchange
from iosish.ike.attributes import Protocol
from iosish.ike.errors import Unwanted
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import Received
from iosish.ike.node import ISAKMP, ISAKMP_ERROR
from iosish.ike.payloads import Delete, Notification, NotifyType

if TYPE_CHECKING:
    from iosish.ike.core import Core

_ENDS_QUICK_MODE = frozenset({NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.INVALID_ID_INFORMATION})


def receive_clear(core: Core, sa: IsakmpSa | None, message: Received, now: float) -> None:
    """A notification that anybody can have sent: told, and never obeyed. Raises PacketError."""
    node, peer = core.node, message.datagram.peer
    payloads = packet.decode_payloads(message.header.next_payload, message.body)
    node.counters["unprotected notifications"] += 1
    for payload in messages.all_of(payloads, Notification):
        node.say(ISAKMP, peer, "ISAKMP:(0):Notify has no hash. Rejected. (type %d from %s)", payload.type, peer)
        if sa is not None and sa.negotiation is not None and payload.type == NotifyType.NO_PROPOSAL_CHOSEN:
            # Worth a line, as it is what a peer says that has no such policy or key; we go on sending.
            node.log_about(peer, log_text.mode_failure("Informational", peer), now)


def receive(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Obey a protected message. Raises PacketError; nothing has changed then."""
    if not message.header.encrypted:
        receive_clear(core, sa, message, now)
        return
    keys, message_id = messages.keys_of(sa), message.header.message_id
    if not message_id or message_id in sa.message_ids:
        raise Unwanted("message id was used before")
    opened = messages.unprotect(sa, message, keymat.phase2_iv(keys, sa.last_block, message_id))
    opened.check(keymat.hash_1(keys, message_id, opened.rest))
    if dpd.is_alone(opened.payloads):
        # The many of these are told apart by their own numbers, and their message ids need not be remembered.
        if dpd.is_new(sa, opened.payloads[0]):
            core.heard(sa, message.datagram, now)
    else:
        notices.remember(core, sa, message_id, now)
        core.heard(sa, message.datagram, now)
    for payload in opened.payloads:
        if isinstance(payload, Delete):
            _obey_delete(core, sa, payload, now)
        elif isinstance(payload, Notification):
            _obey_notification(core, sa, payload, now)


def _obey_delete(core: Core, sa: IsakmpSa, payload: Delete, now: float) -> None:
    node = core.node
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d): processing DELETE payload. protocol %d", sa.connection_id, payload.protocol)
    if payload.protocol == Protocol.ESP and payload.spi_size == 4:
        for spi in payload.spis:
            core.peer_deleted_esp(sa, int.from_bytes(spi, "big"), now)
    elif payload.protocol == Protocol.ISAKMP and payload.spi_size == 2 * c.COOKIE_OCTETS:
        for cookies in payload.spis:
            core.peer_deleted_isakmp(sa, cookies[: c.COOKIE_OCTETS], cookies[c.COOKIE_OCTETS :], now)
    else:
        node.counters["deletes of unknown SAs"] += 1


def _obey_notification(core: Core, sa: IsakmpSa, payload: Notification, now: float) -> None:
    node = core.node
    node.say(
        ISAKMP,
        sa.peer,
        "ISAKMP:(%d): processing NOTIFY %d protocol %d",
        sa.connection_id,
        payload.type,
        payload.protocol,
    )
    if payload.type in (NotifyType.R_U_THERE, NotifyType.R_U_THERE_ACK):
        dpd.receive(core, sa, payload, now)
    elif payload.type == NotifyType.INITIAL_CONTACT:
        core.initial_contact(sa, sa.created_at, now)
    elif payload.type == NotifyType.INVALID_SPI and len(payload.spi or payload.data) >= 4:
        core.peer_lacks_spi(sa, int.from_bytes((payload.spi or payload.data)[:4], "big"), now)
    elif payload.type == NotifyType.RESPONDER_LIFETIME and payload.protocol == Protocol.ISAKMP:
        phase1.shorten(core, sa, payload, now)
    elif payload.type in _ENDS_QUICK_MODE:
        node.say(ISAKMP_ERROR, sa.peer, "ISAKMP:(%d): peer refuses: notify %d", sa.connection_id, payload.type)
        node.log_about(sa.peer, log_text.mode_failure("Informational", sa.peer), now)
        open_ = [quick for quick in sa.quick.values() if quick.done_at is None]
        for quick in open_:
            if len(open_) == 1 if len(payload.spi) != 4 else int.from_bytes(payload.spi, "big") in quick.spis:
                name = NotifyType(payload.type).name.replace("_", " ").lower()
                quick_exchange.fail(core, quick, f"peer says {name}", now)
    else:
        node.counters["other notifications"] += 1
