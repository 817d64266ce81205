"""The flows: which are wanted, which pairs of SAs they have, and what makes and ends these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import main_mode, notices, quick_exchange, quick_initiator
from iosish.ike.config import CryptoMap
from iosish.ike.events import Flow, FlowDown, FlowUp
from iosish.ike.node import IPSEC, IPSEC_ERROR
from iosish.ike.pairs import Pair, key_of
from iosish.ipsec.sa import SaCounters, SaKey

if TYPE_CHECKING:
    from iosish.ike.core import Core
    from iosish.ike.isakmp_sa import IsakmpSa
    from iosish.ike.quick_exchange import QuickMode

Ends = tuple[IPv4Address, IPv4Address]
"""Our address and the peer's."""


@dataclass(slots=True, eq=False)
class Protection:
    """One flow. `pairs`: the newest first. `asleep`: its SAs ended idle, so it waits for traffic.

    `renew`: a new pair is to be made, although there is one, or for the peer's sake. `failures`: negotiations that
    failed since the last pair; `early_ends`: pairs in a row that the peer took down soon, before it sent anything.
    `ended_in` and `ended_out`: what the SAs of earlier pairs had counted, since the flow is up.
    """

    flow: Flow
    wanted: bool = False
    asleep: bool = False
    renew: bool = False
    pairs: list[Pair] = field(default_factory=list)
    quick: QuickMode | None = None
    failures: int = 0
    early_ends: int = 0
    up_since: float | None = None
    ended_in: SaCounters = field(default_factory=SaCounters)
    ended_out: SaCounters = field(default_factory=SaCounters)

    @property
    def ends(self) -> Ends:
        return self.flow.local, self.flow.peer

    @property
    def needs_pair(self) -> bool:
        return self.renew or (self.wanted and not self.asleep and not self.pairs)


class Flows:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._all: dict[Flow, Protection] = {}
        self._of_ends: dict[Ends, dict[Flow, Protection]] = {}

    def __iter__(self) -> Iterator[Protection]:
        return iter(list(self._all.values()))

    def get(self, flow: Flow) -> Protection | None:
        return self._all.get(flow)

    def between(self, ends: Ends) -> list[Protection]:
        return list(self._of_ends.get(ends, {}).values())

    def has_pairs(self, ends: Ends) -> bool:
        return any(protection.pairs for protection in self._of_ends.get(ends, {}).values())

    def udp_ports(self, ends: Ends) -> tuple[int, int] | None:
        """Our port and the peer's, if the newest pair that there is with a peer is in UDP."""
        pairs = [pair for protection in self.between(ends) for pair in protection.pairs]
        newest = max(pairs, key=lambda pair: pair.created_at, default=None)
        return None if newest is None else newest.outbound.udp_ports

    def obtain(self, flow: Flow) -> Protection | None:
        """The flow's entry, a new one if need be; None when there are too many."""
        protection = self._all.get(flow)
        if protection is None and len(self._all) < c.MAX_FLOWS:
            protection = self._all[flow] = Protection(flow)
            self._of_ends.setdefault(protection.ends, {})[flow] = protection
        return protection

    # --- what the router wants --------------------------------------------------------------------------------------

    def request(self, flow: Flow, now: float) -> None:
        protection = self.obtain(flow)
        if protection is None:
            self._core.node.counters["flow limit"] += 1
            self._core.node.tell(FlowDown(flow, "too many flows"))
            return
        protection.wanted = True
        protection.asleep = False
        self.drive(protection, now)

    def release(self, flow: Flow, now: float) -> None:
        protection = self._all.get(flow)
        if protection is not None and protection.wanted:
            protection.wanted = False
            self.end(protection, "no longer needed", now)

    # --- what makes a pair ------------------------------------------------------------------------------------------

    def map_of(self, flow: Flow) -> CryptoMap | None:
        """The crypto map of a flow, while it is configured and takes this flow."""
        crypto_map = self._core.node.config.maps.get(flow.crypto_map)
        if crypto_map is None or crypto_map.local != flow.local:
            return None
        return crypto_map if crypto_map.peers is None or flow.peer in crypto_map.peers else None

    def drive(self, protection: Protection, now: float) -> None:
        """Take the next step towards the pair that a flow needs; does nothing when it is under way."""
        node, flow = self._core.node, protection.flow
        if not protection.needs_pair or protection.quick is not None:
            return
        if node.pending("retry", flow) is not None:
            return
        crypto_map = self.map_of(flow)
        if crypto_map is None:
            return
        sa = self._core.sas.best(protection.ends, crypto_map.isakmp_profile)
        if sa is not None and not protection.renew and self._is_fresh(sa, now):
            self.restart(protection, now, soon=True)
        elif sa is not None:
            protection.quick = quick_initiator.initiate(self._core, sa, flow, crypto_map, now)
        elif not self._core.sas.initiating(protection.ends, crypto_map.isakmp_profile):
            main_mode.initiate(self._core, protection.ends, crypto_map, now)

    def isakmp_up(self, sa: IsakmpSa, now: float) -> None:
        """An ISAKMP SA is there: what waited for one goes on."""
        for protection in self.between(sa.ends):
            self._core.node.cancel("retry", protection.flow)
            # Who began phase 1 goes on with what it began it for.
            self.restart(protection, now, soon=not sa.initiator or self._gives_way(sa))

    @staticmethod
    def _is_fresh(sa: IsakmpSa, now: float) -> bool:
        """The peer has just made this SA: it is about to make the pair, too."""
        return not sa.initiator and sa.up_at is not None and now - sa.up_at < c.RESTART_S[0]

    def _gives_way(self, sa: IsakmpSa) -> bool:
        """Both ends began at once: the one with the lower address lets the other make the pair, so that one is made."""
        return sa.local < sa.peer and any(
            not other.initiator and (other.up_at is None or other.up_at >= sa.created_at)
            for other in self._core.sas.between(sa.ends)
        )

    def isakmp_failed(self, ends: Ends, reason: str, now: float) -> None:
        """No ISAKMP SA could be made."""
        if self._core.sas.best(ends, None) is None:
            for protection in self.between(ends):
                if protection.needs_pair and protection.quick is None:
                    self._failed(protection, reason, now)

    def quick_failed(self, quick: QuickMode, reason: str, now: float) -> None:
        """A quick mode of ours came to nothing."""
        protection = self._all.get(quick.flow)
        if protection is not None and protection.quick is quick:
            protection.quick = None
            self._failed(protection, reason, now)

    def _failed(self, protection: Protection, reason: str, now: float) -> None:
        """Try again, later and later."""
        node, flow = self._core.node, protection.flow
        if not protection.wanted and not protection.pairs:
            protection.renew = False
        if protection.needs_pair:
            delay = min(c.RETRY_LAST_S, c.RETRY_FIRST_S * 2 ** min(protection.failures, 10))
            protection.failures += 1
            node.after("retry", flow, now + delay * node.between(c.RETRY_SHORTEST, 1))
        node.say(IPSEC_ERROR, flow.peer, "IPSEC: SA request for %s failed: %s", flow.peer, reason)
        if not protection.pairs:
            node.tell(FlowDown(flow, reason))
        self._tidy(protection)

    # --- pairs ------------------------------------------------------------------------------------------------------

    def pair_up(self, pair: Pair, now: float) -> None:
        """A quick mode, whosever, has made a pair, and its SAs are in place."""
        protection = self.obtain(pair.flow)
        if protection is None:
            self._core.pairs.remove(pair)
            return
        node, flow = self._core.node, pair.flow
        if protection.quick is not None and protection.quick.pair is pair:
            protection.quick = None
        self._end_worn(protection, now)
        for other in tuple(self._core.pairs.inside(flow.local, flow.peer)):
            self.pair_down(other, "its address is that of another peer", now)
        protection.pairs.insert(0, pair)
        protection.renew = False
        protection.failures = 0
        node.cancel("retry", flow)
        self._core.pairs.add(pair)
        if pair.initiator and any(other.sends and not other.worn for other in protection.pairs):
            node.after("switch", pair, now + c.SWITCH_S)
        else:
            self._core.pairs.install_outbound(pair)
        node.after("pair lifetime", pair, pair.expires_at)
        node.after("rekey", pair, pair.expires_at - node.rekey_margin(pair.lifetime_s, pair.initiator))
        crypto_map = self.map_of(flow)
        if crypto_map is not None and crypto_map.idle_s is not None:
            node.after("idle", flow, now + crypto_map.idle_s)
        if len(protection.pairs) > c.MAX_PAIRS_PER_FLOW:
            self.pair_down(protection.pairs[-1], "too many SAs", now)
        if protection.up_since is None:
            protection.up_since = now
            node.tell(FlowUp(flow))
            self._core.session_changed(protection.ends, True)

    def _end_worn(self, protection: Protection, now: float) -> None:
        """A pair whose volume is used up has a successor: it goes, whatever time it has left, and so does what a
        quick mode of the other end made beside it."""
        worn_at = max((pair.created_at for pair in protection.pairs if pair.worn), default=None)
        for pair in protection.pairs:
            if worn_at is not None and pair.created_at < worn_at + c.COLLISION_S:
                self._core.node.after("pair lifetime", pair, min(pair.expires_at, now + c.REKEY_S))

    def pair_down(self, pair: Pair, reason: str, now: float, tell: bool = True) -> None:
        """A pair ends; `tell`: the peer hears of it."""
        protection = self._all.get(pair.flow)
        if protection is None or pair not in protection.pairs:
            return
        node, flow = self._core.node, pair.flow
        protection.pairs.remove(pair)
        for key, counted in pair.counted.items():
            total = protection.ended_in if key.inbound else protection.ended_out
            total.add(counted.since(pair.cleared.get(key, SaCounters())))
        for deadline in ("pair lifetime", "rekey", "switch"):
            node.cancel(deadline, pair)
        self._core.pairs.remove(pair)
        if protection.pairs and not any(other.sends for other in protection.pairs):
            self.due_switch(protection.pairs[0])
        node.say(
            IPSEC,
            flow.peer,
            "IPSEC(delete_sa): deleting SA, (sa) sa_dest= %s, sa_proto= 50, sa_spi= 0x%X(%d), reason: %s",
            flow.local,
            pair.inbound.spi,
            pair.inbound.spi,
            reason,
        )
        if tell:
            sa = self._core.sas.best(protection.ends, None)
            if sa is not None:
                notices.delete_esp(self._core, sa, pair.inbound.spi, now)
        if not protection.pairs and protection.up_since is not None:
            protection.up_since = None
            protection.ended_in, protection.ended_out = SaCounters(), SaCounters()
            node.cancel("idle", flow)
            node.tell(FlowDown(flow, reason))
            self._core.session_changed(protection.ends, False)

    def end(self, protection: Protection, reason: str, now: float, tell: bool = True) -> None:
        """All pairs of a flow, and what is under way for it, end. What is still wanted is not begun here."""
        if protection.quick is not None:
            quick_exchange.abandon(self._core, protection.quick, now)
            protection.quick = None
        protection.renew = False
        for pair in reversed(tuple(protection.pairs)):
            self.pair_down(pair, reason, now, tell)
        self._core.node.cancel("retry", protection.flow)
        self._tidy(protection)

    def end_between(self, ends: Ends, reason: str, now: float, tell: bool = True) -> None:
        for protection in self.between(ends):
            self.end(protection, reason, now, tell)

    def restart(self, protection: Protection, now: float, soon: bool = False) -> None:
        """Build a flow again if it is needed: at once, or (`soon`) after a moment in which the peer may do it."""
        if protection.needs_pair and soon:
            flow, node = protection.flow, self._core.node
            delay = node.between(*c.RESTART_S) * 2 ** min(max(0, protection.early_ends - 2), 10)
            node.after("retry", flow, now + min(delay, c.RETRY_LAST_S))
        else:
            self.drive(protection, now)
            self._tidy(protection)

    def _tidy(self, protection: Protection) -> None:
        if not protection.wanted and not protection.pairs and protection.quick is None:
            self._all.pop(protection.flow, None)
            same = self._of_ends.get(protection.ends)
            if same is not None:
                same.pop(protection.flow, None)
                if not same:
                    del self._of_ends[protection.ends]
            for deadline in ("retry", "idle"):
                self._core.node.cancel(deadline, protection.flow)

    # --- deadlines --------------------------------------------------------------------------------------------------

    def due_retry(self, flow: Flow, now: float) -> None:
        protection = self._all.get(flow)
        if protection is not None:
            self.drive(protection, now)

    def due_rekey(self, pair: Pair, now: float) -> None:
        """Near its end, the newest pair of a flow that is wanted or was used is followed by another."""
        protection = self._all.get(pair.flow)
        if protection is None or protection.pairs[:1] != [pair]:
            return
        if protection.wanted or pair.sent_at is not None or pair.received_at is not None:
            protection.renew = True
            self.drive(protection, now)

    def due_switch(self, pair: Pair) -> None:
        """Packets go by a new pair from here on."""
        self._core.node.cancel("switch", pair)
        self._core.pairs.install_outbound(pair)

    def due_lifetime(self, pair: Pair, now: float) -> None:
        self.pair_down(pair, "lifetime expired", now)
        protection = self._all.get(pair.flow)
        if protection is not None:
            self.drive(protection, now)
            self._tidy(protection)

    def due_idle(self, flow: Flow, now: float) -> None:
        """`set security-association idle-time`: no packet for so long, so the SAs go until there is one."""
        protection = self._all.get(flow)
        crypto_map = self.map_of(flow)
        if protection is None or not protection.pairs or crypto_map is None or crypto_map.idle_s is None:
            return
        until = max(pair.used_at for pair in protection.pairs) + crypto_map.idle_s
        if until > now:
            self._core.node.after("idle", flow, until)
        else:
            protection.asleep = True
            self.end(protection, "idle", now)

    def is_idle(self, protection: Protection, now: float) -> bool:
        """Whether its SAs are about to end idle here, as they just did at a peer with the same idle time."""
        crypto_map = self.map_of(protection.flow)
        if crypto_map is None or crypto_map.idle_s is None or not protection.pairs:
            return False
        return max(pair.used_at for pair in protection.pairs) + crypto_map.idle_s <= now + c.IDLE_SLACK_S

    # --- what the plane tells ---------------------------------------------------------------------------------------

    def worn(self, key: SaKey, now: float) -> None:
        pair = self._core.pairs.get(key)
        if pair is not None:
            pair.worn = True
            self.due_rekey(pair, now)

    def clear_counters(self, counted: Mapping[SaKey, SaCounters]) -> None:
        """Begin to count anew."""
        for protection in self:
            protection.ended_in, protection.ended_out = SaCounters(), SaCounters()
            for pair in protection.pairs:
                keys = (key_of(pair.inbound), key_of(pair.outbound))
                pair.cleared = {key: replace(counted[key]) for key in keys if key in counted}

    def used(self, used: Mapping[SaKey, SaCounters], now: float) -> dict[Ends, tuple[bool, bool]]:
        """Note which SAs carried packets; returns per peer whether anything was sent, and received."""
        seen: dict[Ends, tuple[bool, bool]] = {}
        for key, counted in used.items():
            pair = self._core.pairs.get(key)
            if pair is None:
                continue
            pair.counted[key] = counted
            if key.inbound:
                pair.received_at = now
            else:
                pair.sent_at = now
            ends = (pair.flow.local, pair.flow.peer)
            sent, received = seen.get(ends, (False, False))
            seen[ends] = (sent or not key.inbound, received or key.inbound)
        return seen
