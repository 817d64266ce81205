"""Key derivation and the hashes that prove who knows the keys (RFC 2409 5, 3947 3.2).

`cookies` are the initiator's and the responder's, joined; `g_xy` the common secret of Diffie-Hellman; bodies are
payloads without their generic headers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from iosish.ike.ciphers import MessageCipher, digest, key_octets, prf
from iosish.ike.config import Cipher, Hash
from iosish.ipsec.transforms import Transform


@dataclass(frozen=True, slots=True)
class Keys:
    """What phase 1 gives. `d` derives keys of phase 2, `a` authenticates its messages, `cipher` encrypts them."""

    hash: Hash
    skeyid: bytes = field(repr=False)
    d: bytes = field(repr=False)
    a: bytes = field(repr=False)
    cipher_key: bytes = field(repr=False)
    cipher: MessageCipher = field(repr=False)


def skeyid_of_secret(kind: Hash, secret: bytes, nonces: bytes) -> bytes:
    """SKEYID for a pre-shared key; `nonces` are Ni and Nr, joined."""
    return prf(kind, secret, nonces)


def skeyids(kind: Hash, skeyid: bytes, g_xy: bytes, cookies: bytes) -> tuple[bytes, bytes, bytes]:
    """SKEYID_d, SKEYID_a and SKEYID_e."""
    d = prf(kind, skeyid, g_xy + cookies + b"\x00")
    a = prf(kind, skeyid, d + g_xy + cookies + b"\x01")
    return d, a, prf(kind, skeyid, a + g_xy + cookies + b"\x02")


def derive(kind: Hash, cipher: Cipher, key_bits: int, skeyid: bytes, g_xy: bytes, cookies: bytes) -> Keys:
    """All keys of phase 1; the cipher's is made of SKEYID_e."""
    d, a, e = skeyids(kind, skeyid, g_xy, cookies)
    key = expand(kind, e, key_octets(cipher, key_bits))
    return Keys(kind, skeyid, d, a, key, MessageCipher(cipher, key))


def expand(kind: Hash, e: bytes, octets: int) -> bytes:
    """SKEYID_e cut to a key, or stretched where it is too short (RFC 2409 appendix B)."""
    if octets <= len(e):
        return e[:octets]
    block = prf(kind, e, b"\x00")
    key = block
    while len(key) < octets:
        block = prf(kind, e, block)
        key += block
    return key[:octets]


def phase1_iv(keys: Keys, public_i: bytes, public_r: bytes) -> bytes:
    return digest(keys.hash, public_i + public_r)[: keys.cipher.block]


def phase2_iv(keys: Keys, last_block: bytes, message_id: int) -> bytes:
    """The first IV under a message id; `last_block` is the last cipher block of phase 1."""
    return digest(keys.hash, last_block + message_id.to_bytes(4, "big"))[: keys.cipher.block]


def phase1_hash(
    kind: Hash, skeyid: bytes, public: bytes, peer_public: bytes, cookies: bytes, sa_body: bytes, id_body: bytes
) -> bytes:
    """HASH_I, or HASH_R with `cookies` the other way round.

    `public` is that of the side that the hash is of; `sa_body` is the initiator's SA for both.
    """
    return prf(kind, skeyid, public + peer_public + cookies + sa_body + id_body)


def hash_1(keys: Keys, message_id: int, rest: bytes) -> bytes:
    """HASH(1) of quick mode, and the hash of every informational message; `rest` is all behind the HASH payload."""
    return prf(keys.hash, keys.a, message_id.to_bytes(4, "big") + rest)


def hash_2(keys: Keys, message_id: int, nonce_i: bytes, rest: bytes) -> bytes:
    return prf(keys.hash, keys.a, message_id.to_bytes(4, "big") + nonce_i + rest)


def hash_3(keys: Keys, message_id: int, nonces: bytes) -> bytes:
    return prf(keys.hash, keys.a, b"\x00" + message_id.to_bytes(4, "big") + nonces)


def keymat(keys: Keys, octets: int, protocol: int, spi: bytes, nonces: bytes, g_xy: bytes = b"") -> bytes:
    """Key material for the SA with this SPI (its receiver's); `g_xy` with PFS."""
    seed = g_xy + bytes((protocol,)) + spi + nonces
    block = prf(keys.hash, keys.d, seed)
    material = block
    while len(material) < octets:
        block = prf(keys.hash, keys.d, block + seed)
        material += block
    return material[:octets]


def esp_keys(
    keys: Keys, transform: Transform, spi: bytes, nonces: bytes, g_xy: bytes = b"", protocol: int = 3
) -> tuple[bytes, bytes]:
    """Encryption key (with its salt) and integrity key of the ESP SA with this SPI."""
    encryption = transform.encryption_octets
    material = keymat(keys, encryption + transform.integrity_octets, protocol, spi, nonces, g_xy)
    return material[:encryption], material[encryption:]


def nat_hash(kind: Hash, cookies: bytes, address: IPv4Address, port: int) -> bytes:
    """The value of a NAT-D payload."""
    return digest(kind, cookies + address.packed + port.to_bytes(2, "big"))
