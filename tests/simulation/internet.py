"""The Internet between very many routers: one box that knows each of its cables by the address at the other end."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.forwarding import ipv4
from iosish.plane.memory.wire import End, Wire
from iosish.plane.memory.world import World


class Internet:
    """Gives each router a cable of its own (a /30, the box has the lower address), and turns packets between them."""

    def __init__(self, world: World, *, delay_s: float = 0.005, loss: float = 0.0, spacing_s: float = 0.0001) -> None:
        self.world = world
        self.unknown = 0
        self._delay_s, self._loss, self._spacing_s = delay_s, loss, spacing_s
        self._ways: dict[bytes, tuple[Wire, End]] = {}

    def cable(self, router: IPv4Address) -> Wire:
        """A new cable for the router that has this address."""
        wire = Wire(self.world, f"to {router}", delay_s=self._delay_s, loss=self._loss, spacing_s=self._spacing_s)
        end = wire.attach(f"Internet {router}", self._turn, lambda: None)
        wire.set_end(end, True, ((router - 1).packed,))
        self._ways[router.packed] = wire, end
        return wire

    def wire_to(self, router: IPv4Address) -> Wire:
        return self._ways[router.packed][0]

    def set_loss(self, loss: float) -> None:
        """On all cables, from now on."""
        self._loss = loss
        for wire, _ in self._ways.values():
            wire.loss = loss

    def inject(self, packet: bytes) -> None:
        """A packet from somewhere, whoever its source says that it is from."""
        self._turn(packet)

    def _turn(self, packet: bytes) -> None:
        way = self._ways.get(packet[16:20])
        if way is None or packet[8] <= 1:
            self.unknown += 1
            return
        wire, end = way
        wire.send(end, packet[16:20], ipv4.with_ttl_decremented(packet))
