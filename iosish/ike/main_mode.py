"""Main mode with pre-shared keys, both roles (RFC 2409 5, 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import aggressive_mode, log_text, messages, nat_traversal, notices, phase1, policies
from iosish.ike import constants as c
from iosish.ike.config import CryptoMap, Policy
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.isakmp_sa import IsakmpSa, Step
from iosish.ike.messages import Received, one
from iosish.ike.node import ISAKMP
from iosish.ike.payloads import Hash, KeyExchange, Nonce, Payload, Sa, encode_body

if TYPE_CHECKING:
    from iosish.ike.core import Core
    from iosish.ike.flows import Ends


def receive(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    """Take the next message of an SA's main mode. Raises PacketError; the SA is as before then."""
    if sa.negotiation is None or sa.negotiation.busy:
        core.node.counters["unexpected message"] += 1
        return
    match sa.step:
        case Step.I_MM1:
            _take_mm2(core, sa, message, now)
        case Step.I_MM3:
            _take_mm4(core, sa, message, now)
        case Step.I_MM5:
            _take_mm6(core, sa, message, now)
        case Step.R_MM2:
            _take_mm3(core, sa, message, now)
        case Step.R_MM4:
            _take_mm5(core, sa, message, now)
        case _:
            core.node.counters["unexpected message"] += 1


# --- initiator ------------------------------------------------------------------------------------------------------


def initiate(core: Core, ends: Ends, crypto_map: CryptoMap, now: float) -> None:
    """Begin phase 1 with a peer, in aggressive mode where the ISAKMP profile says so."""
    profile = phase1.profile_of(core, crypto_map)
    aggressive = profile is not None and profile.aggressive and not core.node.config.aggressive_disabled
    begun = phase1.begin(core, ends, crypto_map, now)
    if begun is None:
        return
    sa, payload = begun
    if aggressive:
        aggressive_mode.initiate(core, sa, now)
        return
    node = core.node
    node.say(ISAKMP, sa.peer, "ISAKMP:(0):Can not start Aggressive mode, trying Main mode.")
    payloads: tuple[Payload, ...] = (payload, *nat_traversal.offered(node, sa.peer))
    sa.set_step(node, Step.I_MM1)
    node.say(ISAKMP, sa.peer, "ISAKMP:(0): beginning Main Mode exchange")
    phase1.send(core, sa, messages.clear(sa, payloads), now, expects_answer=True)


def _take_mm2(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    negotiation = phase1.negotiation_of(sa)
    payloads = tuple(payload for payload, _ in messages.open_clear(message))
    if message.header.cookie_r == bytes(c.COOKIE_OCTETS):
        raise PacketError("no responder cookie")
    policy = policies.accepted(core.node, one(payloads, Sa), negotiation.offered, sa.peer)

    def answer(now: float) -> None:
        """Message 3: our public value."""
        negotiation.own = core.dh.begin(policy.group)
        negotiation.public_i, negotiation.nonce_i = negotiation.own.public, core.node.random.randbytes(c.NONCE_OCTETS)
        sa.set_step(core.node, Step.I_MM3)
        phase1.send(core, sa, messages.clear(sa, _key_exchange(core, sa, policy)), now, expects_answer=True)

    sa.policy = policy
    phase1.work(core, sa, answer, now)
    sa.cookie_r = message.header.cookie_r
    sa.received = message.datagram.payload
    sa.set_step(core.node, Step.I_MM2)
    phase1.read_vendor_ids(core, sa, payloads)
    nat_traversal.agreed(core.node, sa, payloads)


def _take_mm4(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    negotiation, policy = phase1.negotiation_of(sa), phase1.policy_of(sa)
    payloads = tuple(payload for payload, _ in messages.open_clear(message))
    public, nonce = phase1.values(core, sa, payloads)

    def answer(now: float) -> None:
        """Message 5: who we are, the first that is encrypted."""
        negotiation.shared = phase1.own_exchange(negotiation).shared(public)
        negotiation.public_r, negotiation.nonce_r = public, nonce
        phase1.derive(core, sa)
        negotiation.own = None
        phase1.read_vendor_ids(core, sa, payloads)
        ports = (message.datagram.local_port, message.datagram.peer_port)
        nat_traversal.detect(core.node, sa, policy.hash, payloads, ports, negotiation.forced)
        nat_traversal.float_ports(sa)
        identification = phase1.own_identity(core, sa, phase1.own_profile(core, sa))
        digest = phase1.proof(sa, True, encode_body(identification))
        sa.set_step(core.node, Step.I_MM5)
        sealed = messages.seal(sa, (identification, Hash(digest), *phase1.initial_contact(core, sa)))
        phase1.send(core, sa, sealed, now, expects_answer=True)

    phase1.work(core, sa, answer, now)
    sa.received = message.datagram.payload
    sa.set_step(core.node, Step.I_MM4)


def _take_mm6(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    if not message.header.encrypted:
        core.node.log_about(sa.peer, log_text.not_encrypted(sa.peer), now)
        raise PacketError("not encrypted")
    payloads, block = messages.unseal(sa, message)
    identification = phase1.identify(core, sa, payloads, of_initiator=False)
    sa.last_block = block
    try:
        phase1.take_identity(core, sa, identification)
    except PacketError as error:
        notices.delete_isakmp(core, sa, now)  # the peer thinks that it is up
        phase1.give_up(core, sa, error.reason, now)
        return
    sa.received = b""
    sa.sent = None
    sa.set_step(core.node, Step.I_MM6)
    core.follow_ports(sa, message.datagram, now)
    phase1.complete(core, sa, tuple(payload for payload, _ in payloads), now)
    core.flows.isakmp_up(sa, now)


# --- responder ------------------------------------------------------------------------------------------------------


def respond(core: Core, message: Received, now: float) -> None:
    """Take a first message: choose a policy, and remember little. Raises PacketError."""
    node, datagram = core.node, message.datagram
    begun = phase1.begin_response(core, message, now)
    if begun is None:
        return
    sa, payloads, answer = begun
    sa.set_step(node, Step.R_MM1)
    phase1.read_vendor_ids(core, sa, payloads)
    reply: tuple[Payload, ...] = (answer, *nat_traversal.answered(node, sa, payloads))
    sa.received = datagram.payload
    core.sas.add(sa, now)
    sa.set_step(node, Step.R_MM2)
    phase1.send(core, sa, messages.clear(sa, reply), now, expects_answer=False)


def _take_mm3(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    negotiation, policy = phase1.negotiation_of(sa), phase1.policy_of(sa)
    payloads = tuple(payload for payload, _ in messages.open_clear(message))
    public, nonce = phase1.values(core, sa, payloads)
    if not core.node.exchanges.allows(sa.peer, now):
        raise Unwanted("too many exchanges with one address")

    def answer(now: float) -> None:
        """Message 4: our public value; from here on there are keys."""
        own = core.dh.begin(policy.group)
        negotiation.shared = own.shared(public)
        negotiation.public_i, negotiation.nonce_i = public, nonce
        negotiation.public_r, negotiation.nonce_r = own.public, core.node.random.randbytes(c.NONCE_OCTETS)
        reply = messages.clear(sa, _key_exchange(core, sa, policy))
        phase1.derive(core, sa)
        phase1.read_vendor_ids(core, sa, payloads)
        ports = (message.datagram.local_port, message.datagram.peer_port)
        nat_traversal.detect(core.node, sa, policy.hash, payloads, ports, negotiation.forced)
        sa.set_step(core.node, Step.R_MM4)
        phase1.send(core, sa, reply, now, expects_answer=False)

    phase1.work(core, sa, answer, now)
    core.sas.answered(sa, now)
    sa.received = message.datagram.payload
    sa.set_step(core.node, Step.R_MM3)


def _take_mm5(core: Core, sa: IsakmpSa, message: Received, now: float) -> None:
    if not message.header.encrypted:
        raise PacketError("not encrypted")
    if sa.nat and message.datagram.local_port != c.NAT_PORT:
        raise PacketError("port 500 behind a NAT")
    phase1.renew_secret(core, sa)
    negotiation = phase1.negotiation_of(sa)
    if negotiation.refused == message.datagram.payload:
        core.node.counters["unexpected message"] += 1
        return
    try:
        payloads, block = messages.unseal(sa, message)
        identification = phase1.identify(core, sa, payloads, of_initiator=True)
    except PacketError:
        # Somebody with another key; whoever may have put it in between, the right message may still come.
        negotiation.refused = message.datagram.payload
        phase1.said_failure(core, sa, "message 5 is malformed: Pre-Shared Key mismatch?", now)
        raise
    try:
        phase1.take_identity(core, sa, identification)
    except PacketError as error:
        negotiation.refused = message.datagram.payload
        phase1.said_failure(core, sa, error.reason, now)
        raise
    sa.last_block = block
    sa.received = message.datagram.payload
    sa.set_step(core.node, Step.R_MM5)
    core.follow_ports(sa, message.datagram, now)
    own = phase1.own_identity(core, sa, phase1.own_profile(core, sa))
    sealed = messages.seal(sa, (own, Hash(phase1.proof(sa, False, encode_body(own)))))
    phase1.send(core, sa, sealed, now, expects_answer=False)
    phase1.complete(core, sa, tuple(payload for payload, _ in payloads), now)
    core.flows.isakmp_up(sa, now)


# --- both -----------------------------------------------------------------------------------------------------------


def _key_exchange(core: Core, sa: IsakmpSa, policy: Policy) -> tuple[Payload, ...]:
    """Messages 3 and 4."""
    negotiation = phase1.negotiation_of(sa)
    public, nonce = (
        (negotiation.public_i, negotiation.nonce_i) if sa.initiator else (negotiation.public_r, negotiation.nonce_r)
    )
    return (
        KeyExchange(public),
        Nonce(nonce),
        *phase1.vendor_ids(core, sa, unity=not sa.initiator),
        *nat_traversal.detection(core.node, sa, policy.hash, negotiation.forced),
    )
