"""One ISAKMP SA, from its first message to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from iosish.engine import UdpDatagram
from iosish.ike import state
from iosish.ike.config import Keepalive, Policy
from iosish.ike.dh import Exchange
from iosish.ike.keymat import Keys
from iosish.ike.node import ISAKMP, Node
from iosish.ike.vendor import NatT

if TYPE_CHECKING:
    from iosish.ike.quick_exchange import QuickMode


class Step(Enum):
    """Where phase 1 stands; the value is IOS's name in `debug crypto isakmp`."""

    READY = "IKE_READY"
    I_MM1 = "IKE_I_MM1"
    I_MM2 = "IKE_I_MM2"
    I_MM3 = "IKE_I_MM3"
    I_MM4 = "IKE_I_MM4"
    I_MM5 = "IKE_I_MM5"
    I_MM6 = "IKE_I_MM6"
    R_MM1 = "IKE_R_MM1"
    R_MM2 = "IKE_R_MM2"
    R_MM3 = "IKE_R_MM3"
    R_MM4 = "IKE_R_MM4"
    R_MM5 = "IKE_R_MM5"
    I_AM1 = "IKE_I_AM1"
    R_AM1 = "IKE_R_AM_AAA_AWAIT"
    R_AM2 = "IKE_R_AM2"
    COMPLETE = "IKE_P1_COMPLETE"
    DESTROYED = "IKE_DEST_SA"


#: `show crypto isakmp sa`, by step.
WORDS = {
    Step.READY: "MM_NO_STATE",
    Step.I_MM1: "MM_NO_STATE",
    Step.I_MM2: "MM_NO_STATE",
    Step.I_MM3: "MM_SA_SETUP",
    Step.I_MM4: "MM_SA_SETUP",
    Step.I_MM5: "MM_KEY_EXCH",
    Step.I_MM6: "MM_KEY_AUTH",
    Step.R_MM1: "MM_NO_STATE",
    Step.R_MM2: "MM_SA_SETUP",
    Step.R_MM3: "MM_SA_SETUP",
    Step.R_MM4: "MM_KEY_EXCH",
    Step.R_MM5: "MM_KEY_AUTH",
    Step.I_AM1: "AG_INIT_EXCH",
    Step.R_AM1: "AG_NO_STATE",
    Step.R_AM2: "AG_INIT_EXCH",
    Step.COMPLETE: "QM_IDLE",
    Step.DESTROYED: "MM_NO_STATE",
}

_IN, _OUT = "IKE_MESG_FROM_PEER, IKE_%s_EXCH", "IKE_MESG_INTERNAL, IKE_PROCESS_COMPLETE"
#: What led to a step, as IOS's state machine calls it.
INPUTS = {
    Step.I_MM1: "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_MM",
    Step.I_AM1: "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_AM",
    **dict.fromkeys((Step.I_MM2, Step.I_MM4, Step.I_MM6, Step.R_MM1, Step.R_MM3, Step.R_MM5), _IN % "MM"),
    **dict.fromkeys((Step.I_MM3, Step.I_MM5, Step.R_MM2, Step.R_MM4, Step.COMPLETE), _OUT),
    Step.R_AM1: _IN % "AM",
    Step.R_AM2: "IKE_MESG_FROM_AAA, PRESHARED_KEY_REPLY",
    Step.DESTROYED: "IKE_MESG_INTERNAL, IKE_PHASE1_DEL",
}


@dataclass(slots=True, eq=False)
class Negotiation:
    """What phase 1 needs until it is done, and nobody afterwards.

    `offered` are the policies that we proposed, `sa_body` the body of the initiator's SA payload. `own` is our half of
    the exchange, `shared` the secret that came of it.
    `busy`: a message waits for Diffie-Hellman. `spoilt`: messages for which that was in vain. `shortened`: as the
    responder, we let the SA live less long than the peer asked for, and it is told. `forced`: encapsulation in UDP is
    asked for. `refused`: the last message that was no good, said once. `id_body`: in aggressive mode, who the
    initiator says it is.
    """

    offered: tuple[Policy, ...] = ()
    sa_body: bytes = b""
    forced: bool = False
    shortened: bool = False
    secret: bytes = field(default=b"", repr=False)
    own: Exchange | None = field(default=None, repr=False)
    shared: bytes = field(default=b"", repr=False)
    public_i: bytes = b""
    public_r: bytes = b""
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    id_body: bytes = b""
    busy: bool = False
    spoilt: int = 0
    refused: bytes = b""


@dataclass(slots=True, eq=False)
class IsakmpSa:
    """`local_port` and `peer_port` follow the peer's authenticated messages.

    `keys` are there from the moment messages are encrypted; `last_block` is the last cipher block of phase 1.
    `received` is the last message that was taken, `sent` what answered it. `heard_at`: when the peer last proved to
    be there.
    """

    initiator: bool
    local: IPv4Address
    local_port: int
    peer: IPv4Address
    peer_port: int
    cookie_i: bytes
    cookie_r: bytes
    created_at: float
    aggressive: bool = False
    step: Step = Step.READY
    negotiation: Negotiation | None = None
    connection_id: int = 0
    policy: Policy | None = None
    keys: Keys | None = field(default=None, repr=False)
    last_block: bytes = field(default=b"", repr=False)
    up_at: float | None = None
    expires_at: float | None = None
    peer_identity: str | None = None
    profile: str | None = None
    natt: NatT | None = None
    nat_local: bool = False
    nat_peer: bool = False
    sent: UdpDatagram | None = None
    sent_times: int = 0
    sent_at: float = 0.0
    received: bytes = b""
    answered_times: int = 0
    peer_dpd: bool = False
    keepalive: Keepalive | None = None
    dpd_sequence: int = 0
    dpd_asked: int = 0
    dpd_tries: int = 0
    dpd_seen: int | None = None
    heard_at: float = 0.0
    quick: dict[int, QuickMode] = field(default_factory=dict)
    message_ids: set[int] = field(default_factory=set)

    @property
    def ends(self) -> tuple[IPv4Address, IPv4Address]:
        return self.local, self.peer

    @property
    def nat(self) -> bool:
        return self.nat_local or self.nat_peer

    @property
    def role(self) -> str:
        return "I" if self.initiator else "R"

    @property
    def word(self) -> str:
        """The state as `show crypto isakmp sa` has it."""
        return WORDS[self.step]

    def set_step(self, node: Node, step: Step) -> None:
        """The only place that changes it; says so as IOS does."""
        node.say(ISAKMP, self.peer, "ISAKMP:(%d):Input = %s", self.connection_id, INPUTS.get(step, step.value))
        node.say(
            ISAKMP,
            self.peer,
            "ISAKMP:(%d):Old State = %s  New State = %s",
            self.connection_id,
            self.step.value,
            step.value,
        )
        self.step = step

    def shown(self) -> state.IsakmpSa:
        """As a value for `show`."""
        policy = self.policy
        return state.IsakmpSa(
            connection_id=self.connection_id,
            local=self.local,
            local_port=self.local_port,
            peer=self.peer,
            peer_port=self.peer_port,
            initiator=self.initiator,
            state=self.word,
            active=True,
            created_at=self.created_at,
            expires_at=self.expires_at,
            cipher=policy.cipher if policy else None,
            key_bits=policy.key_bits if policy else 0,
            hash=policy.hash if policy else None,
            authentication=policy.authentication if policy else None,
            group=policy.group if policy else 0,
            lifetime_s=policy.lifetime_s if policy else 0,
            capabilities=("D" if self.keepalive and self.peer_dpd else "") + ("N" if self.nat else ""),
            peer_identity=self.peer_identity,
            profile=self.profile,
            keepalive=self.keepalive,
            nat_local=self.nat_local,
            nat_peer=self.nat_peer,
        )
