"""Large TCP packets on their way out: cut, wrapped into GRE and sealed, many segments at once (numpy). No I/O.

It takes what needs nothing special; the rest goes through `rules.Forwarder.transmit` in segments, which defines what
leaves. Both count alike.
"""

from __future__ import annotations

import numpy as np

from iosish.forwarding import gre, ipv4, segments
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.large import Matrix, SegmentRows
from iosish.forwarding.rules import Forwarder, Run
from iosish.forwarding.segments import Large
from iosish.forwarding.tunnel_state import MULTICAST, TunnelState
from iosish.ipsec import rows
from iosish.ipsec.esp import OutboundSa
from iosish.ipsec.rows import ROWS, LastUsed

#: Layouts and numbers of segments that views are kept for.
LAYOUTS_MAX = 128


class _ClearRows:
    """Buffers for GRE in the clear."""

    def __init__(self, octets: int) -> None:
        block = bytearray(ROWS * octets)
        self.size = octets
        self.block = memoryview(block)
        self.frames = [self.block[at : at + octets] for at in range(0, len(block), octets)]
        self.inside: Matrix = np.frombuffer(block, np.uint8).reshape(ROWS, octets)


class LargeOut:
    """What it counts and changes are the rules'."""

    def __init__(self, rules: Forwarder) -> None:
        self._rules = rules
        self._tunnels = rules.tunnels
        self._protection = rules.protection
        self._clear: LastUsed[_ClearRows] = LastUsed(rows.SIZES_MAX)
        self._layouts: LastUsed[SegmentRows] = LastUsed(LAYOUTS_MAX)

    def transmit(self, tunnel: str, adjacency: int, packet: memoryview, segment: int, now: float) -> list[Run] | None:
        """A large packet, as the packets that carry its segments; None: it is not one for here, and nothing was done.

        The runs are good until the next call.
        """
        state = self._tunnels.get(tunnel)
        if state is None or state.local is None or state.tunnel.blocked is not None or adjacency == MULTICAST:
            return None
        if tunnel in self._rules.watched:
            return None
        target = state.adjacencies.get(adjacency)
        large = segments.measure(packet, segment)
        if target is None or large is None or large.number < 2 or large.headers + segment > state.tunnel.mtu:
            return None
        if packet[large.ip_header + 13] & segments.SYN:  # its MSS is clamped
            return None
        if state.tunnel.crypto_map is None:
            return self._in_clear(state, target, packet, large, now)
        sa = state.ways.get(target)
        return None if sa is None else self._protected(state, sa, target, packet, large, now)

    def _in_clear(
        self, state: TunnelState, target: bytes, packet: memoryview, large: Large, now: float
    ) -> list[Run] | None:
        df = ipv4.has_df(packet) and state.tunnel.path_mtu_discovery
        if large.number > ROWS or (df and state.path_mtus.get(target, now) is not None):
            return None
        header = state.headers[gre.IPV4]
        size = len(header) + large.headers + large.segment
        buffers = self._clear.get(size, lambda: _ClearRows(size))
        full = large.number if large.last == large.segment else large.number - 1
        self._write(buffers.inside, header, packet, large, full)
        frames: list[Packet] = [*buffers.frames[:full]]
        blocks: list[Packet] = [buffers.block[: full * size]]
        if full < large.number:
            last = header + segments.one(packet, large, full)
            frames.append(last)
            blocks.append(last)
        self._count(state, target, packet, large, len(header), now)
        tos = state.tos(gre.IPV4, packet)
        return [Run(target, tos, state.tunnel.ttl, df, frames, blocks, size, ipv4.GRE, None)]

    def _protected(
        self, state: TunnelState, sa: OutboundSa, target: bytes, packet: memoryview, large: Large, now: float
    ) -> list[Run] | None:
        settings = state.tunnel
        header = state.headers[gre.IPV4]
        octets = len(header) + large.headers + large.segment
        if octets > self._protection.room(sa, now) or large.number > ROWS:
            return None
        if not sa.may_number(large.number, large.number * (sa.inner_octets + octets)):
            return None
        df = ipv4.has_df(packet) and settings.path_mtu_discovery
        tos, ttl = state.tos(gre.IPV4, packet), settings.ttl
        buffers = rows.sealing(sa, octets)
        full = large.number if large.last == large.segment else large.number - 1
        self._write(buffers.inside, header, packet, large, full)
        buffers.seal(sa, full, tos, ttl, df, now)
        frames: list[Packet] = [*buffers.frames[:full]]
        blocks: list[Packet] = [buffers.block[: full * buffers.size]]
        if full < large.number:
            last = sa.seal(header, segments.one(packet, large, full), tos, ttl, df, now)
            assert last is not None  # so many may be numbered
            frames.append(last)
            blocks.append(last)
        if not sa.carried:
            self._protection.carried(sa)
        self._count(state, target, packet, large, len(header), now)
        outer_df = sa.outer_df[df]
        return [Run(sa.peer, tos, ttl, outer_df, frames, blocks, buffers.size, sa.protocol, sa.udp_ports)]

    def _write(self, inside: Matrix, header: bytes, packet: memoryview, large: Large, number: int) -> None:
        """Write GRE packets into the first rows of a matrix."""
        key = id(inside), len(header), large.ip_header, large.headers, large.segment, number
        self._layouts.get(key, lambda: SegmentRows(inside, len(header), large, number)).fill(header, packet, large)

    def _count(
        self, state: TunnelState, target: bytes, packet: memoryview, large: Large, header: int, now: float
    ) -> None:
        octets = len(packet) + (large.number - 1) * large.headers + large.number * header
        state.sent(large.number, octets, now)
        state.used.add(target)
