"""The NHRP packets of a capture, as they stood behind the GRE header."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from scapy.layers.inet import IP
from scapy.utils import rdpcap

CAPTURES = Path(__file__).parent.parent / "captures"
NHRP_IN_GRE = 0x2001


@dataclass(frozen=True, slots=True)
class Frame:
    at: float
    source: IPv4Address
    destination: IPv4Address
    payload: bytes


def nhrp_frames(name: str) -> list[Frame]:
    """In the order of the capture; GRE without or with a key."""
    frames = []
    for packet in rdpcap(str(CAPTURES / name)):
        if IP not in packet:
            continue
        ip = packet[IP]
        raw = bytes(ip)[: ip.len]
        gre = raw[ip.ihl * 4 :]
        if ip.proto != 47 or int.from_bytes(gre[2:4], "big") != NHRP_IN_GRE:
            continue
        header = 8 if gre[0] & 0x20 else 4
        frames.append(Frame(float(packet.time), IPv4Address(ip.src), IPv4Address(ip.dst), gre[header:]))
    return frames
