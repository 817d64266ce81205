"""The cryptography of one ESP packet: functions with everything that depends on the key alone worked out.

A `Seal` makes a packet of the 8-octet ESP header and the padded plaintext, an `Open` gives the plaintext back. Both
know plaintext with a prefix of `Layout.prefix` octets, which are zeros on the way in. For CBC these make the IV: one
context lives as long as the key, so the ciphertext of a block of zeros is E(last block of the packet before), which
nobody without the key can foresee (RFC 3602 section 3), and no work is spent on a new context or on random octets. On
the way out the same block is what the IV itself decrypts to. A context may be given several packets of a key at once.

RFC 2405, 2451 (DES, 3DES), 3602 (AES-CBC), 4106 (AES-GCM), 2410 (NULL), 2403, 2404, 4868 (HMAC).
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher as Context
from cryptography.hazmat.primitives.ciphers import CipherAlgorithm, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hmac import HMAC

from iosish.ipsec.transforms import GCM_SALT_OCTETS, Cipher, Integrity, Transform

Packet: TypeAlias = bytes | bytearray | memoryview

Seal: TypeAlias = Callable[[bytes, bytes], bytes]
"""ESP header and prefixed plaintext in, whole packet out."""

Open: TypeAlias = Callable[[Packet], bytes | None]
"""Whole packet in, prefixed plaintext out; None: its ICV is wrong. The length was found right by `Layout`."""

HEADER_OCTETS = 8
_CBC = frozenset((Cipher.DES, Cipher.TRIPLE_DES, Cipher.AES_CBC))
_HASHES: dict[Integrity, Callable[[], hashes.HashAlgorithm]] = {
    Integrity.MD5: hashes.MD5,
    Integrity.SHA1: hashes.SHA1,
    Integrity.SHA256: hashes.SHA256,
    Integrity.SHA384: hashes.SHA384,
    Integrity.SHA512: hashes.SHA512,
}


class Parts(NamedTuple):
    """What a sealer or opener works with, for whoever does many packets at once (`rows.py`); None: it has no such part.

    `context` is the persistent one: what it does is a part of the same chain of blocks.
    """

    aead: AESGCM | None = None
    salt: bytes = b""
    context: CipherContext | None = None
    keyed: HMAC | None = None


class Layout(NamedTuple):
    """Where things are in a packet of a transform; all in octets.

    `alignment` is what plaintext and ciphertext are a multiple of, `iv` and `icv` what goes before and behind it.
    """

    iv: int
    alignment: int
    icv: int
    prefix: int


def layout(transform: Transform) -> Layout:
    prefix = transform.iv_octets if transform.cipher in _CBC else 0
    return Layout(transform.iv_octets, transform.alignment_octets, transform.icv_octets, prefix)


def check_keys(transform: Transform, encryption_key: bytes, integrity_key: bytes) -> None:
    """Raises ValueError for keys of a wrong length, and for a transform that protects nothing (RFC 4301 3.2)."""
    if len(encryption_key) != transform.encryption_octets or len(integrity_key) != transform.integrity_octets:
        raise ValueError(f"keys of {len(encryption_key)} and {len(integrity_key)} octets for {transform}")
    if transform.cipher is Cipher.NULL and transform.integrity is None:
        raise ValueError("NULL encryption without integrity protects nothing")


def sealer(transform: Transform, encryption_key: bytes, integrity_key: bytes) -> tuple[Seal, Parts]:
    """Raises ValueError as `check_keys`."""
    check_keys(transform, encryption_key, integrity_key)
    if transform.cipher is Cipher.AES_GCM:
        return _gcm_sealer(encryption_key)
    context = _context(transform, encryption_key).encryptor() if transform.cipher in _CBC else None
    encrypt = bytes if context is None else context.update
    if transform.integrity is None:
        return (lambda header, plain: header + encrypt(plain)), Parts(context=context)
    keyed, octets = _keyed(transform.integrity, integrity_key), transform.icv_octets

    def seal(header: bytes, plain: bytes) -> bytes:
        sealed = header + encrypt(plain)
        mac = keyed.copy()
        mac.update(sealed)
        return sealed + mac.finalize()[:octets]

    return seal, Parts(context=context, keyed=keyed)


def opener(transform: Transform, encryption_key: bytes, integrity_key: bytes) -> tuple[Open, Parts]:
    """Raises ValueError as `check_keys`."""
    check_keys(transform, encryption_key, integrity_key)
    if transform.cipher is Cipher.AES_GCM:
        return _gcm_opener(encryption_key)
    context = _context(transform, encryption_key).decryptor() if transform.cipher in _CBC else None
    decrypt = bytes if context is None else context.update
    if transform.integrity is None:
        return (lambda packet: decrypt(packet[HEADER_OCTETS:])), Parts(context=context)
    keyed, octets = _keyed(transform.integrity, integrity_key), transform.icv_octets

    def open_(packet: Packet) -> bytes | None:
        mac = keyed.copy()
        mac.update(packet[:-octets])
        if not compare_digest(mac.finalize()[:octets], packet[-octets:]):
            return None
        return decrypt(packet[HEADER_OCTETS:-octets])

    return open_, Parts(context=context, keyed=keyed)


def _context(transform: Transform, key: bytes) -> Context[modes.CBC]:
    algorithm: CipherAlgorithm
    if transform.cipher is Cipher.AES_CBC:
        algorithm = AES(key)
    else:
        algorithm = TripleDES(key * 3 if transform.cipher is Cipher.DES else key)
    return Context(algorithm, modes.CBC(bytes(transform.iv_octets)))


def _keyed(integrity: Integrity, key: bytes) -> HMAC:
    """The HMAC with the key taken in, to be copied for each packet."""
    return HMAC(key, _HASHES[integrity]())


def _gcm_sealer(key: bytes) -> tuple[Seal, Parts]:
    """The IV is a counter of 64 bits: the sequence number, which never comes again under this key."""
    aead, salt = AESGCM(key[:-GCM_SALT_OCTETS]), key[-GCM_SALT_OCTETS:]
    encrypt = aead.encrypt
    nonce_start = salt + bytes(4)

    def seal(header: bytes, plain: bytes) -> bytes:
        nonce = nonce_start + header[4:]
        return b"".join((header, nonce[GCM_SALT_OCTETS:], encrypt(nonce, plain, header)))

    return seal, Parts(aead, salt)


def _gcm_opener(key: bytes) -> tuple[Open, Parts]:
    aead, salt = AESGCM(key[:-GCM_SALT_OCTETS]), key[-GCM_SALT_OCTETS:]
    decrypt = aead.decrypt

    def open_(packet: Packet) -> bytes | None:
        try:
            return decrypt(salt + packet[8:16], packet[16:], packet[:8])
        except InvalidTag:
            return None

    return open_, Parts(aead, salt)
