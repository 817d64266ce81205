"""The IPsec profile and the transform set `default`, which IOS 15 has without a line of configuration, protect too."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.cli.load import load
from iosish.config.model import Config
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from iosish.protection import held, ike_config
from tests.terminal.shipped import shipped_grammar

ROUTER = """
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 0.0.0.0
{lines}
interface Tunnel0
 tunnel source 172.16.15.2
 tunnel mode gre multipoint
 tunnel protection ipsec profile {profile}
"""


def configured(profile: str, lines: str = "") -> Config:
    return load(shipped_grammar(), ROUTER.format(lines=lines, profile=profile)).config


@pytest.mark.parametrize(("profile", "lines"), [("default", ""), ("P", "crypto ipsec profile P")])
def test_nothing_configured_is_the_default(profile: str, lines: str) -> None:
    config = configured(profile, lines)
    assert held(config, config.interfaces["Tunnel0"]) is None
    (crypto_map,) = ike_config(config, {"Tunnel0": IPv4Address("172.16.15.2")}).maps.values()
    (proposed,) = crypto_map.sets
    assert (proposed.name, proposed.transform) == ("default", Transform(Cipher.AES_CBC, 128, Integrity.SHA1))
    assert (proposed.mode, proposed.require) == (Mode.TRANSPORT, False)
    assert (crypto_map.profile, crypto_map.lifetime_s, crypto_map.lifetime_kb) == (profile, 3600, 4608000)


def test_what_is_configured_under_these_names_counts() -> None:
    lines = "crypto ipsec transform-set default esp-3des esp-md5-hmac\n mode tunnel\ncrypto ipsec profile default"
    config = configured("default", f"{lines}\n set transform-set default\n set pfs group14")
    (crypto_map,) = ike_config(config, {"Tunnel0": IPv4Address("172.16.15.2")}).maps.values()
    assert (crypto_map.sets[0].transform.cipher, crypto_map.sets[0].mode) == (Cipher.TRIPLE_DES, Mode.TUNNEL)
    assert crypto_map.pfs == 14


def test_another_name_that_is_missing_holds_the_tunnel_down() -> None:
    config = configured("Default")
    assert held(config, config.interfaces["Tunnel0"]) == "IPsec profile Default is not configured"
    config = configured("P", "crypto ipsec transform-set T esp-aes\ncrypto ipsec profile P\n set transform-set T")
    assert held(config, config.interfaces["Tunnel0"]) is None
