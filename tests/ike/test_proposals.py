"""Offers and choices: what we offer, our like takes; what others send in other orders, we take too."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.ike import esp_proposals, policies
from iosish.ike.attributes import Attribute, Phase1
from iosish.ike.config import Authentication, Cipher, CryptoMap, Hash, Policy
from iosish.ike.errors import PacketError
from iosish.ike.node import Node
from iosish.ike.payloads import Sa, decode_body, encode_body
from iosish.ipsec import transforms
from iosish.ipsec.transforms import Integrity, Mode, Transform, TransformSet

LOCAL, PEER = IPv4Address("172.16.15.2"), IPv4Address("172.16.25.2")
NODE = Node(random.Random(1))

CIPHERS = [(Cipher.DES, 0), (Cipher.TRIPLE_DES, 0), *((Cipher.AES, bits) for bits in (128, 192, 256))]
POLICIES = st.lists(
    st.builds(
        lambda cipher, kind, group, lifetime: Policy(
            10, cipher[0], cipher[1], kind, Authentication.PRE_SHARE, group, lifetime
        ),
        st.sampled_from(CIPHERS),
        st.sampled_from(Hash),
        st.sampled_from([1, 2, 5, 14, 15, 16, 19, 20, 21, 24]),
        st.integers(60, 86400),
    ),
    min_size=1,
    max_size=6,
)
AES_SIZES = st.sampled_from([128, 192, 256])
TRANSFORMS = st.one_of(
    st.builds(
        Transform,
        st.sampled_from([transforms.Cipher.DES, transforms.Cipher.TRIPLE_DES]),
        st.just(0),
        st.sampled_from(Integrity),
    ),
    st.builds(Transform, st.just(transforms.Cipher.AES_CBC), AES_SIZES, st.sampled_from([*Integrity, None])),
    st.builds(Transform, st.just(transforms.Cipher.AES_GCM), AES_SIZES),
)
SETS = st.lists(st.builds(TransformSet, st.just("T"), TRANSFORMS, st.sampled_from(Mode)), min_size=1, max_size=4).map(
    tuple
)
MAPS = st.builds(
    lambda sets, seconds, kilobytes, pfs: CryptoMap(
        "T", "P", ("Tunnel0",), LOCAL, sets, lifetime_s=seconds, lifetime_kb=kilobytes, pfs=pfs
    ),
    SETS,
    st.integers(120, 86400),
    st.one_of(st.none(), st.integers(2560, 2**32 - 1)),
    st.sampled_from([None, 2, 14, 19]),
)


def wire(sa: Sa) -> Sa:
    """There and back."""
    read = decode_body(sa.kind, encode_body(sa))
    assert isinstance(read, Sa)
    return read


@given(POLICIES, POLICIES)
def test_the_answer_is_one_transform_of_the_offer_and_both_agree(mine: list[Policy], theirs: list[Policy]) -> None:
    offered = wire(policies.offer(mine))
    found = policies.choose(NODE, offered, theirs, LOCAL, PEER)
    fitting = [
        policy for policy in theirs if any(replace(other, lifetime_s=policy.lifetime_s) == policy for other in mine)
    ]
    if not fitting:
        assert found is None
        return
    assert found is not None
    chosen, answer = found
    assert replace(chosen, lifetime_s=fitting[0].lifetime_s) == fitting[0]
    [transform] = answer.proposals[0].transforms
    assert transform in offered.proposals[0].transforms
    agreed = policies.accepted(NODE, wire(answer), mine, PEER)
    assert replace(agreed, lifetime_s=0) == replace(chosen, lifetime_s=0)


@given(MAPS, st.booleans(), st.booleans(), st.integers(256, 2**32 - 1))
def test_what_a_map_offers_its_like_takes(crypto_map: CryptoMap, udp: bool, draft: bool, spi: int) -> None:
    offered = wire(esp_proposals.offer(crypto_map, spi, udp, draft))
    exchanged = crypto_map.pfs is not None
    choice = esp_proposals.choose(NODE, PEER, 1001, offered, crypto_map, udp, exchanged)
    assert choice is not None
    first = crypto_map.sets[0]
    assert (choice.transform, choice.mode) == (first.transform, first.mode)
    assert (choice.spi, choice.pfs, choice.lifetime_s) == (spi, crypto_map.pfs, crypto_map.lifetime_s)
    assert choice.lifetime_kb == crypto_map.lifetime_kb
    answer = wire(replace(offered, proposals=(choice.answer,)))
    assert esp_proposals.accepted(answer, crypto_map, udp, exchanged) == choice
    assert esp_proposals.choose(NODE, PEER, 1001, offered, crypto_map, not udp, exchanged) is None


@given(POLICIES, st.randoms())
def test_attributes_in_any_order_and_numbers_from_0(mine: list[Policy], chance: random.Random) -> None:
    """strongSwan 4, FortiGate and others; a life type stays before its duration."""
    offered = policies.offer(mine)
    [proposal] = offered.proposals
    shuffled = []
    for number, transform in enumerate(proposal.transforms):
        attributes = list(transform.attributes)
        life = attributes[-2:]
        others = attributes[:-2]
        chance.shuffle(others)
        at = chance.randrange(len(others) + 1)
        shuffled.append(replace(transform, number=number, attributes=(*others[:at], *life, *others[at:])))
    other = replace(offered, proposals=(replace(proposal, number=0, transforms=tuple(shuffled)),))
    found = policies.choose(NODE, wire(other), mine, LOCAL, PEER)
    assert found is not None and found[0].cipher == mine[0].cipher


@pytest.mark.parametrize(
    "extra",
    [
        Attribute(Phase1.LIFE_DURATION, 1000),  # twice, as in a capture of a forgery
        Attribute(Phase1.HASH, Hash.SHA1.value),
        Attribute(13, 1),  # a PRF of one's own
        Attribute(Phase1.LIFE_TYPE, 1),
    ],
)
def test_a_transform_that_contradicts_itself_is_passed_over(extra: Attribute) -> None:
    policy = Policy(10, Cipher.AES, 128, authentication=Authentication.PRE_SHARE, group=2)
    offered = policies.offer([policy, policy])
    [proposal] = offered.proposals
    first, second = proposal.transforms
    bad = replace(first, attributes=(*first.attributes, extra))
    found = policies.choose(
        NODE, replace(offered, proposals=(replace(proposal, transforms=(bad, second)),)), [policy], LOCAL, PEER
    )
    assert found is not None and found[1].proposals[0].transforms == (second,)


def test_a_responder_that_answers_with_what_was_not_offered_is_refused() -> None:
    policy = Policy(10, Cipher.AES, 128, authentication=Authentication.PRE_SHARE, group=2)
    for other in (replace(policy, cipher=Cipher.DES, key_bits=0), replace(policy, group=14)):
        with pytest.raises(PacketError, match="not offered"):
            policies.accepted(NODE, policies.offer([other]), [policy], PEER)
    with pytest.raises(PacketError, match="more than one"):
        policies.accepted(NODE, policies.offer([policy, policy]), [policy], PEER)
