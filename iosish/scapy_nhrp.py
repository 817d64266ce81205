"""NHRP for scapy (RFC 2332; traffic indication as Cisco IOS sends it). Needs nothing of iosish, only scapy.

    >>> from iosish.scapy_nhrp import NHRP, NHRPClient, NHRPExtension   # or copy this file: `import scapy_nhrp`
    >>> packet = IP(src="172.16.25.2", dst="172.16.15.2") / GRE(proto=0x2001) / NHRP(
    ...     type="Registration Request", flags=0x8002, request_id=1,
    ...     source_nbma="172.16.25.2", source="192.168.0.2", destination="192.168.0.1",
    ...     clients=[NHRPClient(prefix=255, mtu=1514, holding_time=7200)],
    ...     extensions=[NHRPExtension(type=7, password=b"secret"), NHRPExtension(type=0)])

Importing it is enough: GRE with protocol type 0x2001 is dissected from then on. Lengths, offset and checksum are filled
in where they are left out. Addresses are text for 4 and 16 octets, else octets. Source NBMA, source and destination
are b"" for an address that is not there.

This module may be used under the terms of the MIT licence; scapy itself is under GPL-2.0, which goes with it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    ConditionalField,
    FieldLenField,
    IntField,
    PacketListField,
    ShortField,
    StrFixedLenField,
    StrLenField,
    XShortEnumField,
    XShortField,
)
from scapy.layers.l2 import GRE
from scapy.packet import Packet, bind_layers
from scapy.utils import checksum

TYPES = {
    1: "Resolution Request",
    2: "Resolution Reply",
    3: "Registration Request",
    4: "Registration Reply",
    5: "Purge Request",
    6: "Purge Reply",
    7: "Error Indication",
    8: "Traffic Indication",
}
EXTENSIONS = {
    0: "End",
    3: "Responder Address",
    4: "Forward Transit NHS Record",
    5: "Reverse Transit NHS Record",
    7: "Authentication",
    8: "Vendor",
    9: "NAT Address",
}
CODES = {
    0: "Success",
    4: "Administratively Prohibited",
    5: "Insufficient Resources",
    12: "No Binding",
    13: "Not Unique",
    14: "Already Registered",
}
_OF_CLIENTS = (3, 4, 5, 9)
_FIXED = 20


class AddressField(StrLenField):
    """An address of a length that stands elsewhere."""

    def i2m(self, pkt: Any, x: Any) -> bytes:
        if not x:
            return b""
        if isinstance(x, str):
            return ip_address(x).packed
        return bytes(x)

    def m2i(self, pkt: Any, x: bytes) -> Any:
        return str(ip_address(x)) if len(x) in (4, 16) else x

    def any2i(self, pkt: Any, x: Any) -> Any:
        return self.m2i(pkt, x) if isinstance(x, bytes) else x

    def i2len(self, pkt: Any, x: Any) -> int:
        return len(self.i2m(pkt, x))

    def i2repr(self, pkt: Any, x: Any) -> str:
        return x if isinstance(x, str) else repr(x)


class NHRPClient(Packet):
    """A client information entry (RFC 2332 5.2.0.1)."""

    name = "NHRP client"
    fields_desc = [  # noqa: RUF012 the form that scapy asks for
        ByteEnumField("code", 0, CODES),
        ByteField("prefix", 0),
        XShortField("unused", 0),
        ShortField("mtu", 0),
        ShortField("holding_time", 0),
        FieldLenField("nbma_length", None, length_of="nbma", fmt="B"),
        FieldLenField("subaddress_length", None, length_of="subaddress", fmt="B"),
        FieldLenField("protocol_length", None, length_of="protocol", fmt="B"),
        ByteField("preference", 0),
        AddressField("nbma", b"", length_from=lambda p: p.nbma_length & 0x3F),
        StrLenField("subaddress", b"", length_from=lambda p: p.subaddress_length & 0x3F),
        AddressField("protocol", b"", length_from=lambda p: p.protocol_length),
    ]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class NHRPExtension(Packet):
    """An extension (RFC 2332 5.3): clients, Cisco's authentication (SPI 1: a password in clear), or octets."""

    name = "NHRP extension"
    fields_desc = [  # noqa: RUF012 the form that scapy asks for
        BitField("compulsory", 1, 1),
        BitField("reserved", 0, 1),
        BitEnumField("type", 0, 14, EXTENSIONS),
        ShortField("length", None),
        ConditionalField(
            PacketListField("clients", [], NHRPClient, length_from=lambda p: p.length), lambda p: p.type in _OF_CLIENTS
        ),
        ConditionalField(XShortField("authentication_reserved", 0), lambda p: _authentication(p)),
        ConditionalField(ShortField("spi", 1), lambda p: _authentication(p)),
        ConditionalField(
            StrLenField("password", b"", length_from=lambda p: p.length - 4), lambda p: _authentication(p)
        ),
        ConditionalField(
            StrLenField("value", b"", length_from=lambda p: p.length),
            lambda p: p.type not in _OF_CLIENTS and not _authentication(p),
        ),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        if self.length is None:
            pkt = pkt[:2] + (len(pkt) - 4).to_bytes(2, "big") + pkt[4:]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


def _authentication(extension: Any) -> bool:
    return bool(extension.type == 7 and (extension.length is None or extension.length >= 4))


def _exchange(packet: Any) -> bool:
    return packet.type not in (7, 8)


def _mandatory_left(packet: Any) -> int:
    """Octets of the mandatory part behind its addresses."""
    end = packet.extension_offset or packet.size
    addresses = (packet.source_nbma_length & 0x3F) + (packet.source_subaddress_length & 0x3F)
    return max(0, int(end - _FIXED - 8 - addresses - packet.source_length - packet.destination_length))


class NHRP(Packet):
    """An NHRP packet; what stands behind its size is padding."""

    name = "NHRP"
    fields_desc = [  # noqa: RUF012 the form that scapy asks for
        ShortField("address_family", 1),
        XShortEnumField("protocol_type", 0x0800, {0x0800: "IPv4", 0x86DD: "IPv6"}),
        StrFixedLenField("snap", bytes(5), 5),
        ByteField("hop_count", 255),
        ShortField("size", None),
        XShortField("checksum", None),
        ShortField("extension_offset", None),
        ByteField("version", 1),
        ByteEnumField("type", 1, TYPES),
        FieldLenField("source_nbma_length", None, length_of="source_nbma", fmt="B"),
        FieldLenField("source_subaddress_length", None, length_of="source_subaddress", fmt="B"),
        FieldLenField("source_length", None, length_of="source", fmt="B"),
        FieldLenField("destination_length", None, length_of="destination", fmt="B"),
        ConditionalField(XShortField("flags", 0), _exchange),
        ConditionalField(IntField("request_id", 0), _exchange),
        ConditionalField(XShortField("unused", 0), lambda p: not _exchange(p)),
        ConditionalField(ShortField("code", 0), lambda p: not _exchange(p)),
        ConditionalField(ShortField("offset", 0), lambda p: not _exchange(p)),
        AddressField("source_nbma", b"", length_from=lambda p: p.source_nbma_length & 0x3F),
        StrLenField("source_subaddress", b"", length_from=lambda p: p.source_subaddress_length & 0x3F),
        AddressField("source", b"", length_from=lambda p: p.source_length),
        AddressField("destination", b"", length_from=lambda p: p.destination_length),
        ConditionalField(PacketListField("clients", [], NHRPClient, length_from=_mandatory_left), _exchange),
        ConditionalField(StrLenField("quoted", b"", length_from=_mandatory_left), lambda p: not _exchange(p)),
        PacketListField(
            "extensions",
            [],
            NHRPExtension,
            length_from=lambda p: max(0, p.size - p.extension_offset) if p.extension_offset else 0,
        ),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        head = bytearray(pkt)
        if self.size is None:
            head[10:12] = len(pkt).to_bytes(2, "big")
        if self.extension_offset is None and self.extensions:
            behind = sum(len(bytes(extension)) for extension in self.extensions)
            head[14:16] = (len(pkt) - behind).to_bytes(2, "big")
        if self.checksum is None:
            head[12:14] = bytes(2)
            head[12:14] = checksum(bytes(head)).to_bytes(2, "big")
        return bytes(head) + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


bind_layers(GRE, NHRP, proto=0x2001)
