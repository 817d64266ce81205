"""Secrets as the running-config spells them: in clear, or so that nobody reads them over a shoulder.

`seal7` is IOS's type 7. IOS's type 6 is AES under a master key that never leaves a router, so a key that IOS printed
as `6 ...` is kept exactly, and cannot be used. What we print as type 6 is `$iosish$` and the type 7 of the secret: it
loads anywhere back to the same secret, and like type 7 it hides a secret from the eye, not from an attacker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: The well-known pad of type 7.
_PAD = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_SEALED_7 = re.compile(r"(0\d|1[0-5])((?:[0-9A-Fa-f]{2})+)")
_MARK_6 = "$iosish$"
#: Words that a secret follows.
_BEFORE_SECRET = (
    *("authentication", "client-key", "community", "key", "key-string", "md5", "password", "pre-shared-key"),
    "secret",
)
_SHORTEST_WORD = 2


def octets(secret: str) -> bytes:
    """The secret as the protocols want it."""
    return secret.encode("utf-8", "surrogateescape")


def seal7(secret: str) -> str:
    """Type 7. The salt follows from the secret, so that one secret has one spelling."""
    clear = octets(secret)
    salt = sum(clear) % 16
    return f"{salt:02}" + "".join(f"{octet ^ _PAD[(salt + i) % len(_PAD)]:02X}" for i, octet in enumerate(clear))


def unseal7(sealed: str) -> str | None:
    """The secret behind a type 7; None for what is none."""
    found = _SEALED_7.fullmatch(sealed)
    if not found:
        return None
    salt, hidden = int(found[1]), bytes.fromhex(found[2])
    clear = bytes(octet ^ _PAD[(salt + i) % len(_PAD)] for i, octet in enumerate(hidden))
    return clear.decode("utf-8", "surrogateescape")


def seal6(secret: str) -> str:
    return _MARK_6 + seal7(secret)


def unseal6(sealed: str) -> str | None:
    """The secret behind a type 6 of ours; None for that of an IOS router."""
    return unseal7(sealed.removeprefix(_MARK_6)) if sealed.startswith(_MARK_6) else None


def up_to_secret(line: str, mistyped: bool = False) -> str:
    """A line for where others may read it: as far as a secret may follow, also behind a word that was cut short.

    `mistyped`: it was refused, and its words may be longer than they should be.
    """
    words = line.split()
    for place, word in enumerate(words[:-1]):
        low = word.lower()
        short = len(word) >= _SHORTEST_WORD and any(name.startswith(low) for name in _BEFORE_SECRET)
        if short or (mistyped and low.startswith(_BEFORE_SECRET)):
            return " ".join([*words[: place + 1], "..."])
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class Password:
    """A password in clear, or `sealed` as type 7."""

    password: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)

    @property
    def octets(self) -> bytes | None:
        """The password; None if what was sealed cannot be read."""
        clear = self.password if self.sealed is None else unseal7(self.sealed)
        return None if clear is None else octets(clear)
