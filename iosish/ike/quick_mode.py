"""Quick mode, both roles: a pair of ESP SAs for the GRE between two hosts (RFC 2409 5.5, 3947 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import messages, quick_initiator, quick_responder, retransmission
from iosish.ike.errors import Unwanted
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import Received
from iosish.ike.quick_exchange import QuickMode

if TYPE_CHECKING:
    from iosish.ike.core import Core


def receive(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take a message of quick mode under an ISAKMP SA that is up. Raises PacketError; nothing has changed then."""
    message_id = message.header.message_id
    quick = sa.quick.get(message_id)
    if quick is None:
        if not message_id or message_id in sa.message_ids:
            raise Unwanted("message id was used before")
        quick_responder.respond(core, sa, message, now)
    elif quick.received == message.datagram.payload:
        retransmission.answer_again(core.node, quick, now)
    elif quick.busy or (quick.done_at is not None and not _awaits_qm3(quick)):
        core.node.counters["unexpected message"] += 1
    else:
        opened = messages.unprotect(sa, message, quick.iv)
        if quick.initiator:
            quick_initiator.take_second(core, quick, message, opened, now)
        else:
            quick_responder.take_third(core, quick, message, opened, now)


def _awaits_qm3(quick: QuickMode) -> bool:
    """Committed by a packet, with message 3 still under way."""
    return not quick.initiator and quick.sent is not None
