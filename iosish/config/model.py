"""The configuration of a router: frozen, typed values.

A field is filled by the grammar leaf that names it (`= interfaces[name].nhrp.map[protocol-address]`);
loading the grammar checks that every binding has its field here and every field its binding.
Mappings keep the order in which their lines were first entered. A field at its default is not
printed by `show running-config`. What drives nothing yet is a `Kept` line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

from iosish.config.crypto import Crypto
from iosish.config.kept import EMPTY as EMPTY
from iosish.config.kept import Kept as Kept
from iosish.config.kept import KeptKey as KeptKey
from iosish.config.secrets import Password


@dataclass(frozen=True, slots=True)
class IpAddress:
    """`ip address A.B.C.D MASK`."""

    address: IPv4Address
    mask: IPv4Address

    @property
    def interface(self) -> IPv4Interface:
        return IPv4Interface((int(self.address), int(self.mask).bit_count()))

    @property
    def network(self) -> IPv4Network:
        return self.interface.network


@dataclass(frozen=True, slots=True)
class Nhs:
    """`ip nhrp nhs ADDRESS [nbma A.B.C.D] [multicast] [priority N] [cluster N]`."""

    address: IPv4Address
    nbma: IPv4Address | None = None
    multicast: bool = False
    priority: int = 0
    cluster: int = 0


@dataclass(frozen=True, slots=True)
class NhrpSettings:
    """The `ip nhrp ...` lines of one tunnel."""

    network_id: int | None = None
    authentication: Password | None = None
    map: Mapping[IPv4Address, IPv4Address] = field(default_factory=lambda: EMPTY)
    multicast: Mapping[IPv4Address, bool] = field(default_factory=lambda: EMPTY)
    multicast_dynamic: bool = False
    nhs: Mapping[IPv4Address, Nhs] = field(default_factory=lambda: EMPTY)
    holdtime_s: int = 7200
    registration_timeout_s: int | None = None
    registration_no_unique: bool = False
    server_only: bool = False
    record: bool = True
    responder: str | None = None
    redirect: bool = False
    shortcut: bool = False


@dataclass(frozen=True, slots=True)
class Protection:
    """`tunnel protection ipsec profile NAME [shared] [ikev2-profile NAME] [isakmp-profile NAME]`."""

    profile: str
    shared: bool = False
    ikev2_profile: str | None = None
    isakmp_profile: str | None = None


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """The `tunnel ...` lines of one tunnel. `source` is an address or the name of an interface."""

    source: IPv4Address | str | None = None
    destination: IPv4Address | None = None
    mode: str = "gre ip"
    key: int | None = None
    tos: int | None = None
    ttl: int = 255
    path_mtu_discovery: bool = False
    vrf: str | None = None
    protection: Protection | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """`interface NAME`; `name` in full (`FastEthernet0/0`). A delay counts tens of microseconds, as on IOS.

    `vrf` and `ip_vrf` are the two spellings of one thing, `vrf forwarding` and `ip vrf forwarding`.
    """

    name: str
    description: str | None = None
    bandwidth_kbps: int | None = None
    vrf: str | None = None
    ip_vrf: str | None = None
    ip_address: IpAddress | None = None
    secondary: Mapping[IPv4Address, IpAddress] = field(default_factory=lambda: EMPTY)
    mtu: int | None = None
    ip_mtu: int | None = None
    adjust_mss: int | None = None
    delay_tens_us: int | None = None
    shutdown: bool = False
    tunnel: TunnelSettings = TunnelSettings()
    nhrp: NhrpSettings = NhrpSettings()
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """`ip route PREFIX MASK {INTERFACE [NEXT-HOP] | NEXT-HOP} [DISTANCE] [name WORD] ...`."""

    prefix: IPv4Address
    mask: IPv4Address
    interface: str | None = None
    next_hop: IPv4Address | None = None
    distance: int = 1
    name: str | None = None
    tag: int | None = None
    permanent: bool = False

    @property
    def network(self) -> IPv4Network:
        return IPv4Network((str(self.prefix), str(self.mask)))


#: prefix, mask, interface, next hop
RouteKey = tuple[IPv4Address, IPv4Address, str | None, IPv4Address | None]


@dataclass(frozen=True, slots=True)
class Timezone:
    """`clock timezone NAME HOURS [MINUTES]`."""

    name: str
    hours: int
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Timestamps:
    """`service timestamps {debug | log} {datetime [msec] [localtime] [show-timezone] [year] | uptime}`.

    Neither `datetime` nor `uptime` means uptime.
    """

    datetime: bool = False
    uptime: bool = False
    msec: bool = False
    localtime: bool = False
    show_timezone: bool = False
    year: bool = False


@dataclass(frozen=True, slots=True)
class Buffered:
    """`logging buffered [BYTES] [LEVEL]`."""

    size: int = 4096
    level: str = "debugging"


@dataclass(frozen=True, slots=True)
class DmvpnLogging:
    """`logging dmvpn [rate-limit N]`: lines of DMVPN, so many a minute at most."""

    rate_limit: int = 600


#: What IOS does when nothing is said.
DATETIME_MSEC = Timestamps(datetime=True, msec=True)

#: What a syslog server listens on by default: UDP (RFC 3164), and TCP (RFC 3195, as IOS).
SYSLOG_UDP_PORT, SYSLOG_TCP_PORT = 514, 601


@dataclass(frozen=True, slots=True)
class LogHost:
    """`logging host HOST [transport {udp | tcp} [port N]] [sequence-num-session]`; HOST is an address or a name."""

    host: IPv4Address | str
    transport: str | None = None
    port: int | None = None
    sequence_num_session: bool = False

    @property
    def protocol(self) -> str:
        return self.transport or "udp"

    @property
    def server_port(self) -> int:
        return self.port or (SYSLOG_TCP_PORT if self.transport == "tcp" else SYSLOG_UDP_PORT)


@dataclass(frozen=True, slots=True)
class OriginId:
    """`logging origin-id {hostname | ip | string TEXT}`."""

    kind: str | None = None
    string: str | None = None


@dataclass(frozen=True, slots=True)
class LogRateLimit:
    """`logging rate-limit [all | console [all]] N [except LEVEL]`: lines a second; those of `debug` only with `all`.

    `scope` is the words before the number.
    """

    messages: int = 0
    scope: str | None = None
    except_level: str | None = None


@dataclass(frozen=True, slots=True)
class Logging:
    """The `logging ...` and `service timestamps` lines; levels are names of `severity.py`.

    False where something is switched off; no word about timestamps (None) means DATETIME_MSEC.
    """

    on: bool = True
    buffered: Buffered | Literal[False] = Buffered()
    console: str | Literal[False] = "debugging"
    monitor: str | Literal[False] = "debugging"
    trap: str | Literal[False] = "informational"
    debug_timestamps: Timestamps | Literal[False] | None = None
    log_timestamps: Timestamps | Literal[False] | None = None
    sequence_numbers: bool = False
    hosts: Mapping[IPv4Address | str, LogHost] = field(default_factory=lambda: EMPTY)
    facility: str = "local7"
    source_interface: str | None = None
    origin_id: OriginId | None = None
    rate_limit: LogRateLimit | None = None
    dmvpn: DmvpnLogging | Literal[False] = DmvpnLogging()
    count: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """All of a running-config."""

    version: str = "15.9"
    password_encryption: bool | None = None
    hostname: str = "Router"
    timezone: Timezone | None = None
    logging: Logging = Logging()
    file_prompt: str | None = None
    domain_lookup: bool = True
    domain_name: str | None = None
    hosts: Mapping[str, IPv4Address] = field(default_factory=lambda: EMPTY)
    crypto: Crypto = field(default_factory=Crypto)
    interfaces: Mapping[str, Interface] = field(default_factory=lambda: EMPTY)
    routes: Mapping[RouteKey, StaticRoute] = field(default_factory=lambda: EMPTY)
    kept: Mapping[KeptKey, Kept] = field(default_factory=lambda: EMPTY)
