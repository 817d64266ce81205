"""Which pre-shared key and which ISAKMP profile a peer gets."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from iosish.ike.config import IkeConfig, IsakmpProfile, Keyring, PresharedKey


def key_for_address(
    config: IkeConfig, local: IPv4Address, peer: IPv4Address, profile: IsakmpProfile | None
) -> PresharedKey | None:
    """The key of `peer` by its address: of all keyrings that may be used, the longest match.

    A profile that names keyrings is bound to them. Between equals a keyring that is bound to our own address wins,
    then the one that was configured first.
    """
    found: tuple[int, bool, PresharedKey] | None = None
    for keyring in _keyrings(config, local, profile):
        for key in keyring.keys:
            if key.network is not None and peer in key.network:
                rank = (key.network.prefixlen, keyring.local is not None)
                if found is None or rank > found[:2]:
                    found = (*rank, key)
    return None if found is None else found[2]


def key_for_hostname(
    config: IkeConfig, local: IPv4Address, hostname: str, profile: IsakmpProfile | None
) -> PresharedKey | None:
    """The key of the peer that calls itself `hostname` (aggressive mode)."""
    for keyring in _keyrings(config, local, profile):
        for key in keyring.keys:
            if key.hostname is not None and key.hostname.lower() == hostname.lower():
                return key
    return None


def profile_of_identity(config: IkeConfig, local: IPv4Address, identity: IPv4Address | str) -> IsakmpProfile | None:
    """The profile that takes the peer of this identity; the longest network wins."""
    best: tuple[int, IsakmpProfile] | None = None
    for profile in config.profiles.values():
        if profile.held is not None or profile.local not in (None, local):
            continue
        if isinstance(identity, IPv4Address):
            lengths = [network.prefixlen for network in profile.networks if identity in network]
            length = max(lengths, default=-1)
        else:
            length = 32 if identity.lower() in (host.lower() for host in profile.hosts) else -1
        if length >= 0 and (best is None or length > best[0]):
            best = (length, profile)
    return None if best is None else best[1]


def takes(profile: IsakmpProfile, identity: IPv4Address | str) -> bool:
    """Whether `profile` takes a peer of this identity; one without any `match` takes nobody, as IOS."""
    if isinstance(identity, IPv4Address):
        return any(identity in network for network in profile.networks)
    return identity.lower() in (host.lower() for host in profile.hosts)


def _keyrings(config: IkeConfig, local: IPv4Address, profile: IsakmpProfile | None) -> Iterable[Keyring]:
    if profile is not None and profile.keyrings:
        named = (config.keyrings.get(name) for name in profile.keyrings)
        return [keyring for keyring in named if keyring is not None and keyring.local in (None, local)]
    return [keyring for keyring in config.keyrings.values() if keyring.local in (None, local)]
