"""The parts of the engine, and what joins them: a peer that comes, moves, deletes, or is dead."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from typing import Protocol

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike import dh, dpd, log_text, main_mode, notices
from iosish.ike.config import CryptoMap
from iosish.ike.errors import PacketError, Unwanted
from iosish.ike.flows import Ends, Flows
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.node import ISAKMP_ERROR, Node
from iosish.ike.pairs import Pairs
from iosish.ike.sas import Sas
from iosish.ike.work import Work


class DhGroups(Protocol):
    """`dh.DiffieHellman`, or what a test puts in its place."""

    def begin(self, group: int) -> dh.Exchange: ...


class Core:
    def __init__(self, source: random.Random, groups: DhGroups | None) -> None:
        self.node = Node(source)
        self.dh: DhGroups = dh.DiffieHellman(source) if groups is None else groups
        self.work = Work()
        self.pairs = Pairs(self.node)
        self.sas = Sas(self)
        self.flows = Flows(self)
        self.weak: set[str] = set()  # algorithms that the log has named

    # --- hearing from a peer ----------------------------------------------------------------------------------------

    def refused(self, peer: IPv4Address, error: PacketError, now: float) -> None:
        """Count a message that is not obeyed, and say so as IOS does."""
        self.node.counters[error.reason] += 1
        self.node.say(ISAKMP_ERROR, peer, "ISAKMP:(0):message from %s refused: %s", peer, error.reason)
        if not isinstance(error, Unwanted):
            self.node.log_about(peer, log_text.bad_message(peer), now)

    def heard(self, sa: IsakmpSa, datagram: UdpDatagram, now: float) -> None:
        """A message that only the peer can have sent."""
        dpd.heard(self, sa, now)
        self.follow_ports(sa, datagram, now)

    def follow_ports(self, sa: IsakmpSa, datagram: UdpDatagram, now: float) -> None:
        """The peer's NAT has given it another port: what is sent follows, and pairs whose ESP went to the old one."""
        if (sa.local_port, sa.peer_port) == (datagram.local_port, datagram.peer_port):
            return
        sa.local_port, sa.peer_port = datagram.local_port, datagram.peer_port
        if sa.up_at is None or self.sas.best(sa.ends, None) is not sa:
            return
        for protection in self.flows.between(sa.ends):
            ports = protection.pairs[0].outbound.udp_ports if protection.pairs else None
            if ports is not None and ports != (sa.local_port, sa.peer_port):
                protection.renew = True
                self.flows.drive(protection, now)

    def start_keepalive(self, sa: IsakmpSa, now: float) -> None:
        """`crypto isakmp nat keepalive`: who is behind a NAT keeps its translation alive."""
        interval = self.node.config.nat_keepalive_s
        if interval is not None and sa.nat_local:
            self.node.after("keepalive", sa, now + interval)

    def due_keepalive(self, sa: IsakmpSa, now: float) -> None:
        self.node.send(UdpDatagram(sa.local, sa.local_port, sa.peer, sa.peer_port, b""))
        self.start_keepalive(sa, now)

    # --- what a peer says of its SAs --------------------------------------------------------------------------------

    def initial_contact(self, sa: IsakmpSa, begun_at: float, now: float) -> None:
        """The peer remembers nothing from before: what was there before this SA was begun is worth nothing.

        What came up since is not meant, although it may look so when both ends begin at once. Behind a NAT many may
        have one address: there the port has to be the same, whoever of them denies that there is a NAT.
        """
        for other in self.sas.between(sa.ends):
            same = self._is_same_place(sa, other.nat, other.peer_port)
            if other.up_at is not None and other.up_at < begun_at and same:
                self.sas.delete(other, "initial contact", now, tell=False)
        for protection in self.flows.between(sa.ends):
            for pair in tuple(protection.pairs):
                ports = pair.outbound.udp_ports
                same = self._is_same_place(sa, ports is not None, c.IKE_PORT if ports is None else ports[1])
                if pair.created_at < begun_at and same:
                    self.flows.pair_down(pair, "initial contact", now, tell=False)
            self.flows.restart(protection, now, soon=True)

    @staticmethod
    def _is_same_place(sa: IsakmpSa, nat: bool, port: int) -> bool:
        return not (sa.nat or nat) or sa.peer_port == port

    def peer_deleted_esp(self, sa: IsakmpSa, spi: int, now: float) -> None:
        """By the SPI that it receives by; strongSwan, which could not install a new pair, names the one it sends by."""
        pair = self.pairs.outbound(sa.peer, spi)
        if pair is None:
            pair = self.pairs.inbound(sa.peer, spi)
            if pair is not None and now - pair.created_at >= c.EARLY_S:
                pair = None
        if pair is None or pair.flow.local != sa.local:
            self.node.counters["deletes of unknown SAs"] += 1
            return
        protection = self.flows.get(pair.flow)
        idle = protection is not None and self.flows.is_idle(protection, now)
        self.flows.pair_down(pair, "idle" if idle else "deleted by peer", now, tell=False)
        if protection is not None:
            protection.asleep = protection.asleep or idle
            early = pair.received_at is None and now - pair.created_at < c.EARLY_S
            protection.early_ends = protection.early_ends + 1 if early else 0
            self.flows.restart(protection, now, soon=True)

    def peer_deleted_isakmp(self, sa: IsakmpSa, cookie_i: bytes, cookie_r: bytes, now: float) -> None:
        deleted = self.sas.of_message(cookie_i, cookie_r)
        if deleted is None or deleted.ends != sa.ends:
            self.node.counters["deletes of unknown SAs"] += 1
            return
        self.sas.delete(deleted, "deleted by peer", now, tell=False)
        self.phase1_lost(sa.ends, now)

    def peer_lacks_spi(self, sa: IsakmpSa, spi: int, now: float) -> None:
        """INVALID-SPI, protected: what we send goes nowhere."""
        pair = self.pairs.outbound(sa.peer, spi)
        if pair is None or pair.flow.local != sa.local:
            return
        protection = self.flows.get(pair.flow)
        self.flows.pair_down(pair, "invalid SPI at the peer", now)
        if protection is not None:
            protection = self.flows.obtain(pair.flow) or protection
            protection.renew = True
            self.flows.drive(protection, now)

    def peer_dead(self, sa: IsakmpSa, now: float) -> None:
        """It answers no more: all of its SAs go, and what is wanted is begun anew."""
        for other in self.sas.between(sa.ends):
            if other.up_at is not None:
                self.sas.delete(other, "peer does not answer", now, tell=False)
        self.flows.end_between(sa.ends, "dead peer detected", now, tell=False)
        for protection in self.flows.between(sa.ends):
            self.flows.drive(protection, now)

    # --- phase 1 without phase 2 ------------------------------------------------------------------------------------

    def phase1_lost(self, ends: Ends, now: float) -> None:
        """If the last ISAKMP SA of a peer went and IPsec SAs are left, phase 1 is made anew (ours; IOS waits)."""
        if self.sas.best(ends, None) is None and self.flows.has_pairs(ends):
            self.node.after("phase 1", ends, now + self.node.between(*c.REBUILD_PHASE1_S))

    def due_phase1(self, ends: Ends, now: float) -> None:
        """Unless the peer was faster."""
        crypto_map = self.map_between(ends)
        if crypto_map is None or self.sas.best(ends, None) is not None or not self.flows.has_pairs(ends):
            return
        if not self.sas.initiating(ends, None):
            main_mode.initiate(self, ends, crypto_map, now)

    def due_successor(self, sa: IsakmpSa, now: float) -> None:
        """Near its end, the newest SA of a peer is followed by another while there are IPsec SAs.

        IOS waits for phase 2; strongSwan takes the IPsec SAs down with the last ISAKMP SA.
        """
        if self.sas.best(sa.ends, None) is not sa or not self.flows.has_pairs(sa.ends):
            return
        crypto_map = self.map_between(sa.ends)
        if crypto_map is not None and not self.sas.initiating(sa.ends, None):
            main_mode.initiate(self, sa.ends, crypto_map, now)

    def map_between(self, ends: Ends) -> CryptoMap | None:
        """A crypto map of a flow with this peer, else one that would take it."""
        for protection in self.flows.between(ends):
            crypto_map = self.flows.map_of(protection.flow)
            if crypto_map is not None:
                return crypto_map
        local, peer = ends
        maps = [
            item
            for item in self.node.config.maps.values()
            if item.local == local and (item.peers is None or peer in item.peers)
        ]
        return min(maps, key=lambda item: item.peers is None, default=None)

    def lacks_spi(self, ends: Ends, spi: int, now: float) -> None:
        """A peer sends by an SA that is not here: it is told, if there is a way to tell it, or a way is made.

        What comes by the SPI that we send by is forged: who saw that one would have us tell the peer to delete it.
        """
        if self.pairs.outbound(ends[1], spi) is not None:
            self.node.counters["forged ESP"] += 1
            return
        sa = self.sas.best(ends, None)
        if sa is None:
            self.recover(ends, now)
        elif self.node.recoveries.allows(ends, now):
            notices.lacks_spi(self, sa, spi, now)

    def recover(self, ends: Ends, now: float) -> None:
        """A peer has SAs with us that are not here, and no ISAKMP SA is: `crypto isakmp invalid-spi-recovery`.

        Phase 1 tells it that all of those are gone. Anybody can cause that, so it is done rarely.
        """
        node, crypto_map = self.node, self.map_between(ends)
        if (
            node.config.invalid_spi_recovery
            and crypto_map is not None
            and self.sas.best(ends, None) is None
            and not self.sas.initiating(ends, None)
            and node.recoveries.allows(ends, now)
            and node.all_recoveries.allows(None, now)
        ):
            main_mode.initiate(self, ends, crypto_map, now)

    # --- sessions ---------------------------------------------------------------------------------------------------

    def session_changed(self, ends: Ends, up: bool) -> None:
        """`crypto logging session`."""
        if self.node.config.session_log:
            sa = self.sas.best(ends, None)
            port = c.IKE_PORT if sa is None else sa.peer_port
            self.node.tell(log_text.session_status(up, ends[1], port, None if sa is None else sa.peer_identity))
