"""The IKE messages of a capture: what stands behind UDP 500, or behind the marker on UDP 4500."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import rdpcap

CAPTURES = Path(__file__).parent.parent / "captures"
MARKER = bytes(4)


@dataclass(frozen=True, slots=True)
class Frame:
    source: IPv4Address | IPv6Address
    source_port: int
    destination: IPv4Address | IPv6Address
    destination_port: int
    message: bytes


def ike_frames(name: str) -> list[Frame]:
    """In the order of the capture; ESP in UDP and keepalives left out."""
    frames = []
    for packet in rdpcap(str(CAPTURES / name)):
        if UDP not in packet or (IP in packet and packet[IP].frag):
            continue
        ip, udp = packet[IP if IP in packet else IPv6], packet[UDP]
        data = bytes(udp)[8 : udp.len]
        if 4500 in (udp.sport, udp.dport):
            if data[:4] != MARKER:
                continue
            data = data[4:]
        elif 500 not in (udp.sport, udp.dport):
            continue
        frames.append(Frame(ip_address(ip.src), udp.sport, ip_address(ip.dst), udp.dport, data))
    return frames
