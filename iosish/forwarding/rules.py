"""The forwarding rules: from a packet on a tunnel interface to GRE packets on the wire, and back. No I/O.

A plane gives each inner packet together with the adjacency its neighbour table chose, and sends what
comes back; it gives each GRE packet from its raw socket, and writes what comes back to the tunnel device.
Addresses are four octets. RFC 2784, 2890 (GRE), RFC 1191 (path MTU).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

from iosish.forwarding import gre, ipv4, mss
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.tables import DropCounters, InterfaceCounters, Tunnel
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation

MULTICAST = 0
"""The adjacency index of multicast and broadcast packets: a copy to each address of the tunnel's list."""

CONTROL_TOS = 0xC0

RETURNED_MAX = 64
REFUSED_MAX = 64
REASONS_MAX = 64
PATH_MTU_MIN = 92  # what IOS prints as "min MTU 92" under `tunnel path-mtu-discovery`
PATH_MTU_AGE_S = 600.0
ICMP_BURST = 10
ICMP_PER_S = 20.0

_OUTER_HEADER = 20

Outer: TypeAlias = tuple[bytes, int, int, bool, bytes, int, tuple[int, int] | None]
"""A packet to send: destination, ToS, TTL, DF, what follows the headers, its protocol, UDP ports (ours, the peer's).

Protocol 47: a GRE header and its payload. 50: ESP. 17: ESP too, and a UDP header with those ports and checksum 0 goes
before it (RFC 3948); the ports are None for the others."""

Received: TypeAlias = tuple[str, int, bytes, bytes, bool]
"""From a tunnel: its name, the protocol type (gre.IPV4 and gre.IPV6 to deliver, gre.NHRP to control), the payload, the
NBMA address it came from, and whether an SA protected it. The address is the source of the GRE: in tunnel mode that of
the header inside ESP."""

EspRefused: TypeAlias = tuple[str, bytes, bytes, int, int]
"""ESP that was refused: reason ("invalid SPI", "replay", "integrity", "length", "identity"), our address, the outer
source, SPI, sequence number."""


class _State:
    """A tunnel with all that is the same for each of its packets worked out."""

    __slots__ = (
        "address",
        "adjacencies",
        "counters",
        "header",
        "icmp_at",
        "icmp_tokens",
        "local",
        "multicast",
        "nhrp_header",
        "overhead",
        "path_mtus",
        "tunnel",
        "used",
        "v6_header",
    )

    def __init__(self, tunnel: Tunnel, counters: InterfaceCounters, now: float) -> None:
        self.counters = counters
        self.used: set[bytes] = set()
        self.path_mtus: dict[bytes, tuple[int, float]] = {}
        self.icmp_tokens = float(ICMP_BURST)
        self.icmp_at = now
        self.take(tunnel)

    def take(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel
        self.local = None if tunnel.local is None else tunnel.local.packed
        self.address = None if tunnel.address is None else tunnel.address.packed
        self.adjacencies = {index: peer.packed for index, peer in tunnel.adjacencies.items() if index > MULTICAST}
        listed = (peer.packed for peer in tunnel.multicast)
        # A group as outer destination would leave the uplink as multicast GRE.
        self.multicast = tuple(dict.fromkeys(peer for peer in listed if ipv4.is_host(peer)))
        if not tunnel.multipoint and not self.multicast and 1 in self.adjacencies:
            self.multicast = (self.adjacencies[1],)
        self.header = gre.build(gre.IPV4, tunnel.key)
        self.v6_header = gre.build(gre.IPV6, tunnel.key)
        self.nhrp_header = gre.build(gre.NHRP, tunnel.key)
        self.overhead = _OUTER_HEADER + len(self.header)
        known = set(self.adjacencies.values())
        self.path_mtus = {peer: learned for peer, learned in self.path_mtus.items() if peer in known}


class Forwarder:
    """All tunnels of one router.

    `returned` holds (tunnel, IPv4 packet): ICMP errors to hand to the router's own stack as if they had come in
    on the tunnel, for the sender of an inner packet. Their source is the tunnel's own address, which Linux takes from
    a device only with `accept_local`. `counters` is kept per tunnel name, `drops` for the router.
    """

    def __init__(self) -> None:
        self.counters: dict[str, InterfaceCounters] = {}
        self.drops = DropCounters()
        self.returned: deque[tuple[str, bytes]] = deque(maxlen=RETURNED_MAX)
        self._states: dict[str, _State] = {}
        self._exact: dict[tuple[bytes, bytes, int | None], _State] = {}
        self._multipoint: dict[tuple[bytes, int | None], _State] = {}
        self._locals: dict[bytes, list[_State]] = {}
        self._refused: set[tuple[str | None, str, bytes]] = set()

    def configure(self, tunnels: Mapping[str, Tunnel], now: float) -> None:
        """Take the tunnels that there are from now on; counters and learned path MTUs of those that stay are kept."""
        states: dict[str, _State] = {}
        for name, tunnel in tunnels.items():
            state = self._states.get(name)
            if state is None:
                state = _State(tunnel, self.counters.setdefault(name, InterfaceCounters()), now)
            elif state.tunnel != tunnel:
                state.take(tunnel)
            states[name] = state
        for gone in self._states.keys() - states.keys():
            self.counters.pop(gone, None)
        self._states = states
        self._exact, self._multipoint, self._locals = {}, {}, {}
        for state in states.values():
            if state.local is None:
                continue
            self._locals.setdefault(state.local, []).append(state)
            if state.tunnel.multipoint:
                self._multipoint.setdefault((state.local, state.tunnel.key), state)
            elif 1 in state.adjacencies:
                self._exact.setdefault((state.local, state.adjacencies[1], state.tunnel.key), state)

    def transmit(self, tunnel: str, adjacency: int, packet: Packet, now: float) -> list[Outer]:
        """An inner IPv4 or IPv6 packet that leaves by `tunnel`, as the GRE packets that carry it."""
        state = self._states.get(tunnel)
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
        if settings.crypto_map is not None:
            return self._lost("no SA", state)
        total = ipv4.size(packet)
        if not total:
            return self._transmit_v6(state, adjacency, targets[0], packet, now)
        if total < len(packet):
            packet = packet[:total]
        if settings.adjust_mss is not None:
            packet = mss.clamp(packet, settings.adjust_mss)
        inner_df = packet[6] & 0x40 != 0
        df = inner_df and settings.path_mtu_discovery
        mtu = settings.mtu
        if df and state.path_mtus:
            for target in targets:
                mtu = min(mtu, self._path_mtu(state, target, now))
        pieces: list[Packet]
        if total <= mtu:
            pieces = [packet]
        elif inner_df:
            self._answer_too_big(state, packet, mtu, now)
            return self._lost("too big, DF set", state)
        else:
            pieces = list(ipv4.fragment(packet, mtu))
            if not pieces:
                return self._lost("cannot be fragmented", state)
        tos = packet[1] if settings.tos is None else settings.tos
        ttl = settings.ttl
        header = state.header
        out: list[Outer] = [
            (target, tos, ttl, df, b"".join((header, piece)), ipv4.GRE, None) for target in targets for piece in pieces
        ]
        counters = state.counters
        counters.packets_out += len(out)
        counters.bytes_out += sum(len(outer[4]) for outer in out) + _OUTER_HEADER * len(out)
        counters.last_out = now
        if adjacency == MULTICAST:
            counters.multicast_out += len(out)
        else:
            state.used.add(targets[0])
        return out

    def control(self, tunnel: str, destination: bytes, payload: Packet, now: float) -> list[Outer]:
        """An NHRP message to the NBMA address `destination`; [] while the tunnel cannot send."""
        state = self._states.get(tunnel)
        if state is None:
            return self._lost("unknown tunnel", None)
        if state.local is None:
            return self._lost("no tunnel source", state)
        if state.tunnel.blocked is not None:
            return self._lost("tunnel blocked", state)
        if not ipv4.is_host(destination):
            return self._lost("bad destination", state)
        if state.tunnel.crypto_map is not None:
            return self._lost("no SA", state)
        frame = b"".join((state.nhrp_header, payload))
        counters = state.counters
        counters.packets_out += 1
        counters.bytes_out += len(frame) + _OUTER_HEADER
        counters.last_out = now
        return [(destination, CONTROL_TOS, state.tunnel.ttl, False, frame, ipv4.GRE, None)]

    def receive(self, source: bytes, destination: bytes, frame: Packet, now: float) -> Received | None:
        """A GRE packet (header first) from the outer `source` to our `destination`; None when it was dropped."""
        try:
            protocol, key, start = gre.parse(frame)
        except gre.GreError as error:
            return self._refuse(str(error), None, source)
        state = self._exact.get((destination, source, key)) or self._multipoint.get((destination, key))
        if state is None:
            for near in self._locals.get(destination, ()):
                if near.tunnel.multipoint or source in near.adjacencies.values():
                    return self._refuse("key mismatch", near, source)
            return self._refuse("unknown tunnel", None, source)
        if state.tunnel.blocked is not None:
            return self._refuse("tunnel blocked", state, source)
        if state.tunnel.crypto_map is not None:
            return self._refuse("not protected", state, source)
        if source in self._locals:
            return self._refuse("own address", state, source)
        if not ipv4.is_host(source):
            return self._refuse("bad source", state, source)
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
            if not _size_v6(payload):
                return self._refuse("bad inner packet", state, source)
            payload = payload[: _size_v6(payload)]
        elif protocol != gre.NHRP:
            return self._refuse("unknown protocol type", state, source)
        counters.packets_in += 1
        counters.bytes_in += len(frame) + _OUTER_HEADER
        counters.last_in = now
        return state.tunnel.name, protocol, payload, source, False

    def receive_esp(
        self, source: bytes, destination: bytes, packet: Packet, now: float, udp_ports: tuple[int, int] | None
    ) -> Received | None:
        """An ESP packet (SPI first) from the outer `source` to our `destination`; None when it was dropped.

        `udp_ports` (ours, the peer's) when it came in UDP.
        """
        return self._refuse("invalid SPI", None, source)

    def install(self, sa: SecurityAssociation, now: float) -> list[tuple[str, Outer]]:
        """Put an SA in place; gives the packets that waited for it, each with its tunnel, in order."""
        return []

    def remove(self, key: SaKey, now: float) -> None:
        """Take an SA out. An older outbound one to the same peer carries on in its place."""

    def drop_all_sas(self) -> None: ...

    def take_missed(self) -> set[tuple[str, bytes]]:
        """Tunnel and NBMA address of packets that had no SA to leave by, since the last call."""
        return set()

    def take_worn(self) -> list[SaKey]:
        """Outbound SAs that reached their `soft_octets`, or nearly the last sequence number; each once."""
        return []

    def take_sa_usage(self) -> dict[SaKey, SaCounters]:
        """The SAs that carried packets since the last call, with their counters."""
        return {}

    def sa_counters(self) -> dict[SaKey, SaCounters]:
        """The counters of all SAs."""
        return {}

    def take_esp_refused(self) -> list[EspRefused]:
        """ESP that was refused since the last call, one packet for each reason and sender."""
        return []

    def learn(self, packet: Packet, now: float) -> None:
        """Take an ICMP packet that came in (IPv4 header first): a 3/4 about our own GRE lowers that peer's path MTU."""
        told = ipv4.fragmentation_needed(packet)
        if told is None or told[2] != ipv4.GRE:
            return
        local, peer, _, mtu = told
        for state in self._locals.get(local, ()):
            if state.tunnel.path_mtu_discovery and peer in state.adjacencies.values():
                state.path_mtus[peer] = (max(mtu, PATH_MTU_MIN), now)

    def path_mtu(self, tunnel: str, peer: bytes, now: float) -> int | None:
        """The path MTU of the outer packets to a peer as ICMP told it; None when none is known (any more)."""
        state = self._states.get(tunnel)
        learned = None if state is None else state.path_mtus.get(peer)
        return None if learned is None or now - learned[1] >= PATH_MTU_AGE_S else learned[0]

    def local_of(self, tunnel: str) -> bytes | None:
        """The outer source address of a tunnel."""
        state = self._states.get(tunnel)
        return None if state is None else state.local

    def take_used(self) -> dict[str, set[bytes]]:
        """The NBMA addresses that unicast data went to since the last call, per tunnel that sent any."""
        used = {name: state.used for name, state in self._states.items() if state.used}
        for name in used:
            self._states[name].used = set()
        return used

    def take_refused(self) -> list[tuple[str | None, str, bytes]]:
        """What was refused since the last call, each once: (tunnel if one is meant, reason, outer source)."""
        refused = sorted(self._refused, key=lambda entry: (entry[0] or "", entry[1], entry[2]))
        self._refused.clear()
        return refused

    def _transmit_v6(self, state: _State, adjacency: int, target: bytes, packet: Packet, now: float) -> list[Outer]:
        total = _size_v6(packet)
        if not total:
            return self._lost("bad inner packet", state)
        if adjacency == MULTICAST:
            return self._lost("IPv6 multicast", state)
        settings = state.tunnel
        tos = (packet[0] << 4 | packet[1] >> 4) & 0xFF if settings.tos is None else settings.tos
        frame = b"".join((state.v6_header, packet[:total]))
        counters = state.counters
        counters.packets_out += 1
        counters.bytes_out += len(frame) + _OUTER_HEADER
        counters.last_out = now
        state.used.add(target)
        return [(target, tos, settings.ttl, False, frame, ipv4.GRE, None)]

    def _path_mtu(self, state: _State, peer: bytes, now: float) -> int:
        learned = state.path_mtus.get(peer)
        if learned is None:
            return state.tunnel.mtu
        if now - learned[1] >= PATH_MTU_AGE_S:
            del state.path_mtus[peer]
            return state.tunnel.mtu
        return learned[0] - state.overhead

    def _answer_too_big(self, state: _State, packet: Packet, mtu: int, now: float) -> None:
        if state.address is None:
            return
        state.icmp_tokens = min(ICMP_BURST, state.icmp_tokens + (now - state.icmp_at) * ICMP_PER_S)
        state.icmp_at = now
        if state.icmp_tokens < 1:
            return
        answer = ipv4.icmp_error(state.address, packet, ipv4.ICMP_UNREACHABLE, ipv4.FRAGMENTATION_NEEDED, mtu)
        if answer is not None:
            state.icmp_tokens -= 1
            self.returned.append((state.tunnel.name, answer))

    def _count(self, reason: str) -> None:
        reasons = self.drops.reasons
        if reason in reasons or len(reasons) < REASONS_MAX:
            reasons[reason] = reasons.get(reason, 0) + 1

    def _lost(self, reason: str, state: _State | None) -> list[Outer]:
        self._count(reason)
        if state is not None:
            state.counters.drops_out += 1
        return []

    def _refuse(self, reason: str, state: _State | None, source: bytes) -> Received | None:
        self._count(reason)
        if state is not None:
            state.counters.drops_in += 1
        if len(self._refused) < REFUSED_MAX:
            self._refused.add((None if state is None else state.tunnel.name, reason, source))
        return None


def _size_v6(packet: Packet) -> int:
    """The length of a well-formed IPv6 packet, else 0."""
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return 0
    total = 40 + (packet[4] << 8 | packet[5])
    return total if total <= len(packet) else 0
