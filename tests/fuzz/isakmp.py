"""ISAKMP messages in clear, and what was decrypted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

from iosish.ike import attributes, payloads
from iosish.ike.errors import PacketError
from iosish.ike.packet import decode, decode_header, decode_payloads, encode_header, encode_payloads, split_payloads
from tests.fuzz import Decoder, spoil
from tests.ike.pcap import ike_frames
from tests.ike.test_captures import IKEV1

VECTORS = Path(__file__).parent.parent / "ike" / "vectors"


def isakmp() -> Decoder:
    """Whole messages in clear."""

    def read(packet: bytes) -> bool:
        try:
            header, found = decode(packet)
            _use(found)
        except PacketError:
            return False
        body = encode_payloads(found)
        assert packet.startswith(encode_header(header, len(body)) + body)
        return True

    def deeper(random: Random, packet: bytes) -> bytes:
        header, body = decode_header(packet)
        first, body = spoil_within(random, header.next_payload, body)
        return encode_header(replace(header, next_payload=first), len(body)) + body

    messages = [frame.message for name in IKEV1 for frame in ike_frames(name)]
    return Decoder([message for message in messages if not decode_header(message)[0].encrypted], read, deeper)


def isakmp_encrypted() -> Decoder:
    """What was decrypted: the first octet says what the chain begins with, padding stands behind it."""
    corpus: list[bytes] = []
    for file in VECTORS.glob("*.json"):
        vector = json.loads(file.read_text())
        plains = [(vector[f"mm{n}_plain"], vector["main_mode"][n - 1]) for n in (5, 6)]
        plains += [
            (vector[f"qm{n}_plain"], message)
            for n, message in enumerate(vector["quick_mode"], 1)
            if f"qm{n}_plain" in vector
        ]
        plains += [(item["plain"], item["message"]) for item in vector.get("informational", ())]
        for plain, message in plains:
            header, _ = decode_header(bytes.fromhex(message))
            corpus.append(bytes((header.next_payload,)) + bytes.fromhex(plain))

    def read(packet: bytes) -> bool:
        try:
            found = decode_payloads(packet[0] if packet else 0, packet[1:], padded=True)
            _use(found)
        except PacketError:
            return False
        assert packet[1:].startswith(encode_payloads(found))
        return True

    def deeper(random: Random, packet: bytes) -> bytes:
        first, chain = spoil_within(random, packet[0], packet[1:])
        return bytes((first,)) + chain

    return Decoder(corpus, read, deeper)


def spoil_within(random: Random, first: int, chain: bytes) -> tuple[int, bytes]:
    """The chain with the body of one payload spoilt, or a whole payload more, less or elsewhere; its first type."""
    bodies = [(int(payload.kind), body) for payload, body in split_payloads(first, chain, padded=True)]
    at = random.randrange(len(bodies))
    kind, body = bodies[at]
    match random.randrange(8):
        case 0:
            bodies.insert(random.randrange(len(bodies) + 1), bodies[at])
        case 1 if len(bodies) > 1:
            del bodies[at]
        case 2:
            bodies[at] = random.randrange(1, 24), body
        case 3:
            random.shuffle(bodies)
        case 4 if kind == payloads.Kind.SA:
            bodies[at] = kind, _with_other_attributes(random, body)
        case 4 if kind == payloads.Kind.NOTIFICATION:
            notification = payloads.decode_body(kind, body)
            assert isinstance(notification, payloads.Notification)
            bodies[at] = kind, payloads.encode_body(replace(notification, data=attributes.encode(_some(random, ()))))
        case _:
            bodies[at] = kind, spoil(random, body, [body for _, body in bodies])
    kinds = [kind for kind, _ in bodies[1:]] + [0]
    parts = [
        bytes((following, 0)) + (4 + len(body)).to_bytes(2, "big") + body
        for following, (_, body) in zip(kinds, bodies, strict=True)
    ]
    return bodies[0][0], b"".join(parts)


def _with_other_attributes(random: Random, body: bytes) -> bytes:
    """One transform of an SA payload with other attributes, of any length."""
    sa = payloads.decode_body(payloads.Kind.SA, body)
    assert isinstance(sa, payloads.Sa)
    proposals = list(sa.proposals)
    at = random.randrange(len(proposals))
    transforms = list(proposals[at].transforms)
    which = random.randrange(len(transforms))
    transforms[which] = replace(transforms[which], attributes=_some(random, transforms[which].attributes))
    proposals[at] = replace(proposals[at], transforms=tuple(transforms))
    return payloads.encode_body(replace(sa, proposals=tuple(proposals)))


def _some(random: Random, there: tuple[attributes.Attribute, ...]) -> tuple[attributes.Attribute, ...]:
    """Those that are there, one of them changed, and maybe a lifetime more."""
    changed = list(there)
    value = random.choice((random.randrange(1 << 16), random.randbytes(random.choice((0, 1, 4, 9, 200, 3000)))))
    if changed and random.randrange(3):
        changed[random.randrange(len(changed))] = attributes.Attribute(random.randrange(1, 20), value)
    else:
        kind, life = random.choice(((11, 12), (1, 2)))
        changed += [attributes.Attribute(kind, random.choice((1, 2))), attributes.Attribute(life, value)]
    return tuple(changed)


def _use(found: tuple[payloads.Payload, ...]) -> None:
    """What an engine does with payloads, short of believing them. Raises PacketError."""
    for payload in found:
        if isinstance(payload, payloads.Identification):
            str(payload)
        elif isinstance(payload, payloads.Sa):
            for proposal in payload.proposals:
                for transform in proposal.transforms:
                    attributes.numbers(transform.attributes)
                    attributes.lifetimes(transform.attributes, 11, 12)
