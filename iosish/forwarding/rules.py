"""The forwarding rules: from a packet on a tunnel interface to GRE packets on the wire, and back. No I/O.

A plane gives each inner packet together with the adjacency its neighbour table chose, and sends what
comes back; it gives each GRE packet from its raw socket, and writes what comes back to the tunnel device.
Addresses are four octets. RFC 2784, 2890 (GRE), RFC 1191 (path MTU).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from iosish.forwarding import gre, ipv4, ipv6, mss
from iosish.forwarding.held import HeldPackets
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.protection import EspRefused, Protection, way_of
from iosish.forwarding.seen import SeenPackets
from iosish.forwarding.tables import DropCounters, Tunnel
from iosish.forwarding.tunnel_state import MULTICAST, OUTER_HEADER, TunnelState
from iosish.forwarding.tunnel_table import TunnelTable
from iosish.ipsec.esp import InboundSa
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation

RETURNED_MAX = 64
REFUSED_MAX = 64
REASONS_MAX = 64

_UDP_HEADER = 8
_TOTAL_MAX = 0xFFFF

Outer: TypeAlias = tuple[bytes, int, int, bool, bytes, int, tuple[int, int] | None]
"""A packet to send: destination, ToS, TTL, DF, what follows the headers, its protocol, UDP ports (ours, the peer's).

Protocol 47: a GRE header and its payload. 50: ESP. 17: ESP too, and a UDP header with those ports and checksum 0 goes
before it (RFC 3948); the ports are None for the others."""

Received: TypeAlias = tuple[str, int, bytes, bytes, bool]
"""From a tunnel: its name, the protocol type (gre.IPV4 and gre.IPV6 to deliver, gre.NHRP to control), the payload, the
NBMA address it came from, and whether an SA protected it. The address is the source of the GRE: in tunnel mode that of
the header inside ESP."""


class Forwarder:
    """All tunnels of one router, and the SAs that protect them.

    A tunnel with a crypto map sends and accepts nothing in the clear: what has no SA to leave by is held a little, and
    what comes in has to come by an SA of that crypto map.

    `returned` holds (tunnel, IPv4 packet): ICMP errors to hand to the router's own stack as if they had come in
    on the tunnel, for the sender of an inner packet. Their source is the tunnel's own address, which Linux takes from
    a device only with `accept_local`. `counters` is kept per tunnel name, `drops` for the router.

    What passes the tunnels in `watched` is copied to `seen`: as it leaves, after it was held, and as it is accepted.
    """

    def __init__(self) -> None:
        self.drops = DropCounters()
        self.returned: deque[tuple[str, bytes]] = deque(maxlen=RETURNED_MAX)
        self.watched: frozenset[str] = frozenset()
        self.seen = SeenPackets()
        self.tunnels = TunnelTable()
        self.counters = self.tunnels.counters
        self._refused: set[tuple[str | None, str, bytes]] = set()
        self.protection = Protection(self._count)
        self._held = HeldPackets(self._held_in_vain)

    def configure(self, tunnels: Mapping[str, Tunnel], now: float) -> None:
        """Take the tunnels that there are from now on; counters and learned path MTUs of those that stay are kept."""
        self.tunnels.configure(tunnels, self.protection, now)

    # Out

    def transmit(self, tunnel: str, adjacency: int, packet: Packet, now: float) -> list[Outer]:
        """An inner IPv4 or IPv6 packet that leaves by `tunnel`, as the packets that carry it."""
        state = self.tunnels.get(tunnel)
        if state is None:
            return self._lost("unknown tunnel", None)
        settings = state.tunnel
        if state.local is None:
            return self._lost("no tunnel source", state)
        if settings.blocked is not None:
            return self._lost("tunnel blocked", state)
        if adjacency == MULTICAST:
            targets = state.multicast
            if not targets:
                return self._lost("empty multicast list", state)
        else:
            target = state.adjacencies.get(adjacency)
            if target is None:
                return self._lost("unknown adjacency", state)
            targets = (target,)
        total = ipv4.size(packet)
        protocol = gre.IPV4
        if not total:
            total = ipv6.size(packet)
            if not total:
                return self._lost("bad inner packet", state)
            if adjacency == MULTICAST:
                return self._lost("IPv6 multicast", state)
            protocol = gre.IPV6
        if total < len(packet):
            packet = packet[:total]
        if protocol == gre.IPV4:
            if settings.adjust_mss is not None:
                packet = mss.clamp(packet, settings.adjust_mss)
            if total > settings.mtu and packet[6] & 0x40:
                return self._too_big(state, packet, settings.mtu, now)
        multicast = adjacency == MULTICAST
        if settings.crypto_map is None:
            return self._in_clear(state, targets, protocol, packet, multicast, now)
        out: list[Outer] = []
        for target in targets:
            out += self._protected(state, target, protocol, packet, multicast, now)
        return out

    def control(self, tunnel: str, destination: bytes, payload: Packet, now: float) -> list[Outer]:
        """An NHRP message to the NBMA address `destination`; [] while the tunnel cannot send."""
        state = self.tunnels.get(tunnel)
        if state is None:
            return self._lost("unknown tunnel", None)
        if state.local is None:
            return self._lost("no tunnel source", state)
        if state.tunnel.blocked is not None:
            return self._lost("tunnel blocked", state)
        if not ipv4.is_host(destination):
            return self._lost("bad destination", state)
        if state.tunnel.crypto_map is None:
            return self._in_clear(state, (destination,), gre.NHRP, payload, False, now)
        return self._protected(state, destination, gre.NHRP, payload, False, now)

    def _in_clear(
        self, state: TunnelState, targets: tuple[bytes, ...], protocol: int, packet: Packet, multicast: bool, now: float
    ) -> list[Outer]:
        settings = state.tunnel
        header = state.headers[protocol]
        df = False
        pieces: list[Packet] = [packet]
        if protocol == gre.IPV4:
            inner_df = packet[6] & 0x40 != 0
            df = inner_df and settings.path_mtu_discovery
            if df:
                learned = [state.path_mtus.get(target, now) for target in targets]
                mtu = min((mtu - state.overhead for mtu in learned if mtu is not None), default=settings.mtu)
                if len(packet) > mtu:
                    return self._too_big(state, packet, mtu, now)
            elif len(packet) > settings.mtu:
                pieces = list(ipv4.fragment(packet, settings.mtu))
                if not pieces:
                    return self._lost("cannot be fragmented", state)
        tos, ttl = state.tos(protocol, packet), settings.ttl
        out: list[Outer] = [
            (target, tos, ttl, df, b"".join((header, piece)), ipv4.GRE, None) for target in targets for piece in pieces
        ]
        if self.watched and settings.name in self.watched:
            for target, *_, frame, _, _ in out:
                self.seen.add_out(settings, target, frame, tos, ttl, df, now)
        state.sent(len(out), sum(len(outer[4]) for outer in out), now)
        if multicast:
            state.counters.multicast_out += len(out)
        elif protocol != gre.NHRP:
            state.used.add(targets[0])
        return out

    def _protected(
        self, state: TunnelState, target: bytes, protocol: int, packet: Packet, multicast: bool, now: float
    ) -> list[Outer]:
        """One copy of a packet by the SA to `target`; held when there is none, or none that may send any more.

        What has no DF is cut before ESP, so that each piece fits the path; what has, is cut after, unless its DF goes
        to the outer header: then its sender is told.
        """
        sa = state.ways.get(target)
        if sa is None:
            return self._hold(state, target, protocol, packet, multicast, now)
        settings = state.tunnel
        header = state.headers[protocol]
        size = len(packet)
        inner_df = protocol == gre.IPV4 and packet[6] & 0x40 != 0
        df = inner_df and settings.path_mtu_discovery
        outer_df = sa.outer_df[df]
        room = self.protection.room(sa, now) - len(header)
        pieces: Sequence[Packet] = (packet,)
        if protocol == gre.IPV4 and not inner_df:
            limit = min(room, settings.mtu)
            if size > limit:
                pieces = ipv4.fragment(packet, limit)
                if not pieces:
                    return self._lost("cannot be fragmented", state)
        elif size > room:
            if outer_df:
                return self._too_big(state, packet, room, now)
            if size > sa.room(_TOTAL_MAX) - len(header):
                return self._lost("too big", state)
        tos, ttl = state.tos(protocol, packet), settings.ttl
        out: list[Outer] = []
        octets = 0
        for piece in pieces:
            sealed = sa.seal(header, piece, tos, ttl, df, now)
            if sealed is None:
                self._hold(state, target, protocol, piece, multicast, now)
                continue
            out.append((sa.peer, tos, ttl, outer_df, sealed, sa.protocol, sa.udp_ports))
            octets += len(header) + len(piece)
            if self.watched and settings.name in self.watched:
                self.seen.add_out(settings, target, b"".join((header, piece)), tos, ttl, outer_df, now)
        if not out:
            return out
        if not sa.carried:
            self.protection.carried(sa)
        state.sent(len(out), octets, now)
        if multicast:
            state.counters.multicast_out += len(out)
        elif protocol != gre.NHRP:
            state.used.add(target)
        return out

    def _hold(
        self, state: TunnelState, target: bytes, protocol: int, packet: Packet, multicast: bool, now: float
    ) -> list[Outer]:
        name, crypto_map, local = state.tunnel.name, state.tunnel.crypto_map, state.local
        assert crypto_map is not None and local is not None
        self.protection.missed(name, target)
        self._held.hold((crypto_map, local, target), name, protocol, bytes(packet), multicast, now)
        return []

    def _held_in_vain(self, tunnel: str) -> None:
        self._lost("no SA", self.tunnels.get(tunnel))

    def _too_big(self, state: TunnelState, packet: Packet, mtu: int, now: float) -> list[Outer]:
        """The packet is dropped, and its sender told, if it is IPv4, has an address and is not told too often."""
        if state.address is not None:
            answer = ipv4.icmp_error(state.address, packet, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
            if answer is not None and state.may_answer(now):
                self.returned.append((state.tunnel.name, answer))
        return self._lost("too big, DF set", state)

    # In

    def receive(self, source: bytes, destination: bytes, frame: Packet, now: float) -> Received | None:
        """A GRE packet (header first) from the outer `source` to our `destination`; None when it was dropped."""
        return self._take_in(source, destination, frame, None, now)

    def knows(self, packet: Packet) -> bool:
        """Whether there is an inbound SA with the SPI of an ESP packet (SPI first)."""
        return self.protection.knows(packet)

    def receive_esp(
        self, source: bytes, destination: bytes, packet: Packet, now: float, udp_ports: tuple[int, int] | None
    ) -> Received | None:
        """An ESP packet (SPI first) from the outer `source` to our `destination`; None when it was dropped.

        `udp_ports` (ours, the peer's) when it came in UDP.
        """
        opened = self.protection.open(source, destination, packet, now, udp_ports is not None)
        if opened is None:
            return None
        sa, frame = opened
        return self.take_opened(sa, frame, now, sa.counters.sequence)

    def take_opened(self, sa: InboundSa, frame: Packet, now: float, sequence: int) -> Received | None:
        """A GRE packet that came by an SA, which had got to this sequence number; None when it was dropped."""
        return self._take_in(sa.gre_source, sa.gre_destination, frame, sa, now, sequence)

    def _take_in(
        self, source: bytes, destination: bytes, frame: Packet, sa: InboundSa | None, now: float, sequence: int = 0
    ) -> Received | None:
        """GRE, in the clear or out of an SA."""
        try:
            protocol, key, start = gre.parse(frame)
        except gre.GreError as error:
            return self._refuse(str(error), None, source)
        state = self.tunnels.find(source, destination, key)
        if state is None:
            near = self.tunnels.near(source, destination)
            return self._refuse("unknown tunnel" if near is None else "key mismatch", near, source)
        if state.tunnel.blocked is not None:
            return self._refuse("tunnel blocked", state, source)
        if self.tunnels.is_local(source):
            return self._refuse("own address", state, source)
        if not ipv4.is_host(source):
            return self._refuse("bad source", state, source)
        if sa is None:
            if state.tunnel.crypto_map is not None:
                return self._refuse("not protected", state, source)
        elif sa.crypto_map != state.tunnel.crypto_map:
            self.protection.note_identity(sa, sequence)
            return self._refuse("invalid identity", state, source)
        payload = bytes(frame[start:])
        counters = state.counters
        if protocol == gre.IPV4:
            total = ipv4.size(payload)
            if not total:
                return self._refuse("bad inner packet", state, source)
            payload = payload[:total]
            if payload[12:16] == state.address:
                return self._refuse("own address inside", state, source)  # forged, or it went round in a loop
            if state.tunnel.adjust_mss is not None:
                payload = bytes(mss.clamp(payload, state.tunnel.adjust_mss))
            if ipv4.is_group(payload[16:20]):
                counters.multicast_in += 1
        elif protocol == gre.IPV6:
            total = ipv6.size(payload)
            if not total:
                return self._refuse("bad inner packet", state, source)
            payload = payload[:total]
        elif protocol != gre.NHRP:
            return self._refuse("unknown protocol type", state, source)
        counters.packets_in += 1
        counters.bytes_in += len(frame) + OUTER_HEADER
        counters.last_in = now
        if self.watched and state.tunnel.name in self.watched:
            self.seen.add_in(state.tunnel, source, destination, frame, now)
        return state.tunnel.name, protocol, payload, source, sa is not None

    # Security associations

    def install(self, sa: SecurityAssociation, now: float) -> list[tuple[str, Outer]]:
        """Put an SA in place; gives the packets that waited for it, each with its tunnel, in order.

        One that is there already goes on as it is. One whose keys do not fit its transform, or were used before, is not
        put in place, and counted.
        """
        try:
            self.protection.install(sa)
        except ValueError:
            self._count("unusable SA")
            return []
        out: list[tuple[str, Outer]] = []
        if sa.inbound:
            return out
        way = way_of(sa)
        for held in self._held.release(way, now):
            state = self.tunnels.get(held.tunnel)
            settings = None if state is None else state.tunnel
            if state is None or settings is None or settings.blocked or (settings.crypto_map, state.local) != way[:2]:
                self._lost("no SA", state)  # the tunnel has changed meanwhile
                continue
            sent = self._protected(state, way[2], held.protocol, held.packet, held.multicast, now)
            out += [(held.tunnel, outer) for outer in sent]
        return out

    def remove(self, key: SaKey, now: float) -> None:
        """Take an SA out. An older outbound one to the same peer carries on in its place."""
        self.protection.remove(key)
        self._held.expire(now)

    def drop_all_sas(self) -> None:
        self.protection.drop_all()

    def take_missed(self) -> set[tuple[str, bytes]]:
        """Tunnel and NBMA address of packets that had no SA to leave by, since the last call."""
        return self.protection.take_missed()

    def take_worn(self) -> list[SaKey]:
        """Outbound SAs that reached their `soft_octets`, or nearly the last sequence number; each once."""
        return self.protection.take_worn()

    def take_sa_usage(self) -> dict[SaKey, SaCounters]:
        """The SAs that carried packets since the last call, with their counters."""
        return self.protection.take_usage()

    def sa_counters(self) -> dict[SaKey, SaCounters]:
        """The counters of all SAs."""
        return self.protection.counters()

    def take_esp_refused(self) -> list[EspRefused]:
        """ESP that was refused since the last call, one packet for each reason and sender."""
        return self.protection.take_refused()

    # Path MTU

    def learn(self, packet: Packet, now: float) -> None:
        """Take an ICMP packet that came in (IPv4 header first): a 3/4 about what we sent lowers that peer's path MTU.

        ESP in the quote is known by its SPI and sequence number. GRE counts only where it goes in the clear.
        """
        told = ipv4.fragmentation_needed(packet)
        if told is None:
            return
        local, peer, protocol, mtu, quoted = told
        if protocol == ipv4.GRE:
            self.tunnels.learn(local, peer, mtu, now)
        elif protocol == ipv4.ESP:
            self.protection.learn(local, peer, mtu, quoted, now)
        elif protocol == ipv4.UDP:
            self.protection.learn(local, peer, mtu, quoted[_UDP_HEADER:], now)

    def path_mtu(self, tunnel: str, peer: bytes, now: float) -> int | None:
        """The path MTU of the outer packets to a peer as ICMP told it; None when none is known (any more)."""
        state = self.tunnels.get(tunnel)
        if state is None:
            return None
        if state.tunnel.crypto_map is None:
            return state.path_mtus.get(peer, now)
        sa = state.ways.get(peer)
        return None if sa is None else self.protection.path_mtu(sa, now)

    # Reports

    def local_of(self, tunnel: str) -> bytes | None:
        """The outer source address of a tunnel."""
        state = self.tunnels.get(tunnel)
        return None if state is None else state.local

    def take_used(self) -> dict[str, set[bytes]]:
        """The NBMA addresses that unicast data went to since the last call, per tunnel that sent any."""
        return self.tunnels.take_used()

    def take_refused(self) -> list[tuple[str | None, str, bytes]]:
        """What was refused since the last call, each once: (tunnel if one is meant, reason, outer source)."""
        refused = sorted(self._refused, key=lambda entry: (entry[0] or "", entry[1], entry[2]))
        self._refused.clear()
        return refused

    def _count(self, reason: str) -> None:
        reasons = self.drops.reasons
        if reason in reasons or len(reasons) < REASONS_MAX:
            reasons[reason] = reasons.get(reason, 0) + 1

    def _lost(self, reason: str, state: TunnelState | None) -> list[Outer]:
        self._count(reason)
        if state is not None:
            state.counters.drops_out += 1
        return []

    def _refuse(self, reason: str, state: TunnelState | None, source: bytes) -> Received | None:
        self._count(reason)
        if state is not None:
            state.counters.drops_in += 1
        if len(self._refused) < REFUSED_MAX:
            self._refused.add((None if state is None else state.tunnel.name, reason, source))
        return None
