"""`service password-encryption`: from then on no secret stands in clear, also not after `no service ...`.

Secrets of the model are sealed where they are set; those of kept lines too, as far as the grammar marks them: a leaf
that ends in a value of type `clear-7` becomes its neighbour with `<encryption:0-7>`, one of `typed-7` has the type in
its text. `secrets.py` says what sealing is worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from iosish.config.crypto import AddressKey, Crypto, HostnameKey, Ipv6Key, KeyringKey
from iosish.config.kept import Kept, KeptKey
from iosish.config.model import Config, Interface
from iosish.config.secrets import Password, seal6, seal7

_SEALS: dict[str, Callable[[str], str]] = {"6": seal6, "7": seal7}
_CLEAR = re.compile(r"<(.+):clear-([67])>")
_TYPED = re.compile(r"<.+:typed-([67])>")
_ENCRYPTION = re.compile(r"<encryption:0-([67])>")
_USER = re.compile(r"(username \S+ (?:.* )?password )(?:0 )?(?!7 )(.+)")


def sealed(value: Any) -> Any:
    """A value of the model with its secret sealed; the very same object if it has none in clear."""
    if isinstance(value, (AddressKey, KeyringKey, HostnameKey, Ipv6Key)) and value.key is not None:
        return replace(value, key=None, sealed=seal6(value.key))
    if isinstance(value, Password) and value.password is not None:
        return Password(sealed=seal7(value.password))
    return value


def sealed_line(key: KeptKey, line: Kept) -> tuple[KeptKey, Kept]:
    """A kept line and its key with its secret sealed."""
    leaf = key[0].split()
    words = line.text.split(" ", len(leaf) - 1)
    if line.text.startswith("no ") or len(words) != len(leaf):
        return key, line
    if found := _CLEAR.fullmatch(leaf[-1]):
        kind = found[2]
        leaf[-1:] = [f"<encryption:0-{kind}>", f"<{found[1]}:line>"]
        words[-1:] = [kind, _SEALS[kind](words[-1])]
    elif found := _TYPED.fullmatch(leaf[-1]):
        first, _, rest = words[-1].partition(" ")
        if first in ("6", "7", "hex") and rest:
            return key, line
        words[-1] = f"{found[1]} {_SEALS[found[1]](rest if first == '0' and rest else words[-1])}"
    elif len(leaf) > 1 and (found := _ENCRYPTION.fullmatch(leaf[-2])) and words[-2] == "0":
        words[-2:] = [found[1], _SEALS[found[1]](words[-1])]
    elif found := _USER.fullmatch(line.text):
        words = [f"{found[1]}7 {seal7(found[2])}"]
    else:
        return key, line
    return (" ".join(leaf), *key[1:]), replace(line, text=" ".join(words))


def other_spelling(key: KeptKey) -> KeptKey | None:
    """Where the same kept line would stand with its secret in clear instead of typed, or typed instead of in clear."""
    leaf = key[0].split()
    if found := _CLEAR.fullmatch(leaf[-1]):
        leaf[-1:] = [f"<encryption:0-{found[2]}>", f"<{found[1]}:line>"]
    elif len(leaf) > 1 and (found := _ENCRYPTION.fullmatch(leaf[-2])):
        leaf[-2:] = [f"{leaf[-1].partition(':')[0]}:clear-{found[1]}>"]
    else:
        return None
    return (" ".join(leaf), *key[1:])


def concealed(config: Config) -> Config:
    """The same configuration with every secret sealed."""
    return replace(
        config,
        interfaces=_each(config.interfaces, _interface),
        crypto=_crypto(config.crypto),
        kept=_lines(config.kept),
    )


def _each(entries: Mapping[Any, Any], seal: Callable[[Any], Any]) -> Mapping[Any, Any]:
    return MappingProxyType({key: seal(entry) for key, entry in entries.items()})


def _lines(kept: Mapping[KeptKey, Kept]) -> Mapping[KeptKey, Kept]:
    lines = (sealed_line(key, replace(line, kept=_lines(line.kept))) for key, line in kept.items())
    return MappingProxyType(dict(lines))


def _interface(interface: Interface) -> Interface:
    nhrp = replace(interface.nhrp, authentication=sealed(interface.nhrp.authentication))
    return replace(interface, nhrp=nhrp, kept=_lines(interface.kept))


def _crypto(crypto: Crypto) -> Crypto:
    return replace(crypto, isakmp=_keys(crypto.isakmp), keyrings=_each(crypto.keyrings, _keys))


def _keys(part: Any) -> Any:
    """`crypto isakmp` or a keyring: both have their keys in mappings of the same names."""
    names = ("keys", "hostname_keys", "ipv6_keys")
    return replace(part, **{name: _each(getattr(part, name), sealed) for name in names})
