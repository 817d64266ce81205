"""NHRP extensions (RFC 2332 5.3): kept as they came, in their order, whether we know them or not."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from iosish.nhrp.cie import Cie, read_cies
from iosish.nhrp.wire import PacketError, Reader

_HEADER = struct.Struct(">HH")
_COMPULSORY = 0x8000
_TYPE = 0x3FFF
_CLEARTEXT = b"\0\0\0\1"  # reserved 0 and SPI 1, which IOS shows as "type:Cleartext(1)"


class ExtensionType(IntEnum):
    END = 0
    RESPONDER = 3
    FORWARD_RECORD = 4
    REVERSE_RECORD = 5
    AUTHENTICATION = 7
    VENDOR = 8
    NAT = 9


KNOWN = frozenset(int(kind) for kind in ExtensionType)


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension; `type` is the 14-bit number, `value` its octets without the header."""

    type: int
    value: bytes = b""
    compulsory: bool = True

    def encode(self) -> bytes:
        if len(self.value) > 0xFFFF:
            raise PacketError("extension is too long")
        return _HEADER.pack(self.type | (_COMPULSORY if self.compulsory else 0), len(self.value)) + self.value

    @property
    def cies(self) -> tuple[Cie, ...]:
        """The value as a list of client information entries; PacketError when it is none."""
        return read_cies(Reader(self.value))


END = Extension(ExtensionType.END)


def of_cies(kind: ExtensionType, cies: Iterable[Cie] = ()) -> Extension:
    """An extension that carries clients. Only the NAT extension is not compulsory."""
    return Extension(kind, b"".join(cie.encode() for cie in cies), compulsory=kind is not ExtensionType.NAT)


def authentication(password: bytes) -> Extension:
    """Cisco's plain-text authentication: no padding, no source address."""
    return Extension(ExtensionType.AUTHENTICATION, _CLEARTEXT + password)


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """All extensions before End, which has to be there."""
    extensions: list[Extension] = []
    while True:
        kind, length = reader.unpack(_HEADER, "extension")
        value = reader.take(length, "extension")
        if kind & _TYPE == ExtensionType.END:
            return tuple(extensions)
        extensions.append(Extension(kind & _TYPE, value, bool(kind & _COMPULSORY)))
