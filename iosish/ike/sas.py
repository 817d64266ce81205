"""All ISAKMP SAs: found by cookie and by peer, made, changed and ended here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import log_text, notices, quick_exchange
from iosish.ike.half_open import HalfOpen
from iosish.ike.isakmp_sa import IsakmpSa, Step
from iosish.ike.node import ISAKMP
from iosish.ike.state import IsakmpSa as Shown

if TYPE_CHECKING:
    from iosish.ike.core import Core
    from iosish.ike.flows import Ends

NO_COOKIE = bytes(c.COOKIE_OCTETS)


class Sas:
    """`half_open` are those that peers began and have not authenticated."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by_cookie: dict[bytes, IsakmpSa] = {}
        self._by_first: dict[tuple[IPv4Address, IPv4Address, bytes], IsakmpSa] = {}
        self._of_ends: dict[Ends, list[IsakmpSa]] = {}
        self._deleted: deque[tuple[float, Shown]] = deque(maxlen=c.MAX_DELETED)
        self.half_open: HalfOpen[IsakmpSa] = HalfOpen(core.node.config.half_open_max)

    def __iter__(self) -> Iterator[IsakmpSa]:
        return iter(list(self._by_cookie.values()))

    # --- finding ----------------------------------------------------------------------------------------------------

    def of_message(self, cookie_i: bytes, cookie_r: bytes) -> IsakmpSa | None:
        """Whose message has these cookies; the responder's may be new to us in an answer to our first message."""
        sa = self._by_cookie.get(cookie_r)
        if sa is not None and not sa.initiator and sa.cookie_i == cookie_i:
            return sa
        sa = self._by_cookie.get(cookie_i)
        if sa is not None and sa.initiator and sa.cookie_r in (cookie_r, NO_COOKIE):
            return sa
        return None

    def of_first(self, local: IPv4Address, peer: IPv4Address, cookie_i: bytes) -> IsakmpSa | None:
        """The SA that a first message, come again, has begun already."""
        return self._by_first.get((local, peer, cookie_i))

    def between(self, ends: Ends) -> list[IsakmpSa]:
        return list(self._of_ends.get(ends, ()))

    def best(self, ends: Ends, profile: str | None) -> IsakmpSa | None:
        """The newest SA that is up, and was made under this ISAKMP profile if one is asked for."""
        best: IsakmpSa | None = None
        for sa in self._of_ends.get(ends, ()):
            if (
                sa.up_at is not None
                and profile in (None, sa.profile)
                and (best is None or best.up_at is None or sa.up_at >= best.up_at)
            ):
                best = sa
        return best

    def initiating(self, ends: Ends, profile: str | None) -> bool:
        """Whether a phase 1 of ours with this peer is under way."""
        return any(
            sa.initiator and sa.up_at is None and profile in (None, sa.profile) for sa in self._of_ends.get(ends, ())
        )

    def has_open_pair(self, ends: Ends) -> bool:
        """Whether a quick mode that is not done has put its inbound SA in place."""
        return any(
            quick.pair is not None and quick.done_at is None
            for sa in self._of_ends.get(ends, ())
            for quick in sa.quick.values()
        )

    # --- beginning --------------------------------------------------------------------------------------------------

    def new_cookie(self) -> bytes:
        while True:
            cookie = self._core.node.random.randbytes(c.COOKIE_OCTETS)
            if cookie != NO_COOKIE and cookie not in self._by_cookie:
                return cookie

    def add(self, sa: IsakmpSa, now: float) -> None:
        self._by_cookie[sa.cookie_i if sa.initiator else sa.cookie_r] = sa
        self._of_ends.setdefault(sa.ends, []).append(sa)
        if not sa.initiator:
            self._by_first[sa.local, sa.peer, sa.cookie_i] = sa
            self.make_room(self.half_open.add(sa), now)
            self._core.node.after("half-open", sa, now + c.HALF_OPEN_S)

    def answered(self, sa: IsakmpSa, now: float) -> None:
        """A responder's peer has sent our cookie back."""
        self.make_room(self.half_open.answered(sa), now)
        self._core.node.after("half-open", sa, now + c.HALF_OPEN_S)

    def make_room(self, victim: IsakmpSa | None, now: float) -> None:
        if victim is not None:
            node = self._core.node
            node.counters["half-open limit"] += 1
            node.log_about(IPv4Address(0), log_text.half_open_limit(self.half_open.limit), now)
            self.drop(victim, now)

    def up(self, sa: IsakmpSa, now: float) -> None:
        """Phase 1 is done."""
        node = self._core.node
        self.half_open.discard(sa)
        node.cancel("half-open", sa)
        node.cancel("retransmission", sa)
        sa.up_at = sa.heard_at = now
        lifetime = sa.policy.lifetime_s if sa.policy is not None else 0
        sa.expires_at = now + lifetime
        node.after("lifetime", sa, sa.expires_at)
        # One end goes first, whoever made which of several.
        first = sa.nat_local or sa.local > sa.peer
        node.after("successor", sa, sa.expires_at - node.rekey_margin(lifetime, first))
        node.cancel("phase 1", sa.ends)
        established = [other for other in self._of_ends[sa.ends] if other.up_at is not None]
        if len(established) > c.MAX_SAS_PER_PEER:
            self.delete(min(established, key=lambda other: other.up_at or 0), "too many SAs", now)

    # --- end --------------------------------------------------------------------------------------------------------

    def delete(self, sa: IsakmpSa, reason: str, now: float, tell: bool = True) -> None:
        """End an SA; `tell`: the peer hears of it, if it is up. What phase 2 has made lives on."""
        node = self._core.node
        if self._by_cookie.get(sa.cookie_i if sa.initiator else sa.cookie_r) is not sa:
            return
        node.say(
            ISAKMP,
            sa.peer,
            'ISAKMP:(%d):deleting SA reason "%s" state (%s) %s (peer %s)',
            sa.connection_id,
            reason,
            sa.role,
            sa.word,
            sa.peer,
        )
        for quick in list(sa.quick.values()):
            quick_exchange.fail(self._core, quick, reason, now)
        if tell and sa.up_at is not None:
            notices.delete_isakmp(self._core, sa, now)
        if sa.connection_id:
            shown = replace(sa.shown(), state="MM_NO_STATE", active=False)
            self._deleted.append((now + c.DELETED_SHOWN_S, shown))
        self.drop(sa, now)

    def drop(self, sa: IsakmpSa, now: float) -> None:
        """Forget an SA without a word."""
        node = self._core.node
        self._by_cookie.pop(sa.cookie_i if sa.initiator else sa.cookie_r, None)
        self._by_first.pop((sa.local, sa.peer, sa.cookie_i), None)
        self.half_open.discard(sa)
        same = self._of_ends.get(sa.ends, [])
        if sa in same:
            same.remove(sa)
            if not same:
                del self._of_ends[sa.ends]
        for reason in ("retransmission", "half-open", "lifetime", "successor", "dpd", "keepalive"):
            node.cancel(reason, sa)
        sa.set_step(node, Step.DESTROYED)

    # --- show -------------------------------------------------------------------------------------------------------

    def shown(self, now: float) -> tuple[Shown, ...]:
        """Those that live, the newest first, then for a while those that were deleted."""
        while self._deleted and self._deleted[0][0] <= now:
            self._deleted.popleft()
        alive = sorted(self, key=lambda sa: (sa.connection_id, sa.created_at), reverse=True)
        return (*(sa.shown() for sa in alive), *(shown for _, shown in reversed(self._deleted)))
