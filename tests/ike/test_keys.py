"""Which key and which ISAKMP profile a peer gets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from iosish.ike.config import IkeConfig, IsakmpProfile, Keyring, PresharedKey
from iosish.ike.keys import key_for_address, key_for_hostname, profile_of_identity

LOCAL = IPv4Address("172.16.15.2")
PEER = IPv4Address("172.16.25.2")


def key(secret: str, network: str | None = None, hostname: str | None = None) -> PresharedKey:
    return PresharedKey(secret.encode(), IPv4Network(network) if network else None, hostname)


def rings(*keyrings: Keyring) -> dict[str, Keyring]:
    return {keyring.name: keyring for keyring in keyrings}


def secret_of(config: IkeConfig, peer: IPv4Address = PEER, profile: IsakmpProfile | None = None) -> bytes | None:
    found = key_for_address(config, LOCAL, peer, profile)
    return None if found is None else found.secret


def test_the_longest_match_wins_over_the_wildcard_in_any_order() -> None:
    keys = (key("wild", "0.0.0.0/0"), key("host", "172.16.25.2/32"), key("net", "172.16.0.0/16"))
    for order in (keys, keys[::-1]):
        config = IkeConfig(keyrings=rings(Keyring("default", order)))
        assert secret_of(config) == b"host"
        assert secret_of(config, IPv4Address("172.16.9.9")) == b"net"
        assert secret_of(config, IPv4Address("10.0.0.1")) == b"wild"


def test_no_key_is_none() -> None:
    assert secret_of(IkeConfig(keyrings=rings(Keyring("default", (key("k", "10.0.0.0/8"),))))) is None


def test_between_equals_the_first_that_was_configured() -> None:
    config = IkeConfig(keyrings=rings(Keyring("default", (key("one", "0.0.0.0/0"), key("two", "0.0.0.0/0")))))
    assert secret_of(config) == b"one"


def test_a_keyring_of_another_local_address_is_not_looked_into() -> None:
    other = Keyring("other", (key("other", "172.16.25.2/32"),), local=IPv4Address("10.0.0.1"))
    mine = Keyring("mine", (key("mine", "0.0.0.0/0"),), local=LOCAL)
    assert secret_of(IkeConfig(keyrings=rings(other, mine))) == b"mine"


def test_a_profile_is_bound_to_its_keyrings() -> None:
    config = IkeConfig(
        keyrings=rings(
            Keyring("default", (key("global", "172.16.25.2/32"),)), Keyring("K", (key("ring", "0.0.0.0/0"),))
        )
    )
    assert secret_of(config, profile=IsakmpProfile("P", keyrings=("K",))) == b"ring"
    assert secret_of(config, profile=IsakmpProfile("P", keyrings=("missing",))) is None
    assert secret_of(config, profile=IsakmpProfile("P")) == b"global"


def test_a_hostname_finds_its_key_in_any_case() -> None:
    config = IkeConfig(keyrings=rings(Keyring("default", (key("k", hostname="R2.example.com"),))))
    found = key_for_hostname(config, LOCAL, "r2.EXAMPLE.com", None)
    assert found is not None and found.secret == b"k"
    assert key_for_hostname(config, LOCAL, "r3.example.com", None) is None


def test_the_profile_of_an_identity() -> None:
    wide = IsakmpProfile("wide", networks=(IPv4Network("0.0.0.0/0"),))
    narrow = IsakmpProfile("narrow", networks=(IPv4Network("172.16.25.0/24"),))
    named = IsakmpProfile("named", hosts=("r2.example.com",))
    held = IsakmpProfile("held", networks=(IPv4Network("172.16.25.2/32"),), held="VRF")
    config = IkeConfig(profiles={profile.name: profile for profile in (wide, narrow, named, held)})
    assert profile_of_identity(config, LOCAL, PEER) is narrow
    assert profile_of_identity(config, LOCAL, IPv4Address("10.0.0.1")) is wide
    assert profile_of_identity(config, LOCAL, "R2.example.com") is named
    assert profile_of_identity(config, LOCAL, "r9.example.com") is None


def test_a_secret_is_in_no_repr() -> None:
    assert "P4ssw0rd" not in repr(Keyring("default", (key("P4ssw0rd", "0.0.0.0/0"),)))
