"""Every algorithm there is, agreed on by whole routers from their lines, and pings through the result."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.icmp.ping import PingRequest
from iosish.ike.config import Cipher, Hash
from iosish.ike.dh import GROUPS
from iosish.ipsec import transforms
from iosish.ipsec.transforms import Integrity, Mode, Transform
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import NBMA, Leaks, Read, everywhere, flow, isakmp, make, run
from tests.simulation.test_cloud import ALL, registered

ENCRYPTION = ("esp-null", "esp-des", "esp-3des", "esp-aes", "esp-aes 192", "esp-aes 256")
INTEGRITY = tuple(each.value for each in Integrity)
WHOLE = ("esp-gcm", "esp-gcm 192", "esp-gcm 256")
TRANSFORMS = [f"{cipher} {integrity}" for cipher in ENCRYPTION for integrity in INTEGRITY] + [*WHOLE, "esp-aes"]

PHASE_1 = {
    "des": (Cipher.DES, 0),
    "3des": (Cipher.TRIPLE_DES, 0),
    "aes": (Cipher.AES, 128),
    "aes 192": (Cipher.AES, 192),
    "aes 256": (Cipher.AES, 256),
}
HASHES = {"md5": Hash.MD5, "sha": Hash.SHA1, "sha256": Hash.SHA256, "sha384": Hash.SHA384, "sha512": Hash.SHA512}


def read_transform(words: str) -> Transform:
    """What a line of a transform set means."""
    cipher, *rest = words.split()
    bits = int(rest.pop(0)) if rest and rest[0].isdigit() else 128 if cipher in ("esp-aes", "esp-gcm") else 0
    return Transform(transforms.Cipher(cipher), bits, Integrity(rest[0]) if rest else None)


def works(lab: SimLab) -> bool:
    """All spokes are registered, and a spoke pings the hub and another spoke."""
    if registered(lab) != ALL:
        return False
    return all(
        "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address(target), size=1500))
        for target in ("192.168.0.1", "192.168.0.4")
    )


@pytest.mark.parametrize("mode", ["tunnel", "transport", "transport require"])
@pytest.mark.parametrize("words", TRANSFORMS)
def test_every_transform_in_every_mode(read: Read, words: str, mode: str) -> None:
    lab = make(read, everywhere(f"crypto ipsec transform-set MyTransformSet {words}\n mode {mode}\n"))
    leaks = Leaks(lab)
    run(lab, 3.0)
    assert works(lab)
    state = flow(lab, "R2", "R4")
    assert state is not None
    assert state.inbound[0].transform == read_transform(words)
    assert state.inbound[0].mode is (Mode.TUNNEL if mode == "tunnel" else Mode.TRANSPORT)
    if not words.startswith("esp-null"):
        assert leaks == []


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_perfect_forward_secrecy_with_every_group(read: Read, group: int) -> None:
    lab = make(read, everywhere(f"crypto ipsec profile MyProfile\n set pfs group{group}\n"))
    run(lab, 3.0)
    assert works(lab)
    state = flow(lab, "R2", "R1")
    assert state is not None and state.inbound[0].pfs == group


@pytest.mark.parametrize(
    ("cipher", "kind", "group"),
    [
        *((cipher, "sha", 2) for cipher in PHASE_1),
        *(("aes", kind, 2) for kind in HASHES),
        *(("aes", "sha256", group) for group in sorted(GROUPS)),
        ("aes 256", "md5", 1),  # a key longer than the hash
        ("3des", "md5", 24),
        ("des", "sha512", 21),
    ],
)
def test_every_cipher_hash_and_group_of_phase_1(read: Read, cipher: str, kind: str, group: int) -> None:
    policy = f"crypto isakmp policy 10\n encr {cipher}\n hash {kind}\n group {group}\n"
    lab = make(read, everywhere(policy))
    run(lab, 3.0)
    assert works(lab)
    for name in NBMA:
        for sa in isakmp(lab, name):
            assert ((sa.cipher, sa.key_bits), sa.hash, sa.group) == (PHASE_1[cipher], HASHES[kind], group)


# --- more than one --------------------------------------------------------------------------------------------------

MANY = """crypto isakmp policy 10
 encr aes 256
 hash sha512
 group 21
crypto isakmp policy 20
 encr 3des
 hash md5
 authentication pre-share
 group 5
crypto isakmp policy 30
 encr aes
 hash sha256
 authentication pre-share
 group 14
"""
"""Policy 10 is the lab's own with other algorithms: it has pre-shared keys already."""


def test_the_first_policy_in_common_is_taken_by_the_responders_priority(read: Read) -> None:
    other_order = """crypto isakmp policy 10
 encr aes
 hash sha256
 group 14
crypto isakmp policy 20
 encr 3des
 hash md5
 authentication pre-share
 group 5
"""
    lab = make(read, {"R1": MANY, "R2": other_order, "R3": MANY, "R4": MANY})
    run(lab, 3.0)
    assert registered(lab) == ALL
    found = {str(sa.peer): (sa.cipher, sa.hash, sa.group) for sa in isakmp(lab, "R1")}
    assert found == {
        NBMA["R2"]: (Cipher.TRIPLE_DES, Hash.MD5, 5),
        NBMA["R3"]: (Cipher.AES, Hash.SHA512, 21),
        NBMA["R4"]: (Cipher.AES, Hash.SHA512, 21),
    }


def test_the_default_policies_when_none_is_configured(read: Read) -> None:
    lab = make(read, everywhere("no crypto isakmp policy 10\n"))
    run(lab, 3.0)
    assert works(lab)
    for sa in isakmp(lab, "R1"):
        assert (sa.cipher, sa.key_bits, sa.hash, sa.group) == (Cipher.AES, 128, Hash.SHA1, 5)


def test_a_default_policy_meets_a_configured_one(read: Read) -> None:
    spokes = dict.fromkeys(("R2", "R3", "R4"), "crypto isakmp policy 10\n encr 3des\n hash sha\n group 2\n")
    lab = make(read, {"R1": "no crypto isakmp policy 10\n", **spokes})
    run(lab, 3.0)
    assert registered(lab) == ALL
    assert {(sa.cipher, sa.group) for sa in isakmp(lab, "R1")} == {(Cipher.TRIPLE_DES, 2)}


SETS = """crypto ipsec transform-set First esp-gcm 256
 mode transport
crypto ipsec transform-set Second esp-aes 256 esp-sha512-hmac
 mode transport
crypto ipsec transform-set Third esp-des esp-md5-hmac
crypto ipsec profile MyProfile
 set transform-set {names}
"""


@pytest.mark.parametrize(
    ("spoke", "hub", "agreed_on"),
    [
        ("First Second Third", "First Second Third", "esp-gcm 256"),
        ("First Second Third", "Second First", "esp-gcm 256"),  # the initiator's order
        ("First Second", "Third Second", "esp-aes 256 esp-sha512-hmac"),
        ("First Third", "Third", "esp-des esp-md5-hmac"),
        ("First", "Second", None),
    ],
)
def test_several_sets_in_a_profile(read: Read, spoke: str, hub: str, agreed_on: str | None) -> None:
    added = {"R1": SETS.format(names=hub), **dict.fromkeys(("R2", "R3", "R4"), SETS.format(names=spoke))}
    lab = make(read, added)
    run(lab, 30.0)
    assert registered(lab) == (set() if agreed_on is None else ALL)
    if agreed_on is not None:
        state = flow(lab, "R2", "R1")
        assert state is not None and state.inbound[0].transform == read_transform(agreed_on)
