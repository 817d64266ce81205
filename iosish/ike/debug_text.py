"""The longer lines of `debug crypto isakmp` and `debug crypto ipsec`, in IOS's words. Keys are in none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike.config import CryptoMap
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.node import IPSEC, ISAKMP, Node
from iosish.ike.pairs import Pair
from iosish.ike.payloads import Identification
from iosish.ipsec.transforms import Transform

if TYPE_CHECKING:
    from iosish.ike.events import Flow
    from iosish.ike.quick_exchange import QuickMode

_ID_PAYLOAD = """ISAKMP (%d): ID payload
        next-payload : 8
        type         : %d
        address      : %s
        protocol     : %d
        port         : %d
        length       : %d"""
_REQUEST = """IPSEC(sa_request): ,
  (key eng. msg.) OUTBOUND local= %s:500, remote= %s:500,
    local_proxy= %s/255.255.255.255/47/0,
    remote_proxy= %s/255.255.255.255/47/0,
    protocol= ESP, transform= %s (%s),
    lifedur= %ds and %dkb,
    spi= 0x0(0), conn_id= 0, keysize= %d, flags= 0x0"""
_CREATED = """IPSEC(create_sa): sa created,
  (sa) sa_dest= %s, sa_proto= 50,
    sa_spi= 0x%X(%d),
    sa_trans= %s , sa_conn_id= %d
    sa_lifetime(k/sec)= (%d/%d)"""
_INSTALLED = """ISAKMP:(%d): Creating IPSec SAs
        inbound SA from %s to %s (f/i)  0/ 0
        (proxy %s to %s)
        has spi 0x%X and conn_id 0
        lifetime of %d seconds
        outbound SA from %s to %s (f/i) 0/0
        (proxy %s to %s)
        has spi  0x%X and conn_id 0
        lifetime of %d seconds"""


def transform_words(transform: Transform) -> str:
    """As in a transform set, without the key length: `esp-aes esp-sha-hmac`."""
    return " ".join((transform.cipher.value, *((transform.integrity.value,) if transform.integrity else ())))


def sending(node: Node, sa: IsakmpSa) -> None:
    node.say(
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
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d):Sending an IKE IPv4 Packet.", sa.connection_id)


def received(node: Node, sa: IsakmpSa, datagram: UdpDatagram) -> None:
    node.say(
        ISAKMP,
        sa.peer,
        "ISAKMP (%d): received packet from %s dport %d sport %d Global (%s) %s",
        sa.connection_id,
        sa.peer,
        datagram.local_port,
        datagram.peer_port,
        sa.role,
        sa.word,
    )


def retransmitting(node: Node, quick: QuickMode) -> None:
    node.say(
        ISAKMP,
        quick.peer,
        "ISAKMP:(%d): retransmitting phase 2 QM_IDLE       %d ...",
        quick.sa.connection_id,
        quick.message_id,
    )


def processing(node: Node, sa: IsakmpSa, what: str, message_id: int = 0) -> None:
    """`what`: "KE", "NONCE", "ID", "HASH", "SA"."""
    node.say(ISAKMP, sa.peer, "ISAKMP:(%d): processing %s payload. message ID = %d", sa.connection_id, what, message_id)


def identity(node: Node, sa: IsakmpSa, identification: Identification) -> None:
    node.say(
        ISAKMP,
        sa.peer,
        _ID_PAYLOAD,
        sa.connection_id,
        identification.type,
        identification,
        identification.protocol,
        identification.port,
        4 + len(identification.data) + 4,
    )


def request(node: Node, flow: Flow, crypto_map: CryptoMap) -> None:
    for item in crypto_map.sets:
        node.say(
            IPSEC,
            flow.peer,
            _REQUEST,
            flow.local,
            flow.peer,
            flow.local,
            flow.peer,
            transform_words(item.transform),
            item.mode.value,
            crypto_map.lifetime_s,
            crypto_map.lifetime_kb or 0,
            item.transform.key_bits,
        )


def created(node: Node, sa: IsakmpSa, pair: Pair) -> None:
    if not node.debug:
        return
    inbound, outbound = pair.inbound, pair.outbound
    node.say(
        ISAKMP,
        pair.peer,
        _INSTALLED,
        sa.connection_id,
        inbound.peer,
        inbound.local,
        inbound.selector_peer,
        inbound.selector_local,
        inbound.spi,
        pair.lifetime_s,
        outbound.local,
        outbound.peer,
        outbound.selector_local,
        outbound.selector_peer,
        outbound.spi,
        pair.lifetime_s,
    )
    for way, connection in ((inbound, pair.inbound_id), (outbound, pair.outbound_id)):
        node.say(
            IPSEC,
            pair.peer,
            _CREATED,
            way.local if way.inbound else way.peer,
            way.spi,
            way.spi,
            transform_words(way.transform),
            connection,
            pair.lifetime_kb or 0,
            pair.lifetime_s,
        )
