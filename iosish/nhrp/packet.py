"""The NHRP packet (RFC 2332 5.1, 5.2; traffic indication as IOS sends it): octets to an immutable value and back."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from iosish.nhrp.cie import Cie, read_cies
from iosish.nhrp.extensions import END, Extension, read_extensions
from iosish.nhrp.wire import Address, PacketError, Reader, checksum, nbma_length, octets

_FIXED = struct.Struct(">HH5xBHHHBBBB")
_MANDATORY = struct.Struct(">BB")
_EXCHANGE = struct.Struct(">HI")
_ERROR = struct.Struct(">2xHH")
_INDICATION = struct.Struct(">2xH2x")
_LENGTH = {1: 4, 2: 16, 0x0800: 4, 0x86DD: 16}
IPV4_NBMA, IPV6_NBMA = 1, 2
IPV4_OVERLAY, IPV6_OVERLAY = 0x0800, 0x86DD


class PacketType(IntEnum):
    RESOLUTION_REQUEST = 1
    RESOLUTION_REPLY = 2
    REGISTRATION_REQUEST = 3
    REGISTRATION_REPLY = 4
    PURGE_REQUEST = 5
    PURGE_REPLY = 6
    ERROR_INDICATION = 7
    TRAFFIC_INDICATION = 8


REPLIES = frozenset({PacketType.RESOLUTION_REPLY, PacketType.REGISTRATION_REPLY, PacketType.PURGE_REPLY})
"""These travel to their source protocol address: a reply keeps the order of its request."""


class ErrorCode(IntEnum):
    UNRECOGNIZED_EXTENSION = 1
    LOOP_DETECTED = 3
    PROTOCOL_ADDRESS_UNREACHABLE = 6
    PROTOCOL_ERROR = 7
    SDU_SIZE_EXCEEDED = 8
    INVALID_EXTENSION = 9
    INVALID_RESOLUTION_REPLY = 10
    AUTHENTICATION_FAILURE = 11
    HOP_COUNT_EXCEEDED = 15


@dataclass(frozen=True, slots=True)
class Exchange:
    """What types 1 to 6 carry. The meaning of `flags` depends on the type, see `constants`."""

    flags: int
    request_id: int
    cies: tuple[Cie, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What type 7 carries: the code, where in the packet the fault is, and the packet."""

    code: int
    offset: int
    quoted: bytes


@dataclass(frozen=True, slots=True)
class Indication:
    """What type 8 carries: the packet that ought to take another way. Its target is in the quote alone."""

    code: int
    quoted: bytes


Body = Exchange | Fault | Indication


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One NHRP packet. `extensions` None: there is no extension part; an empty tuple: there is End alone."""

    type: PacketType
    source_nbma: Address
    source: Address
    destination: Address
    body: Body
    extensions: tuple[Extension, ...] | None = None
    hop_count: int = 255
    source_subaddress: bytes = b""
    address_family: int = IPV4_NBMA
    protocol_type: int = IPV4_OVERLAY

    def encode(self) -> bytes:
        """The octets, with size, offset and checksum filled in; PacketError when a value does not fit its field."""
        try:
            return self._encode()
        except struct.error:
            raise PacketError("value does not fit its field") from None

    def _encode(self) -> bytes:
        nbma, source, destination = octets(self.source_nbma), octets(self.source), octets(self.destination)
        body = self.body
        match body:
            case Exchange():
                fields, rest = _EXCHANGE.pack(body.flags, body.request_id), b"".join(c.encode() for c in body.cies)
            case Fault():
                fields, rest = _ERROR.pack(body.code, body.offset), body.quoted
            case Indication():
                fields, rest = _INDICATION.pack(body.code), body.quoted
        mandatory = b"".join(
            (
                _MANDATORY.pack(len(source), len(destination)),
                fields,
                nbma,
                self.source_subaddress,
                source,
                destination,
                rest,
            )
        )
        offset, extensions = 0, b""
        if self.extensions is not None:
            offset = _FIXED.size + len(mandatory)
            extensions = b"".join(extension.encode() for extension in (*self.extensions, END))
        size = _FIXED.size + len(mandatory) + len(extensions)
        if size > 0xFFFF or len(self.source_subaddress) > 0x3F:
            raise PacketError("packet is too long")

        def header(total: int) -> bytes:
            return _FIXED.pack(
                self.address_family,
                self.protocol_type,
                self.hop_count,
                size,
                total,
                offset,
                1,
                self.type,
                len(nbma),
                len(self.source_subaddress),
            )

        rest = mandatory + extensions
        return header(checksum(header(0) + rest)) + rest


def decode(data: bytes) -> Packet:
    """The packet in `data`; PacketError with a reason otherwise. Octets beyond the packet's own size are padding."""
    reader = Reader(data)
    family, protocol, hops, size, _, offset, version, kind, shtl, sstl = reader.unpack(_FIXED, "fixed header")
    if family not in (IPV4_NBMA, IPV6_NBMA):
        raise PacketError("unknown NBMA address family")
    if protocol not in (IPV4_OVERLAY, IPV6_OVERLAY):
        raise PacketError("unknown protocol type")
    if version != 1:
        raise PacketError("unknown version")
    if not _FIXED.size <= size <= len(data):
        raise PacketError("packet size is not what arrived")
    if checksum(data[:size]):
        raise PacketError("checksum is wrong")
    try:
        packet_type = PacketType(kind)
    except ValueError:
        raise PacketError("unknown packet type") from None
    reader.end = offset or size
    if not reader.position <= reader.end <= size:
        raise PacketError("extension offset is outside the packet")

    source_length, destination_length = reader.unpack(_MANDATORY, "mandatory part")
    fields: tuple[int, ...]
    match packet_type:
        case PacketType.ERROR_INDICATION:
            fields = reader.unpack(_ERROR, "mandatory part")
        case PacketType.TRAFFIC_INDICATION:
            fields = reader.unpack(_INDICATION, "mandatory part")
        case _:
            fields = reader.unpack(_EXCHANGE, "mandatory part")
    nbma_octets = nbma_length(shtl)
    if nbma_octets not in (0, _LENGTH[family]):
        raise PacketError("NBMA address does not fit its family")
    if {source_length, destination_length} - {0, _LENGTH[protocol]}:
        raise PacketError("protocol address does not fit its type")
    nbma = reader.address(nbma_octets, "source NBMA address")
    subaddress = reader.take(nbma_length(sstl), "source subaddress")
    source = reader.address(source_length, "source protocol address")
    destination = reader.address(destination_length, "destination protocol address")
    body: Body
    match packet_type:
        case PacketType.ERROR_INDICATION:
            body = Fault(fields[0], fields[1], reader.take(reader.left, "quoted packet"))
        case PacketType.TRAFFIC_INDICATION:
            body = Indication(fields[0], reader.take(reader.left, "quoted packet"))
        case _:
            body = Exchange(fields[0], fields[1], read_cies(reader))
    return Packet(
        type=packet_type,
        source_nbma=nbma,
        source=source,
        destination=destination,
        body=body,
        extensions=read_extensions(Reader(data, offset, size)) if offset else None,
        hop_count=hops,
        source_subaddress=subaddress,
        address_family=family,
        protocol_type=protocol,
    )
