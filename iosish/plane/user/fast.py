"""All of the forwarder that takes many packets at once: what needs numpy, and is loaded only where that is there."""

from __future__ import annotations

from collections.abc import Iterator

from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.large import Joined, join
from iosish.forwarding.large_in import LargeIn, ReceivedRun
from iosish.forwarding.large_out import LargeOut
from iosish.forwarding.rules import Forwarder
from iosish.plane.user import many, tap
from iosish.plane.user.wire import ManyPackets


class Fast:
    def __init__(self, rules: Forwarder) -> None:
        self.out = LargeOut(rules)
        self.many = ManyPackets(many.Receiver(), many.Sender(), LargeIn(rules))

    def frames(self, run: ReceivedRun) -> Iterator[tuple[int, list[Packet]]]:
        """Frames for the device, in parts, and of how many packets each is made."""
        for piece in join(run.packets, run.stretches):
            if isinstance(piece, Joined):
                head = tap.large_head(piece.ip_header, len(piece.head), piece.segment)
                yield len(piece.payload), [head, piece.head, *piece.payload]
            else:
                yield 1, [tap.frame(tap.IPV4, piece.tobytes())]
