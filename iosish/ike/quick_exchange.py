"""What both ends of a quick mode have in common: its state, its sending, its end (RFC 2409 5.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike import debug_text, messages, retransmission
from iosish.ike.config import CryptoMap
from iosish.ike.dh import Exchange as DhExchange
from iosish.ike.errors import PacketError
from iosish.ike.events import Flow
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.messages import one
from iosish.ike.node import ISAKMP
from iosish.ike.packet import Exchange
from iosish.ike.pairs import Pair
from iosish.ike.payloads import Identification, IdType, Nonce, Payload
from iosish.ike.work import Job

if TYPE_CHECKING:
    from iosish.ike.core import Core

QM_READY, QM_I_QM1, QM_SPI_STARVE = "IKE_QM_READY", "IKE_QM_I_QM1", "IKE_QM_SPI_STARVE"
QM_R_QM2, QM_COMPLETE = "IKE_QM_R_QM2", "IKE_QM_PHASE2_COMPLETE"
#: What led to a step, as IOS's state machine calls it.
INPUTS = {
    QM_I_QM1: "IKE_MESG_INTERNAL, IKE_INIT_QM",
    QM_SPI_STARVE: "IKE_MESG_FROM_PEER, IKE_QM_EXCH",
    QM_R_QM2: "IKE_MESG_INTERNAL, IKE_GOT_SPI",
    QM_COMPLETE: "IKE_MESG_FROM_PEER, IKE_QM_EXCH",
}


@dataclass(slots=True, eq=False)
class QuickMode:
    """One exchange under its own message id. `spi` is ours; `pair` is there once both ends have agreed.

    `iv` is that of the next message, `done_at` when it ended; it is kept a while to answer what comes again.
    """

    sa: IsakmpSa
    message_id: int
    initiator: bool
    flow: Flow
    crypto_map: CryptoMap
    spi: int
    iv: bytes
    step: str = QM_READY
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    own: DhExchange | None = field(default=None, repr=False)
    pair: Pair | None = None
    busy: bool = False
    done_at: float | None = None
    received: bytes = b""
    sent: UdpDatagram | None = None
    sent_times: int = 0
    sent_at: float = 0.0
    answered_times: int = 0

    @property
    def peer(self) -> IPv4Address:
        return self.sa.peer

    @property
    def spis(self) -> tuple[int, ...]:
        """Ours, and the peer's once it is known."""
        return (self.spi,) if self.pair is None else (self.spi, self.pair.outbound.spi)

    def set_step(self, core: Core, step: str) -> None:
        core.node.say(
            ISAKMP,
            self.peer,
            "ISAKMP:(%d):Node %d, Input = %s",
            self.sa.connection_id,
            self.message_id,
            INPUTS[step],
        )
        core.node.say(
            ISAKMP,
            self.peer,
            "ISAKMP:(%d):Old State = %s  New State = %s",
            self.sa.connection_id,
            self.step,
            step,
        )
        self.step = step


def fail(core: Core, quick: QuickMode, reason: str, now: float) -> None:
    """An exchange came to nothing, or its ISAKMP SA has ended."""
    if abandon(core, quick, now):
        core.node.counters["quick modes failed"] += 1
        core.node.say(
            ISAKMP,
            quick.peer,
            'ISAKMP:(%d):deleting node %d error TRUE reason "%s"',
            quick.sa.connection_id,
            quick.message_id,
            reason,
        )
        if quick.initiator:
            core.flows.quick_failed(quick, reason, now)


def abandon(core: Core, quick: QuickMode, now: float) -> bool:
    """Forget an exchange, and what it had put in place if it was not done. False: it was done."""
    quick.sa.quick.pop(quick.message_id, None)
    retransmission.stop(core.node, quick)
    core.node.cancel("quick mode", quick)
    if quick.done_at is not None:
        return False
    quick.done_at = now
    if quick.pair is not None:
        core.pairs.settle(quick.pair)
        core.pairs.withdraw(quick.pair.inbound)
    core.pairs.free_spi(quick.spi)
    return True


def commit(core: Core, quick: QuickMode, now: float) -> None:
    """A responder knows that the initiator has the SAs: by message 3, or by a packet that came by them."""
    if quick.done_at is not None or quick.pair is None:
        return
    if core.pairs.outbound(quick.peer, quick.pair.outbound.spi) is not None:
        fail(core, quick, "SPI is in use", now)  # another exchange with the same one was faster
    else:
        finish(core, quick, now)


def finish(core: Core, quick: QuickMode, now: float) -> None:
    if quick.pair is None:
        return
    quick.done_at = now
    retransmission.stop(core.node, quick)
    core.pairs.settle(quick.pair)
    core.node.after("quick mode", quick, now + c.DONE_KEPT_S)
    quick.set_step(core, QM_COMPLETE)
    core.node.say(
        ISAKMP,
        quick.peer,
        'ISAKMP:(%d):deleting node %d error FALSE reason "No Error"',
        quick.sa.connection_id,
        quick.message_id,
    )
    core.flows.pair_up(quick.pair, now)


def work(core: Core, quick: QuickMode, group: int, job: Job, now: float) -> bool:
    def run(now: float) -> None:
        quick.busy = False
        if quick.done_at is None:
            try:
                job(now)
            except PacketError as error:
                core.refused(quick.peer, error, now)
                fail(core, quick, error.reason, now)

    quick.busy = core.work.add(group, run, now)
    return quick.busy


def send(
    core: Core, quick: QuickMode, digest: bytes, first: int, rest: bytes, now: float, expects_answer: bool
) -> None:
    sa = quick.sa
    data, quick.iv = messages.protect(sa, Exchange.QUICK, quick.message_id, quick.iv, digest, first, rest)
    debug_text.sending(core.node, sa)
    datagram = UdpDatagram(sa.local, sa.local_port, sa.peer, sa.peer_port, data)
    retransmission.send(core.node, quick, datagram, now, expects_answer)


def host(address: IPv4Address) -> Identification:
    """GRE of one host: what both ends say in either mode."""
    return Identification(IdType.IPV4, c.GRE, 0, address.packed)


def hosts(identities: list[Identification]) -> tuple[IPv4Address, IPv4Address] | None:
    """The two hosts that GRE is between; None where they say anything else."""
    if len(identities) != 2 or any(item.protocol != c.GRE or item.port for item in identities):
        return None
    initiator, responder = (item.address() for item in identities)
    return None if initiator is None or responder is None else (initiator, responder)


def nonce_of(payloads: tuple[Payload, ...]) -> bytes:
    nonce = one(payloads, Nonce).value
    if not c.SHORTEST_NONCE <= len(nonce) <= c.LONGEST_NONCE:
        raise PacketError("nonce of a wrong length")
    return nonce
