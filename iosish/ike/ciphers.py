"""The cipher and the hash of an ISAKMP SA (RFC 2409 appendix B, 2405, 2451, 3602)."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from iosish.ike.config import Cipher, Hash
from iosish.ike.errors import PacketError

_NAMES = {Hash.MD5: "md5", Hash.SHA1: "sha1", Hash.SHA256: "sha256", Hash.SHA384: "sha384", Hash.SHA512: "sha512"}


def digest(kind: Hash, data: bytes) -> bytes:
    return hashlib.new(_NAMES[kind], data, usedforsecurity=False).digest()


def prf(kind: Hash, key: bytes, data: bytes) -> bytes:
    """The HMAC of the negotiated hash: IKEv1 as everybody speaks it has no other PRF."""
    return hmac.digest(key, data, _NAMES[kind])


def key_octets(cipher: Cipher, key_bits: int) -> int:
    if cipher is Cipher.AES:
        return key_bits // 8
    return 8 if cipher is Cipher.DES else 24


def block_octets(cipher: Cipher) -> int:
    return 16 if cipher is Cipher.AES else 8


class MessageCipher:
    """Encrypts and decrypts whole messages in CBC. The key never shows."""

    __slots__ = ("_algorithm", "block")

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        # `cryptography` has no single DES; three times the same key is just that.
        self._algorithm = AES(key) if cipher is Cipher.AES else TripleDES(key * 3 if cipher is Cipher.DES else key)
        self.block = block_octets(cipher)

    def encrypt(self, iv: bytes, payloads: bytes) -> bytes:
        """Pads with zeros to whole blocks; a chain that ends on a block gets none (as strongSwan sends it)."""
        padding = -len(payloads) % self.block
        encryptor = BlockCipher(self._algorithm, modes.CBC(iv)).encryptor()
        return encryptor.update(payloads + bytes(padding)) + encryptor.finalize()

    def decrypt(self, iv: bytes, ciphertext: bytes) -> bytes:
        """The payloads with their padding. Raises PacketError."""
        if not ciphertext or len(ciphertext) % self.block:
            raise PacketError("ciphertext is not in blocks")
        decryptor = BlockCipher(self._algorithm, modes.CBC(iv)).decryptor()
        return decryptor.update(ciphertext) + decryptor.finalize()
