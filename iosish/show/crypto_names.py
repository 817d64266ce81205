"""The words in which IOS says algorithms of IPsec and of IKE, and SPIs."""

from __future__ import annotations

from iosish.ike import config as ike
from iosish.ipsec.transforms import Cipher, Integrity, Transform

#: `show crypto engine connections active` names an algorithm like a person would.
_ENGINE_CIPHER = {Cipher.NULL: "NULL", Cipher.DES: "DES", Cipher.TRIPLE_DES: "3DES", Cipher.AES_GCM: "AES-GCM"}
_ENGINE_INTEGRITY = {
    Integrity.MD5: "MD5",
    Integrity.SHA1: "SHA",
    Integrity.SHA256: "SHA256",
    Integrity.SHA384: "SHA384",
    Integrity.SHA512: "SHA512",
}
_IKE_CIPHER = {ike.Cipher.DES: "des", ike.Cipher.TRIPLE_DES: "3des", ike.Cipher.AES: "aes"}
_IKE_HASH = {
    ike.Hash.MD5: "md5",
    ike.Hash.SHA1: "sha",
    ike.Hash.SHA256: "sha256",
    ike.Hash.SHA384: "sha384",
    ike.Hash.SHA512: "sha512",
}
_IKE_AUTHENTICATION = {
    ike.Authentication.PRE_SHARE: "psk",
    ike.Authentication.RSA_SIG: "rsig",
    ike.Authentication.RSA_ENCR: "renc",
    ike.Authentication.ECDSA_SIG: "ecds",
}


def transform(transform: Transform) -> str:
    """`esp-256-aes esp-sha-hmac`; AES of 128 bits and GCM are spelt as in the configuration."""
    words = [cipher(transform)]
    if transform.integrity is not None:
        words.append(transform.integrity.value)
    return " ".join(words)


def cipher(transform: Transform) -> str:
    if transform.key_bits in (0, 128):
        return transform.cipher.value
    if transform.cipher is Cipher.AES_GCM:
        return f"{transform.cipher.value} {transform.key_bits}"
    return f"esp-{transform.key_bits}-aes"


def engine(transform: Transform) -> str:
    """`AES256+SHA`, as the crypto engine calls an IPsec SA; AES of 128 bits is `AES`."""
    name = _ENGINE_CIPHER.get(transform.cipher, "AES") + _bits(transform.key_bits)
    return name if transform.integrity is None else f"{name}+{_ENGINE_INTEGRITY[transform.integrity]}"


def engine_ike(algorithm: ike.Cipher | None, key_bits: int, hash: ike.Hash | None) -> str:
    """`SHA+AES256`: for an ISAKMP SA the hash is first."""
    return f"{ike_hash(hash).upper()}+{ike_cipher(algorithm).upper()}{_bits(key_bits)}"


def _bits(key_bits: int) -> str:
    return "" if key_bits in (0, 128) else str(key_bits)


def ike_cipher(algorithm: ike.Cipher | None) -> str:
    """`aes`, whatever the length of its key; nothing while none is agreed."""
    return "" if algorithm is None else _IKE_CIPHER[algorithm]


def ike_hash(hash: ike.Hash | None) -> str:
    return "" if hash is None else _IKE_HASH[hash]


def ike_authentication(method: ike.Authentication | None) -> str:
    return "" if method is None else _IKE_AUTHENTICATION[method]


def spi(value: int) -> str:
    """`0x8DD9D24(148741412)`: no leading zeros."""
    return f"0x{value:X}({value})"
