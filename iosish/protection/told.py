"""What IKE is told about the crypto lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from iosish.config import crypto
from iosish.config.crypto import IpsecProfile
from iosish.config.model import Config
from iosish.ike.config import Authentication, CryptoMap, IkeConfig, IsakmpProfile, Keepalive, Keyring
from iosish.ipsec import transforms
from iosish.ipsec.transforms import DfBit, Integrity, Mode, Transform, TransformSet
from iosish.protection.keys import GLOBAL, address_of, astray, global_ring, ring_of
from iosish.protection.policies import policies
from iosish.protection.reasons import held, isakmp_profile_held
from iosish.protection.tunnels import MULTIPOINT, MapTags, isakmp_profile_name, profile_of


def ike_config(config: Config, sources: Mapping[str, IPv4Address], tags: Mapping[str, str] | None = None) -> IkeConfig:
    """The configuration of IKE. `sources`: the protected tunnels that are to run, each with its outer address; `tags`
    the names of their crypto maps, as `MapTags` gives them (None: to a router that has just started)."""
    isakmp = config.crypto.isakmp
    return IkeConfig(
        policies=tuple(policy for policy in policies(config) if policy.authentication is Authentication.PRE_SHARE),
        keyrings=_keyrings(config),
        profiles={name: _isakmp_profile(config, profile) for name, profile in isakmp.profiles.items()},
        maps=_maps(config, sources, MapTags().follow(config) if tags is None else tags),
        identity=isakmp.identity,
        fqdn=f"{config.hostname}.{config.domain_name}" if config.domain_name else config.hostname,
        keepalive=_keepalive(isakmp.keepalive),
        nat_keepalive_s=isakmp.nat_keepalive_s,
        nat_traversal=config.crypto.ipsec.nat_transparency,
        aggressive_disabled=isakmp.aggressive_disabled,
        invalid_spi_recovery=isakmp.invalid_spi_recovery,
        session_log=config.crypto.session_log,
    )


def _keyrings(config: Config) -> dict[str, Keyring]:
    keyrings = {GLOBAL: Keyring(GLOBAL, global_ring(config).keys(config.hosts))}
    for name, entry in config.crypto.keyrings.items():
        ring = ring_of(config, name)
        if ring is not None and name != GLOBAL and entry.vrf is None and not astray(config, entry.local_address):
            keyrings[name] = Keyring(name, ring.keys(config.hosts), address_of(config, entry.local_address))
    return keyrings


def _keepalive(entry: crypto.Keepalive | None) -> Keepalive | None:
    return None if entry is None else Keepalive(entry.seconds, entry.retry, entry.mode == "periodic")


def _isakmp_profile(config: Config, entry: crypto.IsakmpProfile) -> IsakmpProfile:
    identity = entry.self_identity
    fqdn = identity.name or config.hostname if identity is not None and identity.kind == "fqdn" else "address"
    return IsakmpProfile(
        name=entry.name,
        networks=tuple(match.network for match in entry.addresses.values() if match.vrf is None),
        hosts=tuple(entry.hosts),
        keyrings=entry.keyrings,
        keepalive=_keepalive(entry.keepalive),
        aggressive=entry.aggressive,
        self_identity=None if identity is None else fqdn,
        local=address_of(config, entry.local_address),
        held=isakmp_profile_held(config, entry),
    )


@dataclass(slots=True)
class _Shared:
    """The tunnels of one crypto map."""

    profile: IpsecProfile
    isakmp_profile: str | None
    local: IPv4Address
    interfaces: list[str] = field(default_factory=list)
    peers: set[IPv4Address] = field(default_factory=set)
    multipoint: bool = False


def _maps(config: Config, sources: Mapping[str, IPv4Address], tags: Mapping[str, str]) -> dict[str, CryptoMap]:
    shared: dict[str, _Shared] = {}
    for name, source in sources.items():
        interface = config.interfaces[name]
        profile = profile_of(config, interface)
        if profile is None or held(config, interface) is not None:
            continue  # asked for in error: nothing is negotiated for it
        tag = tags[name]
        entry = shared.setdefault(tag, _Shared(profile, isakmp_profile_name(config, interface), source))
        entry.interfaces.append(name)
        if interface.tunnel.mode == MULTIPOINT or interface.tunnel.destination is None:
            entry.multipoint = True
        else:
            entry.peers.add(interface.tunnel.destination)
    return {tag: _map(config, tag, entry) for tag, entry in shared.items()}


def _map(config: Config, tag: str, entry: _Shared) -> CryptoMap:
    ipsec, profile = config.crypto.ipsec, entry.profile
    idle_s = profile.idle.seconds if profile.idle is not None else ipsec.idle_s
    replay_window = ipsec.replay_window if profile.replay_window is None else profile.replay_window
    lifetime_kb = ipsec.lifetime_kb if profile.lifetime_kb is None else profile.lifetime_kb
    return CryptoMap(
        tag=tag,
        profile=profile.name,
        interfaces=tuple(entry.interfaces),
        local=entry.local,
        sets=tuple(_transform_set(ipsec.all_transform_sets[name]) for name in profile.sets),
        peers=None if entry.multipoint else frozenset(entry.peers),
        lifetime_s=(profile.lifetime or ipsec.lifetime).total_s,
        lifetime_kb=lifetime_kb or None,
        idle_s=idle_s,
        pfs=profile.pfs,
        isakmp_profile=entry.isakmp_profile,
        replay_window=replay_window,
        df=DfBit(profile.df_bit or ipsec.df_bit),
        udp_forced=profile.udp_forced,
    )


def _transform_set(entry: crypto.TransformSet) -> TransformSet:
    assert entry.cipher is not None
    word, _, bits = entry.cipher.partition(" ")
    cipher = transforms.Cipher(word)
    sized = cipher in (transforms.Cipher.AES_CBC, transforms.Cipher.AES_GCM)
    integrity = Integrity(entry.integrity) if entry.integrity is not None else None
    transform = Transform(cipher, int(bits or 128) if sized else 0, integrity)
    mode = Mode.TUNNEL if entry.mode == "tunnel" else Mode.TRANSPORT
    return TransformSet(entry.name, transform, mode, entry.mode.endswith("require"))
