"""A whole IKE engine: what anybody can send it, and what a peer can that has the key and means no good.

A message that is refused leaves no state, and after a while nothing is left of those that were taken either.
"""

from __future__ import annotations

from itertools import count
from random import Random

from iosish.engine import UdpDatagram
from iosish.ike import dh, keymat
from iosish.ike.attributes import Attribute, EncapsulationMode, EspId, Phase2, Protocol, long
from iosish.ike.config import Cipher, Hash
from iosish.ike.engine import IkeEngine
from iosish.ike.errors import PacketError
from iosish.ike.packet import (
    ENCRYPTED,
    Exchange,
    Header,
    decode,
    decode_header,
    decode_payloads,
    encode_header,
    encode_payloads,
    split_payloads,
)
from iosish.ike.payloads import (
    Delete,
    Identification,
    IdType,
    KeyExchange,
    Kind,
    NatDetection,
    NatOriginalAddress,
    Nonce,
    Notification,
    NotifyType,
    Payload,
    Proposal,
    Sa,
    Transform,
)
from iosish.ike.payloads import Hash as HashPayload
from tests.fuzz import Decoder
from tests.fuzz.isakmp import spoil_within
from tests.ike.link import HUB, SPOKE, config
from tests.ike.pcap import ike_frames
from tests.ike.test_captures import IKEV1, IKEV2
from tests.ike.test_vectors import AES
from tests.ike.test_vectors import Exchange as Recorded

TOPICS = frozenset({"crypto isakmp", "crypto ipsec"})  # of debugging: refusals are told, and all text is made
MESSAGES_UNTIL_FORGOTTEN = 2000
#: Nothing half done lives longer, nor what is shown of what was deleted.
FORGOTTEN_S = 400.0
STEP_S = 0.2
SECRET = b"P4ssw0rd"


class Groups:
    """Diffie-Hellman that costs nothing: the only value is the secret too."""

    public = b"\x02" * 128

    def begin(self, group: int) -> dh.Exchange:
        return self

    def shared(self, peer: bytes) -> bytes:
        if len(peer) != len(self.public):
            raise PacketError("public value of a wrong length")
        return self.public


class Hub:
    """An engine that only answers, and forgets everything now and then."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.engine = IkeEngine(Random(1), Groups(), TOPICS)
        self.engine.configure(config(HUB), self.now)
        self.sent: list[bytes] = []  # since the last message came
        self._until_forgotten = MESSAGES_UNTIL_FORGOTTEN

    def receive(self, message: bytes, port: int = 500) -> bool:
        """Whether the engine did not refuse it."""
        self._until_forgotten -= 1
        if not self._until_forgotten:
            self.forget()
        self.now += STEP_S
        self.sent.clear()
        before = self.sas()
        self.engine.receive(UdpDatagram(HUB, port, SPOKE, port, message), self.now)
        refused = any("refused" in getattr(event, "text", "") for event in self.engine.events())
        if refused:
            assert self.sas() == before, "what was refused has left something"
        self.engine.wake(self.now)
        self._take()
        return not refused

    def sas(self) -> tuple[list[tuple[int, str, bool]], list[tuple[int, int]]]:
        state = self.engine.state(self.now)
        return (
            [(sa.connection_id, sa.state, sa.active) for sa in state.isakmp],
            [(len(flow.inbound), len(flow.outbound)) for flow in state.flows],
        )

    @property
    def up(self) -> bool:
        return any(state == "QM_IDLE" and active for _, state, active in self.sas()[0])

    def forget(self) -> None:
        """What is half done ends by itself, what is up by `clear crypto session`; then nothing is left."""
        self._until_forgotten = MESSAGES_UNTIL_FORGOTTEN
        self._wait()
        assert {state for _, state, _ in self.sas()[0]} <= {"QM_IDLE"}
        self.engine.clear_session(None, self.now)
        self._wait()
        assert self.sas() == ([], [])

    def _wait(self) -> None:
        end = self.now + FORGOTTEN_S
        while (wake := self.engine.next_wake()) is not None and wake[0] <= end:
            self.now = max(self.now, wake[0])
            self.engine.wake(self.now)
            self._take()
        self.now = end

    def _take(self) -> None:
        self.sent += [datagram.payload for datagram in self.engine.datagrams() if datagram.payload]
        self.engine.changes()
        self.engine.events()


class Insider:
    """The initiator of a main mode, step by step. Proofs are right for whatever they are about."""

    def __init__(self, hub: Hub, cookie: bytes) -> None:
        self.hub = hub
        self.cookies = cookie + bytes(8)

    def begin(self, step: int) -> bool:
        """All messages before `step` of MESSAGES; whether the hub answered as it should."""
        if step > 0:
            self.send(0, *MESSAGES[0])
            if (answer := self._answer(Exchange.MAIN)) is None:
                return False
            self.cookies = self.cookies[:8] + decode_header(answer)[0].cookie_r
        if step > 1:
            self.send(1, *MESSAGES[1])
            if (answer := self._answer(Exchange.MAIN)) is None:
                return False
            nonces = MM3_NONCE + next(p.value for p in decode(answer)[1] if isinstance(p, Nonce))
            skeyid = keymat.skeyid_of_secret(Hash.SHA1, SECRET, nonces)
            self.keys = keymat.derive(Hash.SHA1, Cipher.AES, 128, skeyid, Groups.public, self.cookies)
            self.last_block = keymat.phase1_iv(self.keys, Groups.public, Groups.public)
        if step > 2:
            self.send(2, *MESSAGES[2])
            if (answer := self._answer(Exchange.MAIN)) is None:
                return False
            self.last_block = answer[-16:]
        return True

    def send(self, step: int, first: int, chain: bytes, message_id: int = 1) -> bool:
        """A message of this step; whether the hub did not refuse it."""
        if step < 2:
            return self._send(Exchange.MAIN, 0, 0, first, chain)
        if step == 2:
            return self._send(
                Exchange.MAIN, ENCRYPTED, 0, first, self._encrypt(self.last_block, self._proven(first, chain))
            )
        rest = chain.replace(COOKIES, self.cookies)
        iv = keymat.phase2_iv(self.keys, self.last_block, message_id)
        sealed = self._encrypt(iv, _hashed(keymat.hash_1(self.keys, message_id, rest), first, rest))
        if step == 4:
            return self._send(Exchange.INFORMATIONAL, ENCRYPTED, message_id, Kind.HASH, sealed)
        taken = self._send(Exchange.QUICK, ENCRYPTED, message_id, Kind.HASH, sealed)
        answer = self._answer(Exchange.QUICK, message_id)
        if answer is not None:
            self._finish(message_id, first, rest, sealed[-16:], answer)
        return taken

    def _finish(self, message_id: int, first: int, rest: bytes, iv: bytes, answer: bytes) -> None:
        """Message 3 of quick mode."""
        plain = self.keys.cipher.decrypt(iv, decode_header(answer)[1])
        chains = decode_payloads(first, rest, padded=True), decode_payloads(Kind.HASH, plain, padded=True)
        nonces = b"".join(next(p.value for p in chain if isinstance(p, Nonce)) for chain in chains)
        sealed = self._encrypt(answer[-16:], _hashed(keymat.hash_3(self.keys, message_id, nonces), 0, b""))
        assert self._send(Exchange.QUICK, ENCRYPTED, message_id, Kind.HASH, sealed)

    def _proven(self, first: int, chain: bytes) -> bytes:
        try:
            found = split_payloads(first, chain, padded=True)
        except PacketError:
            return chain
        id_body = next((body for payload, body in found if isinstance(payload, Identification)), b"")
        publics = Groups.public, Groups.public
        proof = keymat.phase1_hash(Hash.SHA1, self.keys.skeyid, *publics, self.cookies, MM1_SA_BODY, id_body)
        return chain.replace(MM5_PROOF, proof)

    def _encrypt(self, iv: bytes, chain: bytes) -> bytes:
        return self.keys.cipher.encrypt(iv, chain)

    def _answer(self, exchange: Exchange, message_id: int = 0) -> bytes | None:
        for message in self.hub.sent:
            header, _ = decode_header(message)
            if (header.cookie_i, header.exchange, header.message_id) == (self.cookies[:8], exchange, message_id):
                return message
        return None

    def _send(self, exchange: Exchange, flags: int, message_id: int, first: int, body: bytes) -> bool:
        header = Header(self.cookies[:8], self.cookies[8:], first, exchange, flags, message_id)
        port = 4500 if flags else 500  # its NAT-D says that there are NATs
        return self.hub.receive(encode_header(header, len(body)) + body, port)


def _hashed(proof: bytes, first: int, rest: bytes) -> bytes:
    return bytes((first, 0, 0, 4 + len(proof))) + proof + rest


def _chain(*payloads: Payload) -> tuple[int, bytes]:
    return payloads[0].kind, encode_payloads(payloads)


def _quick_mode(mode: EncapsulationMode, *more: Payload, pfs: tuple[Attribute, ...] = ()) -> tuple[int, bytes]:
    attributes = (
        *pfs,
        Attribute(Phase2.MODE, mode),
        Attribute(Phase2.LIFE_TYPE, 1),
        Attribute(Phase2.LIFE_DURATION, 3600),
        Attribute(Phase2.LIFE_TYPE, 2),
        long(Phase2.LIFE_DURATION, 4608000),
        Attribute(Phase2.AUTHENTICATION, 2),
        Attribute(Phase2.KEY_LENGTH, 128),
    )
    esp = Proposal(1, Protocol.ESP, b"\1\2\3\4", (Transform(1, EspId.AES_CBC, attributes),))
    ends = (Identification(IdType.IPV4, 47, 0, end.packed) for end in (SPOKE, HUB))
    return _chain(Sa((esp,)), Nonce(MM3_NONCE), *ends, *more)


_RECORDED = Recorded(*AES)
MM1_SA_BODY = _RECORDED.sa_body
MM3_NONCE = bytes(range(20))
MM5_PROOF = b"where HASH_I goes to"
COOKIES = b"where cookies go"
MESSAGES = (
    (int(Kind.SA), decode_header(_RECORDED.messages[0])[1]),
    _chain(KeyExchange(Groups.public), Nonce(MM3_NONCE), *[NatDetection(Kind.NAT_D, bytes(20))] * 2),
    _chain(
        Identification(IdType.IPV4, 17, 500, SPOKE.packed),
        HashPayload(MM5_PROOF),
        Notification(Protocol.ISAKMP, b"", NotifyType.INITIAL_CONTACT),
    ),
)
"""Messages 1, 3 and 5 of main mode: the first payload's type, and the chain."""

QUICK_MODES = (
    _quick_mode(EncapsulationMode.UDP_TUNNEL),
    _quick_mode(EncapsulationMode.TUNNEL, NatOriginalAddress(Kind.NAT_OA, IdType.IPV4, SPOKE.packed)),
    _quick_mode(EncapsulationMode.UDP_TUNNEL, KeyExchange(Groups.public), pfs=(Attribute(Phase2.GROUP, 2),)),
)
INFORMATIONALS = (
    _chain(Notification(Protocol.ISAKMP, COOKIES, NotifyType.R_U_THERE, b"\0\0\0\1")),
    _chain(Notification(Protocol.ISAKMP, COOKIES, NotifyType.R_U_THERE_ACK, b"\0\0\0\1")),
    _chain(Notification(Protocol.ESP, b"\1\2\3\4", NotifyType.INVALID_SPI, b"\1\2\3\4")),
    _chain(Notification(Protocol.ESP, b"\1\2\3\4", NotifyType.RESPONDER_LIFETIME, bytes.fromhex("80010001800200ff"))),
    _chain(Notification(Protocol.ISAKMP, b"", NotifyType.INITIAL_CONTACT)),
    _chain(Delete(Protocol.ESP, 4, (b"\1\2\3\4",) * 3)),
    _chain(Delete(Protocol.ISAKMP, 16, (COOKIES,))),
)


def ike() -> Decoder:
    """Whatever arrives at port 500 without a key, of both versions of IKE."""
    hub = Hub()

    def deeper(random: Random, message: bytes) -> bytes:
        if message[17] >> 4 != 1 or message[19] & ENCRYPTED:
            return message
        header, body = decode_header(message)
        first, body = spoil_within(random, header.next_payload, body)
        cookie = random.randbytes(8)
        return encode_header(Header(cookie, header.cookie_r, first, header.exchange, 0, 0), len(body)) + body

    messages = [frame.message for name in (*IKEV1, *IKEV2) for frame in ike_frames(name)]
    return Decoder(messages, hub.receive, deeper)


def ike_insider() -> Decoder:
    """Messages of a peer that has the key: octet 0 says which step, octet 1 the first payload's type."""
    hub = Hub()
    numbers = count(1)  # for cookies and message ids: never the same again
    standing: list[Insider] = []  # whose SA is up

    def read(packet: bytes) -> bool:
        if len(packet) < 2:
            return False
        step, first, chain = packet[0] % 5, packet[1], packet[2:]
        if step > 2 and hub.up and standing:
            return standing[0].send(step, first, chain, next(numbers))
        peer = Insider(hub, next(numbers).to_bytes(8, "big"))
        if not peer.begin(step):
            return False
        if step > 2:
            standing[:] = [peer]
        return peer.send(step, first, chain, next(numbers))

    def deeper(random: Random, packet: bytes) -> bytes:
        first, chain = spoil_within(random, packet[1], packet[2:])
        return bytes((packet[0], first)) + chain

    chains = [*enumerate(MESSAGES), *((3, item) for item in QUICK_MODES), *((4, item) for item in INFORMATIONALS)]
    return Decoder([bytes((step, first)) + chain for step, (first, chain) in chains], read, deeper)
