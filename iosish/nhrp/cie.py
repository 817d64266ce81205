"""The client information entry (RFC 2332 5.2.0.1): in the mandatory part and inside extensions 3, 4, 5 and 9."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from iosish.nhrp.wire import Address, PacketError, Reader, nbma_length, octets

_FIXED = struct.Struct(">BBHHHBBBB")
MAX_CIES = 64
"""Entries of one list; more is no packet of an NHRP speaker but work for its receiver."""


class Code(IntEnum):
    """What a reply says about a client, as RFC 2332 numbers it."""

    SUCCESS = 0
    ADMINISTRATIVELY_PROHIBITED = 4
    INSUFFICIENT_RESOURCES = 5
    NO_BINDING = 12
    NOT_UNIQUE = 13
    ALREADY_REGISTERED = 14


CODE_NAMES: Mapping[int, str] = {
    Code.ADMINISTRATIVELY_PROHIBITED: "administratively prohibited",
    Code.INSUFFICIENT_RESOURCES: "insufficient resources",
    Code.NO_BINDING: "no binding exists",
    Code.NOT_UNIQUE: "binding exists but is not unique",
    Code.ALREADY_REGISTERED: "unique address registered already",
}
"""The words IOS prints before the number."""


@dataclass(frozen=True, slots=True)
class Cie:
    """One client. `prefix` 0 and 255 both mean "this host"; `code` is any octet, named in `Code` where known."""

    code: int = Code.SUCCESS
    prefix: int = 0
    mtu: int = 0
    holding_time_s: int = 0
    nbma: Address = None
    protocol: Address = None
    preference: int = 0
    subaddress: bytes = b""

    def encode(self) -> bytes:
        nbma, protocol = octets(self.nbma), octets(self.protocol)
        if len(self.subaddress) > 0x3F:
            raise PacketError("client subaddress is too long")
        fixed = _FIXED.pack(
            self.code,
            self.prefix,
            0,
            self.mtu,
            self.holding_time_s,
            len(nbma),
            len(self.subaddress),
            len(protocol),
            self.preference,
        )
        return fixed + nbma + self.subaddress + protocol


def read_cie(reader: Reader) -> Cie:
    code, prefix, _, mtu, holding_time_s, nbma, sub, protocol, preference = reader.unpack(_FIXED, "client information")
    return Cie(
        code=code,
        prefix=prefix,
        mtu=mtu,
        holding_time_s=holding_time_s,
        preference=preference,
        nbma=reader.address(nbma_length(nbma), "client NBMA address"),
        subaddress=reader.take(nbma_length(sub), "client subaddress"),
        protocol=reader.address(protocol, "client protocol address"),
    )


def read_cies(reader: Reader) -> tuple[Cie, ...]:
    """All entries up to the end of what `reader` may read."""
    cies: list[Cie] = []
    while reader.left:
        if len(cies) == MAX_CIES:
            raise PacketError("too many clients")
        cies.append(read_cie(reader))
    return tuple(cies)
