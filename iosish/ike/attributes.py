"""Numbers of SA attributes, protocols and transforms, and the form of attributes on the wire (RFC 2407 to 2409)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from iosish.ike.errors import PacketError

#: So many attributes of one transform are read; IOS sends seven.
MAX_ATTRIBUTES = 32
_BASIC = 0x8000


class Phase1(IntEnum):
    """Attribute types of an ISAKMP transform (RFC 2409 appendix A)."""

    ENCRYPTION = 1
    HASH = 2
    AUTHENTICATION = 3
    GROUP = 4
    LIFE_TYPE = 11
    LIFE_DURATION = 12
    KEY_LENGTH = 14


class Phase2(IntEnum):
    """Attribute types of an ESP or AH transform (RFC 2407 4.5)."""

    LIFE_TYPE = 1
    LIFE_DURATION = 2
    GROUP = 3
    MODE = 4
    AUTHENTICATION = 5
    KEY_LENGTH = 6


SECONDS, KILOBYTES = 1, 2
"""Life types."""


class Protocol(IntEnum):
    ISAKMP = 1
    AH = 2
    ESP = 3


KEY_IKE = 1
"""The transform id of every ISAKMP transform."""


class EspId(IntEnum):
    """Transform ids of ESP (RFC 2407 4.4.4, 3602, 4106)."""

    DES = 2
    TRIPLE_DES = 3
    NULL = 11
    AES_CBC = 12
    AES_GCM_8 = 18
    AES_GCM_12 = 19
    AES_GCM_16 = 20


class EspAuthentication(IntEnum):
    MD5 = 1
    SHA1 = 2
    SHA256 = 5
    SHA384 = 6
    SHA512 = 7


class EncapsulationMode(IntEnum):
    """Values of Phase2.MODE; behind NAT by RFC 3947, or by its drafts."""

    TUNNEL = 1
    TRANSPORT = 2
    UDP_TUNNEL = 3
    UDP_TRANSPORT = 4
    DRAFT_UDP_TUNNEL = 61443
    DRAFT_UDP_TRANSPORT = 61444


LARGEST = 2**64 - 1
"""No number that is sent means more."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `value` is a number when `basic` (two octets in the header), else octets."""

    type: int
    value: int | bytes

    @property
    def basic(self) -> bool:
        return isinstance(self.value, int)

    @property
    def number(self) -> int:
        """The value as a number, whichever way it was sent, up to LARGEST: it may be counted and printed."""
        return self.value if isinstance(self.value, int) else min(int.from_bytes(self.value, "big"), LARGEST)


def long(kind: int, number: int, octets: int = 4) -> Attribute:
    """A number in the form of variable length: IOS sends 86400 as 00 01 51 80."""
    return Attribute(kind, number.to_bytes(octets, "big"))


def duration(kind: int, number: int) -> Attribute:
    """A lifetime as IOS sends it: in the header while it fits into two octets."""
    return Attribute(kind, number) if number < 0x10000 else long(kind, number)


def encode(attributes: tuple[Attribute, ...]) -> bytes:
    parts: list[bytes] = []
    for attribute in attributes:
        if isinstance(attribute.value, int):
            parts.append((_BASIC | attribute.type).to_bytes(2, "big") + attribute.value.to_bytes(2, "big"))
        else:
            parts.append(attribute.type.to_bytes(2, "big") + len(attribute.value).to_bytes(2, "big") + attribute.value)
    return b"".join(parts)


def decode(data: bytes) -> tuple[Attribute, ...]:
    """Raises PacketError."""
    found: list[Attribute] = []
    at, end = 0, len(data)
    while at < end:
        if end - at < 4:
            raise PacketError("attribute is cut off")
        if len(found) == MAX_ATTRIBUTES:
            raise PacketError("too many attributes")
        kind = data[at] << 8 | data[at + 1]
        value = data[at + 2] << 8 | data[at + 3]
        at += 4
        if kind & _BASIC:
            found.append(Attribute(kind & 0x7FFF, value))
            continue
        if value > end - at:
            raise PacketError("attribute is cut off")
        found.append(Attribute(kind, data[at : at + value]))
        at += value
    return tuple(found)


def numbers(attributes: tuple[Attribute, ...]) -> dict[int, int]:
    """Attributes by type. Raises PacketError where one stands twice: nobody can tell which is meant."""
    found: dict[int, int] = {}
    for attribute in attributes:
        if attribute.type in found:
            raise PacketError("attribute stands twice")
        found[attribute.type] = attribute.number
    return found


def lifetimes(attributes: tuple[Attribute, ...], life_type: int, life_duration: int) -> dict[int, int]:
    """Durations by life type (SECONDS, KILOBYTES): each duration belongs to the type before it. Raises PacketError."""
    found: dict[int, int] = {}
    kind: int | None = None
    for attribute in attributes:
        if attribute.type == life_type:
            if kind is not None:
                raise PacketError("life type without duration")
            kind = attribute.number
        elif attribute.type == life_duration:
            if kind is None or kind in found:
                raise PacketError("life duration without type")
            found[kind] = attribute.number
            kind = None
    if kind is not None:
        raise PacketError("life type without duration")
    return found
