"""What ping and traceroute have in common: probes out, ICMP messages in, the text of the command as it grows."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

IPV4_HEADER = 20
PROTOCOL_ICMP = 1
PROTOCOL_UDP = 17


@dataclass(frozen=True, slots=True)
class Probe:
    """An IPv4 packet to be sent; whoever sends it writes the header.

    `source` None leaves the address to the route. `payload` is what follows the IPv4 header, with its checksum:
    an ICMP message or, with protocol 17, a UDP datagram.
    """

    destination: IPv4Address
    source: IPv4Address | None
    protocol: int
    ttl: int
    tos: int
    df: bool
    payload: bytes


class Session(Protocol):
    """The surface of both. `now` is seconds on any monotonic clock, the same one for all calls."""

    @property
    def done(self) -> bool:
        """Whether all is said; `text` may still hold the last of it."""

    def start(self, now: float) -> None:
        """Begin; called once, before everything else."""

    def receive(self, source: IPv4Address, ttl: int, message: bytes, now: float) -> None:
        """Take an ICMP message (without its IPv4 header). What is not about this session is passed over."""

    def wake(self, now: float) -> None:
        """Do what is due at or before `now`."""

    def next_wake(self) -> tuple[float, str] | None:
        """When `wake` is wanted next, and why; None once done."""

    def too_big(self, now: float) -> None:
        """The probe handed out last did not fit into the MTU on the way out, and may not be fragmented."""

    def abort(self, now: float) -> None:
        """The escape sequence: end with what there is."""

    def datagrams(self) -> list[Probe]:
        """What is to be sent, in order; taken once."""

    def text(self) -> str:
        """What is new on the screen since the last call, lines ended by LF; taken once."""
