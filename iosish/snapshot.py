"""A router at one moment: all that `show` needs, as one value.

Times (`now`, `started_at`, `changed_at`, the engines' own) are seconds on one monotonic clock;
`wall` is the same moment on the calendar, in the router's time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from iosish.capture.state import CaptureState
from iosish.config.model import DATETIME_MSEC, Config, Timestamps
from iosish.desired import ArpEntry, Desired, LinkState
from iosish.forwarding.tables import InterfaceCounters
from iosish.ike.state import IkeState
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.nhrp.state import NhrpState


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """An interface of the configuration, as it is.

    `admin_up` is false under `shutdown`; `line_up` is the line protocol; `reason` says in words why the line
    is down. `source` is a tunnel's resolved outer address. `rates` are 5-minute averages: bit/s in, packet/s in,
    bit/s out, packet/s out.
    `cleared_at`: when `clear counters` last ran for it.
    """

    name: str
    admin_up: bool
    line_up: bool
    reason: str | None = None
    link: LinkState | None = None
    source: IPv4Address | None = None
    changed_at: float | None = None
    cleared_at: float | None = None
    counters: InterfaceCounters = field(default_factory=InterfaceCounters)
    rates: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Route:
    """One path of the routing table. `code` is IOS's letter: "C", "L", "S" ("S" with distance/metric)."""

    code: str
    network: IPv4Network
    interface: str | None = None
    next_hop: IPv4Address | None = None
    distance: int = 0
    metric: int = 0
    tag: int | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line of the log buffer; one of `debug` has no facility and no mnemonic.

    `authoritative`: whether the clock had been set by someone to trust. `timestamps` and `numbered` are what
    `service timestamps` and `service sequence-numbers` said when the line was written.
    """

    sequence: int
    at: datetime
    authoritative: bool
    facility: str
    severity: int
    mnemonic: str
    text: str
    uptime_s: float = 0.0
    timestamps: Timestamps | Literal[False] = DATETIME_MSEC
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class LogCounters:
    """Lines that went to each destination; that were not made, there being too many; that a terminal did not read."""

    console: int = 0
    monitor: int = 0
    buffer: int = 0
    trap: int = 0
    rate_limited: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class LogCount:
    """How often a message came (`logging count`), and the last one."""

    facility: str
    mnemonic: str
    severity: int
    occurrences: int
    last: LogRecord


@dataclass(frozen=True, slots=True)
class LogServerState:
    """A syslog server: its address (its name, where that is unknown), and the lines that were sent and lost."""

    host: str
    protocol: str
    port: int
    up: bool
    logged: int
    dropped: int
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class DebugCondition:
    """What lines of `debug` have to be about.

    `given_to` is the word behind `debug` ("dmvpn": NHRP, crypto and tunnels; "nhrp"; "crypto"). `kind` is "peer nbma",
    "peer tunnel", "interface", "vrf" or "unmatched" (about nobody in particular).
    """

    given_to: str
    kind: str
    value: IPv4Address | str = ""


@dataclass(frozen=True, slots=True)
class Debugging:
    """What is debugged: topics (`"crypto isakmp"`), and conditions of which a line has to meet one.

    `packet_list` and `packet_detail` are about `debug ip packet`.
    """

    topics: frozenset[str] = frozenset()
    conditions: tuple[DebugCondition, ...] = ()
    packet_list: str | None = None
    packet_detail: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """An open session. `line` is "con 0" or "vty 1"; `number` its absolute line number (0, then 2 on)."""

    number: int
    line: str
    user: str
    idle_s: float
    location: str
    mine: bool


@dataclass(frozen=True, slots=True)
class PlannedReload:
    """`at` on the router's wall clock; `by` whom, as log lines say it."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole router.

    `from_startup` names the interfaces whose address is the one of the startup-config. `board_id` stands for
    a serial number; `machine` is the processor's architecture, as `uname -m` gives it. `sockets` counts what became of
    crypto sockets, in IOS's words (`"Socket Up"`).
    """

    config: Config
    now: float
    wall: datetime
    clock_authoritative: bool
    started_at: float
    started_wall: datetime
    plane: str
    kernel: str
    memory_kb: int
    reload_reason: str = "power-on"
    desired: Desired = field(default_factory=Desired)
    interfaces: Mapping[str, InterfaceState] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    nhrp: NhrpState = field(default_factory=NhrpState)
    ike: IkeState = field(default_factory=IkeState)
    sas: Mapping[SaKey, SaCounters] = field(default_factory=dict)
    sockets: Mapping[str, int] = field(default_factory=dict)
    arp: tuple[ArpEntry, ...] = ()
    log: tuple[LogRecord, ...] = ()
    log_servers: tuple[LogServerState, ...] = ()
    log_counters: LogCounters = LogCounters()
    log_counts: tuple[LogCount, ...] = ()
    debugging: Debugging = Debugging()
    sessions: tuple[SessionState, ...] = ()
    history: tuple[str, ...] = ()
    drops: Mapping[str, int] = field(default_factory=dict)
    from_startup: frozenset[str] = frozenset()
    board_id: str = "IOSISH0000"
    machine: str = "x86_64"
    last_change: tuple[datetime, str] | None = None
    last_saved: datetime | None = None
    planned_reload: PlannedReload | None = None
    captures: tuple[CaptureState, ...] = ()

    @property
    def like_12_4(self) -> bool:
        """Whether the configuration says `version 12.x`: its screens are then those of IOS 12.4."""
        return self.config.version.startswith("12.")
