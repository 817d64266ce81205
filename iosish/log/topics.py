"""What can be debugged, and what IOS calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """`name` as in `Crypto ISAKMP debugging is on`; `subsystem` is its heading in `show debugging`."""

    subsystem: str
    name: str


_CRYPTO = "Cryptographic Subsystem"
_NHRP = "NHRP"

#: By the words behind `debug`, in the order of `show debugging`.
TOPICS: Mapping[str, Topic] = {
    "nhrp": Topic(_NHRP, "NHRP protocol"),
    "nhrp packet": Topic(_NHRP, "NHRP activity"),
    "nhrp cache": Topic(_NHRP, "NHRP cache operations"),
    "nhrp error": Topic(_NHRP, "NHRP errors"),
    "crypto isakmp": Topic(_CRYPTO, "Crypto ISAKMP"),
    "crypto isakmp error": Topic(_CRYPTO, "Crypto ISAKMP Error"),
    "crypto ipsec": Topic(_CRYPTO, "Crypto IPSEC"),
    "crypto ipsec error": Topic(_CRYPTO, "Crypto IPSEC Error"),
}


def told(topic: str, on: bool) -> str:
    """`Crypto ISAKMP debugging is on`."""
    return f"{TOPICS[topic].name} debugging is {'on' if on else 'off'}"
