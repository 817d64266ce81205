"""Dead peer detection, both roles (RFC 3706): periodic, or on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import notices
from iosish.ike.attributes import Protocol
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.node import ISAKMP
from iosish.ike.payloads import Notification, NotifyType, Payload

if TYPE_CHECKING:
    from iosish.ike.core import Core

SEQUENCE_OCTETS = 4
WINDOW = 1 << 31
_KINDS = frozenset({NotifyType.R_U_THERE, NotifyType.R_U_THERE_ACK})


def start(core: Core, sa: IsakmpSa, now: float) -> None:
    """An SA is up: ask periodically if so configured."""
    sa.dpd_sequence = core.node.random.getrandbits(31)
    if sa.keepalive is not None and sa.peer_dpd and sa.keepalive.periodic:
        core.node.after("dpd", sa, now + sa.keepalive.interval_s)


def used(core: Core, sa: IsakmpSa, sent: bool, received: bool, now: float) -> None:
    """Packets went by the SAs of this peer; on demand one asks when they only go and nothing comes."""
    if received:
        heard(core, sa, now)
    elif (
        sent
        and sa.keepalive is not None
        and sa.peer_dpd
        and not sa.keepalive.periodic
        and not sa.dpd_tries
        and now - sa.heard_at >= sa.keepalive.interval_s
    ):
        _ask(core, sa, now)


def doubted(core: Core, sa: IsakmpSa, now: float) -> None:
    """A quick mode is not answered: packets that should go cannot, so on demand one asks."""
    if sa.keepalive is not None and sa.peer_dpd and not sa.keepalive.periodic and not sa.dpd_tries:
        _ask(core, sa, now)


def heard(core: Core, sa: IsakmpSa, now: float) -> None:
    """The peer is there: by anything that only it can have sent."""
    sa.heard_at = now
    if sa.dpd_tries:
        sa.dpd_tries = 0
        core.node.cancel("dpd", sa)
        if sa.keepalive is not None and sa.keepalive.periodic:
            core.node.after("dpd", sa, now + sa.keepalive.interval_s)


def due(core: Core, sa: IsakmpSa, now: float) -> None:
    """The interval is over, or an answer did not come."""
    if sa.dpd_tries > c.DPD_RETRIES:
        core.node.say(ISAKMP, sa.peer, "ISAKMP:(%d):peer %s not responding!", sa.connection_id, sa.peer)
        core.peer_dead(sa, now)
    elif sa.keepalive is not None and not sa.dpd_tries and core.sas.best(sa.ends, None) is not sa:
        core.node.after("dpd", sa, now + sa.keepalive.interval_s)  # a newer SA of this peer asks for all of them
    else:
        _ask(core, sa, now)


def _ask(core: Core, sa: IsakmpSa, now: float) -> None:
    if sa.keepalive is None:
        return
    sa.dpd_tries += 1
    sa.dpd_asked += 1
    sa.dpd_sequence = (sa.dpd_sequence + 1) & 0xFFFFFFFF
    core.node.say(
        ISAKMP,
        sa.peer,
        "ISAKMP:(%d):DPD/R_U_THERE sent to peer %s (seq 0x%X)",
        sa.connection_id,
        sa.peer,
        sa.dpd_sequence,
    )
    _send(core, sa, NotifyType.R_U_THERE, sa.dpd_sequence, now)
    core.node.after("dpd", sa, now + sa.keepalive.retry_s)


def is_alone(payloads: tuple[Payload, ...]) -> bool:
    """Whether a message is of DPD, and of nothing else."""
    return len(payloads) == 1 and isinstance(payloads[0], Notification) and payloads[0].type in _KINDS


def is_new(sa: IsakmpSa, payload: Payload) -> bool:
    """Whether the peer sent it just now, by its number: a question after the last one, or an answer that is awaited."""
    if not isinstance(payload, Notification) or not _fits(sa, payload):
        return False
    sequence = _sequence(payload)
    if payload.type == NotifyType.R_U_THERE:
        return not _is_ours(sa, sequence) and (sa.dpd_seen is None or 0 < _after(sequence, sa.dpd_seen) < WINDOW)
    return _after(sa.dpd_sequence, sequence) < sa.dpd_tries


def receive(core: Core, sa: IsakmpSa, payload: Notification, now: float) -> None:
    """A question is answered if it is new, or the last one, whose answer was lost; of an answer there is no more to do
    than to have heard it."""
    counters = core.node.counters
    if not _fits(sa, payload):
        counters["bad DPD message"] += 1
        return
    sequence = _sequence(payload)
    if payload.type != NotifyType.R_U_THERE:
        if sequence != sa.dpd_sequence:
            counters["bad DPD message"] += 1
        return
    if is_new(sa, payload):
        sa.dpd_seen = sequence
    elif sequence != sa.dpd_seen or not core.node.notifies.allows((sa.peer, "DPD"), now):
        counters["DPD replay"] += 1
        return
    core.node.say(
        ISAKMP,
        sa.peer,
        "ISAKMP:(%d):DPD/R_U_THERE received from peer %s, sequence 0x%X",
        sa.connection_id,
        sa.peer,
        sequence,
    )
    _send(core, sa, NotifyType.R_U_THERE_ACK, sequence, now)


def _fits(sa: IsakmpSa, payload: Notification) -> bool:
    return len(payload.data) == SEQUENCE_OCTETS and payload.spi in (b"", sa.cookie_i + sa.cookie_r)


def _sequence(payload: Notification) -> int:
    return int.from_bytes(payload.data, "big")


def _is_ours(sa: IsakmpSa, sequence: int) -> bool:
    """Whether we have asked with this number: the question that came is our own, sent back to us."""
    return _after(sa.dpd_sequence, sequence) < sa.dpd_asked


def _after(later: int, earlier: int) -> int:
    return (later - earlier) % (1 << 32)


def _send(core: Core, sa: IsakmpSa, kind: NotifyType, sequence: int, now: float) -> None:
    cookies = sa.cookie_i + sa.cookie_r
    payload = Notification(Protocol.ISAKMP, cookies, kind, sequence.to_bytes(SEQUENCE_OCTETS, "big"))
    notices.send(core, sa, (payload,), now, numbered=True)
