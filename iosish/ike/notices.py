"""What we tell a peer under the keys of phase 1: deletes and notifications (RFC 2408 4.8, 2409 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike import keymat, messages, packet
from iosish.ike.attributes import Protocol
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.packet import Exchange
from iosish.ike.payloads import Delete, Notification, NotifyType, Payload

if TYPE_CHECKING:
    from iosish.ike.core import Core


# --- message ids ----------------------------------------------------------------------------------------------------


def new_message_id(core: Core, sa: IsakmpSa) -> int:
    """One that this SA has not seen."""
    while True:
        message_id = core.node.random.getrandbits(32)
        if message_id and message_id not in sa.message_ids:
            return message_id


def remember(core: Core, sa: IsakmpSa, message_id: int, now: float) -> None:
    """It is used now, by the peer or by us: a message that comes by it again is a copy. An SA that has used too many
    ends, as it must not forget one: copies of what it forgot would be obeyed."""
    sa.message_ids.add(message_id)
    if len(sa.message_ids) >= c.MAX_MESSAGE_IDS:
        core.node.after("lifetime", sa, now)


# --- sending --------------------------------------------------------------------------------------------------------


def send(core: Core, sa: IsakmpSa, payloads: tuple[Payload, ...], now: float, numbered: bool = False) -> None:
    """One message under a message id of its own; nobody answers it. `numbered`: a copy is known by what is in it."""
    keys, message_id = messages.keys_of(sa), new_message_id(core, sa)
    if not numbered:
        remember(core, sa, message_id, now)
    rest = packet.encode_payloads(payloads)
    digest = keymat.hash_1(keys, message_id, rest)
    iv = keymat.phase2_iv(keys, sa.last_block, message_id)
    data, _ = messages.protect(sa, Exchange.INFORMATIONAL, message_id, iv, digest, payloads[0].kind, rest)
    core.node.send(UdpDatagram(sa.local, sa.local_port, sa.peer, sa.peer_port, data))


def delete_esp(core: Core, sa: IsakmpSa, spi: int, now: float) -> None:
    """An SA by which we received is gone."""
    send(core, sa, (Delete(Protocol.ESP, 4, (spi.to_bytes(4, "big"),)),), now)


def delete_isakmp(core: Core, sa: IsakmpSa, now: float) -> None:
    send(core, sa, (Delete(Protocol.ISAKMP, 16, (sa.cookie_i + sa.cookie_r,)),), now)


def lacks_spi(core: Core, sa: IsakmpSa, spi: int, now: float) -> None:
    """The peer sends by an SA that is not here: as a notification, and as the delete that every peer obeys."""
    value = spi.to_bytes(4, "big")
    send(core, sa, (Notification(Protocol.ESP, value, NotifyType.INVALID_SPI, value),), now)
    delete_esp(core, sa, spi, now)
