"""Aggressive mode with pre-shared keys, both roles (RFC 2409 5.4): keys by name, at the price of a hash in clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import keys, log_text, messages, nat_traversal, phase1, policies
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.isakmp_sa import IsakmpSa, Step
from iosish.ike.messages import Received, one
from iosish.ike.node import ISAKMP
from iosish.ike.payloads import Hash, Identification, KeyExchange, Nonce, NotifyType, Payload, Sa, encode_body

if TYPE_CHECKING:
    from iosish.ike.core import Core


def receive(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take the next message of an SA's aggressive mode. Raises PacketError; the SA is as before then."""
    if sa.negotiation is None or sa.negotiation.busy:
        core.node.counters["unexpected message"] += 1
    elif sa.step is Step.I_AM1:
        _take_am2(core, sa, message, now)
    elif sa.step is Step.R_AM2:
        _take_am3(core, sa, message, now)
    else:
        core.node.counters["unexpected message"] += 1


# --- initiator ------------------------------------------------------------------------------------------------------


def initiate(core: Core, sa: IsakmpSa, now: float) -> None:
    """Begin with message 1: it holds our public value, so that only policies of one group can be offered."""
    negotiation = phase1.negotiation_of(sa)
    group = negotiation.offered[0].group
    negotiation.offered = tuple(policy for policy in negotiation.offered if policy.group == group)
    offer = policies.offer(negotiation.offered)
    negotiation.sa_body = encode_body(offer)
    sa.aggressive = True
    sa.policy = negotiation.offered[0]

    def begin(now: float) -> None:
        node = core.node
        negotiation.own = core.dh.begin(group)
        negotiation.public_i, negotiation.nonce_i = negotiation.own.public, node.random.randbytes(c.NONCE_OCTETS)
        payloads: tuple[Payload, ...] = (
            offer,
            *nat_traversal.offered(node, sa.peer),
            KeyExchange(negotiation.public_i),
            Nonce(negotiation.nonce_i),
            _identity(core, sa),
            *phase1.vendor_ids(core, sa, unity=False),
        )
        sa.set_step(node, Step.I_AM1)
        node.say(ISAKMP, sa.peer, "ISAKMP:(0): beginning Aggressive Mode exchange")
        phase1.send(core, sa, messages.clear(sa, payloads), now, expects_answer=True)

    phase1.work(core, sa, begin, now)


def _take_am2(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    negotiation = phase1.negotiation_of(sa)
    found = messages.open_clear(message)
    payloads = tuple(payload for payload, _ in found)
    if message.header.cookie_r == bytes(c.COOKIE_OCTETS):
        raise PacketError("no responder cookie")
    policy = policies.accepted(core.node, one(payloads, Sa), negotiation.offered, sa.peer)
    public, nonce = phase1.values(core, sa, payloads)

    def answer(now: float) -> None:
        """Message 3: our hash, the only message that is encrypted."""
        before = sa.cookie_r, sa.policy, sa.keys, sa.last_block, sa.connection_id
        try:
            sa.cookie_r, sa.policy = message.header.cookie_r, policy
            negotiation.public_r, negotiation.nonce_r = public, nonce
            negotiation.shared = phase1.own_exchange(negotiation).shared(public)
            phase1.derive(core, sa)
            phase1.take_identity(core, sa, phase1.identify(core, sa, found, of_initiator=False))
        except PacketError:
            sa.cookie_r, sa.policy, sa.keys, sa.last_block, sa.connection_id = before
            phase1.said_failure(core, sa, "message 2 is malformed: Pre-Shared Key mismatch?", now)
            raise
        nat_traversal.agreed(core.node, sa, payloads)
        phase1.read_vendor_ids(core, sa, payloads)
        ports = (message.datagram.local_port, message.datagram.peer_port)
        nat_traversal.detect(core.node, sa, policy.hash, payloads, ports, negotiation.forced)
        hashes = nat_traversal.detection(core.node, sa, policy.hash, negotiation.forced)
        nat_traversal.float_ports(sa)
        digest = phase1.proof(sa, True, encode_body(_identity(core, sa)))
        contact = phase1.initial_contact(core, sa)
        phase1.send(core, sa, messages.seal(sa, (Hash(digest), *hashes, *contact)), now, expects_answer=False)
        phase1.complete(core, sa, (), now)
        core.flows.isakmp_up(sa, now)

    phase1.work(core, sa, answer, now)
    sa.received = message.datagram.payload


# --- responder ------------------------------------------------------------------------------------------------------


def respond(core: Core, message: Received, now: float) -> None:
    """Take a first message; what it costs in Diffie-Hellman is limited. Raises PacketError."""
    node, datagram = core.node, message.datagram
    if node.config.aggressive_disabled:
        raise Unwanted("aggressive mode is disabled")
    if not (node.exchanges.allows(datagram.peer, now) and node.aggressive.allows(None, now)):
        raise Unwanted("too many aggressive modes")
    begun = phase1.begin_response(core, message, now)
    if begun is None:
        return
    sa, payloads, offer = begun
    negotiation, policy = phase1.negotiation_of(sa), phase1.policy_of(sa)
    public, nonce = phase1.values(core, sa, payloads)
    identification = one(payloads, Identification)
    identity = phase1.identity_of(identification)
    profile = keys.profile_of_identity(node.config, sa.local, identity)
    key = None
    if isinstance(identity, str):
        key = keys.key_for_hostname(node.config, sa.local, identity, profile)
    key = key or keys.key_for_address(node.config, sa.local, sa.peer, profile)
    if key is None:
        node.log_about(sa.peer, log_text.no_key(sa.peer), now)
        phase1.refuse(core, message, NotifyType.NO_PROPOSAL_CHOSEN, now)
        return
    negotiation.secret = key.secret
    negotiation.id_body = encode_body(identification)
    sa.profile = None if profile is None else profile.name
    chosen = nat_traversal.answered(node, sa, payloads)

    def answer(now: float) -> None:
        """Message 2: everything of ours, with our hash."""
        own = core.dh.begin(policy.group)
        negotiation.shared = own.shared(public)
        negotiation.public_i, negotiation.nonce_i = public, nonce
        negotiation.public_r, negotiation.nonce_r = own.public, node.random.randbytes(c.NONCE_OCTETS)
        phase1.derive(core, sa)
        phase1.read_vendor_ids(core, sa, payloads)
        mine = _identity(core, sa)
        reply: tuple[Payload, ...] = (
            offer,
            *phase1.vendor_ids(core, sa, unity=True),
            *chosen,
            KeyExchange(own.public),
            mine,
            Nonce(negotiation.nonce_r),
            Hash(phase1.proof(sa, False, encode_body(mine))),
            *nat_traversal.detection(node, sa, policy.hash, negotiation.forced),
        )
        sa.set_step(node, Step.R_AM2)
        phase1.send(core, sa, messages.clear(sa, reply), now, expects_answer=False)

    sa.received = datagram.payload
    core.sas.add(sa, now)
    sa.set_step(node, Step.R_AM1)
    phase1.work(core, sa, answer, now)


def _take_am3(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    negotiation, policy = phase1.negotiation_of(sa), phase1.policy_of(sa)
    if negotiation.refused == message.datagram.payload:
        core.node.counters["unexpected message"] += 1
        return
    if not message.header.encrypted:
        raise PacketError("not encrypted")
    try:
        found, block = messages.unseal(sa, message)
        payloads = tuple(payload for payload, _ in found)
        phase1.check_proof(sa, one(payloads, Hash), True, negotiation.id_body)
    except PacketError:
        negotiation.refused = message.datagram.payload
        phase1.said_failure(core, sa, "message 3 is malformed: Pre-Shared Key mismatch?", now)
        raise
    phase1.take_identity(core, sa, phase1.decode_identity(negotiation.id_body))
    core.sas.answered(sa, now)
    ports = (message.datagram.local_port, message.datagram.peer_port)
    nat_traversal.detect(core.node, sa, policy.hash, payloads, ports, negotiation.forced)
    if sa.nat and ports[0] != c.NAT_PORT:
        raise PacketError("port 500 behind a NAT")
    sa.last_block = block
    sa.received, sa.sent = message.datagram.payload, None
    core.follow_ports(sa, message.datagram, now)
    phase1.complete(core, sa, payloads, now)
    core.flows.isakmp_up(sa, now)


def _identity(core: Core, sa: IsakmpSa) -> Identification:
    """IOS says port 0 here, as the NAT is not known yet."""
    identification = phase1.own_identity(core, sa, phase1.own_profile(core, sa))
    return replace(identification, port=0)
