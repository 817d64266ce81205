"""The file of a capture: pcapng, whatever its name ends in, since only that keeps interfaces and directions."""

from __future__ import annotations

from collections.abc import Sequence

from iosish.capture import pcapng
from iosish.capture.buffer import Captured
from iosish.capture.state import CaptureState
from iosish.config.interface_name import kind


def encode(hostname: str, capture: CaptureState, packets: Sequence[Captured]) -> bytes:
    """Packets of a tunnel begin with the IPv4 header before GRE, all others with that of Ethernet."""
    places = {interface: place for place, interface in enumerate(capture.settings.interfaces)}
    for packet in packets:
        places.setdefault(packet.interface, len(places))
    described = [
        pcapng.Interface(interface, pcapng.LINKTYPE_IPV4 if kind(interface) == "Tunnel" else pcapng.LINKTYPE_ETHERNET)
        for interface in places
    ]
    counted = f"{len(packets)} packets, {capture.dropped} dropped"
    comment = f"iosish monitor capture {capture.name} on {hostname}: {counted}"
    parts = [pcapng.header(described, comment=comment)]
    for interface, inbound, at, data, length in packets:
        direction = pcapng.INBOUND if inbound else pcapng.OUTBOUND
        parts.append(pcapng.packet(data, round(at * 1e9), direction, length, places[interface]))
    return b"".join(parts)
