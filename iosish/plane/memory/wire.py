"""A cable between interfaces, or with more than two of them a shared segment: IP packets, no Ethernet and no ARP.

First in, first out per direction, unless there is jitter. The next hop's address picks the receiver, as ARP would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from iosish.forwarding import ipv4
from iosish.plane.memory.world import World

QUEUE_MAX = 1000


class Capture(NamedTuple):
    """A packet seen on a wire. `direction` is the label of the end that sent it, `packet` starts with the IP header."""

    time: float
    wire: str
    direction: str
    packet: bytes


Tap: TypeAlias = Callable[[Capture], None]


@dataclass(slots=True, eq=False)
class End:
    """An interface's end of a wire: what it owns, and what to tell it."""

    label: str
    receive: Callable[[bytes], None]
    carrier_changed: Callable[[], None]
    owned: Sequence[bytes] = ()
    up: bool = False
    queued: int = 0
    free_at: float = 0.0
    taps: list[Tap] = field(default_factory=list)


class Wire:
    """`delay_s` is the way from end to end; frames of one sender leave at least `spacing_s` apart; `loss` is 0 to 1.

    `doubling` (0 to 1) of the frames arrive twice; each takes up to `jitter_s` longer, and may be overtaken.
    """

    def __init__(
        self, world: World, name: str, *, delay_s: float = 0.008, loss: float = 0.0, spacing_s: float = 0.001
    ) -> None:
        self.world = world
        self.name = name
        self.delay_s = delay_s
        self.loss = loss
        self.spacing_s = spacing_s
        self.doubling = 0.0
        self.jitter_s = 0.0
        self.lost = 0
        self.overflowed = 0
        self._random = world.random(f"wire {name}")
        self._ends: list[End] = []
        self._joined = True
        self._epoch = 0
        self._taps: list[Tap] = []

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the ends on it."""
        return tuple(end.label for end in self._ends)

    def attach(self, label: str, receive: Callable[[bytes], None], carrier_changed: Callable[[], None]) -> End:
        end = End(label, receive, carrier_changed)
        self._ends.append(end)
        return end

    def detach(self, end: End) -> None:
        """Pull one end out: what was under way to it is lost."""
        if end in self._ends:
            self.set_end(end, False, ())
            self._ends.remove(end)

    def set_end(self, end: End, up: bool, owned: Sequence[bytes]) -> None:
        """Whether the interface at `end` is administratively up, and the addresses it answers for."""
        end.owned = owned
        if end.up != up:
            end.up = up
            self._tell_carrier()

    def carrier(self, end: End) -> bool:
        """Whether `end` sees a live cable. Between two interfaces the other one has to be up, as without a switch."""
        if not (self._joined and end.up):
            return False
        others = [other for other in self._ends if other is not end]
        return len(others) > 1 or any(other.up for other in others)

    def cut(self) -> None:
        """Take the cable down; what is on its way is lost."""
        if self._joined:
            self._joined = False
            self._epoch += 1
            self._tell_carrier()

    def join(self) -> None:
        if not self._joined:
            self._joined = True
            self._tell_carrier()

    def tap(self, captures: list[Capture], at: str | None = None) -> None:
        """Append every packet to `captures` as it leaves its sender, also those that get lost.

        With the label of an end in `at`: as that interface sees them, sent when they leave and received when they come.
        """
        if at is None:
            self._taps.append(captures.append)
            return
        for end in self._ends:
            if end.label == at:
                end.taps.append(captures.append)
                return
        raise KeyError(f"no end {at} on {self.name}")

    def send(self, end: End, next_hop: bytes | None, packet: bytes) -> bool:
        """Send from `end`; False when nobody on the wire has the next hop.

        A next hop of None means whoever is at the other end of a cable (a route to an interface alone; the other
        router answers for everything). Multicast and broadcast go to all others.
        """
        others = [other for other in self._ends if other is not end]
        if next_hop is None:
            receivers = others if len(others) == 1 else []
        elif ipv4.is_group(next_hop):
            receivers = others
        else:
            receivers = [other for other in others if next_hop in other.owned][:1]
        if not receivers:
            return False
        if end.queued >= QUEUE_MAX:
            self.overflowed += 1
            return True
        leaves = max(self.world.now, end.free_at)
        end.free_at = leaves + self.spacing_s
        end.queued += 1
        epoch = self._epoch
        self.world.call_at(leaves, lambda: self._leave(end, receivers, packet, epoch))
        return True

    def _leave(self, end: End, receivers: list[End], packet: bytes, epoch: int) -> None:
        end.queued -= 1
        if epoch != self._epoch or not self._joined or not end.up:
            return
        capture = Capture(self.world.now, self.name, end.label, packet)
        for tap in (*self._taps, *end.taps):
            tap(capture)
        for receiver in receivers:
            if self.loss and self._random.random() < self.loss:
                self.lost += 1
                continue
            copies = 2 if self.doubling and self._random.random() < self.doubling else 1
            for _ in range(copies):
                delay_s = self.delay_s + (self.jitter_s * self._random.random() if self.jitter_s else 0.0)
                self.world.call_later(delay_s, lambda to=receiver: self._arrive(end, to, packet, epoch))  # type: ignore[misc] # a default binds the loop's value

    def _arrive(self, sender: End, receiver: End, packet: bytes, epoch: int) -> None:
        if epoch != self._epoch or not receiver.up:
            return
        for tap in receiver.taps:
            tap(Capture(self.world.now, self.name, sender.label, packet))
        receiver.receive(packet)

    def _tell_carrier(self) -> None:
        for end in tuple(self._ends):
            end.carrier_changed()
