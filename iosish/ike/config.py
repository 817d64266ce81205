"""What the IKE engine is told: frozen values, made by the router out of the running configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from iosish.ipsec.transforms import DfBit, TransformSet


class Cipher(Enum):
    """Encryption of an ISAKMP SA; the value is the attribute's (RFC 2409 appendix A)."""

    DES = 1
    TRIPLE_DES = 5
    AES = 7


class Hash(Enum):
    """Hash of an ISAKMP SA, which is also its PRF by HMAC; the value is the attribute's (RFC 2409, 4868)."""

    MD5 = 1
    SHA1 = 2
    SHA256 = 4
    SHA384 = 5
    SHA512 = 6


class Authentication(Enum):
    PRE_SHARE = 1
    RSA_SIG = 3
    RSA_ENCR = 4
    ECDSA_SIG = 9


@dataclass(frozen=True, slots=True)
class Policy:
    """`crypto isakmp policy PRIORITY`; what is omitted means DES, SHA-1, RSA signatures, group 1, 86400 s."""

    priority: int
    cipher: Cipher = Cipher.DES
    key_bits: int = 0
    hash: Hash = Hash.SHA1
    authentication: Authentication = Authentication.RSA_SIG
    group: int = 1
    lifetime_s: int = 86400


@dataclass(frozen=True, slots=True)
class PresharedKey:
    """A key for the peers in `network` (0.0.0.0/0: everybody), or for the one called `hostname`."""

    secret: bytes = field(repr=False)
    network: IPv4Network | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """`crypto keyring NAME`; the global keys are the one called `default`. `local`: only for this own address."""

    name: str
    keys: tuple[PresharedKey, ...] = ()
    local: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`crypto isakmp keepalive INTERVAL [RETRY] [periodic|on-demand]`."""

    interval_s: int
    retry_s: int = 2
    periodic: bool = False


@dataclass(frozen=True, slots=True)
class IsakmpProfile:
    """`crypto isakmp profile NAME`: which peers it takes, and with which keyrings. `held`: why it cannot be used."""

    name: str
    networks: tuple[IPv4Network, ...] = ()
    hosts: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()
    keepalive: Keepalive | None = None
    aggressive: bool = False
    self_identity: str | None = None  # None: as `crypto isakmp identity` says; "address", or a FQDN
    local: IPv4Address | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class CryptoMap:
    """What protects one tunnel, or all tunnels that share a profile and a source: `Tunnel0-head-0`.

    `peers` are the only far ends there may be (a point-to-point tunnel's destination); None: any.
    `idle_s`, `lifetime_kb` None: no such limit. `pfs` is a group number.
    """

    tag: str
    profile: str
    interfaces: tuple[str, ...]
    local: IPv4Address
    sets: tuple[TransformSet, ...]
    peers: frozenset[IPv4Address] | None = None
    lifetime_s: int = 3600
    lifetime_kb: int | None = 4608000
    idle_s: int | None = None
    pfs: int | None = None
    isakmp_profile: str | None = None
    replay_window: int = 64
    df: DfBit = DfBit.COPY
    udp_forced: bool = False


@dataclass(frozen=True, slots=True)
class IkeConfig:
    """All of it. `policies` in order of priority; none configured: the router gives IOS's default policies.

    `identity` is "address", "hostname" or "dn"; `fqdn` is what "hostname" says of ourselves.
    """

    policies: tuple[Policy, ...] = ()
    keyrings: Mapping[str, Keyring] = field(default_factory=dict)
    profiles: Mapping[str, IsakmpProfile] = field(default_factory=dict)
    maps: Mapping[str, CryptoMap] = field(default_factory=dict)
    identity: str = "address"
    fqdn: str = "Router"
    keepalive: Keepalive | None = None
    nat_keepalive_s: int | None = None
    nat_traversal: bool = True
    aggressive_disabled: bool = False
    invalid_spi_recovery: bool = False
    half_open_max: int = 1000
    session_log: bool = False
