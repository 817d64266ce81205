"""What can be debugged, and what IOS calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iosish.snapshot import Debugging


@dataclass(frozen=True, slots=True)
class Topic:
    """`name` as in `Crypto ISAKMP debugging is on`; `subsystem` is its heading in `show debugging`."""

    subsystem: str
    name: str


_CRYPTO = "Cryptographic Subsystem"
_NHRP = "NHRP"
_IP = "Generic IP"

#: By the words behind `debug`, in the order of `show debugging`.
TOPICS: Mapping[str, Topic] = {
    "ip icmp": Topic(_IP, "ICMP packet"),
    "ip packet": Topic(_IP, "IP packet"),
    "tunnel": Topic("Tunnel", "Tunnel Interface"),
    "nhrp": Topic(_NHRP, "NHRP protocol"),
    "nhrp packet": Topic(_NHRP, "NHRP activity"),
    "nhrp cache": Topic(_NHRP, "NHRP cache operations"),
    "nhrp error": Topic(_NHRP, "NHRP errors"),
    "crypto isakmp": Topic(_CRYPTO, "Crypto ISAKMP"),
    "crypto isakmp error": Topic(_CRYPTO, "Crypto ISAKMP Error"),
    "crypto ipsec": Topic(_CRYPTO, "Crypto IPSEC"),
    "crypto ipsec error": Topic(_CRYPTO, "Crypto IPSEC Error"),
    "crypto socket": Topic(_CRYPTO, "Crypto secure socket events"),
}

#: What `debug dmvpn LEVEL` turns on, of all topics of DMVPN.
DMVPN_LEVELS: Mapping[str, frozenset[str]] = {
    "detail": frozenset({"nhrp", "nhrp cache", "crypto isakmp", "crypto ipsec", "crypto socket", "tunnel"}),
    "error": frozenset({"nhrp error", "crypto isakmp error", "crypto ipsec error"}),
    "packet": frozenset({"nhrp packet", "tunnel"}),
}


def of_dmvpn(level: str, kind: str) -> list[str]:
    """The topics of `debug dmvpn LEVEL KIND`, in the order of `show debugging`; "all" is any level, any kind."""
    levels = DMVPN_LEVELS.values() if level == "all" else [DMVPN_LEVELS[level]]
    return [topic for topic in TOPICS if any(topic in those for those in levels) and kind in ("all", _kind(topic))]


def _kind(topic: str) -> str:
    return "socket" if topic == "crypto socket" else topic.partition(" ")[0]


def told(topic: str, on: bool, debugging: Debugging | None = None) -> str:
    """`Crypto ISAKMP debugging is on`, and what `debug ip packet` is limited to."""
    said = f"{TOPICS[topic].name} debugging is {'on' if on else 'off'}"
    if topic == "ip packet" and debugging is not None and on:
        said += " (detailed)" * debugging.packet_detail
        said += f" for access list {debugging.packet_list}" if debugging.packet_list else ""
    return said
