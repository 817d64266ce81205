"""What IKE is told about the crypto lines."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from iosish.ike.config import (
    Authentication,
    Cipher,
    CryptoMap,
    Hash,
    IkeConfig,
    IsakmpProfile,
    Keepalive,
    Keyring,
    Policy,
    PresharedKey,
)
from iosish.ipsec import transforms
from iosish.ipsec.transforms import DfBit, Integrity, Mode, Transform, TransformSet
from iosish.protection import MapTags, ike_config, policies
from tests.protection.conftest import Read
from tests.protection.test_held import CLASSIC, IN_USE, PROFILE, SECOND, SOURCE

LOCAL = SOURCE["Tunnel0"]
PSK = Authentication.PRE_SHARE
AES_SHA = Transform(transforms.Cipher.AES_CBC, 128, Integrity.SHA1)
TAG = "Tunnel0-head-0"


def test_the_classic_lab(read: Read) -> None:
    assert ike_config(read(CLASSIC), SOURCE) == IkeConfig(
        policies=(Policy(10, Cipher.DES, 0, Hash.SHA1, PSK, 1, 86400),),
        keyrings={"default": Keyring("default", (PresharedKey(b"P4ssw0rd", IPv4Network("172.16.0.0/16")),))},
        maps={
            TAG: CryptoMap(
                tag=TAG,
                profile="MyProfile",
                interfaces=("Tunnel0",),
                local=LOCAL,
                sets=(TransformSet("MyTransformSet", AES_SHA, Mode.TUNNEL),),
                peers=None,
                lifetime_s=3600,
                lifetime_kb=4608000,
                replay_window=64,
                df=DfBit.COPY,
            )
        },
        identity="address",
        fqdn="Router",
    )


def test_the_default_policies(read: Read) -> None:
    config = read("hostname R1")
    assert [
        (policy.priority, policy.cipher, policy.key_bits, policy.hash, policy.authentication, policy.group)
        for policy in policies(config)
    ] == [
        (65507, Cipher.AES, 128, Hash.SHA1, Authentication.RSA_SIG, 5),
        (65508, Cipher.AES, 128, Hash.SHA1, PSK, 5),
        (65509, Cipher.AES, 128, Hash.MD5, Authentication.RSA_SIG, 5),
        (65510, Cipher.AES, 128, Hash.MD5, PSK, 5),
        (65511, Cipher.TRIPLE_DES, 0, Hash.SHA1, Authentication.RSA_SIG, 2),
        (65512, Cipher.TRIPLE_DES, 0, Hash.SHA1, PSK, 2),
        (65513, Cipher.TRIPLE_DES, 0, Hash.MD5, Authentication.RSA_SIG, 2),
        (65514, Cipher.TRIPLE_DES, 0, Hash.MD5, PSK, 2),
    ]
    assert policies(read("no crypto isakmp default policy")) == ()
    assert [policy.priority for policy in policies(read("crypto isakmp policy 7"))] == [7]


def test_policies_go_by_priority_and_only_those_that_can_be_used(read: Read) -> None:
    config = read(
        "crypto isakmp policy 20\n encr aes 256\n hash sha512\n authentication pre-share\n group 21\n lifetime 600\n"
        "crypto isakmp policy 5\n authentication rsa-sig\n"
        "crypto isakmp policy 10\n encr aes\n hash md5\n authentication pre-share\n group 14\n"
    )
    assert ike_config(config, {}).policies == (
        Policy(10, Cipher.AES, 128, Hash.MD5, PSK, 14, 86400),
        Policy(20, Cipher.AES, 256, Hash.SHA512, PSK, 21, 600),
    )


def test_the_longest_prefix_comes_first(read: Read) -> None:
    config = read(
        "crypto isakmp key any address 0.0.0.0 0.0.0.0\n"
        "crypto isakmp key net address 172.16.0.0 255.255.0.0\n"
        "crypto isakmp key named hostname r9\n"
        "crypto isakmp key 6 $iosish$0822455D0A16 address 172.16.25.2\n"
        "crypto isakmp key 6 UNREADABLE address 172.16.35.2\n"
    )
    assert ike_config(config, {}).keyrings["default"].keys == (
        PresharedKey(b"cisco", IPv4Network("172.16.25.2/32")),
        PresharedKey(b"net", IPv4Network("172.16.0.0/16")),
        PresharedKey(b"any", IPv4Network("0.0.0.0/0")),
        PresharedKey(b"named", None, "r9"),
    )


def test_a_name_that_the_router_knows_stands_for_its_address_too(read: Read) -> None:
    config = read("ip host R9 192.0.2.9\ncrypto isakmp key named hostname r9\n")
    assert ike_config(config, {}).keyrings["default"].keys == (
        PresharedKey(b"named", IPv4Network("192.0.2.9/32"), "r9"),
    )


def test_a_sealed_key_is_the_key(read: Read) -> None:
    sealed = read(f"{CLASSIC}service password-encryption\n")
    assert "P4ssw0rd" not in repr(sealed)
    assert ike_config(sealed, SOURCE) == ike_config(read(CLASSIC), SOURCE)
    assert "P4ssw0rd" not in repr(ike_config(sealed, SOURCE))


def test_keyrings(read: Read) -> None:
    config = read(
        "interface Loopback0\n ip address 10.9.9.9 255.255.255.255\n"
        "crypto keyring A\n local-address Loopback0\n pre-shared-key address 0.0.0.0 0.0.0.0 key of A\n"
        "crypto keyring B\n local-address 10.9.9.1\n pre-shared-key hostname r1 key of B\n"
        "crypto keyring GONE\n local-address Loopback7\n pre-shared-key address 0.0.0.0 key x\n"
        "crypto keyring OUTER vrf V\n pre-shared-key address 0.0.0.0 key y\n"
    )
    assert ike_config(config, {}).keyrings == {
        "default": Keyring("default"),
        "A": Keyring("A", (PresharedKey(b"of A", IPv4Network("0.0.0.0/0")),), IPv4Address("10.9.9.9")),
        "B": Keyring("B", (PresharedKey(b"of B", None, "r1"),), IPv4Address("10.9.9.1")),
    }


def test_profiles(read: Read) -> None:
    config = read(
        "hostname HUB\ncrypto keyring A\n"
        "crypto isakmp profile P\n keyring A default\n self-identity fqdn\n match identity address 10.0.0.0 255.0.0.0\n"
        " match identity address 0.0.0.0 V\n match identity host r9\n initiate mode aggressive\n keepalive 30 retry 5\n"
        " local-address 10.9.9.1\n"
        "crypto isakmp profile VRF\n vrf V\n match identity address 0.0.0.0\n"
    )
    assert ike_config(config, {}).profiles == {
        "P": IsakmpProfile(
            "P",
            networks=(IPv4Network("10.0.0.0/8"),),
            hosts=("r9",),
            keyrings=("A", "default"),
            keepalive=Keepalive(30, 5),
            aggressive=True,
            self_identity="HUB",
            local=IPv4Address("10.9.9.1"),
        ),
        "VRF": IsakmpProfile("VRF", networks=(IPv4Network("0.0.0.0/0"),), held="VRF V: VRFs are not supported yet"),
    }


def test_the_lines_about_all_of_ike(read: Read) -> None:
    told = ike_config(
        read(
            "hostname R1\nip domain name lab.example\ncrypto logging session\ncrypto isakmp identity hostname\n"
            "crypto isakmp keepalive 10 periodic\ncrypto isakmp nat keepalive 20\ncrypto isakmp invalid-spi-recovery\n"
            "crypto isakmp aggressive-mode disable\nno crypto ipsec nat-transparency udp-encapsulation\n"
        ),
        {},
    )
    assert told.identity == "hostname" and told.fqdn == "R1.lab.example"
    assert told.keepalive == Keepalive(10, 2, periodic=True)
    assert told.nat_keepalive_s == 20 and not told.nat_traversal
    assert told.invalid_spi_recovery and told.aggressive_disabled and told.session_log


GLOBAL = """\
crypto ipsec security-association lifetime days 1
crypto ipsec security-association lifetime kilobytes disable
crypto ipsec security-association idle-time 900
crypto ipsec security-association replay window-size 1024
crypto ipsec df-bit set
"""


def test_the_profile_goes_before_the_global_lines(read: Read) -> None:
    map_ = ike_config(read(CLASSIC + GLOBAL), SOURCE).maps[TAG]
    assert (map_.lifetime_s, map_.lifetime_kb, map_.idle_s, map_.replay_window) == (86400, None, 900, 1024)
    assert map_.df is DfBit.SET
    own = (
        "crypto ipsec profile MyProfile\n set security-association lifetime seconds 600\n"
        " set security-association lifetime kilobytes 5000\n set security-association idle-time 60\n"
        " set security-association replay disable\n set security-association dfbit clear\n set pfs group14\n"
        " set udp-encapsulation force\n"
    )
    map_ = ike_config(read(CLASSIC + GLOBAL + own), SOURCE).maps[TAG]
    assert (map_.lifetime_s, map_.lifetime_kb, map_.idle_s, map_.replay_window) == (600, 5000, 60, 0)
    assert (map_.df, map_.pfs, map_.udp_forced) == (DfBit.CLEAR, 14, True)


def test_transform_sets_in_the_order_of_the_profile(read: Read) -> None:
    config = read(
        CLASSIC + "crypto ipsec transform-set G esp-gcm 256\n mode transport require\n"
        "crypto ipsec transform-set N esp-null esp-sha512-hmac\n mode transport\n"
        "crypto ipsec transform-set D esp-3des esp-md5-hmac\n"
        "crypto ipsec profile MyProfile\n set transform-set G N D\n"
    )
    assert ike_config(config, SOURCE).maps[TAG].sets == (
        TransformSet("G", Transform(transforms.Cipher.AES_GCM, 256), Mode.TRANSPORT, require=True),
        TransformSet("N", Transform(transforms.Cipher.NULL, 0, Integrity.SHA512), Mode.TRANSPORT),
        TransformSet("D", Transform(transforms.Cipher.TRIPLE_DES, 0, Integrity.MD5), Mode.TUNNEL),
    )


def test_a_point_to_point_tunnel_has_one_peer(read: Read) -> None:
    text = "interface Tunnel0\n tunnel mode gre ip\n tunnel destination 172.16.25.2\n"
    assert ike_config(read(CLASSIC + text), SOURCE).maps[TAG].peers == frozenset({IPv4Address("172.16.25.2")})


def test_who_shares_a_profile_and_a_source_has_one_map(read: Read) -> None:
    shared = "interface Tunnel0\n tunnel protection ipsec profile MyProfile shared\n"
    third = SECOND.replace("Tunnel1", "Tunnel2").replace("192.168.1", "192.168.2").replace("key 1", "key 2")
    third = third.replace("tunnel source FastEthernet0/0", "tunnel source Loopback0")
    config = read(
        CLASSIC
        + shared
        + SECOND.format(words=" shared")
        + third.format(words=" shared")
        + "interface Loopback0\n ip address 10.9.9.9 255.255.255.255\n"
    )
    tags = [MapTags().follow(config)[f"Tunnel{number}"] for number in range(3)]
    assert tags == ["MyProfile-head-1", "MyProfile-head-1", "MyProfile-head-2"]
    sources = {**SOURCE, "Tunnel1": LOCAL, "Tunnel2": IPv4Address("10.9.9.9")}
    told = ike_config(config, sources)
    assert {tag: map_.interfaces for tag, map_ in told.maps.items()} == {
        "MyProfile-head-1": ("Tunnel0", "Tunnel1"),
        "MyProfile-head-2": ("Tunnel2",),
    }
    # What is down has no part in it, and gives nobody else another name.
    assert ike_config(config, {"Tunnel2": sources["Tunnel2"]}).maps == {
        "MyProfile-head-2": told.maps["MyProfile-head-2"]
    }


def test_an_isakmp_profile_by_the_tunnel_goes_before_that_of_the_ipsec_profile(read: Read) -> None:
    other = PROFILE.replace("profile P", "profile Q")
    by_profile = read(CLASSIC + PROFILE + other + IN_USE)
    assert ike_config(by_profile, SOURCE).maps[TAG].isakmp_profile == "P"
    by_tunnel = read(
        CLASSIC
        + PROFILE
        + other
        + IN_USE
        + "interface Tunnel0\n tunnel protection ipsec profile MyProfile isakmp-profile Q\n"
    )
    assert ike_config(by_tunnel, SOURCE).maps[TAG] == replace(
        ike_config(by_profile, SOURCE).maps[TAG], isakmp_profile="Q"
    )
