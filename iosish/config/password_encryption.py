"""`service password-encryption`: from then on no secret stands in clear, also not after `no service ...`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from iosish.config.crypto import Crypto, Isakmp, Keyring
from iosish.config.model import Config, Interface
from iosish.config.secrets import Password, seal6, seal7


def concealed(config: Config) -> Config:
    """The same configuration with every secret sealed; the very same object if nothing stands in clear."""
    interfaces = _each(config.interfaces, _interface)
    crypto = _crypto(config.crypto)
    if interfaces is config.interfaces and crypto is config.crypto:
        return config
    return replace(config, interfaces=interfaces, crypto=crypto)


def _each(entries: Mapping[Any, Any], seal: Callable[[Any], Any]) -> Mapping[Any, Any]:
    changed = {key: sealed for key, entry in entries.items() if (sealed := seal(entry)) is not entry}
    return MappingProxyType({**entries, **changed}) if changed else entries


def _interface(interface: Interface) -> Interface:
    authentication = interface.nhrp.authentication
    if authentication is None or authentication.password is None:
        return interface
    sealed = Password(sealed=seal7(authentication.password))
    return replace(interface, nhrp=replace(interface.nhrp, authentication=sealed))


def _crypto(crypto: Crypto) -> Crypto:
    isakmp: Isakmp = _keys(crypto.isakmp)
    keyrings: Mapping[str, Keyring] = _each(crypto.keyrings, _keys)
    if isakmp is crypto.isakmp and keyrings is crypto.keyrings:
        return crypto
    return replace(crypto, isakmp=isakmp, keyrings=keyrings)


def _keys(part: Any) -> Any:
    """`crypto isakmp` or a keyring: both have their keys in mappings of the same names."""
    names = ("keys", "hostname_keys", "ipv6_keys")
    changed = {
        name: sealed for name in names if (sealed := _each(getattr(part, name), _key)) is not getattr(part, name)
    }
    return replace(part, **changed) if changed else part


def _key(entry: Any) -> Any:
    return entry if entry.key is None else replace(entry, key=None, sealed=seal6(entry.key))
