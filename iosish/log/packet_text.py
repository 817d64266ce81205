"""The lines of `debug ip packet`, `debug ip icmp` and `debug tunnel`, in the words of IOS 15."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

PACKET, ICMP, TUNNEL = "ip packet", "ip icmp", "tunnel"
TOPICS = frozenset({PACKET, ICMP, TUNNEL})

_HEADER = 20
_ICMP, _TCP, _UDP = 1, 6, 17
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_UNREACHABLE = {
    0: "net",
    1: "host",
    2: "protocol",
    3: "port",
    4: "frag. needed and DF set",
    13: "administratively prohibited",
}


@dataclass(frozen=True, slots=True)
class Ip:
    """An IPv4 packet, taken apart as far as the lines want it."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    length: int
    ttl: int
    tos: int
    payload: bytes

    @property
    def ports(self) -> tuple[int, int] | None:
        if self.protocol not in (_TCP, _UDP) or len(self.payload) < 4:
            return None
        return int.from_bytes(self.payload[:2], "big"), int.from_bytes(self.payload[2:4], "big")

    @property
    def icmp_type(self) -> int | None:
        return self.payload[0] if self.protocol == _ICMP and self.payload else None


def read(packet: bytes) -> Ip | None:
    """None for what is no IPv4; a later fragment has no payload."""
    if len(packet) < _HEADER or packet[0] >> 4 != 4:
        return None
    header = (packet[0] & 15) * 4
    if header < _HEADER or len(packet) < header:
        return None
    first = not int.from_bytes(packet[6:8], "big") & 0x1FFF
    return Ip(
        IPv4Address(packet[12:16]),
        IPv4Address(packet[16:20]),
        packet[9],
        int.from_bytes(packet[2:4], "big"),
        packet[8],
        packet[1],
        packet[header:] if first else b"",
    )


def ip_packet(ip: Ip, interface: str, inbound: bool, own: Collection[IPv4Address], *, detail: bool) -> Iterator[str]:
    """`IP: s=10.0.0.1 (local), d=10.0.0.2 (Tunnel0), len 100, sending`."""
    if inbound:
        taken = ip.destination in own or ip.destination.is_multicast
        where, what = (f" ({interface})", "rcvd 3") if taken else ("", "input feature")
        yield f"IP: s={ip.source} ({interface}), d={ip.destination}{where}, len {ip.length}, {what}"
    else:
        where, what = (" (local)", "sending") if ip.source in own else ("", "forward")
        yield f"IP: s={ip.source}{where}, d={ip.destination} ({interface}), len {ip.length}, {what}"
    if detail:
        yield from _detail(ip)


def _detail(ip: Ip) -> Iterator[str]:
    payload, ports = ip.payload, ip.ports
    if ip.protocol == _ICMP and len(payload) >= 2:
        yield f"    ICMP type={payload[0]}, code={payload[1]}"
    elif ports is not None and ip.protocol == _UDP:
        yield f"    UDP src={ports[0]}, dst={ports[1]}"
    elif ports is not None and len(payload) >= 16:
        sequence, answered = (int.from_bytes(payload[at : at + 4], "big") for at in (4, 8))
        flags = "".join(f" {name}" for bit, name in enumerate(_FLAGS) if payload[13] >> bit & 1)
        window = int.from_bytes(payload[14:16], "big")
        yield f"    TCP src={ports[0]}, dst={ports[1]}, seq={sequence}, ack={answered}, win={window}{flags}"
    else:
        yield f"    proto={ip.protocol}"


def icmp(ip: Ip, inbound: bool, own: Collection[IPv4Address]) -> Iterator[str]:
    """What this router says and hears; a packet that it forwards is none of it."""
    if (ip.destination if inbound else ip.source) not in own or ip.protocol != _ICMP or len(ip.payload) < 8:
        return
    kind, code = ip.payload[0], ip.payload[1]
    about = read(ip.payload[8:])
    verb = "rcvd" if inbound else "sent"
    if kind == 0:
        dscp = ip.tos >> 2
        yield f"ICMP: echo reply {verb}, src {ip.source}, dst {ip.destination}, topology BASE, dscp {dscp} topoid 0"
    elif kind == 3 and about is not None:
        way = f"rcv from {ip.source}" if inbound else f"sent to {ip.destination}"
        reason = _UNREACHABLE.get(code, "host")
        name = reason if code == 4 else f"{reason} unreachable"
        yield f"ICMP: dst ({about.destination}) {name} {way}"
    elif kind == 11 and about is not None:
        way = f"rcvd from {ip.source}" if inbound else f"sent to {ip.destination}"
        yield f"ICMP: time exceeded (time to live) {way} (dest was {about.destination})"


def tunnel(ip: Ip, interface: str, inbound: bool) -> Iterator[str]:
    """`ip` is the outer packet, in the clear."""
    ends = f"{ip.source}->{ip.destination}"
    if inbound:
        yield f'{interface}: GRE/IP to classify {ends} (tbl=0,"default" len={ip.length} ttl={ip.ttl} tos=0x{ip.tos:X})'
    else:
        yield f"{interface}: GRE/IP encapsulated {ends} (linktype=7, len={ip.length})"
