"""The IPsec SAs of a flow, in pairs, and their SPIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike.events import Flow
from iosish.ike.node import Node
from iosish.ipsec.sa import SaChange, SaCounters, SaKey, SecurityAssociation

if TYPE_CHECKING:
    from iosish.ike.quick_exchange import QuickMode


@dataclass(slots=True, eq=False)
class Pair:
    """One inbound and one outbound SA that one quick mode made; `initiator`: it was ours.

    Connection ids: IOS counts each direction. `sent_at` and `received_at`: when packets were last reported. `worn`: its
    volume is nearly used up. `counted` is what the plane last said of each of the two, `cleared` what that was when
    counters were cleared. `sends`: the plane has the outbound SA.
    """

    flow: Flow
    inbound: SecurityAssociation
    outbound: SecurityAssociation
    initiator: bool
    created_at: float
    lifetime_s: int
    lifetime_kb: int | None
    pfs: int | None
    profile: str | None
    inbound_id: int
    outbound_id: int
    sent_at: float | None = None
    received_at: float | None = None
    sends: bool = False
    worn: bool = False
    counted: dict[SaKey, SaCounters] = field(default_factory=dict)
    cleared: dict[SaKey, SaCounters] = field(default_factory=dict)

    @property
    def peer(self) -> IPv4Address:
        return self.flow.peer

    @property
    def expires_at(self) -> float:
        return self.created_at + self.lifetime_s

    @property
    def used_at(self) -> float:
        return max(self.created_at, self.sent_at or 0.0, self.received_at or 0.0)


def key_of(sa: SecurityAssociation) -> SaKey:
    return SaKey(sa.spi, sa.inbound, sa.peer)


class Pairs:
    """All of them, by SPI. An SPI of ours is taken from the moment that it is offered."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._taken: set[int] = set()
        self._by_key: dict[SaKey, Pair] = {}
        self._awaited: dict[SaKey, QuickMode] = {}
        self._inside: dict[tuple[IPv4Address, IPv4Address], list[Pair]] = {}
        self._changes: list[SaChange] = []
        self._flow_id = c.FIRST_FLOW_ID - 1

    def __iter__(self) -> Iterator[Pair]:
        return iter({id(pair): pair for pair in self._by_key.values()}.values())

    def get(self, key: SaKey) -> Pair | None:
        return self._by_key.get(key)

    def outbound(self, peer: IPv4Address, spi: int) -> Pair | None:
        """The pair by which we send to this SPI of the peer's."""
        return self._by_key.get(SaKey(spi, False, peer))

    def inbound(self, peer: IPv4Address, spi: int) -> Pair | None:
        return self._by_key.get(SaKey(spi, True, peer))

    def inside(self, local: IPv4Address, address: IPv4Address) -> list[Pair]:
        """The pairs of peers that said to be at `address` behind a NAT; what they have outside is another."""
        return self._inside.get((local, address), [])

    def await_use(self, pair: Pair, quick: QuickMode) -> None:
        """A responder has put its inbound SA in place; a packet by it says as much as the initiator's last message."""
        self._awaited[key_of(pair.inbound)] = quick

    def awaiting(self, key: SaKey) -> QuickMode | None:
        return self._awaited.get(key)

    def settle(self, pair: Pair) -> None:
        self._awaited.pop(key_of(pair.inbound), None)

    def take_spi(self) -> int:
        """A free SPI of ours, which is ours until `free_spi` or the pair's end."""
        while True:
            spi = self._node.random.getrandbits(32)
            if spi >= c.SMALLEST_SPI and spi not in self._taken:
                self._taken.add(spi)
                return spi

    def free_spi(self, spi: int) -> None:
        self._taken.discard(spi)

    def next_flow_id(self) -> int:
        self._flow_id += 1
        return self._flow_id

    def install_inbound(self, pair: Pair) -> None:
        self._changes.append(SaChange(installed=(pair.inbound,)))

    def install_outbound(self, pair: Pair) -> None:
        """The newest is what packets go by."""
        if not pair.sends:
            pair.sends = True
            self._changes.append(SaChange(installed=(pair.outbound,)))

    def withdraw(self, *sas: SecurityAssociation) -> None:
        self._changes.append(SaChange(removed=tuple(key_of(sa) for sa in sas)))

    def add(self, pair: Pair) -> None:
        for sa in (pair.inbound, pair.outbound):
            self._by_key[key_of(sa)] = pair
        if pair.inbound.selector_peer != pair.peer:
            self._inside.setdefault((pair.flow.local, pair.inbound.selector_peer), []).append(pair)

    def remove(self, pair: Pair) -> None:
        """Forget it and take it out of the plane."""
        for sa in (pair.inbound, pair.outbound):
            if self._by_key.get(key_of(sa)) is pair:
                del self._by_key[key_of(sa)]
        inside = pair.flow.local, pair.inbound.selector_peer
        if pair in (those := self._inside.get(inside, [])):
            those.remove(pair)
            if not those:
                del self._inside[inside]
        self.free_spi(pair.inbound.spi)
        self.withdraw(pair.inbound, *((pair.outbound,) if pair.sends else ()))

    def take_changes(self) -> list[SaChange]:
        taken, self._changes = self._changes, []
        return taken
