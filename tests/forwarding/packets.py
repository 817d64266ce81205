"""Inner packets and captured frames for the forwarding tests; scapy builds and reads, as second opinion."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP
from scapy.utils import RawPcapReader

CAPTURES = Path(__file__).parent.parent / "captures"
ETHERNET = 14


def octets(address: str) -> bytes:
    return IPv4Address(address).packed


def captured(name: str) -> list[bytes]:
    """The IPv4 packets of an Ethernet capture, without what pads the frame."""
    packets = []
    for frame, _ in RawPcapReader(str(CAPTURES / name)):
        if frame[12:14] == b"\x08\x00":
            packet = frame[ETHERNET:]
            packets.append(packet[: int.from_bytes(packet[2:4], "big")])
    return packets


def scapy(packet: bytes) -> Any:
    return IP(packet)


def raw(layers: Any) -> bytes:
    return bytes(layers)
