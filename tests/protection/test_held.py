"""Why a protected tunnel stays down, in the words that `show interfaces` and the log have for it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.config.model import Config
from iosish.desired import LinkState
from iosish.interfaces import evaluate
from iosish.ipsec.transforms import Mode
from iosish.protection import held, ike_config
from tests.protection.conftest import Read

CLASSIC = """\
interface FastEthernet0/0
 ip address 172.16.15.2 255.255.255.252
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 tunnel source 172.16.15.2
 tunnel mode gre multipoint
 tunnel protection ipsec profile MyProfile
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
"""
SOURCE = {"Tunnel0": IPv4Address("172.16.15.2")}


def reason(config: Config, tunnel: str = "Tunnel0") -> str | None:
    """Why the line of a tunnel is down; None when it is up."""
    link = LinkState("FastEthernet0/0", present=True, carrier=True)
    statuses, _ = evaluate(config, {"FastEthernet0/0": link})
    status = statuses[tunnel]
    assert status.line_up == (status.reason is None)
    return status.reason


def test_the_classic_lines_hold_nothing_down(read: Read) -> None:
    config = read(CLASSIC)
    assert held(config, config.interfaces["Tunnel0"]) is None
    assert reason(config) is None


def test_a_tunnel_without_protection_is_not_held(read: Read) -> None:
    config = read("no crypto isakmp enable\ninterface Tunnel0\n tunnel source FastEthernet0/0")
    assert held(config, config.interfaces["Tunnel0"]) is None


PROFILE = "crypto isakmp profile P\n match identity address 0.0.0.0\n"
IN_USE = "crypto ipsec profile MyProfile\n set isakmp-profile P\n"
SET = "crypto ipsec transform-set MyTransformSet"
SEALED = "crypto isakmp key 6 JDYkOSBbQ^_PFbZTbJiBMEeWIZQVXAAB address"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("no crypto ipsec profile MyProfile", "IPsec profile MyProfile is not configured"),
        (
            "crypto ipsec profile MyProfile\n no set transform-set\nno crypto ipsec default transform-set",
            "transform set default of IPsec profile MyProfile is not configured",
        ),
        (f"no {SET}", "transform set MyTransformSet of IPsec profile MyProfile is not configured"),
        (
            f"{SET} ah-sha-hmac esp-aes",
            "transform set MyTransformSet of IPsec profile MyProfile: AH is not supported",
        ),
        (
            "crypto ipsec transform-set Z esp-aes comp-lzs\ncrypto ipsec profile MyProfile\n"
            " set transform-set MyTransformSet Z",
            "transform set Z of IPsec profile MyProfile: compression is not supported",
        ),
        (f"{SET} esp-seal", "transform set MyTransformSet of IPsec profile MyProfile: esp-seal is not supported"),
        (f"{SET} esp-gmac 256", "transform set MyTransformSet of IPsec profile MyProfile: esp-gmac is not supported"),
        (
            f"{SET} esp-sha-hmac",
            "transform set MyTransformSet of IPsec profile MyProfile: it has no ESP cipher (esp-null is one)",
        ),
        (
            f"{SET} esp-null",
            "transform set MyTransformSet of IPsec profile MyProfile: it neither encrypts nor authenticates",
        ),
        (
            f"{SET} esp-aes esp-sha-hmac\n esn",
            "transform set MyTransformSet of IPsec profile MyProfile: extended sequence numbers are not supported",
        ),
        (
            "crypto ipsec profile MyProfile\n set ikev2-profile V2",
            "IKEv2 profile V2: IKEv2 is not supported yet",
        ),
        (
            "interface Tunnel0\n tunnel protection ipsec profile MyProfile ikev2-profile V2",
            "IKEv2 profile V2: IKEv2 is not supported yet",
        ),
        ("no crypto isakmp enable", "ISAKMP is disabled (no crypto isakmp enable)"),
        (
            "crypto isakmp policy 10\n no authentication",
            "no ISAKMP policy has `authentication pre-share`: certificates are not supported yet",
        ),
        ("no crypto isakmp policy 10\nno crypto isakmp default policy", "there is no ISAKMP policy"),
        ("crypto isakmp identity dn", "crypto isakmp identity dn: certificates are not supported yet"),
        (IN_USE, "ISAKMP profile P is not configured"),
        (
            "interface Tunnel0\n tunnel protection ipsec profile MyProfile isakmp-profile Q",
            "ISAKMP profile Q is not configured",
        ),
        (f"{IN_USE}crypto isakmp profile P", "ISAKMP profile P: it has no `match identity` line"),
        (f"{IN_USE}{PROFILE} vrf V", "ISAKMP profile P: VRF V: VRFs are not supported yet"),
        (f"{IN_USE}{PROFILE} match certificate M", "ISAKMP profile P: certificates are not supported yet"),
        (f"{IN_USE}{PROFILE} ca trust-point CA", "ISAKMP profile P: certificates are not supported yet"),
        (f"{IN_USE}{PROFILE} keyring K", "ISAKMP profile P: keyring K is not configured"),
        (
            f"{IN_USE}{PROFILE} keyring K\ncrypto keyring K vrf V",
            "ISAKMP profile P: keyring K is in VRF V: VRFs are not supported yet",
        ),
        (
            f"{IN_USE}{PROFILE} keyring K\ncrypto keyring K\n local-address Loopback9",
            "ISAKMP profile P: the local-address of keyring K is no address of this router",
        ),
        (
            f"{IN_USE}{PROFILE} self-identity user-fqdn a@b",
            "ISAKMP profile P: self-identity user-fqdn is not supported",
        ),
        (
            f"{IN_USE}{PROFILE} local-address Loopback9",
            "ISAKMP profile P: its local-address is no address of this router",
        ),
        (
            f"{IN_USE}{PROFILE} client authentication list L",
            "ISAKMP profile P: extended authentication is not supported yet",
        ),
        (
            f"{IN_USE}crypto isakmp profile P\n match identity address 0.0.0.0 V",
            "ISAKMP profile P: it matches peers in a VRF only: VRFs are not supported yet",
        ),
        (
            f"{SEALED} 10.0.0.0 255.0.0.0",
            "the pre-shared key for 10.0.0.0/8 is encrypted (type 6) by another router and cannot be read",
        ),
        (
            f"{IN_USE}{PROFILE} keyring K\ncrypto keyring K\n pre-shared-key address 0.0.0.0 key 6 ABC",
            "the pre-shared key for 0.0.0.0/0 is encrypted (type 6) by another router and cannot be read",
        ),
    ],
)
def test_what_holds_a_tunnel_down(read: Read, lines: str, why: str) -> None:
    config = read(f"{CLASSIC}{lines}\n")
    assert held(config, config.interfaces["Tunnel0"]) == why
    assert reason(config) == f"tunnel protection: {why}"
    assert not ike_config(config, SOURCE).maps


def test_a_tunnel_mode_that_is_no_gre_is_said_first(read: Read) -> None:
    assert reason(read(f"{CLASSIC}interface Tunnel0\n tunnel mode ipsec ipv4")) == (
        "tunnel mode ipsec ipv4 is not supported"
    )


@pytest.mark.parametrize("lines", [f"{IN_USE}{PROFILE}", f"{IN_USE}{PROFILE} keyring default", "identity"])
def test_what_does_not_hold(read: Read, lines: str) -> None:
    lines = "crypto isakmp identity hostname" if lines == "identity" else lines
    assert reason(read(f"{CLASSIC}{lines}\n")) is None


def test_what_ios_has_by_default_is_enough(read: Read) -> None:
    default = "interface Tunnel0\n tunnel protection ipsec profile default\n"
    config = read(f"{CLASSIC}no crypto isakmp policy 10\nno crypto ipsec profile MyProfile\n{default}")
    assert reason(config) is None
    (only,) = ike_config(config, SOURCE).maps["Tunnel0-head-0"].sets
    assert (only.name, only.mode) == ("default", Mode.TRANSPORT)


POINT_TO_POINT = """\
ip route 0.0.0.0 0.0.0.0 172.16.15.1
interface Tunnel0
 tunnel mode gre ip
 tunnel destination 172.16.25.2
"""


def test_a_point_to_point_tunnel_needs_the_key_of_its_own_peer_only(read: Read) -> None:
    text = f"{CLASSIC}{POINT_TO_POINT}"
    assert reason(read(f"{text}{SEALED} 10.0.0.0 255.0.0.0")) is None
    assert reason(read(f"{text}{SEALED} 0.0.0.0")) is None  # the longer prefix has a key that can be read
    assert reason(read(f"{text}{SEALED} 172.16.25.2")) == (
        "tunnel protection: the pre-shared key for 172.16.25.2/32 is encrypted (type 6) by another router"
        " and cannot be read"
    )


SECOND = """\
interface Tunnel1
 ip address 192.168.1.1 255.255.255.0
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
 tunnel key 1
 tunnel protection ipsec profile MyProfile{words}
"""


def test_two_multipoint_tunnels_with_one_source_must_share(read: Read) -> None:
    apart = read(CLASSIC + SECOND.format(words=""))
    assert reason(apart) is None
    assert reason(apart, "Tunnel1") == (
        "tunnel protection: Tunnel0 with the same tunnel source is protected apart: both need one profile and `shared`"
    )
    shared = "interface Tunnel0\n tunnel protection ipsec profile MyProfile shared\n"
    together = read(CLASSIC + SECOND.format(words=" shared") + shared)
    assert reason(together) is None and reason(together, "Tunnel1") is None
    half = read(CLASSIC + SECOND.format(words=" shared"))
    assert reason(half, "Tunnel1") is not None


def test_who_shares_a_profile_shares_the_isakmp_profile(read: Read) -> None:
    shared = "interface Tunnel0\n tunnel protection ipsec profile MyProfile shared\n"
    text = CLASSIC + shared + PROFILE + SECOND.format(words=" shared isakmp-profile P")
    assert reason(read(text), "Tunnel1") == (
        "tunnel protection: it shares IPsec profile MyProfile with Tunnel0, but not the ISAKMP profile"
    )


def test_a_tunnel_that_is_shut_is_in_nobody_s_way(read: Read) -> None:
    config = read(CLASSIC + "interface Tunnel0\n shutdown\n" + SECOND.format(words=""))
    assert reason(config, "Tunnel1") is None
