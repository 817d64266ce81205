"""NAT traversal: which version, who is behind a NAT, and what follows from it (RFC 3947, and its drafts)."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.ike import constants as c
from iosish.ike import keymat, vendor
from iosish.ike.config import Hash
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import all_of
from iosish.ike.node import ISAKMP, Node
from iosish.ike.payloads import IdType, NatDetection, NatOriginalAddress, Payload, VendorId
from iosish.ike.vendor import NatT

NAMES = {
    vendor.RFC_3947: "RFC 3947",
    vendor.NAT_T_DRAFT_7: "v7",
    vendor.NAT_T_DRAFT_3: "v3",
    vendor.NAT_T_DRAFT_2_NEWLINE: "v2",
    vendor.NAT_T_DRAFT_2: "v2",
}


def offered(node: Node, peer: IPv4Address) -> tuple[VendorId, ...]:
    """What an initiator says in its first message."""
    if not node.config.nat_traversal:
        return ()
    for name in ("rfc3947", "07", "03", "02"):
        node.say(ISAKMP, peer, "ISAKMP:(0): constructed NAT-T vendor-%s ID", name)
    return tuple(VendorId(value) for value in vendor.NAT_T_OFFERED)


def answered(node: Node, sa: IsakmpSa, payloads: tuple[Payload, ...]) -> tuple[VendorId, ...]:
    """What a responder says to it: the best that was offered; it is agreed then."""
    if not node.config.nat_traversal:
        return ()
    chosen = vendor.nat_t_in_common([payload.value for payload in all_of(payloads, VendorId)])
    if chosen is None:
        return ()
    sa.natt = vendor.nat_t(chosen)
    node.say(ISAKMP, sa.peer, "ISAKMP (0): vendor ID is NAT-T %s", NAMES[chosen])
    return (VendorId(chosen),)


def agreed(node: Node, sa: IsakmpSa, payloads: tuple[Payload, ...]) -> None:
    """What the responder said."""
    if node.config.nat_traversal:
        chosen = vendor.nat_t_in_common([payload.value for payload in all_of(payloads, VendorId)])
        if chosen is not None:
            sa.natt = vendor.nat_t(chosen)
            node.say(ISAKMP, sa.peer, "ISAKMP (0): vendor ID is NAT-T %s", NAMES[chosen])


def detection(node: Node, sa: IsakmpSa, kind: Hash, forced: bool) -> tuple[NatDetection, ...]:
    """Our two hashes: the peer's address, then our own; `forced`: noise for our own, so that both see a NAT."""
    if sa.natt is None:
        return ()
    cookies = sa.cookie_i + sa.cookie_r
    there = keymat.nat_hash(kind, cookies, sa.peer, sa.peer_port)
    here = keymat.nat_hash(kind, cookies, sa.local, sa.local_port)
    return (
        NatDetection(sa.natt.value, there),
        NatDetection(sa.natt.value, node.random.randbytes(len(here)) if forced else here),
    )


def detect(
    node: Node, sa: IsakmpSa, kind: Hash, payloads: tuple[Payload, ...], ports: tuple[int, int], forced: bool
) -> None:
    """Read the peer's hashes: of us first, then of itself, once for each address it may have.

    `ports`: ours and the peer's, of the message that brought them.
    """
    found = [item for item in all_of(payloads, NatDetection) if sa.natt is not None and item.kind == sa.natt.value]
    if sa.natt is None or len(found) < 2:
        return
    cookies = sa.cookie_i + sa.cookie_r
    sa.nat_local = forced or found[0].value != keymat.nat_hash(kind, cookies, sa.local, ports[0])
    expected = keymat.nat_hash(kind, cookies, sa.peer, ports[1])
    sa.nat_peer = all(item.value != expected for item in found[1:])
    if sa.nat_local:
        node.say(
            ISAKMP,
            sa.peer,
            "ISAKMP (%d): NAT found, both nodes inside NAT"
            if sa.nat_peer
            else "ISAKMP (%d): NAT found, this node inside NAT",
            sa.connection_id,
        )
    elif sa.nat_peer:
        node.say(ISAKMP, sa.peer, "ISAKMP (%d): NAT found, the other node inside NAT", sa.connection_id)
    else:
        node.say(ISAKMP, sa.peer, "ISAKMP (%d): No NAT Found for self or peer", sa.connection_id)


def float_ports(sa: IsakmpSa) -> None:
    """An initiator that found a NAT goes on from port 4500 to port 4500 (RFC 3947 4)."""
    if sa.nat and sa.local_port == c.IKE_PORT:
        sa.local_port = sa.peer_port = c.NAT_PORT


def original_addresses(sa: IsakmpSa, initiator: IPv4Address, responder: IPv4Address) -> tuple[NatOriginalAddress, ...]:
    """NAT-OA of a quick mode in transport mode: the initiator's address, then the responder's, as the sender knows
    them."""
    if sa.natt is None:
        return ()
    kind = sa.natt.original_address
    return tuple(NatOriginalAddress(kind, IdType.IPV4, address.packed) for address in (initiator, responder))


def is_draft(version: NatT | None) -> bool:
    """Whether the encapsulation modes have the numbers of the early drafts."""
    return version is NatT.DRAFT_3
