"""`show crypto isakmp policy`, `default policy`, `key` and `profile`."""

from __future__ import annotations

from dataclasses import replace

from iosish.show.crypto_policy import default_policy, key, policy, profile
from iosish.snapshot import Snapshot
from tests.show.crypto_routers import CLASSIC, crypto, odd_branch, secured_hub

CLASSIC_POLICY = """\

Global IKE policy
Protection suite of priority 10
\tencryption algorithm:\tDES - Data Encryption Standard (56 bit keys).
\thash algorithm:\t\tSecure Hash Standard
\tauthentication method:\tPre-Shared Key
\tDiffie-Hellman group:\t#1 (768 bit)
\tlifetime:\t\t86400 seconds, no volume limit
"""

CLASSIC_POLICY_12 = """\

Global IKE policy
Protection suite of priority 10
\tencryption algorithm:\tDES - Data Encryption Standard (56 bit keys).
\thash algorithm:\t\tSecure Hash Standard
\tauthentication method:\tPre-Shared Key
\tDiffie-Hellman group:\t#1 (768 bit)
\tlifetime:\t\t86400 seconds, no volume limit
Default protection suite
\tencryption algorithm:\tDES - Data Encryption Standard (56 bit keys).
\thash algorithm:\t\tSecure Hash Standard
\tauthentication method:\tRivest-Shamir-Adleman Signature
\tDiffie-Hellman group:\t#1 (768 bit)
\tlifetime:\t\t86400 seconds, no volume limit
"""

STRONG_POLICY = """\

Global IKE policy
Protection suite of priority 10
\tencryption algorithm:\tAES - Advanced Encryption Standard (256 bit keys).
\thash algorithm:\t\tSecure Hash Standard 2 (256 bit)
\tauthentication method:\tPre-Shared Key
\tDiffie-Hellman group:\t#14 (2048 bit)
\tlifetime:\t\t86400 seconds, no volume limit
Protection suite of priority 20
\tencryption algorithm:\tThree key triple DES
\thash algorithm:\t\tMessage Digest 5
\tauthentication method:\tRivest-Shamir-Adleman Signature
\tDiffie-Hellman group:\t#2 (1024 bit)
\tlifetime:\t\t3600 seconds, no volume limit
Protection suite of priority 30
\tencryption algorithm:\tAES - Advanced Encryption Standard (192 bit keys).
\thash algorithm:\t\tSecure Hash Standard 2 (512 bit)
\tauthentication method:\tElliptic Curve Digital Signature
\tDiffie-Hellman group:\t#24 (2048 bit, 256 bit subgroup)
\tlifetime:\t\t86400 seconds, no volume limit
"""

FIRST_DEFAULTS = """\

Default protection suite of priority 65507
\tencryption algorithm:\tAES - Advanced Encryption Standard (128 bit keys).
\thash algorithm:\t\tSecure Hash Standard
\tauthentication method:\tRivest-Shamir-Adleman Signature
\tDiffie-Hellman group:\t#5 (1536 bit)
\tlifetime:\t\t86400 seconds, no volume limit
Default protection suite of priority 65508
\tencryption algorithm:\tAES - Advanced Encryption Standard (128 bit keys).
\thash algorithm:\t\tSecure Hash Standard
\tauthentication method:\tPre-Shared Key
\tDiffie-Hellman group:\t#5 (1536 bit)
\tlifetime:\t\t86400 seconds, no volume limit
"""

LAST_DEFAULT = """\
Default protection suite of priority 65514
\tencryption algorithm:\tThree key triple DES
\thash algorithm:\t\tMessage Digest 5
\tauthentication method:\tPre-Shared Key
\tDiffie-Hellman group:\t#2 (1024 bit)
\tlifetime:\t\t86400 seconds, no volume limit
"""

KEYS = """\
Keyring      Hostname/Address                            Preshared Key

default      0.0.0.0        [0.0.0.0        ]            Everybody
             10.0.0.0       [255.0.0.0      ]            Lab1
             spoke.example.net                           Named
HUBS         198.51.100.1                                Hub1
             hub.example.net                             (encrypted)
"""

PROFILE = """\
IKEv1 PROFILE HUB
Ref Count = 1
   Identities matched are:
    ip-address 198.51.100.0 255.255.255.0 
    ip-address 203.0.113.9 
    fqdn hub.example.net 
   Certificate maps matched are:
   keyring(s): HUBS
   trustpoint(s): <all>
"""  # noqa: W291 - IOS leaves blanks at the end of lines


def with_lines(lines: str, **changes: object) -> Snapshot:
    router = secured_hub()
    return replace(router, config=replace(router.config, crypto=crypto(lines), **changes))  # type: ignore[arg-type]


def old(router: Snapshot) -> Snapshot:
    return replace(router, config=replace(router.config, version="12.4"))


def test_what_the_article_leaves_out_is_filled_in() -> None:
    assert policy(secured_hub()) == CLASSIC_POLICY


def test_12_4_ends_with_its_default_suite() -> None:
    assert policy(old(secured_hub())) == CLASSIC_POLICY_12


def test_policies_by_priority() -> None:
    assert policy(odd_branch()) == STRONG_POLICY


def test_without_policies_the_default_ones_are_at_work() -> None:
    screen = policy(with_lines(""))
    assert screen.startswith("\nDefault IKE policy\nProtection suite of priority 65507\n")
    assert screen.replace("Protection", "Default protection").partition("policy\n")[2] in default_policy(with_lines(""))
    assert policy(with_lines("no crypto isakmp default policy")) == "\nGlobal IKE policy\n"


def test_the_default_policies_are_eight() -> None:
    screen = default_policy(secured_hub())
    assert screen.startswith(FIRST_DEFAULTS)
    assert screen.endswith(LAST_DEFAULT)
    assert screen.count("Default protection suite of priority") == 8
    assert default_policy(with_lines("no crypto isakmp default policy")) == "Default IKE policies are disabled\n"


def test_keys_of_each_keyring() -> None:
    assert key(odd_branch()) == KEYS


def test_the_key_of_the_article() -> None:
    assert key(secured_hub()).splitlines()[2:] == ["default      172.16.0.0     [255.255.0.0    ]            P4ssw0rd"]


def test_with_password_encryption_no_key_stands_in_clear() -> None:
    screen = key(with_lines(CLASSIC, password_encryption=True))
    assert "P4ssw0rd" not in screen
    assert screen.endswith("default      172.16.0.0     [255.255.0.0    ]            (encrypted)\n")


def test_no_keys() -> None:
    assert key(with_lines("")) == KEYS.partition("default")[0]


def test_profiles_with_whom_they_match() -> None:
    assert profile(odd_branch()) == profile(odd_branch(), "HUB") == PROFILE
    assert profile(odd_branch(), "hub") == profile(secured_hub()) == ""
    assert profile(old(odd_branch())).startswith("ISAKMP PROFILE HUB\n   Identities matched are:\n")


def test_a_profile_for_everybody() -> None:
    router = with_lines("crypto isakmp profile ANY\n match identity address 0.0.0.0\n keyring default")
    assert profile(router).splitlines()[1:5] == [
        "Ref Count = 0",
        "   Identities matched are:",
        "    ip-address 0.0.0.0 ",
        "   Certificate maps matched are:",
    ]
    assert "   keyring(s): default\n" in profile(router)
