"""Phase 1 proposals: what of ours is offered, and which of a peer's is taken (RFC 2409 5, appendix A)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import islice

from iosish.ike.attributes import KEY_IKE, SECONDS, Attribute, Phase1, Protocol, duration, lifetimes, numbers
from iosish.ike.config import Authentication, Cipher, Hash, Policy
from iosish.ike.dh import GROUPS
from iosish.ike.errors import PacketError
from iosish.ike.node import ISAKMP, ISAKMP_ERROR, Node
from iosish.ike.payloads import Proposal, Sa, Transform

CIPHER_WORDS = {Cipher.DES: "DES-CBC", Cipher.TRIPLE_DES: "3DES-CBC", Cipher.AES: "AES-CBC"}
HASH_WORDS = {Hash.MD5: "MD5", Hash.SHA1: "SHA", Hash.SHA256: "SHA256", Hash.SHA384: "SHA384", Hash.SHA512: "SHA512"}
AUTHENTICATION_WORDS = {
    Authentication.PRE_SHARE: "pre-share",
    Authentication.RSA_SIG: "RSA sig",
    Authentication.RSA_ENCR: "RSA encr",
    Authentication.ECDSA_SIG: "ECDSA sig",
}

_ONCE = frozenset({Phase1.ENCRYPTION, Phase1.HASH, Phase1.AUTHENTICATION, Phase1.GROUP, Phase1.KEY_LENGTH})
_LIFE = frozenset({Phase1.LIFE_TYPE, Phase1.LIFE_DURATION})


#: So many transforms of a peer are looked at: anybody can send thousands.
MAX_OFFERED = 256


@dataclass(frozen=True, slots=True)
class Offer:
    """What one transform says, as numbers; `lifetime_s` None: nothing about seconds."""

    cipher: int
    key_bits: int
    hash: int
    authentication: int
    group: int
    lifetime_s: int | None


def usable(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    """Those that we can negotiate: with pre-shared keys, and a group that there is."""
    return tuple(
        policy for policy in policies if policy.authentication is Authentication.PRE_SHARE and policy.group in GROUPS
    )


def offer(policies: Sequence[Policy]) -> Sa:
    """One proposal, a transform for each policy in its order, numbered from 1, attributes in IOS's order."""
    transforms = tuple(_transform(number, policy) for number, policy in enumerate(policies, 1))
    return Sa((Proposal(1, Protocol.ISAKMP, b"", transforms),))


def _transform(number: int, policy: Policy) -> Transform:
    key_length = (Attribute(Phase1.KEY_LENGTH, policy.key_bits),) if policy.key_bits else ()
    return Transform(
        number,
        KEY_IKE,
        (
            Attribute(Phase1.ENCRYPTION, policy.cipher.value),
            *key_length,
            Attribute(Phase1.HASH, policy.hash.value),
            Attribute(Phase1.GROUP, policy.group),
            Attribute(Phase1.AUTHENTICATION, policy.authentication.value),
            Attribute(Phase1.LIFE_TYPE, SECONDS),
            duration(Phase1.LIFE_DURATION, policy.lifetime_s),
        ),
    )


def choose(
    node: Node, sa: Sa, own: Sequence[Policy], local: IPv4Address, peer: IPv4Address
) -> tuple[Policy, Sa] | None:
    """The first of our policies that the peer offers, and the SA payload that answers; None: none of them.

    The answer holds the peer's transform as it came. The shorter lifetime counts (IOS compares no further).
    """
    offered = [(item, transform, _read(transform)) for item, transform in islice(_transforms(sa), MAX_OFFERED)]
    for policy in own:
        for proposal, transform, found in offered:
            explain(node, peer, transform, found, policy)
            if found is not None and _fits(found, policy):
                node.say(ISAKMP, peer, "ISAKMP:(0):atts are acceptable. Next payload is 0")
                answer = replace(sa, proposals=(replace(proposal, transforms=(transform,)),))
                return _agreed(policy, found), answer
            node.say(ISAKMP, peer, "ISAKMP:(0):atts are not acceptable. Next payload is 3")
    node.say(ISAKMP_ERROR, peer, "ISAKMP:(0):no offers accepted!")
    node.say(ISAKMP_ERROR, peer, "ISAKMP:(0): phase 1 SA policy not acceptable! (local %s remote %s)", local, peer)
    return None


def accepted(node: Node, sa: Sa, own: Sequence[Policy], peer: IPv4Address) -> Policy:
    """Which of the policies that we offered the responder has taken. Raises PacketError."""
    transforms = list(_transforms(sa))
    if len(sa.proposals) != 1 or len(transforms) != 1:
        raise PacketError("responder chose more than one transform")
    transform = transforms[0][1]
    found = _read(transform)
    for policy in own:
        explain(node, peer, transform, found, policy)
        if found is not None and _fits(found, policy):
            node.say(ISAKMP, peer, "ISAKMP:(0):atts are acceptable. Next payload is 0")
            return _agreed(policy, found)
    raise PacketError("responder chose what was not offered")


def lifetime_of(answer: Sa) -> int:
    """The life that the peer asked for with the transform that was chosen, in seconds; 0: it did not say."""
    transform = answer.proposals[0].transforms[0]
    return lifetimes(transform.attributes, Phase1.LIFE_TYPE, Phase1.LIFE_DURATION).get(SECONDS, 0)


def _agreed(policy: Policy, found: Offer) -> Policy:
    lifetime = policy.lifetime_s if found.lifetime_s is None else min(policy.lifetime_s, found.lifetime_s)
    return replace(policy, lifetime_s=lifetime)


def _transforms(sa: Sa) -> Iterator[tuple[Proposal, Transform]]:
    for proposal in sa.proposals:
        if proposal.protocol == Protocol.ISAKMP:
            for transform in proposal.transforms:
                if transform.id == KEY_IKE:
                    yield proposal, transform


def _read(transform: Transform) -> Offer | None:
    """None: it contradicts itself, or says something that we do not know."""
    try:
        once = numbers(tuple(item for item in transform.attributes if item.type not in _LIFE))
        lives = lifetimes(transform.attributes, Phase1.LIFE_TYPE, Phase1.LIFE_DURATION)
    except PacketError:
        return None
    seconds = lives.get(SECONDS)
    if not once.keys() <= _ONCE or seconds == 0:
        return None
    return Offer(
        once.get(Phase1.ENCRYPTION, 0),
        once.get(Phase1.KEY_LENGTH, 0),
        once.get(Phase1.HASH, 0),
        once.get(Phase1.AUTHENTICATION, 0),
        once.get(Phase1.GROUP, 0),
        seconds,
    )


def _fits(found: Offer, policy: Policy) -> bool:
    return (
        found.cipher == policy.cipher.value
        and found.key_bits == policy.key_bits
        and found.hash == policy.hash.value
        and found.authentication == policy.authentication.value
        and found.group == policy.group
    )


def explain(node: Node, peer: IPv4Address, transform: Transform, found: Offer | None, policy: Policy) -> None:
    """`debug crypto isakmp`: what is compared, and what does not fit."""
    if not node.debug & {ISAKMP, ISAKMP_ERROR}:
        return
    node.say(
        ISAKMP,
        peer,
        "ISAKMP:(0):Checking ISAKMP transform %d against priority %d policy",
        transform.number,
        policy.priority,
    )
    for attribute in transform.attributes:
        node.say(ISAKMP, peer, "ISAKMP:      %s", _words(attribute))
    if found is None:
        node.say(ISAKMP_ERROR, peer, "ISAKMP:(0):Attributes of the transform contradict each other!")
        return
    for what, same in (
        ("Encryption algorithm offered", found.cipher == policy.cipher.value),
        ("Proposed key length", found.key_bits == policy.key_bits),
        ("Hash algorithm offered", found.hash == policy.hash.value),
        ("Diffie-Hellman group offered", found.group == policy.group),
        ("Authentication method offered", found.authentication == policy.authentication.value),
    ):
        if not same:
            node.say(ISAKMP_ERROR, peer, "ISAKMP:(0):%s does not match policy!", what)
            return


def _words(attribute: Attribute) -> str:
    number = attribute.number
    match attribute.type:
        case Phase1.ENCRYPTION:
            return f"encryption {next((word for key, word in CIPHER_WORDS.items() if key.value == number), number)}"
        case Phase1.KEY_LENGTH:
            return f"keylength of {number}"
        case Phase1.HASH:
            return f"hash {next((word for key, word in HASH_WORDS.items() if key.value == number), number)}"
        case Phase1.GROUP:
            return f"default group {number}"
        case Phase1.AUTHENTICATION:
            return f"auth {next((word for key, word in AUTHENTICATION_WORDS.items() if key.value == number), number)}"
        case Phase1.LIFE_TYPE:
            return f"life type in {'seconds' if number == SECONDS else 'kilobytes'}"
        case Phase1.LIFE_DURATION:
            return f"life duration {duration_words(attribute)}"
    return f"attribute {attribute.type} of {number}"


def duration_words(attribute: Attribute) -> str:
    """As IOS prints a lifetime: `(basic) of 3600`, or its octets one by one."""
    if isinstance(attribute.value, int):
        return f"(basic) of {attribute.value}"
    return "(VPI) of  " + " ".join(f"0x{octet:X}" for octet in attribute.value[:8])
