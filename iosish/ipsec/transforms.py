"""The algorithms of ESP and the transform sets made of them (RFC 4303, 2405, 2451, 3602, 4106, 2403, 2404, 4868)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cipher(Enum):
    """An encryption algorithm of ESP; the value is IOS's word for it."""

    NULL = "esp-null"
    DES = "esp-des"
    TRIPLE_DES = "esp-3des"
    AES_CBC = "esp-aes"
    AES_GCM = "esp-gcm"


class Integrity(Enum):
    """An integrity algorithm of ESP; the value is IOS's word for it. GCM has none beside it."""

    MD5 = "esp-md5-hmac"
    SHA1 = "esp-sha-hmac"
    SHA256 = "esp-sha256-hmac"
    SHA384 = "esp-sha384-hmac"
    SHA512 = "esp-sha512-hmac"


class Mode(Enum):
    TUNNEL = "Tunnel"
    TRANSPORT = "Transport"


class DfBit(Enum):
    """Where the DF bit of the outer header comes from: `crypto ipsec df-bit`."""

    COPY = "copy"
    SET = "set"
    CLEAR = "clear"


#: Octets of key material that each algorithm takes (AES: by key length, see `encryption_octets`).
_ENCRYPTION_OCTETS = {Cipher.NULL: 0, Cipher.DES: 8, Cipher.TRIPLE_DES: 24}
_INTEGRITY_OCTETS = {
    Integrity.MD5: 16,
    Integrity.SHA1: 20,
    Integrity.SHA256: 32,
    Integrity.SHA384: 48,
    Integrity.SHA512: 64,
}
#: Octets of IV that each packet carries, and the block that its plaintext is padded to (RFC 4303 2.4: 4 at least).
_IV_OCTETS = {Cipher.NULL: 0, Cipher.DES: 8, Cipher.TRIPLE_DES: 8, Cipher.AES_CBC: 16, Cipher.AES_GCM: 8}
_ALIGNMENT_OCTETS = {Cipher.NULL: 4, Cipher.DES: 8, Cipher.TRIPLE_DES: 8, Cipher.AES_CBC: 16, Cipher.AES_GCM: 4}
#: Octets of the ICV, truncated (RFC 2403, 2404, 4868); GCM has its own (RFC 4106 6).
_ICV_OCTETS = {
    Integrity.MD5: 12,
    Integrity.SHA1: 12,
    Integrity.SHA256: 16,
    Integrity.SHA384: 24,
    Integrity.SHA512: 32,
}
_GCM_ICV_OCTETS = 16
#: RFC 4106 4: the salt that follows the key in the key material of GCM.
GCM_SALT_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Transform:
    """What protects a packet: one cipher (`key_bits` 128, 192 or 256 for AES, else 0) and one integrity algorithm.

    `integrity` is None for GCM, and for the ESP of a set without one (`esp-aes` alone).
    """

    cipher: Cipher
    key_bits: int = 0
    integrity: Integrity | None = None

    @property
    def encryption_octets(self) -> int:
        """Key material for the cipher, with the salt of GCM."""
        octets = _ENCRYPTION_OCTETS.get(self.cipher, self.key_bits // 8)
        return octets + (GCM_SALT_OCTETS if self.cipher is Cipher.AES_GCM else 0)

    @property
    def integrity_octets(self) -> int:
        return 0 if self.integrity is None else _INTEGRITY_OCTETS[self.integrity]

    @property
    def iv_octets(self) -> int:
        return _IV_OCTETS[self.cipher]

    @property
    def alignment_octets(self) -> int:
        """What the plaintext with its trailer is a multiple of."""
        return _ALIGNMENT_OCTETS[self.cipher]

    @property
    def icv_octets(self) -> int:
        if self.cipher is Cipher.AES_GCM:
            return _GCM_ICV_OCTETS
        return 0 if self.integrity is None else _ICV_OCTETS[self.integrity]


@dataclass(frozen=True, slots=True)
class TransformSet:
    """`crypto ipsec transform-set NAME ...` with its `mode [transport [require]]`.

    A set in transport mode proposes transport and takes either; with `require` transport alone. A set in tunnel mode
    proposes and takes tunnel alone.
    """

    name: str
    transform: Transform
    mode: Mode = Mode.TUNNEL
    require: bool = False
