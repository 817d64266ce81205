"""The `crypto` lines of a configuration: IKE's policies, keys and profiles, and what IPsec does to packets.

Words of IOS stand as IOS spells them (`encryption="aes 256"`, `cipher="esp-aes 192"`); `iosish/protection` makes of
them what the engines are told. An address that stands for a single host has the mask 255.255.255.255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from iosish.config.kept import EMPTY, Kept, KeptKey

HOST = IPv4Address("255.255.255.255")
ANY = IPv4Address("0.0.0.0")


def masked(address: IPv4Address, mask: IPv4Address) -> IPv4Address:
    return IPv4Address(int(address) & int(mask))


def network(address: IPv4Address, mask: IPv4Address) -> IPv4Network:
    return IPv4Network((int(address), int(mask).bit_count()))


@dataclass(frozen=True, slots=True)
class IsakmpPolicy:
    """`crypto isakmp policy PRIORITY`; what is not typed means DES, SHA-1, RSA signatures, group 1, a day."""

    priority: int
    encryption: str = "des"
    hash: str = "sha"
    authentication: str = "rsa-sig"
    group: int = 1
    lifetime_s: int = 86400
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)


#: What IKE proposes when no policy is configured (IOS 12.4(20)T and later), unless `no crypto isakmp default policy`.
DEFAULT_POLICIES = tuple(
    IsakmpPolicy(65507 + index, encryption, hash_, authentication, group)
    for index, (encryption, hash_, authentication, group) in enumerate(
        (encryption, hash_, authentication, group)
        for encryption, group in (("aes", 5), ("3des", 2))
        for hash_ in ("sha", "md5")
        for authentication in ("rsa-sig", "pre-share")
    )
)


@dataclass(frozen=True, slots=True)
class Peers:
    """`address A [MASK]`: 0.0.0.0 stands for everybody, as IOS prints it, whatever its mask."""

    address: IPv4Address
    mask: IPv4Address = HOST

    def __post_init__(self) -> None:
        address = masked(self.address, self.mask)
        object.__setattr__(self, "address", address)
        if address == ANY and self.mask == ANY:
            object.__setattr__(self, "mask", HOST)

    @property
    def network(self) -> IPv4Network:
        return network(self.address, ANY if self.address == ANY else self.mask)


@dataclass(frozen=True, slots=True)
class AddressKey(Peers):
    """`crypto isakmp key K address A [MASK] [no-xauth]`: `key` in clear, or `sealed` as type 6."""

    key: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)
    no_xauth: bool = False


@dataclass(frozen=True, slots=True)
class KeyringKey:
    """`pre-shared-key address A [MASK] key K` of a keyring; everybody is 0.0.0.0 0.0.0.0 here."""

    address: IPv4Address
    mask: IPv4Address = HOST
    key: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        address = masked(self.address, self.mask)
        object.__setattr__(self, "address", address)
        if address == ANY and self.mask == HOST:
            object.__setattr__(self, "mask", ANY)

    @property
    def network(self) -> IPv4Network:
        return network(self.address, self.mask)


@dataclass(frozen=True, slots=True)
class HostnameKey:
    """A key for the peer that calls itself `hostname`."""

    hostname: str
    key: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)
    no_xauth: bool = False


@dataclass(frozen=True, slots=True)
class Ipv6Key:
    """A key for IPv6 peers: stored and shown back, without effect."""

    prefix: str
    key: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """`local-address {A | INTERFACE} [VRF]`."""

    address: IPv4Address | None = None
    interface: str | None = None
    vrf: str | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """`crypto keyring NAME [vrf VRF]`."""

    name: str
    vrf: str | None = None
    local_address: LocalAddress | None = None
    keys: Mapping[tuple[IPv4Address, IPv4Address], KeyringKey] = field(default_factory=lambda: EMPTY)
    hostname_keys: Mapping[str, HostnameKey] = field(default_factory=lambda: EMPTY)
    ipv6_keys: Mapping[str, Ipv6Key] = field(default_factory=lambda: EMPTY)
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`crypto isakmp keepalive SECONDS [RETRY] [periodic|on-demand]`, and that of a profile."""

    seconds: int
    retry: int = 2
    mode: str = "on-demand"


@dataclass(frozen=True, slots=True)
class SelfIdentity:
    """`self-identity {address [ipv6] | fqdn [NAME] | user-fqdn NAME}`; `kind` is the words before the name."""

    kind: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class MatchAddress(Peers):
    """`match identity address A [MASK] [VRF]`."""

    vrf: str | None = None


@dataclass(frozen=True, slots=True)
class IsakmpProfile:
    """`crypto isakmp profile NAME`; `keyrings` in the order in which they are searched."""

    name: str
    vrf: str | None = None
    keyrings: tuple[str, ...] = ()
    self_identity: SelfIdentity | None = None
    certificate_maps: Mapping[str, bool] = field(default_factory=lambda: EMPTY)
    addresses: Mapping[tuple[IPv4Address, IPv4Address, str | None], MatchAddress] = field(default_factory=lambda: EMPTY)
    hosts: Mapping[str, bool] = field(default_factory=lambda: EMPTY)
    trustpoints: Mapping[str, bool] = field(default_factory=lambda: EMPTY)
    aggressive: bool = False
    keepalive: Keepalive | None = None
    local_address: LocalAddress | None = None
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Isakmp:
    """The `crypto isakmp ...` lines."""

    enabled: bool = True
    default_policy: bool = True
    policies: Mapping[int, IsakmpPolicy] = field(default_factory=lambda: EMPTY)
    aggressive_disabled: bool = False
    identity: str = "address"
    invalid_spi_recovery: bool = False
    keepalive: Keepalive | None = None
    nat_keepalive_s: int | None = None
    keys: Mapping[tuple[IPv4Address, IPv4Address], AddressKey] = field(default_factory=lambda: EMPTY)
    hostname_keys: Mapping[str, HostnameKey] = field(default_factory=lambda: EMPTY)
    ipv6_keys: Mapping[str, Ipv6Key] = field(default_factory=lambda: EMPTY)
    profiles: Mapping[str, IsakmpProfile] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an SA lives, in seconds or in days, as it was typed."""

    seconds: int | None = None
    days: int | None = None

    @property
    def total_s(self) -> int:
        return self.seconds if self.seconds is not None else (self.days or 0) * 86400


@dataclass(frozen=True, slots=True)
class TransformSet:
    """`crypto ipsec transform-set NAME TRANSFORM...`, each transform as IOS spells it; `mode` with `require`."""

    name: str
    ah: str | None = None
    cipher: str | None = None
    integrity: str | None = None
    compression: str | None = None
    mode: str = "tunnel"
    esn: bool = False
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)

    @property
    def transforms(self) -> tuple[str, ...]:
        """As IOS lists them."""
        parts = (self.ah, self.cipher, self.integrity, self.compression)
        return tuple(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class IdleTime:
    """`set security-association idle-time SECONDS [default]`."""

    seconds: int
    default: bool = False


@dataclass(frozen=True, slots=True)
class IpsecProfile:
    """`crypto ipsec profile NAME`; None: as the global line says. A `lifetime_kb` or `replay_window` of 0: none."""

    name: str
    df_bit: str | None = None
    idle: IdleTime | None = None
    lifetime: Lifetime | None = None
    lifetime_kb: int | None = None
    replay_window: int | None = None
    transform_sets: tuple[str, ...] = ()
    pfs: int | None = None
    ikev2_profile: str | None = None
    isakmp_profile: str | None = None
    udp_forced: bool = False
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the transform sets that it proposes."""
        return self.transform_sets or (DEFAULT_TRANSFORM_SET.name,)


#: What IOS 15 has without a line of configuration.
DEFAULT_TRANSFORM_SET = TransformSet("default", cipher="esp-aes", integrity="esp-sha-hmac", mode="transport")
DEFAULT_IPSEC_PROFILE = IpsecProfile("default")


@dataclass(frozen=True, slots=True)
class Ipsec:
    """The `crypto ipsec ...` lines. A `lifetime_kb` or `replay_window` of 0: none."""

    default_transform_set: bool = True
    idle_s: int | None = None
    lifetime: Lifetime = Lifetime(seconds=3600)
    lifetime_kb: int = 4608000
    replay_window: int = 64
    transform_sets: Mapping[str, TransformSet] = field(default_factory=lambda: EMPTY)
    df_bit: str = "copy"
    nat_transparency: bool = True
    profiles: Mapping[str, IpsecProfile] = field(default_factory=lambda: EMPTY)

    @property
    def all_transform_sets(self) -> Mapping[str, TransformSet]:
        """Those of the configuration and the default one, unless that is switched off."""
        default = {DEFAULT_TRANSFORM_SET.name: DEFAULT_TRANSFORM_SET} if self.default_transform_set else {}
        return {**default, **self.transform_sets}

    @property
    def all_profiles(self) -> Mapping[str, IpsecProfile]:
        """Those of the configuration and the one that is always there."""
        return {DEFAULT_IPSEC_PROFILE.name: DEFAULT_IPSEC_PROFILE, **self.profiles}


@dataclass(frozen=True, slots=True)
class Crypto:
    """All `crypto` lines that drive something."""

    keyrings: Mapping[str, Keyring] = field(default_factory=lambda: EMPTY)
    session_log: bool = False
    isakmp: Isakmp = Isakmp()
    ipsec: Ipsec = Ipsec()
