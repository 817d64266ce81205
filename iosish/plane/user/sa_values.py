"""Security associations on the channel: plain values there and back. They hold keys: none of them goes into a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from itertools import islice
from typing import Any

from iosish.desired import SaChange
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation
from iosish.ipsec.transforms import Cipher, DfBit, Integrity, Mode, Transform

#: No message holds more SAs, keys or counters.
AT_ONCE = 200

Packed = tuple[Any, ...]


def pack_change(change: SaChange) -> Iterator[tuple[list[Packed], list[Packed]]]:
    """The change in one or more steps, in its order."""
    for some in _slices(change.installed):
        yield [_pack(sa) for sa in some], []
    for some in _slices(change.removed):
        yield [], [pack_key(key) for key in some]


def unpack_change(value: tuple[list[Packed], list[Packed]]) -> SaChange:
    installed, removed = value
    return SaChange(tuple(_unpack(sa) for sa in installed), tuple(unpack_key(key) for key in removed))


def pack_key(key: SaKey) -> Packed:
    return key.spi, key.inbound, key.peer.packed


def unpack_key(value: Packed) -> SaKey:
    spi, inbound, peer = value
    return SaKey(spi, inbound, IPv4Address(peer))


_COUNTERS = tuple(SaCounters.__dataclass_fields__)


def pack_counters(counters: Mapping[SaKey, SaCounters]) -> Iterator[list[tuple[Packed, Packed]]]:
    """The counters in as many messages as it takes."""
    for some in _slices(tuple(counters.items())):
        yield [(pack_key(key), tuple(getattr(counted, field) for field in _COUNTERS)) for key, counted in some]


def unpack_counters(value: list[tuple[Packed, Packed]]) -> dict[SaKey, SaCounters]:
    return {unpack_key(key): SaCounters(*fields) for key, fields in value}


def _slices(values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    rest = iter(values)
    while some := tuple(islice(rest, AT_ONCE)):
        yield some


def _pack(sa: SecurityAssociation) -> Packed:
    transform, integrity = sa.transform, sa.transform.integrity
    return (
        sa.spi,
        sa.inbound,
        sa.crypto_map,
        tuple(address.packed for address in (sa.local, sa.peer, sa.selector_local, sa.selector_peer)),
        (transform.cipher.value, transform.key_bits, None if integrity is None else integrity.value),
        sa.encryption_key,
        sa.integrity_key,
        sa.mode.value,
        sa.udp_ports,
        sa.replay_window,
        sa.df.value,
        sa.soft_octets,
        sa.hard_octets,
    )


def _unpack(value: Packed) -> SecurityAssociation:
    spi, inbound, crypto_map, addresses, transform, encryption, integrity, mode, ports, window, df, soft, hard = value
    local, peer, selector_local, selector_peer = (IPv4Address(address) for address in addresses)
    cipher, bits, checked = transform
    return SecurityAssociation(
        spi=spi,
        inbound=inbound,
        crypto_map=crypto_map,
        local=local,
        peer=peer,
        selector_local=selector_local,
        selector_peer=selector_peer,
        transform=Transform(Cipher(cipher), bits, None if checked is None else Integrity(checked)),
        encryption_key=encryption,
        integrity_key=integrity,
        mode=Mode(mode),
        udp_ports=ports,
        replay_window=window,
        df=DfBit(df),
        soft_octets=soft,
        hard_octets=hard,
    )
