"""ESP packets of one security association (RFC 4303): GRE in, ESP out, and back. No I/O.

An association keeps all that its packets have in common; a packet is one join and one call of the cipher. `rows.py`
takes many packets of one size through the same objects at once.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from struct import Struct
from typing import NamedTuple, TypeAlias

from iosish.ipsec import ciphers, tunnel_header
from iosish.ipsec.ciphers import HEADER_OCTETS, Packet
from iosish.ipsec.replay import ReplayWindow
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation
from iosish.ipsec.transforms import DfBit, Mode
from iosish.ipsec.tunnel_header import TunnelHeader

HEADER = Struct("!II")
"""SPI and sequence number."""

USUAL_MTU = 1500
"""What a path is taken to carry until it is known better."""

LAST_SEQUENCE = 2**32 - 1
#: An outbound SA is worn when so many sequence numbers are left: minutes at the speed of a fast link.
SPARE_SEQUENCES = 2**24

_NEXT_HEADERS = {Mode.TRANSPORT: 47, Mode.TUNNEL: 4}
_OUTER_DF = {DfBit.COPY: (False, True), DfBit.SET: (True, True), DfBit.CLEAR: (False, False)}
"""The DF of the outer header, by that of the GRE packet."""
_NEVER = 1 << 63
_TRAILER = 2
_OUTER_HEADER = 20
_UDP_HEADER = 8
_PADDING = bytes(range(1, 256))


Reassemble: TypeAlias = Callable[[bytes, float], bytes | None]
"""A fragment and the time in, the whole packet out as soon as there is one."""


class EspError(ValueError):
    """A packet that is refused; `reason` is "replay", "integrity", "length" or "identity"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Inside(NamedTuple):
    """Places in a plaintext: of the GRE packet, and where padding begins; and how many octets count as protected."""

    start: int
    end: int
    padding: int
    octets: int


class _Direction:
    """What both directions of an association have."""

    __slots__ = ("_next_header", "carried", "counters", "inner_octets", "key", "layout", "peer", "sa", "tunnel")

    def __init__(self, sa: SecurityAssociation, source: IPv4Address, destination: IPv4Address) -> None:
        self.sa = sa
        self.key = SaKey(sa.spi, sa.inbound, sa.peer)
        self.peer = sa.peer.packed
        self.counters = SaCounters()
        self.carried = False
        """Set by the first packet; whoever reports about SAs clears it."""
        self.layout = ciphers.layout(sa.transform)
        self._next_header = _NEXT_HEADERS[sa.mode]
        self.tunnel = TunnelHeader(source.packed, destination.packed) if sa.mode is Mode.TUNNEL else None
        self.inner_octets = tunnel_header.OCTETS if self.tunnel else 0


class OutboundSa(_Direction):
    """Seals GRE packets. `on_worn` is called once, when `soft_octets` or nearly the last sequence number is reached.

    The constructor raises ValueError for keys of a wrong length.
    """

    __slots__ = (
        "_alignment",
        "_hard_octets",
        "_on_worn",
        "_prefix",
        "_seal",
        "_sequence",
        "_soft_octets",
        "_soft_sequence",
        "_trailers",
        "outer_df",
        "parts",
        "protocol",
        "spi",
        "udp_ports",
        "usual_room",
    )

    def __init__(self, sa: SecurityAssociation, on_worn: Callable[[SaKey], None]) -> None:
        super().__init__(sa, sa.selector_local, sa.selector_peer)
        self.udp_ports = sa.udp_ports
        self.protocol = 50 if sa.udp_ports is None else 17
        self.outer_df = _OUTER_DF[sa.df]
        self.spi = sa.spi
        self._seal, self.parts = ciphers.sealer(sa.transform, sa.encryption_key, sa.integrity_key)
        self._prefix = bytes(self.layout.prefix)
        self._alignment = self.layout.alignment
        self._trailers = [_PADDING[:octets] + bytes((octets, self._next_header)) for octets in range(self._alignment)]
        self._sequence = 0
        self._on_worn = on_worn
        self._soft_octets = _NEVER if sa.soft_octets is None else sa.soft_octets
        self._soft_sequence = LAST_SEQUENCE - SPARE_SEQUENCES
        self._hard_octets = _NEVER if sa.hard_octets is None else sa.hard_octets
        self.usual_room = self.room(USUAL_MTU)

    def seal(self, header: bytes, payload: Packet, tos: int, ttl: int, df: bool, now: float) -> bytes | None:
        """The ESP packet, from the SPI on, of a GRE `header` and its `payload`; None: this SA sends nothing more.

        `tos`, `ttl` and `df` are for the IPv4 header inside, in tunnel mode. A sequence number is used up before
        anything can fail, so that none is ever used twice.
        """
        octets = self.inner_octets + len(header) + len(payload)
        sequence = self.number(1, octets, now)
        if not sequence:
            self.counters.send_errors += 1
            return None
        tunnel = self.tunnel
        inner = b"" if tunnel is None else tunnel.build(octets, sequence & 0xFFFF, tos, ttl, df)
        plain = b"".join((self._prefix, inner, header, payload, self.trailer(octets)))
        return self._seal(HEADER.pack(self.spi, sequence), plain)

    def trailer(self, octets: int) -> bytes:
        """Padding, its length and the next header, for so many octets before it."""
        return self._trailers[-(octets + _TRAILER) % self._alignment]

    def number(self, packets: int, octets: int, now: float) -> int:
        """Use up sequence numbers for packets of `octets` each (before padding); gives the first of them.

        0: this association may not send so many any more, and none was used. They count as sent from here on.
        """
        counters = self.counters
        last = self._sequence + packets
        total = counters.octets + packets * octets
        if last > LAST_SEQUENCE or total > self._hard_octets:
            return 0
        first, self._sequence = self._sequence + 1, last
        counters.packets += packets
        counters.octets = total
        counters.sequence = last
        counters.last_at = now
        if total >= self._soft_octets or last >= self._soft_sequence:
            self._soft_octets = self._soft_sequence = _NEVER
            self._on_worn(self.key)
        return first

    def may_number(self, packets: int, octets: int) -> bool:
        """Whether so many packets, of so many octets together, may still be sent."""
        return self._sequence + packets <= LAST_SEQUENCE and self.counters.octets + octets <= self._hard_octets

    def has_sent(self, sequence: int) -> bool:
        return 0 < sequence <= self._sequence

    def room(self, path_mtu: int) -> int:
        """How many octets of GRE, header included, fit into one outer packet of at most `path_mtu` octets."""
        outer = _OUTER_HEADER + (0 if self.udp_ports is None else _UDP_HEADER)
        sealed = path_mtu - outer - HEADER_OCTETS - self.layout.iv - self.layout.icv
        return sealed - sealed % self._alignment - _TRAILER - self.inner_octets


class InboundSa(_Direction):
    """Opens what the peer sent. The constructor raises ValueError for keys of a wrong length.

    `reassemble` takes the fragments of GRE packets: IOS cuts before ESP in tunnel mode, and the packets inside are its
    own. It gives the whole IPv4 packet, 20 octets of header first, when one was the last that was missing.
    """

    __slots__ = (
        "_alignment",
        "_open",
        "_outside",
        "_prefix",
        "_reassemble",
        "crypto_map",
        "gre_destination",
        "gre_source",
        "in_udp",
        "local",
        "parts",
        "window",
    )

    def __init__(self, sa: SecurityAssociation, reassemble: Reassemble) -> None:
        super().__init__(sa, sa.selector_local, sa.selector_peer)
        self.local = sa.local.packed
        self.gre_source = sa.selector_peer.packed
        self.gre_destination = sa.selector_local.packed
        self.crypto_map = sa.crypto_map
        self.in_udp = sa.udp_ports is not None
        self._reassemble = reassemble
        self._open, self.parts = ciphers.opener(sa.transform, sa.encryption_key, sa.integrity_key)
        # Without integrity anybody could move the window (RFC 4303 section 3.4.3).
        self.window = ReplayWindow(sa.replay_window if self.layout.icv else 0)
        self._prefix = self.layout.prefix
        self._alignment = self.layout.alignment
        self._outside = HEADER_OCTETS + self.layout.iv + self.layout.icv

    def fits(self, size: int) -> bool:
        """Whether an ESP packet of this association can have so many octets."""
        sealed = size - self._outside
        return sealed > 0 and not sealed % self._alignment

    def inside(self, plain: bytes) -> Inside | None:
        """Where the GRE packet is in a plaintext; None: not as it should be, or a part of a GRE packet."""
        padding = plain[-2]
        start, end = self._prefix, len(plain) - _TRAILER - padding
        octets, tail = end - start, end
        if octets < 0 or plain[end:-2] != _PADDING[:padding] or plain[-1] != self._next_header:
            return None
        if self.tunnel is not None:
            inner = plain[start : start + tunnel_header.OCTETS]
            total = int.from_bytes(inner[2:4], "big")
            if not tunnel_header.OCTETS <= total <= octets:
                return None
            if not self.tunnel.accepts(inner) or tunnel_header.is_fragment(inner):
                return None
            start, end = start + tunnel_header.OCTETS, start + total
        return Inside(start, end, tail, octets)

    def took(self, first: int, packets: int, octets: int, now: float) -> None:
        """Packets of `octets` each, with consecutive numbers that are new, were opened and found right."""
        self.window.mark_run(first, packets)
        counters = self.counters
        counters.packets += packets
        counters.octets += packets * octets
        counters.sequence = self.window.highest
        counters.last_at = now

    def open(self, packet: Packet, sequence: int, now: float) -> bytes | None:
        """The GRE packet, header first, in an ESP packet of this SPI and `sequence`. Raises EspError, and counts it.

        None: it was a part of a GRE packet, of which others are to come.
        """
        counters = self.counters
        if not self.fits(len(packet)):
            counters.length_errors += 1
            raise EspError("length")
        window = self.window
        if not window.fresh(sequence):
            counters.replay_errors += 1
            raise EspError("replay")
        plain = self._open(packet)
        if plain is None:
            counters.integrity_errors += 1
            raise EspError("integrity")
        window.mark(sequence)
        padding = plain[-2]
        start, end = self._prefix, len(plain) - _TRAILER - padding
        octets = end - start
        if octets < 0 or plain[end:-2] != _PADDING[:padding]:
            counters.length_errors += 1
            raise EspError("length")
        if plain[-1] != self._next_header:
            counters.identity_errors += 1
            raise EspError("identity")
        tunnel = self.tunnel
        if tunnel is not None:
            inner = plain[start : start + tunnel_header.OCTETS]
            total = inner[2] << 8 | inner[3]
            if total < tunnel_header.OCTETS or total > octets:
                counters.length_errors += 1
                raise EspError("length")
            if not tunnel.accepts(inner):
                counters.identity_errors += 1
                raise EspError("identity")
            end = start + total
        counters.packets += 1
        counters.octets += octets
        counters.sequence = window.highest
        counters.last_at = now
        if tunnel is None:
            return plain[start:end]
        if tunnel_header.is_fragment(inner):
            whole = self._reassemble(plain[start:end], now)
            return None if whole is None else whole[tunnel_header.OCTETS :]
        return plain[start + tunnel_header.OCTETS : end]
