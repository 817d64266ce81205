"""Which weak algorithms may be agreed on."""

from __future__ import annotations

from iosish.ike.config import Cipher, Hash, IkeConfig
from iosish.ipsec import transforms
from iosish.ipsec.transforms import Integrity

#: What is known as broken, or within reach of a patient attacker; IOS-XE 17 wants to be told twice before it takes it.
_WEAK_GROUPS = (1, 2, 5)
_WEAK_WORDS = {
    Cipher.DES: "DES",
    Cipher.TRIPLE_DES: "3DES",
    Hash.MD5: "MD5",
    transforms.Cipher.NULL: "no encryption",
    transforms.Cipher.DES: "DES",
    transforms.Cipher.TRIPLE_DES: "3DES",
    Integrity.MD5: "MD5",
    None: "no integrity",
}


def weaknesses(told: IkeConfig) -> str | None:
    """The weak algorithms that may be agreed on, for a line of the log; None when there are none.

    `ISAKMP policy 10: DES, group 1; transform set OLD: 3DES, MD5`
    """
    if not told.maps:
        return None
    found: dict[str, list[str]] = {}
    for policy in told.policies:
        group = [f"group {policy.group}"] if policy.group in _WEAK_GROUPS else []
        words = [_WEAK_WORDS[part] for part in (policy.cipher, policy.hash) if part in _WEAK_WORDS]
        found[f"ISAKMP policy {policy.priority}"] = [*words, *group]
    for entry in dict.fromkeys(entry for map_ in told.maps.values() for entry in map_.sets):
        transform = entry.transform
        integrity = Integrity.SHA512 if transform.cipher is transforms.Cipher.AES_GCM else transform.integrity
        parts = (transform.cipher, integrity)
        found[f"transform set {entry.name}"] = [_WEAK_WORDS[part] for part in parts if part in _WEAK_WORDS]
    said = [f"{where}: {', '.join(words)}" for where, words in found.items() if words]
    return "; ".join(said) or None
