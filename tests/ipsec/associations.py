"""Security associations for tests, of every kind, and scapy's idea of the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from scapy.layers import ipsec
from scapy.layers.inet import IP, UDP

from iosish.forwarding.reassembly import Reassembly
from iosish.ipsec.esp import InboundSa
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform

HUB, SPOKE = IPv4Address("172.16.15.2"), IPv4Address("172.16.25.2")

GCM = Transform(Cipher.AES_GCM, 128)
AES_SHA = Transform(Cipher.AES_CBC, 128, Integrity.SHA1)
DES_MD5 = Transform(Cipher.DES, 0, Integrity.MD5)

CIPHERS = [
    Transform(Cipher.NULL),
    Transform(Cipher.DES),
    Transform(Cipher.TRIPLE_DES),
    *(Transform(Cipher.AES_CBC, bits) for bits in (128, 192, 256)),
]
#: Every combination but NULL without integrity.
TRANSFORMS = [
    *(replace(cipher, integrity=integrity) for cipher in CIPHERS for integrity in Integrity),
    *CIPHERS[1:],
    *(Transform(Cipher.AES_GCM, bits) for bits in (128, 192, 256)),
]

_SCAPY_CIPHERS = {
    Cipher.NULL: "NULL",
    Cipher.DES: "DES",
    Cipher.TRIPLE_DES: "3DES",
    Cipher.AES_CBC: "AES-CBC",
    Cipher.AES_GCM: "AES-GCM",
}
_SCAPY_INTEGRITY = {
    None: "NULL",
    Integrity.MD5: "HMAC-MD5-96",
    Integrity.SHA1: "HMAC-SHA1-96",
    Integrity.SHA256: "SHA2-256-128",
    Integrity.SHA384: "SHA2-384-192",
    Integrity.SHA512: "SHA2-512-256",
}


def words(transform: Transform) -> str:
    """The transform as IOS names it; for test ids."""
    parts = [transform.cipher.value, *([str(transform.key_bits)] if transform.key_bits else [])]
    return " ".join([*parts, *([transform.integrity.value] if transform.integrity else [])])


def key(seed: str, octets: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(octets)


def outbound(transform: Transform = AES_SHA, **changed: Any) -> SecurityAssociation:
    """From the hub to the spoke; fields as `changed` says."""
    sa = SecurityAssociation(
        spi=0x1001,
        inbound=False,
        crypto_map="Tunnel0-head-0",
        local=HUB,
        peer=SPOKE,
        selector_local=HUB,
        selector_peer=SPOKE,
        transform=transform,
        encryption_key=key("encryption", transform.encryption_octets),
        integrity_key=key("integrity", transform.integrity_octets),
        mode=Mode.TRANSPORT,
    )
    return replace(sa, **changed)


def other_end(sa: SecurityAssociation) -> SecurityAssociation:
    """The same SA as the peer has it."""
    return replace(
        sa,
        inbound=not sa.inbound,
        local=sa.peer,
        peer=sa.local,
        selector_local=sa.selector_peer,
        selector_peer=sa.selector_local,
        udp_ports=None if sa.udp_ports is None else (sa.udp_ports[1], sa.udp_ports[0]),
    )


def receiver(sa: SecurityAssociation) -> InboundSa:
    """What opens the packets of `sa`, which is outbound, at its other end."""
    return InboundSa(other_end(sa), Reassembly().add)


#: An outbound SA of every transform, mode and encapsulation.
KINDS = [
    outbound(transform, mode=mode, udp_ports=ports)
    for transform in TRANSFORMS
    for mode in Mode
    for ports in (None, (4500, 4500))
]


def kind_id(sa: SecurityAssociation) -> str:
    return f"{words(sa.transform)}, {sa.mode.value}{', UDP' if sa.udp_ports else ''}"


def scapys(sa: SecurityAssociation) -> Any:
    """Scapy's SA for the direction of `sa`, which is outbound."""
    transform = sa.transform
    options: dict[str, Any] = {}
    if sa.mode is Mode.TUNNEL:
        options["tunnel_header"] = IP(src=str(sa.local), dst=str(sa.peer))
    if sa.udp_ports is not None:
        options["nat_t_header"] = UDP(sport=sa.udp_ports[0], dport=sa.udp_ports[1])
    associate: Any = ipsec.SecurityAssociation
    return associate(
        ipsec.ESP,
        spi=sa.spi,
        crypt_algo=_SCAPY_CIPHERS[transform.cipher],
        crypt_key=sa.encryption_key,
        auth_algo=_SCAPY_INTEGRITY[transform.integrity],
        auth_key=sa.integrity_key,
        **options,
    )
