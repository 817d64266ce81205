"""Packets of one size that came in together: opened, checked and joined, many at once (numpy). No I/O.

It takes what is alike; the rest goes through `rules.Forwarder` one by one, which defines what is let in. Both count
alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iosish.forwarding import gre, ipv4, large
from iosish.forwarding.rules import Forwarder, Received
from iosish.forwarding.segments import SYN
from iosish.forwarding.tunnel_state import OUTER_HEADER
from iosish.ipsec import rows
from iosish.ipsec.esp import HEADER, InboundSa
from iosish.ipsec.rows import Rows, Section

_GRE_OPTIONS = gre.CHECKSUM | gre.SEQUENCE


class ReceivedRun(NamedTuple):
    """IPv4 packets of one tunnel, a row each, which go the same way, and where stretches of them end (`large.ends`)."""

    tunnel: str
    packets: Section
    stretches: list[int]


class LargeIn:
    """What it counts and changes are the rules'."""

    def __init__(self, rules: Forwarder) -> None:
        self._rules = rules

    def receive(
        self, source: bytes, destination: bytes, arrived: Rows, first: int, end: int, now: float
    ) -> ReceivedRun | None:
        """Rows of GRE from one source to one destination of ours; None: not for here, and nothing was done."""
        return self._take_in(source, destination, Section(arrived, first, end, 0, arrived.size), None, now)

    def receive_esp(
        self,
        source: bytes,
        destination: bytes,
        arrived: Rows,
        first: int,
        end: int,
        now: float,
        udp_ports: tuple[int, int] | None,
    ) -> ReceivedRun | list[Received] | None:
        """Rows of ESP (SPI first) likewise, in UDP if there are `udp_ports`."""
        spi, sequence = HEADER.unpack_from(arrived.rows[first])
        sa = self._rules.protection.inbound(spi)
        if sa is None or source != sa.peer or destination != sa.local or (udp_ports is not None) != sa.in_udp:
            return None
        opened = rows.open_rows(sa, arrived, first, end, now)
        if opened is None:
            return None
        if not sa.carried:
            self._rules.protection.carried(sa)
        run = self._take_in(sa.gre_source, sa.gre_destination, opened, sa, now)
        if run is not None:
            return run
        frames = opened.views(0, end - first, 0)
        taken = (self._rules.take_opened(sa, bytes(frame), now, at) for at, frame in enumerate(frames, sequence))
        return [received for received in taken if received is not None]

    def _take_in(
        self, source: bytes, destination: bytes, section: Section, sa: InboundSa | None, now: float
    ) -> ReceivedRun | None:
        frames = section.octets()
        first = frames[0].tobytes()
        try:
            protocol, key, start = gre.parse(first)
        except gre.GreError:
            return None
        state = self._rules.tunnels.find(source, destination, key)
        if state is None or state.tunnel.name in self._rules.watched:
            return None
        if state.tunnel.blocked is not None or (first[0] << 8 | first[1]) & _GRE_OPTIONS:
            return None
        if protocol != gre.IPV4 or self._rules.tunnels.is_local(source) or not ipv4.is_host(source):
            return None
        if state.tunnel.crypto_map != (None if sa is None else sa.crypto_map):
            return None
        packet = first[start:]
        total = ipv4.size(packet)
        if not total or packet[12:16] == state.address or ipv4.is_group(packet[16:20]):
            return None
        stretches = large.ends(frames[:, : start + total], start, packet[:total])
        if stretches is None:
            return None
        if state.tunnel.adjust_mss is not None and packet[9] == ipv4.TCP and not ipv4.is_fragment(packet):
            flags = ipv4.header_size(packet) + 13
            if flags >= total or np.count_nonzero(frames[:, start + flags] & SYN):
                return None
        number = len(frames)
        counters = state.counters
        counters.packets_in += number
        counters.bytes_in += number * (len(first) + OUTER_HEADER)
        counters.last_in = now
        start += section.start
        return ReceivedRun(state.tunnel.name, section._replace(start=start, stop=start + total), stretches)
