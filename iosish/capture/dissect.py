"""A packet in one readable line. Everything in it is hostile: what cannot be read is said, and nothing is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import NamedTuple

from iosish.capture.match import network_packet
from iosish.forwarding import gre, ipv4, ipv6
from iosish.ike import packet as isakmp
from iosish.ike.errors import PacketError as IsakmpError
from iosish.nhrp import debug
from iosish.nhrp import packet as nhrp
from iosish.nhrp.cie import Cie
from iosish.nhrp.extensions import Extension, ExtensionType
from iosish.nhrp.wire import PacketError as NhrpError

#: Packets in packets that are read.
DEPTH_MAX = 4
#: Clients and extensions of one NHRP packet that are written.
LISTED_MAX = 16

_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 51: "AHP", 88: "EIGRP", 89: "OSPF"}
_ICMP = {
    0: "echo reply",
    3: "unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    11: "time exceeded",
    12: "parameter problem",
}
_UNREACHABLE = {0: "net", 1: "host", 2: "protocol", 3: "port", 4: "fragmentation needed", 13: "prohibited"}
_TCP_FLAGS = ((0x02, "SYN"), (0x10, "ACK"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"), (0x20, "URG"))
_EXCHANGES = {2: "Main Mode", 4: "Aggressive Mode", 5: "Informational", 6: "Transaction", 32: "Quick Mode"}
_ARP = {1: "request", 2: "reply"}
_U16, _U32, _TWO, _ESP = Struct("!H"), Struct("!I"), Struct("!HH"), Struct("!II")
_SHORT = "cut off"


class Line(NamedTuple):
    """`dscp` None: it has none. Addresses as text."""

    source: str
    destination: str
    dscp: int | None
    protocol: str
    text: str


def line(data: bytes, tunnel: bool) -> Line:
    """Of a tunnel, source and destination are those inside; for NHRP the NBMA addresses."""
    kind, packet = network_packet(data, tunnel)
    body = bytes(packet)
    if kind == 0x0800:
        return _ip(body, 0, inside=tunnel)
    if kind == 0x86DD:
        return _ip6(body)
    if kind == 0x0806:
        return _arp(body)
    macs = data[6:12].hex(":"), data[:6].hex(":")
    return Line(*macs, None, "LLC" if kind < 0x600 else f"0x{kind:04X}", f"{len(body)} octets")


def _ip(packet: bytes, depth: int, inside: bool = False) -> Line:
    if len(packet) < ipv4.HEADER_MIN or packet[0] >> 4 != 4 or packet[0] & 15 < 5:
        return Line("", "", None, "IP", "malformed")
    protocol, dscp = packet[9], packet[1] >> 2
    source, destination = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    offset = (packet[6] << 8 | packet[7]) & ipv4.OFFSET_MASK
    name = _PROTOCOLS.get(protocol, str(protocol))
    body = packet[ipv4.header_size(packet) : int.from_bytes(packet[2:4], "big") or None]
    if offset:
        return Line(source, destination, dscp, name, f"fragment at {offset * 8}, {len(body)} octets")
    if protocol == ipv4.GRE:
        return _gre(source, destination, dscp, body, depth, inside)
    reader = _READERS.get(protocol)
    label, text = (name, f"{len(body)} octets") if reader is None else reader(body)
    if packet[6] & 0x20:
        text += ", fragment at 0"
    return Line(source, destination, dscp, label, text)


def _ip6(packet: bytes) -> Line:
    if not ipv6.size(packet):
        return Line("", "", None, "IPv6", "malformed")
    addresses = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))
    reader = _READERS.get(packet[6])
    if reader is None or packet[6] == ipv4.ICMP:
        return Line(*addresses, packet[1] >> 6 | (packet[0] & 15) << 2, "IPv6", f"next header {packet[6]}")
    return Line(*addresses, packet[1] >> 6 | (packet[0] & 15) << 2, *reader(packet[40:]))


def _arp(packet: bytes) -> Line:
    if len(packet) < 28 or packet[2:6] != b"\x08\x00\x06\x04":
        return Line("", "", None, "ARP", "malformed")
    sender, target = str(IPv4Address(packet[14:18])), str(IPv4Address(packet[24:28]))
    operation = int.from_bytes(packet[6:8], "big")
    text = (
        f"{_ARP.get(operation, operation)}, who has {target}" if operation == 1 else f"{_ARP.get(operation, operation)}"
    )
    return Line(sender, target, None, "ARP", f"{text}, sender {packet[8:14].hex(':')}")


def _gre(source: str, destination: str, dscp: int, frame: bytes, depth: int, inside: bool) -> Line:
    try:
        protocol, key, start = gre.parse(frame)
    except gre.GreError as error:
        return Line(source, destination, dscp, "GRE", f"malformed: {error}")
    keyed = "" if key is None else f"key {key} "
    payload = frame[start:]
    if protocol == gre.NHRP:
        return Line(source, destination, dscp, "NHRP" if inside else "GRE", keyed + _nhrp(payload, inside))
    if protocol not in (gre.IPV4, gre.IPV6) or depth >= DEPTH_MAX:
        return Line(source, destination, dscp, "GRE", f"{keyed}protocol type 0x{protocol:04X}, {len(payload)} octets")
    carried = _ip(payload, depth + 1) if protocol == gre.IPV4 else _ip6(payload)
    if inside:
        return carried._replace(text=f"{carried.text}; {keyed}{source} > {destination}")
    text = f"{keyed}{carried.source} > {carried.destination} {carried.protocol} {carried.text}"
    return Line(source, destination, dscp, "GRE", text)


def _icmp(message: bytes) -> tuple[str, str]:
    if len(message) < 8:
        return "ICMP", _SHORT
    kind, code = message[0], message[1]
    text = _ICMP.get(kind, f"type {kind}")
    if kind in (0, 8):
        identifier, sequence = _TWO.unpack_from(message, 4)
        return "ICMP", f"{text} id {identifier} seq {sequence}"
    if kind == 3:
        text = f"{_UNREACHABLE.get(code, f'code {code}')} {text}"
        if code == ipv4.FRAGMENTATION_NEEDED:
            text += f", MTU {int.from_bytes(message[6:8], 'big')}"
    elif code:
        text += f" code {code}"
    if kind in (3, 4, 5, 11, 12) and len(message) >= 28 and message[8] >> 4 == 4:
        about = message[8:]
        name = _PROTOCOLS.get(about[9], str(about[9]))
        text += f" about {IPv4Address(about[12:16])} > {IPv4Address(about[16:20])} {name}"
    return "ICMP", text


def _tcp(segment: bytes) -> tuple[str, str]:
    if len(segment) < 20:
        return "TCP", _SHORT
    source, destination = _TWO.unpack_from(segment)
    flags = ",".join(name for bit, name in _TCP_FLAGS if segment[13] & bit)
    (sequence,) = _U32.unpack_from(segment, 4)
    octets = max(0, len(segment) - (segment[12] >> 4) * 4)
    return "TCP", f"{source} > {destination} {flags or 'no flags'} seq {sequence} {octets} octets"


def _udp(datagram: bytes) -> tuple[str, str]:
    if len(datagram) < 8:
        return "UDP", _SHORT
    source, destination = _TWO.unpack_from(datagram)
    payload = datagram[8:]
    ports = f"{source} > {destination}"
    if 500 in (source, destination):
        return "ISAKMP", f"{_isakmp(payload)}"
    if 4500 in (source, destination):
        if payload == b"\xff":
            return "UDP", f"{ports} NAT keepalive"
        if payload[:4] == bytes(4):
            return "ISAKMP", f"{ports} {_isakmp(payload[4:])}"
        return "ESP", f"in UDP {ports} {_esp(payload)[1]}"
    return "UDP", f"{ports} {len(payload)} octets"


def _esp(packet: bytes) -> tuple[str, str]:
    if len(packet) < _ESP.size:
        return "ESP", _SHORT
    spi, sequence = _ESP.unpack_from(packet)
    return "ESP", f"SPI 0x{spi:08X} seq {sequence} {len(packet)} octets"


def _isakmp(message: bytes) -> str:
    try:
        header, _ = isakmp.decode_header(message)
    except IsakmpError as error:
        return f"malformed: {error}"
    exchange = _EXCHANGES.get(header.exchange, f"exchange {header.exchange}")
    encrypted = ", encrypted" if header.encrypted else ""
    cookies = f"{header.cookie_i.hex().upper()} {header.cookie_r.hex().upper()}"
    return f"{exchange}, message id 0x{header.message_id:08X}{encrypted}, cookies {cookies}"


_READERS: dict[int, Callable[[bytes], tuple[str, str]]] = {
    ipv4.ICMP: _icmp,
    ipv4.TCP: _tcp,
    ipv4.UDP: _udp,
    ipv4.ESP: _esp,
}


def _nhrp(data: bytes, inside: bool) -> str:
    name = "" if inside else "NHRP "
    try:
        packet = nhrp.decode(data)
    except NhrpError as error:
        return f"{name}malformed: {error.reason}"
    body = packet.body
    parts = [name + debug.TYPE_NAMES[packet.type]]
    match body:
        case nhrp.Exchange(request_id=request_id):
            parts.append(f'flags "{" ".join(debug.flag_names(packet.type, body.flags))}" id {request_id}')
        case nhrp.Fault(code=code, offset=offset):
            parts.append(f"code {code} offset {offset}")
        case nhrp.Indication(code=code):
            parts.append(f"code {code}")
    parts.append(f"hop {packet.hop_count} from {packet.source_nbma} {packet.source} > {packet.destination}")
    text = " ".join(parts)
    if isinstance(body, nhrp.Exchange):
        text += "".join(f"; {client}" for client in _clients(body.cies))
    else:
        text += f"; quotes {_quoted(body)}"
    for extension in (packet.extensions or ())[:LISTED_MAX]:
        text += f"; {_extension(extension)}"
    return text


def _quoted(body: nhrp.Fault | nhrp.Indication) -> str:
    if isinstance(body, nhrp.Indication):
        about = _ip(body.quoted, DEPTH_MAX)
        if about.source:
            return f"{about.source} > {about.destination} {about.protocol} {about.text}"
    return f"{len(body.quoted)} octets"


def _clients(cies: tuple[Cie, ...]) -> Iterable[str]:
    for number, cie in enumerate(cies[:LISTED_MAX], 1):
        addresses = " ".join(str(address) for address in (cie.nbma, cie.protocol) if address is not None)
        yield (
            f"C-{number} code {cie.code} prefix {cie.prefix} mtu {cie.mtu} hold {cie.holding_time_s} "
            f"pref {cie.preference} {addresses}".rstrip()
        )


def _extension(extension: Extension) -> str:
    name = debug.EXTENSION_NAMES.get(extension.type)
    if name is None:
        return f"Extension {extension.type} ({len(extension.value)} octets)"
    if extension.type == ExtensionType.AUTHENTICATION:
        return f"{name} <removed>"
    try:
        clients = ", ".join(_clients(extension.cies))
    except NhrpError as error:
        return f"{name} malformed: {error.reason}"
    return f"{name} ({clients})" if clients else name
