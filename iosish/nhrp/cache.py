"""What one tunnel knows about protocol addresses: the entries of `show ip nhrp`, and what forwarding makes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address

from iosish.nhrp.constants import MAX_REQUESTERS, USED_CHECK_S


class Kind(Enum):
    """Where an entry is from."""

    STATIC = "static"
    REGISTERED = "registered"
    RESOLVED = "resolved"
    IMPLICIT = "implicit"  # a requester, learnt from its resolution request
    LOCAL = "local"  # our own address, since we answered for it
    INCOMPLETE = "incomplete"
    NEGATIVE = "negative"


WORDS = {
    Kind.STATIC: (),
    Kind.REGISTERED: ("registered",),
    Kind.RESOLVED: ("nhop",),
    Kind.IMPLICIT: ("implicit",),
    Kind.LOCAL: ("local",),
    Kind.INCOMPLETE: ("negative",),
    Kind.NEGATIVE: ("negative",),
}
"""What a kind adds to the `Flags:` of IOS."""

OPEN = frozenset({Kind.INCOMPLETE, Kind.NEGATIVE})
"""Kinds without a mapping of their own: their data goes by an NHS."""


@dataclass(slots=True)
class Binding:
    """One protocol address. `nbma` is where its data goes: the NHS's while the entry is open, None if nowhere.

    `detour` is the NHS's NBMA address by which the data goes while the peer itself has no SA. `said_up`: the log has
    called this client up.
    """

    address: IPv4Address
    nbma: IPv4Address | None
    kind: Kind
    created_at: float
    expires_at: float | None = None
    changed_at: float | None = None
    up: bool = True
    said_up: bool = False
    via: IPv4Address | None = None
    detour: IPv4Address | None = None
    unique: bool = False
    router: bool = False
    claimed_nbma: IPv4Address | None = None
    holding_s: float = 0
    used_at: float | None = None
    request_id: int = 0
    asked_id: int | None = None
    tries: int = 0
    requesters: dict[IPv4Address, int] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether this is a mapping that others may be sent to."""
        return self.kind not in OPEN and self.kind is not Kind.LOCAL

    @property
    def way(self) -> IPv4Address | None:
        """Where its data goes now."""
        return self.detour or self.nbma

    def add_requester(self, address: IPv4Address, request_id: int) -> None:
        """Remember who was answered, for a purge; the oldest is forgotten."""
        self.requesters.pop(address, None)
        self.requesters[address] = request_id
        if len(self.requesters) > MAX_REQUESTERS:
            del self.requesters[next(iter(self.requesters))]

    def flags(self, now: float) -> tuple[str, ...]:
        """The words of `Flags:`, in IOS's order."""
        words = ["router"] if self.router else []
        words += ["unique"] if self.unique else []
        own = WORDS[self.kind]
        if own == ("nhop",):
            return (*words, *(("used",) if self._shown_used(now) else ()), *own)
        return (*words, *own, *(("used",) if self._shown_used(now) else ()))

    def _shown_used(self, now: float) -> bool:
        """IOS looks at the used flag about once a minute; until it has looked, an entry does not show it."""
        checked_at = self.created_at + (now - self.created_at) // USED_CHECK_S * USED_CHECK_S
        return self.used_at is not None and checked_at > self.created_at and self.used_at > checked_at - USED_CHECK_S


class Cache:
    """The entries of one tunnel. `version` rises whenever `neighbours` or `registered` changes, `peers_version`
    whenever `peers` does."""

    def __init__(self) -> None:
        self.version = 0
        self.peers_version = 0
        self.neighbours: dict[IPv4Address, IPv4Address] = {}
        self.registered: dict[IPv4Address, int] = {}
        self.open: dict[IPv4Address, None] = {}
        self.detoured: dict[IPv4Address, None] = {}
        self._bindings: dict[IPv4Address, Binding] = {}
        self._by_nbma: dict[IPv4Address, dict[IPv4Address, Binding]] = {}

    def __len__(self) -> int:
        return len(self._bindings)

    def __iter__(self) -> Iterator[Binding]:
        return iter(list(self._bindings.values()))

    def get(self, address: IPv4Address) -> Binding | None:
        return self._bindings.get(address)

    def known(self, address: IPv4Address) -> Binding | None:
        """The mapping of `address`, if there is one."""
        binding = self._bindings.get(address)
        return binding if binding is not None and binding.known else None

    @property
    def peers(self) -> Collection[IPv4Address]:
        """The NBMA addresses that entries lead to, each once. The dict itself: a set of it hashes no address again."""
        return self._by_nbma

    def behind(self, nbma: IPv4Address) -> tuple[Binding, ...]:
        """The entries that lead to `nbma`."""
        return tuple(self._by_nbma.get(nbma, {}).values())

    def count_behind(self, nbma: IPv4Address) -> int:
        return len(self._by_nbma.get(nbma, ()))

    def put(self, binding: Binding) -> None:
        """Enter `binding`, in place of what was known about its address."""
        self._unlink(binding.address)
        self._bindings[binding.address] = binding
        if binding.kind in OPEN:
            self.open[binding.address] = None
        if binding.nbma is None or binding.kind is Kind.LOCAL:
            if self.neighbours.pop(binding.address, None) is not None:
                self.version += 1
            return
        if binding.nbma not in self._by_nbma:
            self._by_nbma[binding.nbma] = {}
            self.peers_version += 1
        self._by_nbma[binding.nbma][binding.address] = binding
        self._point(binding)
        if binding.kind is Kind.REGISTERED:
            if binding.nbma not in self.registered:
                self.version += 1
            self.registered[binding.nbma] = self.registered.get(binding.nbma, 0) + 1

    def divert(self, binding: Binding, detour: IPv4Address | None) -> None:
        """Send the data of an entry of this cache by `detour`; None: straight to its peer again."""
        binding.detour = detour
        self._point(binding)

    def remove(self, address: IPv4Address) -> Binding | None:
        binding = self._unlink(address)
        if self.neighbours.pop(address, None) is not None:
            self.version += 1
        return binding

    def _point(self, binding: Binding) -> None:
        if binding.detour is None:
            self.detoured.pop(binding.address, None)
        else:
            self.detoured[binding.address] = None
        way = binding.way
        if way is not None and self.neighbours.get(binding.address) != way:
            self.neighbours[binding.address] = way
            self.version += 1

    def _unlink(self, address: IPv4Address) -> Binding | None:
        binding = self._bindings.pop(address, None)
        if binding is None:
            return None
        self.open.pop(address, None)
        self.detoured.pop(address, None)
        if binding.nbma is None or binding.kind is Kind.LOCAL:
            return binding
        behind = self._by_nbma[binding.nbma]
        del behind[address]
        if not behind:
            del self._by_nbma[binding.nbma]
            self.peers_version += 1
        if binding.kind is Kind.REGISTERED:
            self.registered[binding.nbma] -= 1
            if not self.registered[binding.nbma]:
                del self.registered[binding.nbma]
                self.version += 1
        return binding
