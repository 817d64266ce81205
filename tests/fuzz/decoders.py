"""The decoders that face the network, each with the packets that are spoilt for it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

from iosish.ike import attributes, payloads
from iosish.ike.errors import PacketError
from iosish.ike.packet import decode, decode_header, decode_payloads
from tests.fuzz import Decoder
from tests.fuzz.esp import esp, esp_decrypted
from tests.ike.pcap import ike_frames
from tests.ike.test_captures import IKEV1

VECTORS = Path(__file__).parent.parent / "ike" / "vectors"


def isakmp() -> Decoder:
    """Whole messages in clear."""

    def read(packet: bytes) -> bool:
        try:
            _use(decode(packet)[1])
        except PacketError:
            return False
        return True

    return Decoder([frame.message for name in IKEV1 for frame in ike_frames(name)], read)


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
            _use(decode_payloads(packet[0] if packet else 0, packet[1:], padded=True))
        except PacketError:
            return False
        return True

    return Decoder(corpus, read)


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
        assert payloads.decode_body(payload.kind, payloads.encode_body(payload)) == payload


DECODERS: dict[str, Callable[[], Decoder]] = {
    "isakmp": functools.cache(isakmp),
    "isakmp-encrypted": functools.cache(isakmp_encrypted),
    "esp": functools.cache(esp),
    "esp-decrypted": functools.cache(esp_decrypted),
}
