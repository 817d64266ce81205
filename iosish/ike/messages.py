"""Messages of one ISAKMP SA: in clear, encrypted in phase 1, and protected by a hash in phase 2."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TypeVar

from iosish.engine import UdpDatagram
from iosish.ike import packet
from iosish.ike.errors import PacketError
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.keymat import Keys
from iosish.ike.packet import ENCRYPTED, Exchange, Header
from iosish.ike.payloads import Hash, Kind, Payload

P = TypeVar("P", bound=Payload)
GENERIC_OCTETS = 4


@dataclass(slots=True)
class Received:
    """A message with its header read; `body` is what follows the header."""

    datagram: UdpDatagram
    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A message of phase 2, decrypted: its hash, all that the hash covers, and the IV of what comes next."""

    hash: bytes
    rest: bytes
    payloads: tuple[Payload, ...]
    iv: bytes

    def check(self, expected: bytes) -> None:
        """Raises PacketError when the hash is another."""
        if not hmac.compare_digest(self.hash, expected):
            raise PacketError("hash does not fit")


def one(payloads: tuple[Payload, ...], kind: type[P]) -> P:
    """The only payload of its kind. Raises PacketError."""
    found = [payload for payload in payloads if isinstance(payload, kind)]
    if len(found) != 1:
        raise PacketError(f"{'no' if not found else 'more than one'} {kind.__name__} payload")
    return found[0]


def at_most_one(payloads: tuple[Payload, ...], kind: type[P]) -> P | None:
    """Raises PacketError for more."""
    return one(payloads, kind) if any(isinstance(payload, kind) for payload in payloads) else None


def all_of(payloads: tuple[Payload, ...], kind: type[P]) -> list[P]:
    return [payload for payload in payloads if isinstance(payload, kind)]


def keys_of(sa: IsakmpSa) -> Keys:
    if sa.keys is None:
        raise PacketError("encrypted before there are keys")
    return sa.keys


# --- phase 1 --------------------------------------------------------------------------------------------------------


def clear(sa: IsakmpSa, payloads: tuple[Payload, ...]) -> bytes:
    exchange = Exchange.AGGRESSIVE if sa.aggressive else Exchange.MAIN
    return packet.encode(sa.cookie_i, sa.cookie_r, exchange, payloads)


def open_clear(message: Received) -> list[tuple[Payload, bytes]]:
    """Each payload of a message in clear, with its body as it was sent. Raises PacketError."""
    if message.header.encrypted:
        raise PacketError("encrypted before there are keys")
    return packet.split_payloads(message.header.next_payload, message.body)


def seal(sa: IsakmpSa, payloads: tuple[Payload, ...]) -> bytes:
    """A message of phase 1, encrypted; moves on `last_block`."""
    keys = keys_of(sa)
    exchange = Exchange.AGGRESSIVE if sa.aggressive else Exchange.MAIN
    sealed = keys.cipher.encrypt(sa.last_block, packet.encode_payloads(payloads))
    sa.last_block = sealed[-keys.cipher.block :]
    header = Header(sa.cookie_i, sa.cookie_r, packet.first_kind(payloads), exchange, ENCRYPTED, 0)
    return packet.encode_header(header, len(sealed)) + sealed


def unseal(sa: IsakmpSa, message: Received) -> tuple[list[tuple[Payload, bytes]], bytes]:
    """The payloads with their bodies, and what `last_block` is once they are believed. Raises PacketError."""
    keys = keys_of(sa)
    plain = keys.cipher.decrypt(sa.last_block, message.body)
    return packet.split_payloads(message.header.next_payload, plain, padded=True), message.body[-keys.cipher.block :]


# --- phase 2 --------------------------------------------------------------------------------------------------------


def protect(
    sa: IsakmpSa, exchange: Exchange, message_id: int, iv: bytes, digest: bytes, first: int, rest: bytes
) -> tuple[bytes, bytes]:
    """A message with a HASH payload of `digest` before `rest`, which begins with a payload of type `first`; next IV."""
    keys = keys_of(sa)
    plain = bytes((first, 0, 0, GENERIC_OCTETS + len(digest))) + digest + rest
    sealed = keys.cipher.encrypt(iv, plain)
    header = Header(sa.cookie_i, sa.cookie_r, Kind.HASH, exchange, ENCRYPTED, message_id)
    return packet.encode_header(header, len(sealed)) + sealed, sealed[-keys.cipher.block :]


def unprotect(sa: IsakmpSa, message: Received, iv: bytes) -> Opened:
    """Decrypt a message of phase 2; its hash is still to be checked. Raises PacketError."""
    keys = keys_of(sa)
    if not message.header.encrypted:
        raise PacketError("not encrypted")
    if message.header.next_payload != Kind.HASH:
        raise PacketError("no Hash payload first")
    plain = keys.cipher.decrypt(iv, message.body)
    found = packet.split_payloads(Kind.HASH, plain, padded=True)
    digest = found[0][0]
    if not isinstance(digest, Hash):
        raise PacketError("no Hash payload first")
    end = sum(GENERIC_OCTETS + len(body) for _, body in found)
    rest = plain[GENERIC_OCTETS + len(digest.value) : end]
    payloads = tuple(payload for payload, _ in found[1:])
    return Opened(digest.value, rest, payloads, message.body[-keys.cipher.block :])
