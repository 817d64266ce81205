"""Large TCP packets on their way out: cut, wrapped into GRE and sealed, many segments at once (numpy). No I/O.

It takes what needs nothing special; the rest goes through `rules.Forwarder.transmit` in segments, which defines what
leaves. Both count alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from iosish.forwarding import gre, ipv4, segments
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.large import Matrix, SegmentRows
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.runs import Run
from iosish.forwarding.segments import Large
from iosish.forwarding.tunnel_state import MULTICAST, TunnelState
from iosish.ipsec import rows
from iosish.ipsec.esp import OutboundSa
from iosish.ipsec.rows import ROWS, LastUsed, Sealing


class _ClearRows:
    """Buffers for GRE in the clear."""

    def __init__(self, octets: int) -> None:
        block = bytearray(ROWS * octets)
        self.size = octets
        self.layouts: LastUsed[SegmentRows] = LastUsed(rows.LAYOUTS_MAX)
        self.block = memoryview(block)
        self.inside: Matrix = np.frombuffer(block, np.uint8).reshape(ROWS, octets)


class LargeOut:
    """What it counts and changes are the rules'."""

    def __init__(self, rules: Forwarder) -> None:
        self._rules = rules
        self._tunnels = rules.tunnels
        self._protection = rules.protection
        self._clear: LastUsed[_ClearRows] = LastUsed(rows.SIZES_MAX)

    def transmit(
        self, tunnel: str, adjacency: int, packets: Sequence[memoryview], segment: int, now: float
    ) -> list[Run]:
        """Large packets with segments of so many octets, as the packets that carry these: a run for each of the first.

        Those that are alike are taken together. []: the first is not one for here, and nothing was done. The runs
        are good until the next call.
        """
        packet = packets[0]
        state = self._tunnels.get(tunnel)
        if state is None or state.local is None or state.tunnel.blocked is not None or adjacency == MULTICAST:
            return []
        if tunnel in self._rules.watched:
            return []
        target = state.adjacencies.get(adjacency)
        large = segments.measure(packet, segment)
        if target is None or large is None or not 2 <= large.number <= ROWS:
            return []
        if large.headers + segment > state.tunnel.mtu or packet[large.ip_header + 13] & segments.SYN:
            return []  # the MSS of one with SYN is clamped
        if large.last == segment:  # those that follow one that ends with a shorter segment have numbers after that
            packets = packets[: _alike(packets[: ROWS // large.number], large.ip_header)]
        else:
            packets = packets[:1]
        if state.tunnel.crypto_map is None:
            return self._in_clear(state, target, packets, large, now)
        sa = state.ways.get(target)
        return [] if sa is None else self._protected(state, sa, target, packets, large, now)

    def _in_clear(
        self, state: TunnelState, target: bytes, packets: Sequence[memoryview], large: Large, now: float
    ) -> list[Run]:
        df = ipv4.has_df(packets[0]) and state.tunnel.path_mtu_discovery
        if df and state.path_mtus.get(target, now) is not None:
            return []
        header = state.headers[gre.IPV4]
        size = len(header) + large.headers + large.segment
        buffers = self._clear.get(size, lambda: _ClearRows(size))
        full = _write(buffers, header, packets, large)
        last = b"" if full == large.number else header + segments.one(packets[0], large, full)
        self._count(state, target, packets, large, len(header), now)
        tos, ttl = state.tos(gre.IPV4, packets[0]), state.tunnel.ttl
        return [
            Run(target, tos, ttl, df, blocks, size, ipv4.GRE, None)
            for blocks in _blocks(buffers, len(packets), full, last)
        ]

    def _protected(
        self,
        state: TunnelState,
        sa: OutboundSa,
        target: bytes,
        packets: Sequence[memoryview],
        large: Large,
        now: float,
    ) -> list[Run]:
        settings = state.tunnel
        header = state.headers[gre.IPV4]
        octets = len(header) + large.headers + large.segment
        number = len(packets) * large.number
        if octets > self._protection.room(sa, now) or not sa.may_number(number, number * (sa.inner_octets + octets)):
            return []
        df = ipv4.has_df(packets[0]) and settings.path_mtu_discovery
        tos, ttl = state.tos(gre.IPV4, packets[0]), settings.ttl
        buffers = rows.sealing(sa, octets)
        full = _write(buffers, header, packets, large)
        buffers.seal(sa, len(packets) * full, tos, ttl, df, now)
        last = b""
        if full < large.number:
            sealed = sa.seal(header, segments.one(packets[0], large, full), tos, ttl, df, now)
            assert sealed is not None  # so many may be numbered
            last = sealed
        if not sa.carried:
            self._protection.carried(sa)
        self._count(state, target, packets, large, len(header), now)
        outer_df = sa.outer_df[df]
        return [
            Run(sa.peer, tos, ttl, outer_df, blocks, buffers.size, sa.protocol, sa.udp_ports)
            for blocks in _blocks(buffers, len(packets), full, last)
        ]

    def _count(
        self,
        state: TunnelState,
        target: bytes,
        packets: Sequence[memoryview],
        large: Large,
        header: int,
        now: float,
    ) -> None:
        octets = len(packets[0]) + (large.number - 1) * large.headers + large.number * header
        state.sent(len(packets) * large.number, len(packets) * octets, now)
        state.used.add(target)


def _alike(packets: Sequence[memoryview], ip_header: int) -> int:
    """How many packets, from the first on, are of its size, leave as it does, and are cut as it is."""
    first, offset, flags = packets[0], ip_header + 12, ip_header + 13
    size, start, middle, data = len(first), first[:4], first[6:10], first[offset]
    number = 1
    for packet in packets[1:]:
        # Version, header's size, ToS, length; flags and fragment, TTL, protocol; TCP's header's size.
        if len(packet) != size or packet[:4] != start or packet[6:10] != middle:
            break
        if packet[offset] != data or packet[flags] & segments.SYN:
            break
        number += 1
    return number


def _write(buffers: Sealing | _ClearRows, header: bytes, packets: Sequence[memoryview], large: Large) -> int:
    """Write GRE packets into the first rows: of so many segments of each packet, those of full size."""
    full = large.number if large.last == large.segment else large.number - 1
    start, many = len(header), len(packets)
    key = start, large.ip_header, large.headers, large.segment, full, many
    layout = buffers.layouts.get(key, lambda: SegmentRows(buffers.inside, start, large, full, many))
    layout.fill(header, packets, large)
    return full


def _blocks(buffers: Sealing | _ClearRows, many: int, full: int, last: bytes) -> Iterator[Sequence[Packet]]:
    """For each of so many large packets its rows, `full` of them. A shorter one may come after."""
    octets = full * buffers.size
    for at in range(0, many * octets, octets):
        block = buffers.block[at : at + octets]
        yield (block, last) if last else (block,)
