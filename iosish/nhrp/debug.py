"""The lines of `debug nhrp [packet|cache|error]`, in the words of IOS 15."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from iosish.nhrp import constants as c
from iosish.nhrp.cache import Binding
from iosish.nhrp.cie import CODE_NAMES, Cie, Code
from iosish.nhrp.extensions import Extension, ExtensionType
from iosish.nhrp.packet import IPV4_NBMA, IPV4_OVERLAY, ErrorCode, Exchange, Fault, Indication, Packet, PacketType
from iosish.nhrp.wire import Address, PacketError

PROTOCOL, PACKET, CACHE, ERROR = "nhrp", "nhrp packet", "nhrp cache", "nhrp error"

TYPE_NAMES = {kind: kind.name.replace("_", " ").title() for kind in PacketType}
"""As `show ip nhrp traffic` and the debugs write them."""

EXTENSION_NAMES: Mapping[int, str] = {
    ExtensionType.RESPONDER: "Responder Address",
    ExtensionType.FORWARD_RECORD: "Forward Transit NHS Record",
    ExtensionType.REVERSE_RECORD: "Reverse Transit NHS Record",
    ExtensionType.AUTHENTICATION: "Authentication",
    ExtensionType.NAT: "NAT address",
}

QUOTED = 40
"""Octets shown of a quoted packet: its headers, not the password that may stand behind them."""

_RESOLUTION = (
    (c.ROUTER, "router"),
    (c.AUTHORITATIVE, "auth"),
    (c.DESTINATION_STABLE, "dst-stable"),
    (c.RESOLUTION_UNIQUE, "unique"),
    (c.SOURCE_STABLE, "src-stable"),
    (c.NAT, "nat"),
)
_REGISTRATION = ((c.REGISTRATION_UNIQUE, "unique"), (c.NAT, "nat"))
_PURGE = ((c.NO_REPLY, "no-reply"), (c.NAT, "nat"))
_FLAGS = {
    PacketType.RESOLUTION_REQUEST: _RESOLUTION,
    PacketType.RESOLUTION_REPLY: _RESOLUTION,
    PacketType.REGISTRATION_REQUEST: _REGISTRATION,
    PacketType.REGISTRATION_REPLY: _REGISTRATION,
    PacketType.PURGE_REQUEST: _PURGE,
    PacketType.PURGE_REPLY: _PURGE,
}


def flag_names(kind: PacketType, flags: int) -> Iterator[str]:
    """The names of the flags of an `Exchange` that are set."""
    return (name for bit, name in _FLAGS.get(kind, ()) if flags & bit)


def sent(verb: str, interface: str, peer: Address, packet: Packet, octets: int, framed: int) -> Iterator[str]:
    """A packet leaves; `verb` is "Send" or "Forwarding". `framed`: its octets with outer IP and GRE."""
    yield f"NHRP: Attempting to send packet via DEST {packet.destination}"
    yield f"NHRP: Encapsulation succeeded.  Tunnel IP addr {peer}"
    yield from headline(verb, interface, packet, octets)
    yield f"NHRP: {framed} bytes out {interface} "


def delayed(what: str, source: Address, peer: Address) -> Iterator[str]:
    """Something waits until `peer` has an SA."""
    yield f"NHRP: Delaying {what} nbma src:{source} nbma dst:{peer} reason:IPSEC-IFC: need to wait for IPsec SAs."


def headline(verb: str, interface: str, packet: Packet, octets: int) -> Iterator[str]:
    yield f"NHRP: {verb} {TYPE_NAMES[packet.type]} via {interface} vrf 0, packet size: {octets}"
    if verb != "Receive":
        yield f" src: {packet.source}, dst: {packet.destination}"


def dump(packet: Packet, octets: bytes) -> Iterator[str]:
    """All of a packet but the password in it."""
    family = "AF_IP" if packet.address_family == IPV4_NBMA else "AF_IP6"
    protocol = "IP" if packet.protocol_type == IPV4_OVERLAY else "IPV6"
    nbma_length = 0 if packet.source_nbma is None else len(packet.source_nbma.packed)
    size, extensions_at = int.from_bytes(octets[10:12], "big"), int.from_bytes(octets[14:16], "big")
    kinds = f"afn: {family}({packet.address_family}), type: {protocol}({packet.protocol_type:X})"
    yield f" (F) {kinds}, hop: {packet.hop_count}, ver: 1"
    yield f"     shtl: {nbma_length}(NSAP), sstl: {len(packet.source_subaddress)}(NSAP)"
    yield f"     pktsz: {size} extoff: {extensions_at}"
    body = packet.body
    match body:
        case Exchange():
            flags = "".join(f"{name} " for name in flag_names(packet.type, body.flags))
            yield f' (M) flags: "{flags}", reqid: {body.request_id}'
        case Fault():
            known = body.code in set(ErrorCode)
            words = ErrorCode(body.code).name.replace("_", " ").lower() if known else "unknown"
            yield f" (M) error code: {words}({body.code}), offset: {body.offset}"
        case Indication():
            yield f" (M) traffic code: {'redirect' if body.code == 0 else 'unknown'}({body.code})"
    yield f"     src NBMA: {packet.source_nbma}"
    yield f"     src protocol: {packet.source}, dst protocol: {packet.destination}"
    if isinstance(body, Exchange):
        yield from _clients(body.cies, " ")
    else:
        yield f"     Contents of {'error' if isinstance(body, Fault) else 'nhrp traffic indication'} packet:"
        quoted = body.quoted[:QUOTED]
        for start in range(0, len(quoted), 16):
            yield f"        {quoted[start : start + 16].hex(' ').upper()}"
    for extension in packet.extensions or ():
        yield from _extension(extension)


def cached(verb: str, interface: str, binding: Binding) -> Iterator[str]:
    """An entry came ("add"), changed ("update") or went ("delete")."""
    yield f"NHRP: {interface}: Cache {verb} for target {binding.address}/32 next-hop {binding.via or binding.address}"
    if binding.known:
        yield f"           {binding.nbma}"


def _extension(extension: Extension) -> Iterator[str]:
    name = EXTENSION_NAMES.get(extension.type)
    yield f" {name or 'Unknown'} Extension({extension.type}):"
    if name is None:
        yield f"   length: {len(extension.value)}"
    elif extension.type == ExtensionType.AUTHENTICATION:
        yield "   type:Cleartext(1), data:<removed>"
    else:
        try:
            yield from _clients(extension.cies, "  ")
        except PacketError as error:
            yield f"   malformed: {error.reason}"


def _clients(cies: Iterable[Cie], indent: str) -> Iterator[str]:
    for number, cie in enumerate(cies, 1):
        words = "no error" if cie.code == Code.SUCCESS else CODE_NAMES.get(cie.code, "unknown")
        nbma, protocol = cie.nbma, cie.protocol
        deeper = f"{indent}      "
        yield f"{indent}(C-{number}) code: {words}({cie.code})"
        yield f"{deeper}prefix: {cie.prefix}, mtu: {cie.mtu}, hd_time: {cie.holding_time_s}"
        yield (
            f"{deeper}addr_len: {len(nbma.packed) if nbma else 0}(NSAP), subaddr_len: {len(cie.subaddress)}(NSAP), "
            f"proto_len: {len(protocol.packed) if protocol else 0}, pref: {cie.preference}"
        )
        if nbma is not None:
            yield f"{deeper}client NBMA: {nbma}"
        if protocol is not None:
            yield f"{deeper}client protocol: {protocol}"
