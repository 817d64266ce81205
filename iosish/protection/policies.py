"""The ISAKMP policies in force."""

from __future__ import annotations

from iosish.config import crypto
from iosish.config.model import Config
from iosish.ike.config import Authentication, Cipher, Hash, Policy

_CIPHERS = {"des": Cipher.DES, "3des": Cipher.TRIPLE_DES, "aes": Cipher.AES}
_HASHES = {"md5": Hash.MD5, "sha": Hash.SHA1, "sha256": Hash.SHA256, "sha384": Hash.SHA384, "sha512": Hash.SHA512}
_AUTHENTICATIONS = {
    "pre-share": Authentication.PRE_SHARE,
    "rsa-sig": Authentication.RSA_SIG,
    "rsa-encr": Authentication.RSA_ENCR,
    "ecdsa-sig": Authentication.ECDSA_SIG,
}


def policies(config: Config) -> tuple[Policy, ...]:
    """The ISAKMP policies in force, by priority: those that are configured, else the default ones."""
    configured = config.crypto.isakmp.policies
    if configured:
        return tuple(_policy(configured[priority]) for priority in sorted(configured))
    return tuple(map(_policy, crypto.DEFAULT_POLICIES)) if config.crypto.isakmp.default_policy else ()


def _policy(entry: crypto.IsakmpPolicy) -> Policy:
    word, _, bits = entry.encryption.partition(" ")
    cipher = _CIPHERS[word]
    return Policy(
        priority=entry.priority,
        cipher=cipher,
        key_bits=int(bits or 128) if cipher is Cipher.AES else 0,
        hash=_HASHES[entry.hash],
        authentication=_AUTHENTICATIONS[entry.authentication],
        group=entry.group,
        lifetime_s=entry.lifetime_s,
    )
