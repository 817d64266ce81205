"""The payloads of ISAKMP messages as strict values (RFC 2408 3, 3706, 3947).

A payload's `body` is what follows its generic header; `decode_body` reads one, `encode_body` gives it back octet for
octet. Types that we make nothing of are kept as `Other`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network
from struct import Struct
from typing import ClassVar, TypeAlias

from iosish.ike import attributes
from iosish.ike.attributes import Attribute
from iosish.ike.errors import PacketError

IPSEC_DOI = 1
IDENTITY_ONLY = 1
MAX_PROPOSALS = 32
MAX_TRANSFORMS = 64
MAX_SPIS = 64
MAX_SPI = 16
"""Octets: those of an ISAKMP SA are its two cookies."""
MIN_NONCE, MAX_NONCE = 8, 256
"""Octets (RFC 2409 5)."""
MIN_HASH, MAX_HASH = 16, 64
"""Octets: MD5 to SHA-512."""
MAX_PUBLIC_VALUE = 1024
"""Octets: the largest group of IKEv1 has 8192 bits (RFC 3526 7)."""

_PROPOSAL = Struct(">BBHBBBB")
_TRANSFORM = Struct(">BBHBBH")
_DOI = Struct(">II")
_NOTIFY = Struct(">IBBH")


class Kind(IntEnum):
    """Payload types."""

    NONE = 0
    SA = 1
    PROPOSAL = 2
    TRANSFORM = 3
    KEY_EXCHANGE = 4
    IDENTIFICATION = 5
    CERTIFICATE = 6
    CERTIFICATE_REQUEST = 7
    HASH = 8
    SIGNATURE = 9
    NONCE = 10
    NOTIFICATION = 11
    DELETE = 12
    VENDOR_ID = 13
    NAT_D_DRAFT_7 = 15
    NAT_OA_DRAFT_7 = 16
    NAT_D = 20
    NAT_OA = 21
    NAT_D_DRAFT_3 = 130
    NAT_OA_DRAFT_3 = 131


NAT_D_KINDS = frozenset({Kind.NAT_D, Kind.NAT_D_DRAFT_7, Kind.NAT_D_DRAFT_3})
NAT_OA_KINDS = frozenset({Kind.NAT_OA, Kind.NAT_OA_DRAFT_7, Kind.NAT_OA_DRAFT_3})


class IdType(IntEnum):
    IPV4 = 1
    FQDN = 2
    USER_FQDN = 3
    IPV4_SUBNET = 4
    IPV4_RANGE = 7
    DN = 9
    KEY_ID = 11


#: Octets of what has a fixed length.
_ID_OCTETS: dict[int, int] = {IdType.IPV4: 4, IdType.IPV4_SUBNET: 8, IdType.IPV4_RANGE: 8}


class NotifyType(IntEnum):
    NO_PROPOSAL_CHOSEN = 14
    INVALID_SPI = 11
    INVALID_ID_INFORMATION = 18
    PAYLOAD_MALFORMED = 16
    INVALID_HASH = 23
    AUTHENTICATION_FAILED = 24
    CONNECTED = 16384
    RESPONDER_LIFETIME = 24576
    REPLAY_STATUS = 24577
    INITIAL_CONTACT = 24578
    R_U_THERE = 36136
    R_U_THERE_ACK = 36137


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform: its number, the protocol's transform id, and attributes in their order."""

    number: int
    id: int
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """Transforms of one protocol; proposals of the same number belong together."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class Sa:
    """A security association payload. `situation` is identity-only in all IKE of IOS."""

    kind: ClassVar[Kind] = Kind.SA
    proposals: tuple[Proposal, ...]
    doi: int = IPSEC_DOI
    situation: int = IDENTITY_ONLY


@dataclass(frozen=True, slots=True)
class KeyExchange:
    kind: ClassVar[Kind] = Kind.KEY_EXCHANGE
    value: bytes


@dataclass(frozen=True, slots=True)
class Identification:
    """`data` is an address, a name or the like, by `type`; protocol and port are those of a traffic selector."""

    kind: ClassVar[Kind] = Kind.IDENTIFICATION
    type: int
    protocol: int
    port: int
    data: bytes

    def address(self) -> IPv4Address | None:
        """The one host that is meant: an address, or a subnet or range of one address; None: something else."""
        if self.type == IdType.IPV4 and len(self.data) == 4:
            return IPv4Address(self.data)
        if self.type == IdType.IPV4_SUBNET and len(self.data) == 8 and self.data[4:] == b"\xff" * 4:
            return IPv4Address(self.data[:4])
        if self.type == IdType.IPV4_RANGE and len(self.data) == 8 and self.data[:4] == self.data[4:]:
            return IPv4Address(self.data[:4])
        return None

    def __str__(self) -> str:
        """For people: an address, a network, a name."""
        if (address := self.address()) is not None:
            return str(address)
        if self.type == IdType.IPV4_SUBNET and len(self.data) == 8:
            try:
                return str(IPv4Network((self.data[:4], str(IPv4Address(self.data[4:]))), strict=False))
            except ValueError:
                return self.data.hex()
        if self.type in (IdType.FQDN, IdType.USER_FQDN):
            name = self.data.decode("ascii", "backslashreplace")
            return "".join(letter if letter.isprintable() else "?" for letter in name)
        return self.data.hex()


@dataclass(frozen=True, slots=True)
class Certificate:
    kind: ClassVar[Kind] = Kind.CERTIFICATE
    encoding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    kind: ClassVar[Kind] = Kind.CERTIFICATE_REQUEST
    encoding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Hash:
    kind: ClassVar[Kind] = Kind.HASH
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    kind: ClassVar[Kind] = Kind.SIGNATURE
    value: bytes


@dataclass(frozen=True, slots=True)
class Nonce:
    kind: ClassVar[Kind] = Kind.NONCE
    value: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """`type` is a NotifyType or one that we do not know; `spi` the cookies (16), an SPI (4) or nothing."""

    kind: ClassVar[Kind] = Kind.NOTIFICATION
    protocol: int
    spi: bytes
    type: int
    data: bytes = b""
    doi: int = IPSEC_DOI


@dataclass(frozen=True, slots=True)
class Delete:
    """The SPIs (all of one length) of SAs that the sender receives by and has deleted."""

    kind: ClassVar[Kind] = Kind.DELETE
    protocol: int
    spi_size: int
    spis: tuple[bytes, ...]
    doi: int = IPSEC_DOI


@dataclass(frozen=True, slots=True)
class VendorId:
    kind: ClassVar[Kind] = Kind.VENDOR_ID
    value: bytes


@dataclass(frozen=True, slots=True)
class NatDetection:
    """A hash of address and port; `kind` is the number that the agreed draft gives it."""

    kind: Kind
    value: bytes


@dataclass(frozen=True, slots=True)
class NatOriginalAddress:
    kind: Kind
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Other:
    """A payload that we make nothing of."""

    kind: int
    body: bytes


Payload: TypeAlias = (
    Sa
    | KeyExchange
    | Identification
    | Certificate
    | CertificateRequest
    | Hash
    | Signature
    | Nonce
    | Notification
    | Delete
    | VendorId
    | NatDetection
    | NatOriginalAddress
    | Other
)


def encode_body(payload: Payload) -> bytes:
    """What follows the generic header."""
    match payload:
        case Sa(proposals, doi, situation):
            return _DOI.pack(doi, situation) + _encode_proposals(proposals)
        case KeyExchange(value) | Hash(value) | Signature(value) | Nonce(value) | VendorId(value):
            return value
        case Identification(kind, protocol, port, data):
            return bytes((kind, protocol)) + port.to_bytes(2, "big") + data
        case Certificate(encoding, data) | CertificateRequest(encoding, data):
            return bytes((encoding,)) + data
        case Notification(protocol, spi, kind, data, doi):
            return _NOTIFY.pack(doi, protocol, len(spi), kind) + spi + data
        case Delete(protocol, spi_size, spis, doi):
            return _NOTIFY.pack(doi, protocol, spi_size, len(spis)) + b"".join(spis)
        case NatDetection(_, value):
            return value
        case NatOriginalAddress(_, kind, data):
            return bytes((kind, 0, 0, 0)) + data
        case Other(_, body):
            return body


def _encode_proposals(proposals: tuple[Proposal, ...]) -> bytes:
    parts: list[bytes] = []
    for place, proposal in enumerate(proposals, 1):
        transforms = b"".join(
            _encode_transform(transform, place == len(proposal.transforms))
            for place, transform in enumerate(proposal.transforms, 1)
        )
        parts.append(
            _PROPOSAL.pack(
                Kind.NONE if place == len(proposals) else Kind.PROPOSAL,
                0,
                _PROPOSAL.size + len(proposal.spi) + len(transforms),
                proposal.number,
                proposal.protocol,
                len(proposal.spi),
                len(proposal.transforms),
            )
            + proposal.spi
            + transforms
        )
    return b"".join(parts)


def _encode_transform(transform: Transform, last: bool) -> bytes:
    body = attributes.encode(transform.attributes)
    following = Kind.NONE if last else Kind.TRANSFORM
    return _TRANSFORM.pack(following, 0, _TRANSFORM.size + len(body), transform.number, transform.id, 0) + body


def decode_body(kind: int, body: bytes) -> Payload:
    """Raises PacketError."""
    match kind:
        case Kind.SA:
            return _decode_sa(body)
        case Kind.PROPOSAL | Kind.TRANSFORM:
            raise PacketError("proposal outside an SA payload")
        case Kind.KEY_EXCHANGE:
            _within(body, 1, MAX_PUBLIC_VALUE, "public value")
            return KeyExchange(body)
        case Kind.IDENTIFICATION:
            _need(body, 4, "ID payload")
            if len(body) - 4 != _ID_OCTETS.get(body[0], len(body) - 4):
                raise PacketError("ID payload does not fit its type")
            return Identification(body[0], body[1], body[2] << 8 | body[3], body[4:])
        case Kind.CERTIFICATE:
            _need(body, 1, "certificate payload")
            return Certificate(body[0], body[1:])
        case Kind.CERTIFICATE_REQUEST:
            _need(body, 1, "certificate request payload")
            return CertificateRequest(body[0], body[1:])
        case Kind.HASH:
            _within(body, MIN_HASH, MAX_HASH, "hash")
            return Hash(body)
        case Kind.SIGNATURE:
            return Signature(body)
        case Kind.NONCE:
            _within(body, MIN_NONCE, MAX_NONCE, "nonce")
            return Nonce(body)
        case Kind.NOTIFICATION:
            return _decode_notification(body)
        case Kind.DELETE:
            return _decode_delete(body)
        case Kind.VENDOR_ID:
            return VendorId(body)
        case Kind.NAT_D | Kind.NAT_D_DRAFT_7 | Kind.NAT_D_DRAFT_3:
            _within(body, MIN_HASH, MAX_HASH, "NAT-D payload")
            return NatDetection(Kind(kind), body)
        case Kind.NAT_OA | Kind.NAT_OA_DRAFT_7 | Kind.NAT_OA_DRAFT_3:
            _need(body, 4, "NAT-OA payload")
            if body[1:4] != bytes(3):
                return Other(kind, body)
            return NatOriginalAddress(Kind(kind), body[0], body[4:])
    return Other(kind, body)


def _need(body: bytes, octets: int, what: str) -> None:
    if len(body) < octets:
        raise PacketError(f"{what} is cut off")


def _within(body: bytes, least: int, most: int, what: str) -> None:
    if not least <= len(body) <= most:
        raise PacketError(f"{what} of an impossible length")


def _decode_sa(body: bytes) -> Sa:
    _need(body, _DOI.size, "SA payload")
    doi, situation = _DOI.unpack_from(body)
    if doi != IPSEC_DOI or situation != IDENTITY_ONLY:
        raise PacketError("SA of another domain of interpretation")
    proposals: list[Proposal] = []
    at, following = _DOI.size, int(Kind.PROPOSAL)
    while following == Kind.PROPOSAL:
        if len(proposals) == MAX_PROPOSALS:
            raise PacketError("too many proposals")
        if len(body) - at < _PROPOSAL.size:
            raise PacketError("proposal is cut off")
        following, reserved, length, number, protocol, spi_size, count = _PROPOSAL.unpack_from(body, at)
        start = at + _PROPOSAL.size
        if spi_size > MAX_SPI:
            raise PacketError("SPI is too long")
        if reserved or length < _PROPOSAL.size + spi_size or at + length > len(body):
            raise PacketError("proposal of a wrong length")
        spi = body[start : start + spi_size]
        proposals.append(
            Proposal(number, protocol, spi, _decode_transforms(body[start + spi_size : at + length], count))
        )
        at += length
    if following != Kind.NONE or at != len(body):
        raise PacketError("SA payload of a wrong length")
    return Sa(tuple(proposals), doi, situation)


def _decode_transforms(body: bytes, count: int) -> tuple[Transform, ...]:
    if not 0 < count <= MAX_TRANSFORMS:
        raise PacketError("wrong number of transforms")
    transforms: list[Transform] = []
    at = 0
    for left in range(count - 1, -1, -1):
        if len(body) - at < _TRANSFORM.size:
            raise PacketError("transform is cut off")
        following, reserved, length, number, kind, reserved2 = _TRANSFORM.unpack_from(body, at)
        if length < _TRANSFORM.size or at + length > len(body):
            raise PacketError("transform of a wrong length")
        if reserved or reserved2 or following != (Kind.TRANSFORM if left else Kind.NONE):
            raise PacketError("transforms are not chained")
        transforms.append(Transform(number, kind, attributes.decode(body[at + _TRANSFORM.size : at + length])))
        at += length
    if at != len(body):
        raise PacketError("proposal of a wrong length")
    return tuple(transforms)


def _decode_notification(body: bytes) -> Notification:
    _need(body, _NOTIFY.size, "notification")
    doi, protocol, spi_size, kind = _NOTIFY.unpack_from(body)
    _need(body, _NOTIFY.size + spi_size, "notification")
    if spi_size > MAX_SPI:
        raise PacketError("SPI is too long")
    at = _NOTIFY.size + spi_size
    return Notification(protocol, body[_NOTIFY.size : at], kind, body[at:], doi)


def _decode_delete(body: bytes) -> Delete:
    _need(body, _NOTIFY.size, "delete payload")
    doi, protocol, spi_size, count = _NOTIFY.unpack_from(body)
    if spi_size > MAX_SPI:
        raise PacketError("SPI is too long")
    if count > MAX_SPIS or not spi_size:
        raise PacketError("wrong number of SPIs")
    if len(body) != _NOTIFY.size + spi_size * count:
        raise PacketError("delete payload of a wrong length")
    spis = tuple(body[at : at + spi_size] for at in range(_NOTIFY.size, len(body), spi_size))
    return Delete(protocol, spi_size, spis, doi)
