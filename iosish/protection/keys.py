"""Pre-shared keys as IKE takes them, and the keyrings that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from iosish.config import crypto
from iosish.config.crypto import AddressKey, HostnameKey, KeyringKey, LocalAddress
from iosish.config.model import Config
from iosish.config.secrets import octets, unseal6
from iosish.ike.config import PresharedKey

#: The keyring of the `crypto isakmp key` lines.
GLOBAL = "default"


def secret(key: AddressKey | KeyringKey | HostnameKey) -> bytes | None:
    """A key as IKE takes it; None when it is encrypted and cannot be read."""
    clear = key.key if key.sealed is None else unseal6(key.sealed)
    return None if clear is None else octets(clear)


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of a keyring, or the global ones."""

    name: str
    addresses: tuple[AddressKey | KeyringKey, ...]
    hostnames: tuple[HostnameKey, ...]

    def unreadable(self, peer: IPv4Address | None) -> str | None:
        """The peers of a key that cannot be read, if it would be used: towards `peer`, or towards anybody."""
        unread = [key for key in self.addresses if secret(key) is None]
        if peer is None:
            named = [key.hostname for key in self.hostnames if secret(key) is None]
            return next(iter([*(str(key.network) for key in unread), *named]), None)
        if not unread:
            return None
        fitting = (key for key in self.addresses if peer in key.network)
        best = max(fitting, key=lambda key: key.network.prefixlen, default=None)
        return str(best.network) if best is not None and best in unread else None

    def keys(self, hosts: Mapping[str, IPv4Address]) -> tuple[PresharedKey, ...]:
        """Longest prefix first; without those that cannot be read. A name that `hosts` knows stands for its address."""
        known = {name.lower(): IPv4Network(address) for name, address in hosts.items()}
        ordered = sorted(self.addresses, key=lambda key: (-key.network.prefixlen, key.network.network_address))
        keys = [(secret(key), key.network, None) for key in ordered]
        names = [(secret(key), known.get(key.hostname.lower()), key.hostname) for key in self.hostnames]
        return tuple(
            PresharedKey(clear, network, hostname) for clear, network, hostname in [*keys, *names] if clear is not None
        )


def global_ring(config: Config) -> Ring:
    isakmp = config.crypto.isakmp
    return Ring(GLOBAL, tuple(isakmp.keys.values()), tuple(isakmp.hostname_keys.values()))


def ring_of(config: Config, name: str) -> Ring | None:
    if name == GLOBAL:
        return global_ring(config)
    entry = config.crypto.keyrings.get(name)
    return Ring(name, tuple(entry.keys.values()), tuple(entry.hostname_keys.values())) if entry else None


def rings(config: Config, profile: crypto.IsakmpProfile | None) -> Iterator[Ring]:
    """The keyrings that a tunnel takes its keys from: those of its ISAKMP profile, else all that are in no VRF."""
    names: tuple[str, ...] = profile.keyrings if profile is not None else ()
    if not names:
        names = (GLOBAL, *(name for name, entry in config.crypto.keyrings.items() if entry.vrf is None))
    for name in names:
        ring = ring_of(config, name)
        if ring is not None:
            yield ring


def address_of(config: Config, local: LocalAddress | None) -> IPv4Address | None:
    """The address that a `local-address` line means; None if there is no such line, or no such address."""
    if local is None or local.address is not None:
        return local.address if local is not None else None
    interface = config.interfaces.get(local.interface or "")
    return interface.ip_address.address if interface is not None and interface.ip_address is not None else None


def astray(config: Config, local: LocalAddress | None) -> bool:
    """Whether a `local-address` line means no address of this router."""
    return local is not None and (local.vrf is not None or address_of(config, local) is None)
