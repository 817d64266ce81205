"""ISAKMP messages: the header and the chain of payloads (RFC 2408 3.1, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from iosish.ike.errors import PacketError
from iosish.ike.payloads import Kind, Payload, decode_body, encode_body

VERSION_1 = 0x10
MAX_MESSAGE = 8192
"""Octets of a message that is read; without certificates IKEv1 needs a tenth of it."""
MAX_PAYLOADS = 48

_HEADER = Struct(">8s8sBBBBII")
HEADER_OCTETS = _HEADER.size
_GENERIC = Struct(">BBH")


class Exchange(IntEnum):
    MAIN = 2
    AGGRESSIVE = 4
    INFORMATIONAL = 5
    TRANSACTION = 6
    QUICK = 32


ENCRYPTED, COMMIT, AUTHENTICATION_ONLY = 1, 2, 4
"""Flags."""


@dataclass(frozen=True, slots=True)
class Header:
    """`exchange` is an Exchange or a number that we do not know."""

    cookie_i: bytes
    cookie_r: bytes
    next_payload: int
    exchange: int
    flags: int
    message_id: int
    version: int = VERSION_1

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & ENCRYPTED)


def is_ikev2(data: bytes) -> bool:
    """Whether a message is of IKE's second version, which this engine does not speak."""
    return len(data) >= HEADER_OCTETS and data[17] >> 4 == 2


def decode_header(data: bytes) -> tuple[Header, bytes]:
    """The header, and what follows it (for an encrypted message: its ciphertext). Raises PacketError."""
    if len(data) < HEADER_OCTETS:
        raise PacketError("shorter than an ISAKMP header")
    if len(data) > MAX_MESSAGE:
        raise PacketError("longer than any ISAKMP message")
    cookie_i, cookie_r, following, version, exchange, flags, message_id, length = _HEADER.unpack_from(data)
    if version >> 4 != 1:
        raise PacketError("another version of IKE")
    if length < HEADER_OCTETS or length > len(data):
        raise PacketError("ISAKMP length does not fit the packet")
    if cookie_i == bytes(8):
        raise PacketError("no initiator cookie")
    header = Header(cookie_i, cookie_r, following, exchange, flags, message_id, version)
    return header, data[HEADER_OCTETS:length]


def encode_header(header: Header, body_octets: int) -> bytes:
    return _HEADER.pack(
        header.cookie_i,
        header.cookie_r,
        header.next_payload,
        header.version,
        header.exchange,
        header.flags,
        header.message_id,
        HEADER_OCTETS + body_octets,
    )


def decode_payloads(first: int, data: bytes, padded: bool = False) -> tuple[Payload, ...]:
    """The chain that begins with a payload of type `first`. Raises PacketError.

    `padded`: what was decrypted may have any padding behind it, also more than a block (as IOS sends it).
    """
    return tuple(payload for payload, _ in split_payloads(first, data, padded))


def split_payloads(first: int, data: bytes, padded: bool = False) -> list[tuple[Payload, bytes]]:
    """As `decode_payloads`, each payload with its body as it was sent. Raises PacketError."""
    found: list[tuple[Payload, bytes]] = []
    at, end, kind = 0, len(data), first
    while kind != Kind.NONE:
        if len(found) == MAX_PAYLOADS:
            raise PacketError("too many payloads")
        if end - at < _GENERIC.size:
            raise PacketError("payload is cut off")
        following, reserved, length = _GENERIC.unpack_from(data, at)
        if reserved or length < _GENERIC.size or at + length > end:
            raise PacketError("payload of a wrong length")
        body = data[at + _GENERIC.size : at + length]
        found.append((decode_body(kind, body), body))
        at += length
        kind = following
    if at != end and not padded:
        raise PacketError("octets behind the last payload")
    return found


def encode_payloads(payloads: tuple[Payload, ...]) -> bytes:
    """The chain, without padding."""
    parts: list[bytes] = []
    last = len(payloads) - 1
    for place, payload in enumerate(payloads):
        body = encode_body(payload)
        following = payloads[place + 1].kind if place < last else Kind.NONE
        parts.append(_GENERIC.pack(following, 0, _GENERIC.size + len(body)))
        parts.append(body)
    return b"".join(parts)


def first_kind(payloads: tuple[Payload, ...]) -> int:
    return payloads[0].kind if payloads else Kind.NONE


def encode(
    cookie_i: bytes,
    cookie_r: bytes,
    exchange: int,
    payloads: tuple[Payload, ...],
    message_id: int = 0,
    flags: int = 0,
) -> bytes:
    """A whole message in clear."""
    body = encode_payloads(payloads)
    header = Header(cookie_i, cookie_r, first_kind(payloads), exchange, flags, message_id)
    return encode_header(header, len(body)) + body


def decode(data: bytes) -> tuple[Header, tuple[Payload, ...]]:
    """A whole message in clear. Raises PacketError."""
    header, body = decode_header(data)
    if header.encrypted:
        raise PacketError("encrypted before there are keys")
    return header, decode_payloads(header.next_payload, body)
