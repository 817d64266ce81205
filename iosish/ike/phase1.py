"""What main mode and aggressive mode have in common: policies, keys, identities, and how phase 1 ends."""

from __future__ import annotations

import hmac
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike import (
    debug_text,
    dpd,
    keymat,
    keys,
    lifetime,
    log_text,
    notices,
    packet,
    policies,
    retransmission,
    vendor,
)
from iosish.ike.attributes import SECONDS, Phase1, Protocol
from iosish.ike.config import CryptoMap, IsakmpProfile, Policy
from iosish.ike.dh import Exchange, public_octets
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.isakmp_sa import IsakmpSa, Negotiation, Step
from iosish.ike.messages import Received, all_of, one, open_clear
from iosish.ike.node import ISAKMP, ISAKMP_ERROR
from iosish.ike.payloads import Hash as HashPayload
from iosish.ike.payloads import (
    Identification,
    IdType,
    KeyExchange,
    Kind,
    Nonce,
    Notification,
    NotifyType,
    Payload,
    Sa,
    VendorId,
    decode_body,
    encode_body,
)
from iosish.ike.work import Job

if TYPE_CHECKING:
    from iosish.ike.core import Core
    from iosish.ike.flows import Ends

# --- beginning ------------------------------------------------------------------------------------------------------


def begin(core: Core, ends: Ends, crypto_map: CryptoMap, now: float) -> tuple[IsakmpSa, Sa] | None:
    """An initiator's SA and what it offers; None: something is missing in the configuration, and that is said."""
    node, config = core.node, core.node.config
    local, peer = ends
    profile = profile_of(core, crypto_map)
    if crypto_map.isakmp_profile is not None and (profile is None or profile.held is not None):
        why = "is not there" if profile is None else f"cannot be used: {profile.held}"
        core.flows.isakmp_failed(ends, f"ISAKMP profile {crypto_map.isakmp_profile} {why}", now)
        return None
    key = keys.key_for_address(config, local, peer, profile)
    if key is None:
        node.say(ISAKMP_ERROR, peer, "ISAKMP:(0):No pre-shared key with %s!", peer)
        node.log_about(peer, log_text.no_key(peer), now)
        core.flows.isakmp_failed(ends, "no pre-shared key", now)
        return None
    offered = policies.usable(config.policies)
    if not offered:
        core.flows.isakmp_failed(ends, "no ISAKMP policy with pre-shared keys", now)
        return None
    node.say(ISAKMP, peer, "ISAKMP:(0):found peer pre-shared key matching %s", peer)
    sa_payload = policies.offer(offered)
    ports = core.flows.udp_ports(ends) or (c.IKE_PORT, c.IKE_PORT)  # RFC 3947 4: what has floated stays
    sa = IsakmpSa(True, local, ports[0], peer, ports[1], core.sas.new_cookie(), bytes(c.COOKIE_OCTETS), now)
    sa.profile = None if profile is None else profile.name
    sa.negotiation = Negotiation(
        offered=offered,
        sa_body=encode_body(sa_payload),
        forced=crypto_map.udp_forced,
        secret=key.secret,
    )
    core.sas.add(sa, now)
    return sa, sa_payload


def begin_response(core: Core, message: Received, now: float) -> tuple[IsakmpSa, tuple[Payload, ...], Sa] | None:
    """A responder's SA, what the peer sent, and the SA payload that answers; None: no policy or key in common."""
    node, datagram = core.node, message.datagram
    found = open_clear(message)
    payloads = tuple(payload for payload, _ in found)
    offered = one(payloads, Sa)
    aggressive = message.header.exchange == packet.Exchange.AGGRESSIVE
    key = keys.key_for_address(node.config, datagram.local, datagram.peer, None)
    if key is None and not aggressive:
        node.say(ISAKMP_ERROR, datagram.peer, "ISAKMP:(0):No pre-shared key with %s!", datagram.peer)
        node.log_about(datagram.peer, log_text.no_key(datagram.peer), now)
        node.counters["no pre-shared key"] += 1
        refuse(core, message, NotifyType.NO_PROPOSAL_CHOSEN, now)
        return None
    chosen = policies.choose(node, offered, policies.usable(node.config.policies), datagram.local, datagram.peer)
    if chosen is None:
        mode = "Aggressive" if aggressive else "Main"
        node.log_about(datagram.peer, log_text.mode_failure(mode, datagram.peer), now)
        node.counters["no policy in common"] += 1
        refuse(core, message, NotifyType.NO_PROPOSAL_CHOSEN, now)
        return None
    sa = IsakmpSa(
        False,
        datagram.local,
        datagram.local_port,
        datagram.peer,
        datagram.peer_port,
        message.header.cookie_i,
        core.sas.new_cookie(),
        now,
        aggressive=aggressive,
    )
    sa.policy = chosen[0]
    sa.negotiation = Negotiation(
        sa_body=next(body for payload, body in found if payload is offered),
        forced=is_forced(core, sa.ends),
        shortened=chosen[0].lifetime_s < policies.lifetime_of(chosen[1]),
        secret=b"" if key is None else key.secret,
    )
    return sa, payloads, chosen[1]


def profile_of(core: Core, crypto_map: CryptoMap | None) -> IsakmpProfile | None:
    name = None if crypto_map is None else crypto_map.isakmp_profile
    return None if name is None else core.node.config.profiles.get(name)


def is_forced(core: Core, ends: Ends) -> bool:
    """Whether a crypto map that takes this peer asks for encapsulation in UDP."""
    local, peer = ends
    return any(
        crypto_map.udp_forced and crypto_map.local == local and (crypto_map.peers is None or peer in crypto_map.peers)
        for crypto_map in core.node.config.maps.values()
    )


def negotiation_of(sa: IsakmpSa) -> Negotiation:
    if sa.negotiation is None:
        raise Unwanted("phase 1 is done")
    return sa.negotiation


def policy_of(sa: IsakmpSa) -> Policy:
    if sa.policy is None:
        raise PacketError("no policy yet")
    return sa.policy


def own_exchange(negotiation: Negotiation) -> Exchange:
    if negotiation.own is None:
        raise PacketError("no public value of ours")
    return negotiation.own


def own_profile(core: Core, sa: IsakmpSa) -> IsakmpProfile | None:
    return None if sa.profile is None else core.node.config.profiles.get(sa.profile)


def work(core: Core, sa: IsakmpSa, answer: Job, now: float) -> None:
    """Queue what needs Diffie-Hellman. Raises PacketError when too much waits already."""
    negotiation, before = negotiation_of(sa), (sa.step, sa.received)

    def run(now: float) -> None:
        if sa.step is Step.DESTROYED:
            return
        negotiation.busy = False
        try:
            answer(now)
        except PacketError as error:
            sa.step, sa.received = before  # the right message may still come
            negotiation.spoilt += 1
            negotiation.busy = negotiation.spoilt >= c.MAX_SPOILT
            core.refused(sa.peer, error, now)

    if not core.work.add(policy_of(sa).group, run, now):
        raise Unwanted("too much work is waiting")
    negotiation.busy = True


# --- messages -------------------------------------------------------------------------------------------------------


def send(core: Core, sa: IsakmpSa, data: bytes, now: float, expects_answer: bool) -> None:
    datagram = UdpDatagram(sa.local, sa.local_port, sa.peer, sa.peer_port, data)
    debug_text.sending(core.node, sa)
    retransmission.send(core.node, sa, datagram, now, expects_answer)


def values(core: Core, sa: IsakmpSa, payloads: tuple[Payload, ...]) -> tuple[bytes, bytes]:
    """The peer's public value and nonce. Raises PacketError."""
    for what in ("KE", "NONCE"):
        debug_text.processing(core.node, sa, what)
    group = policy_of(sa).group
    public, nonce = one(payloads, KeyExchange).value, one(payloads, Nonce).value
    if len(public) != public_octets(group):
        raise PacketError("public value of a wrong length")
    own = negotiation_of(sa).own
    if own is not None and own.public == public:
        raise PacketError("public value is our own")  # somebody sent our message back to us
    if not c.SHORTEST_NONCE <= len(nonce) <= c.LONGEST_NONCE:
        raise PacketError("nonce of a wrong length")
    return public, nonce


def vendor_ids(core: Core, sa: IsakmpSa, unity: bool) -> tuple[VendorId, ...]:
    """What IOS says of itself beside the key exchange."""
    own = vendor.ios(sa.cookie_i if sa.initiator else sa.cookie_r, core.node.random.randbytes(8))
    values = (vendor.UNITY, vendor.DPD) if unity else (vendor.DPD,)
    return tuple(VendorId(value) for value in (*values, own, vendor.XAUTH))


def read_vendor_ids(core: Core, sa: IsakmpSa, payloads: tuple[Payload, ...]) -> None:
    """IOS says them with the key exchange, strongSwan with the SA."""
    for payload in all_of(payloads, VendorId):
        if vendor.is_dpd(payload.value):
            sa.peer_dpd = True
            core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d): vendor ID is DPD", sa.connection_id)
        elif payload.value[:14] == vendor.UNITY[:14]:
            core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d): vendor ID is Unity", sa.connection_id)
        elif payload.value == vendor.XAUTH:
            core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d): vendor ID is XAUTH", sa.connection_id)


def refuse(core: Core, message: Received, kind: NotifyType, now: float) -> None:
    """Say no in clear, before there are keys; rarely, as anybody can ask for it."""
    datagram = message.datagram
    if core.node.notifies.allows(datagram.peer, now):
        notification = Notification(Protocol.ISAKMP, b"", kind)
        none = bytes(c.COOKIE_OCTETS)
        data = packet.encode(message.header.cookie_i, none, packet.Exchange.INFORMATIONAL, (notification,))
        core.node.send(replace(datagram, payload=data))


# --- keys -----------------------------------------------------------------------------------------------------------


def derive(core: Core, sa: IsakmpSa) -> None:
    """Everything that phase 1 gives, now that the shared secret, both public values and nonces are there."""
    negotiation, policy = negotiation_of(sa), policy_of(sa)
    skeyid = keymat.skeyid_of_secret(policy.hash, negotiation.secret, negotiation.nonce_i + negotiation.nonce_r)
    cookies = sa.cookie_i + sa.cookie_r
    sa.keys = keymat.derive(policy.hash, policy.cipher, policy.key_bits, skeyid, negotiation.shared, cookies)
    sa.last_block = keymat.phase1_iv(sa.keys, negotiation.public_i, negotiation.public_r)
    if not sa.connection_id:
        sa.connection_id = core.node.next_connection_id()


def renew_secret(core: Core, sa: IsakmpSa) -> None:
    """A pre-shared key that was put right while the peer goes on sending: what hangs on it is computed anew."""
    negotiation = negotiation_of(sa)
    key = keys.key_for_address(core.node.config, sa.local, sa.peer, None)
    if key is not None and not hmac.compare_digest(key.secret, negotiation.secret):
        negotiation.secret, negotiation.refused = key.secret, b""
        derive(core, sa)


def proof(sa: IsakmpSa, of_initiator: bool, id_body: bytes) -> bytes:
    """HASH_I or HASH_R."""
    negotiation, keys_ = negotiation_of(sa), sa.keys
    if keys_ is None:
        raise PacketError("no keys yet")
    publics, cookies = (negotiation.public_i, negotiation.public_r), (sa.cookie_i, sa.cookie_r)
    if not of_initiator:
        publics, cookies = publics[::-1], cookies[::-1]
    return keymat.phase1_hash(keys_.hash, keys_.skeyid, *publics, b"".join(cookies), negotiation.sa_body, id_body)


# --- identities -----------------------------------------------------------------------------------------------------


def own_identity(core: Core, sa: IsakmpSa, profile: IsakmpProfile | None) -> Identification:
    """Who we say that we are: an address, or a name."""
    config = core.node.config
    name = config.fqdn if config.identity == "hostname" else None
    if profile is not None and profile.self_identity is not None:
        name = None if profile.self_identity == "address" else profile.self_identity
    port = 0 if sa.nat else c.IKE_PORT
    if name is None:
        return Identification(IdType.IPV4, c.UDP, port, sa.local.packed)
    return Identification(IdType.FQDN, c.UDP, port, name.encode("ascii", "replace"))


def identity_of(identification: Identification) -> IPv4Address | str:
    return identification.address() or str(identification)


def take_identity(core: Core, sa: IsakmpSa, identification: Identification) -> None:
    """Whom the peer proved to be; the ISAKMP profile follows from it. Raises PacketError if that forbids it."""
    config, identity = core.node.config, identity_of(identification)
    sa.peer_identity = str(identification)[:256]
    if sa.initiator and sa.profile is not None:
        profile = config.profiles.get(sa.profile)
        if profile is None or ((profile.networks or profile.hosts) and not keys.takes(profile, identity)):
            raise PacketError("identity is not in the ISAKMP profile")
    else:
        profile = keys.profile_of_identity(config, sa.local, identity)
        if profile is None:
            core.node.say(ISAKMP, sa.peer, "ISAKMP:(0):: peer matches *none* of the profiles")
        elif _is_key_of(core, sa, profile, identity):
            sa.profile = profile.name
            core.node.say(ISAKMP, sa.peer, "ISAKMP:(0):: peer matches %s profile", profile.name)
        elif not sa.initiator:
            raise PacketError("key is not in the keyrings of the ISAKMP profile")
    sa.keepalive = config.keepalive if profile is None or profile.keepalive is None else profile.keepalive


def _is_key_of(core: Core, sa: IsakmpSa, profile: IsakmpProfile, identity: IPv4Address | str) -> bool:
    key = keys.key_for_address(core.node.config, sa.local, sa.peer, profile)
    if key is None and isinstance(identity, str):
        key = keys.key_for_hostname(core.node.config, sa.local, identity, profile)
    return key is not None and hmac.compare_digest(key.secret, negotiation_of(sa).secret)


def says_initial_contact(payloads: tuple[Payload, ...]) -> bool:
    return any(payload.type == NotifyType.INITIAL_CONTACT for payload in all_of(payloads, Notification))


def initial_contact(core: Core, sa: IsakmpSa) -> tuple[Notification, ...]:
    """Said when nothing is left of an earlier time: no other ISAKMP SA that is up, and no IPsec SA."""
    if core.sas.best(sa.ends, None) is not None or core.flows.has_pairs(sa.ends):
        return ()
    core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d):Send initial contact", sa.connection_id)
    return (Notification(1, sa.cookie_i + sa.cookie_r, NotifyType.INITIAL_CONTACT),)


def identify(core: Core, sa: IsakmpSa, payloads: list[tuple[Payload, bytes]], of_initiator: bool) -> Identification:
    """The peer's identity, proved by its hash. Raises PacketError."""
    values_ = tuple(payload for payload, _ in payloads)
    identification = one(values_, Identification)
    debug_text.processing(core.node, sa, "ID")
    debug_text.identity(core.node, sa, identification)
    debug_text.processing(core.node, sa, "HASH")
    body = next(body for payload, body in payloads if payload is identification)
    check_proof(sa, one(values_, HashPayload), of_initiator, body)
    return identification


def check_proof(sa: IsakmpSa, digest: HashPayload, of_initiator: bool, id_body: bytes) -> None:
    """Raises PacketError."""
    if not hmac.compare_digest(digest.value, proof(sa, of_initiator, id_body)):
        raise PacketError("hash does not fit")


def decode_identity(id_body: bytes) -> Identification:
    return one((decode_body(Kind.IDENTIFICATION, id_body),), Identification)


# --- the end --------------------------------------------------------------------------------------------------------


def complete(core: Core, sa: IsakmpSa, payloads: tuple[Payload, ...], now: float) -> None:
    """Both have proved to know the key."""
    begun_at, shortened = sa.created_at, negotiation_of(sa).shortened
    core.sas.up(sa, now)
    sa.set_step(core.node, Step.COMPLETE)
    sa.negotiation = None
    core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d):SA authentication status:\n        authenticated", sa.connection_id)
    core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d):SA has been authenticated with %s", sa.connection_id, sa.peer)
    for notification in all_of(payloads, Notification):
        shorten(core, sa, notification, now)
    if says_initial_contact(payloads):
        core.initial_contact(sa, begun_at, now)
    if shortened:  # as IOS does, in a message of its own
        told = lifetime.of_phase1(sa.cookie_i + sa.cookie_r, policy_of(sa).lifetime_s)
        notices.send(core, sa, (told,), now)
    dpd.start(core, sa, now)
    core.start_keepalive(sa, now)


def shorten(core: Core, sa: IsakmpSa, notification: Notification, now: float) -> None:
    """RESPONDER-LIFETIME (RFC 2407 4.6.3.1): the peer's life is shorter than what was agreed."""
    seconds = lifetime.of_responder(notification, Phase1.LIFE_TYPE, Phase1.LIFE_DURATION).get(SECONDS)
    if seconds and sa.expires_at is not None and now + seconds < sa.expires_at:
        core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d): restart ike sa timer to %d secs", sa.connection_id, seconds)
        sa.expires_at = now + seconds
        core.node.after("lifetime", sa, sa.expires_at)


def give_up(core: Core, sa: IsakmpSa, reason: str, now: float) -> None:
    """An initiator's phase 1 came to nothing."""
    said_failure(core, sa, reason, now)
    core.sas.delete(sa, reason, now, tell=False)
    core.flows.isakmp_failed(sa.ends, reason, now)


def said_failure(core: Core, sa: IsakmpSa, reason: str, now: float) -> None:
    """`%CRYPTO-5-IKMP_SETUP_FAILURE`, for each peer and reason once in a while."""
    core.node.counters["setup failures"] += 1
    own = str(identity_of(own_identity(core, sa, own_profile(core, sa))))
    line = log_text.setup_failure(
        sa.local, own, sa.peer, sa.peer_identity, sa.profile, reason, core.node.counters["setup failures"]
    )
    core.node.log_about(sa.peer, line, now)
