"""Packets of one size to one destination, one after the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from iosish.forwarding.ipv4 import Packet


class Run(NamedTuple):
    """Packets that have their headers in common, as `rules.Outer` has them.

    They stand in `blocks`, whole ones in each. All have `size` octets but the very last, which may be shorter. The
    blocks are good until the next packet is transmitted.
    """

    destination: bytes
    tos: int
    ttl: int
    df: bool
    blocks: Sequence[Packet]
    size: int
    protocol: int
    ports: tuple[int, int] | None

    def frames(self) -> Iterator[Packet]:
        """The packets one by one."""
        for block in self.blocks:
            for at in range(0, len(block), self.size):
                yield block[at : at + self.size]

    def parts(self, at_most: int) -> Iterator[Run]:
        """The same packets in runs of so many at most."""
        whole = at_most * self.size
        if sum(map(len, self.blocks)) <= whole:
            yield self
            return
        blocks, room = list[Packet](), whole
        for block in self.blocks:
            start = 0
            while start < len(block):
                if not room:
                    yield self._replace(blocks=blocks)
                    blocks, room = [], whole
                blocks.append(block[start : start + room])
                start += len(blocks[-1])
                room -= len(blocks[-1])
        yield self._replace(blocks=blocks)
