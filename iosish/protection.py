"""Tunnel protection: what the crypto lines mean for each tunnel, or why it must stay down. Pure.

`held` is about the configuration alone: a tunnel that is not held runs, and its line protocol does not wait for an SA.
What is asked for and not built (IKEv2, certificates, AH, VRFs) holds the tunnel down rather than to protect it less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from iosish.config import crypto
from iosish.config.crypto import AddressKey, HostnameKey, IpsecProfile, KeyringKey, LocalAddress
from iosish.config.model import Config, Interface
from iosish.config.secrets import octets, unseal6
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

#: The keyring of the `crypto isakmp key` lines.
GLOBAL = "default"
MULTIPOINT = "gre multipoint"

_CIPHERS = {"des": Cipher.DES, "3des": Cipher.TRIPLE_DES, "aes": Cipher.AES}
_HASHES = {"md5": Hash.MD5, "sha": Hash.SHA1, "sha256": Hash.SHA256, "sha384": Hash.SHA384, "sha512": Hash.SHA512}
_AUTHENTICATIONS = {
    "pre-share": Authentication.PRE_SHARE,
    "rsa-sig": Authentication.RSA_SIG,
    "rsa-encr": Authentication.RSA_ENCR,
    "ecdsa-sig": Authentication.ECDSA_SIG,
}
#: Lines of an ISAKMP profile that are kept, and that a peer relies on.
_PROFILE_NEEDS = {
    "client authentication": "extended authentication is not supported yet",
    "client configuration": "client configuration is not supported yet",
}


def _unsupported(entry: crypto.TransformSet) -> str | None:
    """Why a transform set cannot be used."""
    if entry.ah is not None:
        return "AH is not supported"
    if entry.compression is not None:
        return "compression is not supported"
    if entry.cipher is None:
        return "it has no ESP cipher (esp-null is one)"
    if entry.cipher.split()[0] in ("esp-seal", "esp-gmac"):
        return f"{entry.cipher.split()[0]} is not supported"
    if entry.cipher == "esp-null" and entry.integrity is None:
        return "it neither encrypts nor authenticates"
    return "extended sequence numbers are not supported" if entry.esn else None


def _transform_set(entry: crypto.TransformSet) -> TransformSet:
    assert entry.cipher is not None
    word, _, bits = entry.cipher.partition(" ")
    cipher = transforms.Cipher(word)
    sized = cipher in (transforms.Cipher.AES_CBC, transforms.Cipher.AES_GCM)
    integrity = Integrity(entry.integrity) if entry.integrity is not None else None
    transform = Transform(cipher, int(bits or 128) if sized else 0, integrity)
    mode = Mode.TUNNEL if entry.mode == "tunnel" else Mode.TRANSPORT
    return TransformSet(entry.name, transform, mode, entry.mode.endswith("require"))


def policies(config: Config) -> tuple[Policy, ...]:
    """The ISAKMP policies in force, by priority: those that are configured, else the default ones."""
    configured = config.crypto.isakmp.policies
    if configured:
        return tuple(_policy(configured[priority]) for priority in sorted(configured))
    return tuple(map(_policy, crypto.DEFAULT_POLICIES)) if config.crypto.isakmp.default_policy else ()


def _policy(entry: crypto.IsakmpPolicy) -> Policy:
    word, _, bits = entry.encryption.partition(" ")
    cipher = _CIPHERS[word]
    return Policy(
        priority=entry.priority,
        cipher=cipher,
        key_bits=int(bits or 128) if cipher is Cipher.AES else 0,
        hash=_HASHES[entry.hash],
        authentication=_AUTHENTICATIONS[entry.authentication],
        group=entry.group,
        lifetime_s=entry.lifetime_s,
    )


# Keys


def _secret(key: AddressKey | KeyringKey | HostnameKey) -> bytes | None:
    """A key as IKE takes it; None when it is encrypted and cannot be read."""
    clear = key.key if key.sealed is None else unseal6(key.sealed)
    return None if clear is None else octets(clear)


@dataclass(frozen=True, slots=True)
class _Ring:
    """The keys of a keyring, or the global ones."""

    name: str
    addresses: tuple[AddressKey | KeyringKey, ...]
    hostnames: tuple[HostnameKey, ...]

    def unreadable(self, peer: IPv4Address | None) -> str | None:
        """The peers of a key that cannot be read, if it would be used: towards `peer`, or towards anybody."""
        if peer is None:
            unread = [key.network for key in self.addresses if _secret(key) is None]
            names = [key.hostname for key in self.hostnames if _secret(key) is None]
            return next(iter([*map(str, unread), *names]), None)
        best = max(
            (key for key in self.addresses if peer in key.network), key=lambda key: key.network.prefixlen, default=None
        )
        return str(best.network) if best is not None and _secret(best) is None else None

    def keys(self) -> tuple[PresharedKey, ...]:
        """Longest prefix first; without those that cannot be read."""
        ordered = sorted(self.addresses, key=lambda key: (-key.network.prefixlen, key.network.network_address))
        keys = [(_secret(key), key.network, None) for key in ordered]
        names = [(_secret(key), None, key.hostname) for key in self.hostnames]
        return tuple(
            PresharedKey(secret, network, hostname)
            for secret, network, hostname in [*keys, *names]
            if secret is not None
        )


def _global_ring(config: Config) -> _Ring:
    isakmp = config.crypto.isakmp
    return _Ring(GLOBAL, tuple(isakmp.keys.values()), tuple(isakmp.hostname_keys.values()))


def _ring(config: Config, name: str) -> _Ring | None:
    if name == GLOBAL:
        return _global_ring(config)
    entry = config.crypto.keyrings.get(name)
    return _Ring(name, tuple(entry.keys.values()), tuple(entry.hostname_keys.values())) if entry else None


def _rings(config: Config, profile: crypto.IsakmpProfile | None) -> Iterator[_Ring]:
    """The keyrings that a tunnel takes its keys from: those of its ISAKMP profile, else all that are in no VRF."""
    names: tuple[str, ...] = profile.keyrings if profile is not None else ()
    if not names:
        names = (GLOBAL, *(name for name, entry in config.crypto.keyrings.items() if entry.vrf is None))
    for name in names:
        ring = _ring(config, name)
        if ring is not None:
            yield ring


def _address_of(config: Config, local: LocalAddress | None) -> IPv4Address | None:
    """The address that a `local-address` line means; None if there is no such line, or no such address."""
    if local is None or local.address is not None:
        return local.address if local is not None else None
    interface = config.interfaces.get(local.interface or "")
    return interface.ip_address.address if interface is not None and interface.ip_address is not None else None


def _astray(config: Config, local: LocalAddress | None) -> bool:
    """Whether a `local-address` line means no address of this router."""
    return local is not None and (local.vrf is not None or _address_of(config, local) is None)


def _profile_held(config: Config, profile: crypto.IsakmpProfile) -> str | None:
    """Why an ISAKMP profile cannot be used."""
    if profile.vrf is not None:
        return f"VRF {profile.vrf}: VRFs are not supported yet"
    if profile.certificate_maps or profile.trustpoints:
        return "certificates are not supported yet"
    for line, reason in _PROFILE_NEEDS.items():
        if any(key[0].startswith(line) for key in profile.kept):
            return reason
    for name in profile.keyrings:
        if name == GLOBAL:
            continue
        keyring = config.crypto.keyrings.get(name)
        if keyring is None:
            return f"keyring {name} is not configured"
        if keyring.vrf is not None:
            return f"keyring {name} is in VRF {keyring.vrf}: VRFs are not supported yet"
        if _astray(config, keyring.local_address):
            return f"the local-address of keyring {name} is no address of this router"
    if profile.self_identity is not None and profile.self_identity.kind not in ("address", "fqdn"):
        return f"self-identity {profile.self_identity.kind} is not supported"
    if _astray(config, profile.local_address):
        return "its local-address is no address of this router"
    if not profile.hosts and all(match.vrf is not None for match in profile.addresses.values()):
        if profile.addresses:
            return "it matches peers in a VRF only: VRFs are not supported yet"
        return "it has no `match identity` line"
    return None


# Tunnels


def _profile_of(config: Config, interface: Interface) -> IpsecProfile | None:
    protection = interface.tunnel.protection
    return config.crypto.ipsec.all_profiles.get(protection.profile) if protection is not None else None


def _isakmp_profile_name(config: Config, interface: Interface) -> str | None:
    """The ISAKMP profile that a tunnel asks for, by its own line or by that of its IPsec profile."""
    protection, profile = interface.tunnel.protection, _profile_of(config, interface)
    if protection is not None and protection.isakmp_profile is not None:
        return protection.isakmp_profile
    return profile.isakmp_profile if profile is not None else None


def held(config: Config, interface: Interface) -> str | None:
    """Why a protected tunnel must stay down, in words for the user; None when it may run, or is not protected.

    What other tunnels have to do with it is for `Claims` to say.
    """
    protection = interface.tunnel.protection
    if protection is None:
        return None
    profile = config.crypto.ipsec.all_profiles.get(protection.profile)
    if profile is None:
        return f"IPsec profile {protection.profile} is not configured"
    where = f"IPsec profile {profile.name}"
    if protection.ikev2_profile or profile.ikev2_profile:
        return f"IKEv2 profile {protection.ikev2_profile or profile.ikev2_profile}: IKEv2 is not supported yet"
    for name in profile.sets:
        entry = config.crypto.ipsec.all_transform_sets.get(name)
        if entry is None:
            return f"transform set {name} of {where} is not configured"
        if reason := _unsupported(entry):
            return f"transform set {name} of {where}: {reason}"
    return _ike_held(config, interface)


def _ike_held(config: Config, interface: Interface) -> str | None:
    """Why IKE cannot make SAs for a tunnel."""
    isakmp = config.crypto.isakmp
    if not isakmp.enabled:
        return "ISAKMP is disabled (no crypto isakmp enable)"
    in_force = policies(config)
    if not in_force:
        return "there is no ISAKMP policy"
    if all(policy.authentication is not Authentication.PRE_SHARE for policy in in_force):
        return "no ISAKMP policy has `authentication pre-share`: certificates are not supported yet"
    if isakmp.identity == "dn":
        return "crypto isakmp identity dn: certificates are not supported yet"
    name = _isakmp_profile_name(config, interface)
    profile = isakmp.profiles.get(name) if name is not None else None
    if name is not None and profile is None:
        return f"ISAKMP profile {name} is not configured"
    if profile is not None and (reason := _profile_held(config, profile)):
        return f"ISAKMP profile {name}: {reason}"
    peer = interface.tunnel.destination if interface.tunnel.mode != MULTIPOINT else None
    for ring in _rings(config, profile):
        if peers := ring.unreadable(peer):
            return f"the pre-shared key for {peers} is encrypted (type 6) by another router and cannot be read"
    return None


def _source_of(config: Config, interface: Interface) -> IPv4Address | str | None:
    """A tunnel's source as the configuration alone tells it: an address where there is one."""
    source = interface.tunnel.source
    if isinstance(source, str):
        other = config.interfaces.get(source)
        return other.ip_address.address if other is not None and other.ip_address is not None else source
    return source


class Claims:
    """Which tunnel has which peers, so that there is no doubt whose SA an incoming one is."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._taken: dict[tuple[IPv4Address, IPv4Address | None], tuple[str, str, str | None]] = {}

    def refusal(self, interface: Interface, source: IPv4Address) -> str | None:
        """Take the peers of a protected tunnel for it; or why it cannot run beside one that has them."""
        protection = interface.tunnel.protection
        if protection is None:
            return None
        peers = interface.tunnel.destination if interface.tunnel.mode != MULTIPOINT else None
        tag = crypto_map_tag(self._config, interface)
        isakmp_profile = _isakmp_profile_name(self._config, interface)
        name, other_tag, other_profile = self._taken.setdefault((source, peers), (interface.name, tag, isakmp_profile))
        if other_tag != tag:
            return f"{name} with the same tunnel source is protected apart: both need one profile and `shared`"
        if other_profile != isakmp_profile:
            return f"it shares IPsec profile {protection.profile} with {name}, but not the ISAKMP profile"
        return None


def crypto_map_tag(config: Config, interface: Interface) -> str:
    """What the protection of a tunnel is called: `Tunnel0-head-0`; that of all that share profile and source alike.

    The number of a shared one counts the sources of its profile, in the order of the configuration.
    """
    protection = interface.tunnel.protection
    assert protection is not None
    if not protection.shared:
        return f"{interface.name}-head-0"
    sources: dict[IPv4Address | str | None, None] = {}
    for other in config.interfaces.values():
        theirs = other.tunnel.protection
        if theirs is not None and theirs.shared and theirs.profile == protection.profile:
            sources[_source_of(config, other)] = None
    return f"{protection.profile}-head-{list(sources).index(_source_of(config, interface)) + 1}"


# What IKE is told


def ike_config(config: Config, sources: Mapping[str, IPv4Address]) -> IkeConfig:
    """The configuration of IKE. `sources`: the protected tunnels that are to run, each with its outer address."""
    isakmp = config.crypto.isakmp
    return IkeConfig(
        policies=tuple(policy for policy in policies(config) if policy.authentication is Authentication.PRE_SHARE),
        keyrings=_keyrings(config),
        profiles={name: _isakmp_profile(config, profile) for name, profile in isakmp.profiles.items()},
        maps=_maps(config, sources),
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
    keyrings = {GLOBAL: Keyring(GLOBAL, _global_ring(config).keys())}
    for name, entry in config.crypto.keyrings.items():
        ring = _ring(config, name)
        if ring is not None and name != GLOBAL and entry.vrf is None and not _astray(config, entry.local_address):
            keyrings[name] = Keyring(name, ring.keys(), _address_of(config, entry.local_address))
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
        local=_address_of(config, entry.local_address),
        held=_profile_held(config, entry),
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


def _maps(config: Config, sources: Mapping[str, IPv4Address]) -> dict[str, CryptoMap]:
    shared: dict[str, _Shared] = {}
    for name, source in sources.items():
        interface = config.interfaces[name]
        profile = _profile_of(config, interface)
        if profile is None or held(config, interface) is not None:
            continue  # asked for in error: nothing is negotiated for it
        tag = crypto_map_tag(config, interface)
        entry = shared.setdefault(tag, _Shared(profile, _isakmp_profile_name(config, interface), source))
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
