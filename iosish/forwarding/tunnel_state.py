"""A tunnel with all that is the same for each of its packets worked out."""

from __future__ import annotations

from iosish.forwarding import gre, ipv4, ipv6
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.path_mtu import PathMtus
from iosish.forwarding.protection import Ways
from iosish.forwarding.tables import InterfaceCounters, Tunnel

MULTICAST = 0
"""The adjacency index of multicast and broadcast packets: a copy to each address of the tunnel's list."""

OUTER_HEADER = 20
CONTROL_TOS = 0xC0
PATH_MTU_MIN = 92  # what IOS prints as "min MTU 92" under `tunnel path-mtu-discovery`
ICMP_BURST = 10
ICMP_PER_S = 20.0


class TunnelState:
    """`headers` are those of GRE, by protocol type; `ways` the SAs that packets leave by, when it is protected."""

    __slots__ = (
        "_icmp_at",
        "_icmp_tokens",
        "address",
        "adjacencies",
        "counters",
        "headers",
        "local",
        "multicast",
        "overhead",
        "path_mtus",
        "tunnel",
        "used",
        "ways",
    )

    def __init__(self, tunnel: Tunnel, counters: InterfaceCounters, now: float) -> None:
        self.counters = counters
        self.used: set[bytes] = set()
        self.ways: Ways = {}
        self.path_mtus = PathMtus(PATH_MTU_MIN)
        self._icmp_tokens = float(ICMP_BURST)
        self._icmp_at = now
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
        self.headers = {protocol: gre.build(protocol, tunnel.key) for protocol in (gre.IPV4, gre.IPV6, gre.NHRP)}
        self.overhead = OUTER_HEADER + len(self.headers[gre.IPV4])
        self.path_mtus.keep(set(self.adjacencies.values()))

    def tos(self, protocol: int, packet: Packet) -> int:
        """The outer ToS: that of control traffic, the tunnel's own, or the inner one."""
        if protocol == gre.NHRP:
            return CONTROL_TOS
        if self.tunnel.tos is not None:
            return self.tunnel.tos
        return packet[1] if protocol == gre.IPV4 else ipv6.traffic_class(packet)

    def may_answer(self, now: float) -> bool:
        """Whether one more ICMP error may be made."""
        self._icmp_tokens = min(ICMP_BURST, self._icmp_tokens + (now - self._icmp_at) * ICMP_PER_S)
        self._icmp_at = now
        if self._icmp_tokens < 1:
            return False
        self._icmp_tokens -= 1
        return True

    def sent(self, count: int, octets: int, now: float) -> None:
        """Count packets out; `octets` is their GRE, headers included."""
        counters = self.counters
        counters.packets_out += count
        counters.bytes_out += octets + OUTER_HEADER * count
        counters.last_out = now
