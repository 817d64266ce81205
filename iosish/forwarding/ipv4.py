"""IPv4 on plain bytes: what a tunnel has to read and change in a packet, without an object per packet.

Every function takes a whole packet as `bytes` or a view of them and trusts nothing in it. Lengths are octets,
addresses four octets in network order. RFC 791 (header, fragments), RFC 792 and 1191 (ICMP errors), RFC 1812
section 4.3.2 (when no ICMP error may be sent).
"""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

Packet: TypeAlias = bytes | bytearray | memoryview

HEADER_MIN = 20
DF = 0x4000
MF = 0x2000
OFFSET_MASK = 0x1FFF
ICMP = 1
TCP = 6
UDP = 17
GRE = 47
ESP = 50
BROADCAST = b"\xff\xff\xff\xff"
UNSPECIFIED = b"\0\0\0\0"

ICMP_UNREACHABLE = 3
ICMP_TIME_EXCEEDED = 11
FRAGMENTATION_NEEDED = 4

_ERROR_TOS = 0xC0  # RFC 1812 section 4.3.2.5: internetwork control
_ERROR_TTL = 255
_ERROR_MAX = 576  # RFC 1812 section 4.3.2.3: quote as much as fits into this
_ICMP_ERRORS = frozenset((3, 4, 5, 11, 12))

_HEADER = Struct("!BBHHHBBH4s4s")
_ICMP = Struct("!BBHI")
_U16 = Struct("!H")
_UDP = Struct("!HHHH")


def checksum(data: Packet) -> int:
    """The Internet checksum (RFC 1071) of `data`, to be stored in a field that was zero."""
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    if not number:
        return 0xFFFF
    # 65536 is 1 modulo 65535: the remainder of the whole number is its one's complement sum.
    return (0xFFFF - number % 0xFFFF) % 0xFFFF


def checksum_right(data: Packet) -> bool:
    """Whether `data`, its checksum field included, sums to "all ones"."""
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    return number != 0 and number % 0xFFFF == 0


def adjusted(old_sum: int, old: int, new: int) -> int:
    """The checksum after one 16-bit word changed from `old` to `new` (RFC 1624, equation 3)."""
    total = (~old_sum & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def size(packet: Packet) -> int:
    """The total length of a well-formed packet (which may be followed by padding), else 0. No checksum is looked at."""
    if len(packet) < HEADER_MIN:
        return 0
    first = packet[0]
    if first < 0x45 or first > 0x4F:
        return 0
    total = packet[2] << 8 | packet[3]
    if total > len(packet) or total < (first & 15) << 2:
        return 0
    return total


def header_size(packet: Packet) -> int:
    return (packet[0] & 15) << 2


def source(packet: Packet) -> bytes:
    return bytes(packet[12:16])


def destination(packet: Packet) -> bytes:
    return bytes(packet[16:20])


def has_df(packet: Packet) -> bool:
    return packet[6] & 0x40 != 0


def is_fragment(packet: Packet) -> bool:
    return packet[6] & 0x3F != 0 or packet[7] != 0


def is_group(address: Packet) -> bool:
    """Multicast (224.0.0.0/4) or the limited broadcast."""
    return 224 <= address[0] < 240 or address == BROADCAST


def is_host(address: Packet) -> bool:
    """An address that one host elsewhere can have: not this network, loopback, multicast, reserved or broadcast."""
    return 0 < address[0] < 224 and address[0] != 127


def with_ttl_decremented(packet: Packet) -> bytes:
    """The packet one hop further; the caller has seen that its TTL is above 1."""
    changed = bytearray(packet)
    word = changed[8] << 8 | changed[9]
    changed[8] -= 1
    _U16.pack_into(changed, 10, adjusted(changed[10] << 8 | changed[11], word, word - 0x100))
    return bytes(changed)


def build(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: Packet,
    *,
    ttl: int = 255,
    tos: int = 0,
    identification: int = 0,
    df: bool = False,
) -> bytes:
    """A packet without options. The payload is at most 65515 octets long (else ValueError)."""
    total = HEADER_MIN + len(payload)
    if total > 0xFFFF:
        raise ValueError(f"packet of {total} octets")
    flags = DF if df else 0
    header = bytearray(
        _HEADER.pack(0x45, tos, total, identification, flags, ttl, protocol, 0, source, destination),
    )
    _U16.pack_into(header, 10, checksum(header))
    return b"".join((header, payload))


def udp(source_port: int, destination_port: int, payload: Packet) -> bytes:
    """A UDP header without checksum (RFC 3948 2.1: ESP in UDP has none) and its payload."""
    return b"".join((_UDP.pack(source_port, destination_port, _UDP.size + len(payload), 0), payload))


def fragment(packet: Packet, mtu: int) -> list[bytes]:
    """A well-formed packet cut into pieces of at most `mtu` octets; [] where that cannot be done.

    The pieces continue the packet's own offset and more-fragments flag, so that a fragment can be cut again.
    The first piece keeps all options, the others those that have the copied flag (RFC 791 section 3.2).
    Whether DF allows it is the caller's question.
    """
    total = size(packet)
    if not total:
        return []
    if total <= mtu:
        return [bytes(packet[:total])]
    length = header_size(packet)
    first_header = bytes(packet[:length])
    later_header = _copied_header(first_header)
    payload = bytes(packet[length:total])
    flags = packet[6] << 8 | packet[7]
    offset = flags & OFFSET_MASK
    pieces: list[bytes] = []
    header, start = first_header, 0
    while start < len(payload):
        room = mtu - len(header)
        end = len(payload) if len(payload) - start <= room else start + (room & ~7)
        if end <= start or offset > OFFSET_MASK:
            return []
        more = flags & MF if end == len(payload) else MF
        pieces.append(
            _with_fields(header, end - start, flags & ~(MF | OFFSET_MASK) | more | offset) + payload[start:end]
        )
        offset += (end - start) >> 3
        header, start = later_header, end
    return pieces


def _with_fields(header: bytes, payload_size: int, flags: int) -> bytes:
    changed = bytearray(header)
    _U16.pack_into(changed, 2, len(header) + payload_size)
    _U16.pack_into(changed, 6, flags)
    _U16.pack_into(changed, 10, 0)
    _U16.pack_into(changed, 10, checksum(changed))
    return bytes(changed)


def _copied_header(header: bytes) -> bytes:
    """The header of every fragment but the first. Options that cannot be read end the list."""
    options = bytearray()
    at = HEADER_MIN
    while at < len(header):
        kind = header[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        length = header[at + 1] if at + 1 < len(header) else 0
        if length < 2 or at + length > len(header):
            break
        if kind & 0x80:
            options += header[at : at + length]
        at += length
    options += bytes(-len(options) % 4)
    return bytes([0x40 | (HEADER_MIN + len(options)) >> 2]) + header[1:HEADER_MIN] + bytes(options)


def icmp_error(sender: bytes, about: Packet, kind: int, code: int, rest: int = 0) -> bytes | None:
    """An ICMP error from `sender` to the source of `about`, or None where RFC 1812 section 4.3.2.7 forbids one.

    `rest` is the second word of the ICMP header: the next-hop MTU in a "fragmentation needed" (RFC 1191).
    """
    total = size(about)
    if not total:
        return None
    to = source(about)
    if not is_host(to) or is_group(destination(about)) or (about[6] & 0x1F or about[7]):
        return None
    length = header_size(about)
    if about[9] == ICMP and (total <= length or about[length] in _ICMP_ERRORS):
        return None
    quoted = bytes(about[: min(total, _ERROR_MAX - HEADER_MIN - _ICMP.size)])
    message = bytearray(_ICMP.pack(kind, code, 0, rest) + quoted)
    _U16.pack_into(message, 2, checksum(message))
    return build(sender, to, ICMP, message, ttl=_ERROR_TTL, tos=_ERROR_TOS)


def fragmentation_needed(packet: Packet) -> tuple[bytes, bytes, int, int, Packet] | None:
    """What an ICMP 3/4 packet tells: (source, destination, protocol) of the packet it is about, the next-hop MTU, and
    what it quotes of that packet behind its header (RFC 792: at least 8 octets, which is not checked).

    None for every other packet, and for one whose checksum is wrong or whose quote is too short.
    """
    total = size(packet)
    if not total or packet[9] != ICMP or is_fragment(packet):
        return None
    message = packet[header_size(packet) : total]
    if len(message) < _ICMP.size + HEADER_MIN or message[0] != ICMP_UNREACHABLE or message[1] != FRAGMENTATION_NEEDED:
        return None
    if not checksum_right(message):
        return None
    about = message[_ICMP.size :]
    if about[0] >> 4 != 4:
        return None
    return source(about), destination(about), about[9], message[6] << 8 | message[7], about[header_size(about) :]
