"""What every protocol engine is: datagrams and time in, datagrams and events out.

An engine does no I/O and reads no clock. Whoever drives it (the runtime on real sockets, the
memory plane, a test) calls `configure`, `receive` and `wake`, then takes what `datagrams` and
`events` hand out. `now` is seconds on any monotonic clock, the same one for all calls.
A bad packet from a peer is a counter and an event, never an exception that leaves `receive`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Datagram:
    """A protocol message on a tunnel, without its outer headers (GRE and IP).

    `peer` is the NBMA (outer) address of the other end: the destination of what is sent, the outer
    source of what was received. `local` is our own outer address. `protected` tells that it came
    out of, or has to go into, an IPsec SA; `late`, that there is no such SA with this peer any more.
    A `farewell` has to leave by the tunnel as it was before the change that it tells of.
    """

    interface: str
    peer: IPv4Address
    local: IPv4Address
    payload: bytes
    protected: bool = False
    farewell: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """An IKE message in UDP, port 500 or 4500; `payload` begins with the ISAKMP header, without non-ESP marker.

    `local` and `local_port` are ours, whichever way the datagram goes. An empty payload on port 4500 is a
    NAT keepalive (RFC 3948 2.3: one octet 0xFF on the wire).
    """

    local: IPv4Address
    local_port: int
    peer: IPv4Address
    peer_port: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in an engine, for the router to hand on."""


@dataclass(frozen=True, slots=True)
class LogEvent(Event):
    """A line for the log, `%FACILITY-SEVERITY-MNEMONIC: text`; severity 0 (emergency) to 7 (debugging)."""

    facility: str
    severity: int
    mnemonic: str
    text: str


@dataclass(frozen=True, slots=True)
class DebugEvent(Event):
    """A line of `debug TOPIC` (`"crypto isakmp"`), as IOS words it; made only while that topic is wanted.

    Whom it is about, as far as that is known, for `debug dmvpn condition` and its kin: the NBMA address of a peer, its
    address inside the tunnel, and the tunnel.
    """

    topic: str
    text: str
    peer: IPv4Address | None = None
    inside: IPv4Address | None = None
    interface: str | None = None


class Engine(Protocol):
    """The surface of every engine; `config` is a frozen value of the engine's own package.

    `debug` holds the topics that DebugEvents are wanted for (`"crypto isakmp"`); whoever drives it may change it.
    """

    debug: frozenset[str]

    def configure(self, config: Any, now: float) -> None:
        """Take a new configuration, or None to shut down. Equal values change nothing."""

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take what a peer sent. Never raises for what is in it."""

    def wake(self, now: float) -> None:
        """Do everything that is due at or before `now`."""

    def next_wake(self) -> tuple[float, str] | None:
        """When `wake` is wanted next, and why (`"registration 192.168.0.1"`); None: never."""

    def datagrams(self) -> list[Datagram]:
        """What is to be sent, in order; taken once."""

    def events(self) -> list[Event]:
        """What happened since the last call; taken once."""
