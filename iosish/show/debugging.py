"""`show debugging`, `show crypto debug-condition`."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.log.conditions import conditions_for
from iosish.log.topics import TOPICS, told
from iosish.show.text import page
from iosish.snapshot import Snapshot


def debugging(snapshot: Snapshot) -> str:
    """What is on, by subsystem; nothing when nothing is."""
    lines: list[str] = []
    subsystem = ""
    for topic, names in TOPICS.items():
        if topic in snapshot.debugging.topics:
            if names.subsystem != subsystem:
                subsystem = names.subsystem
                lines += ["", f"{subsystem}:"]
            lines.append(f"  {told(topic, on=True, debugging=snapshot.debugging)}")
    return page([*lines, ""])


def conditions(snapshot: Snapshot) -> str:
    """`show debugging condition`: all of them, each as it is typed."""
    lines = [
        f"Condition {number}: {condition.given_to} {condition.kind} {condition.value}".rstrip()
        for number, condition in enumerate(snapshot.debugging.conditions, 1)
    ]
    return page(["", *lines] if lines else ["% No conditions found"])


def crypto_conditions(snapshot: Snapshot) -> str:
    """`show crypto debug-condition`, with those that hold for all of DMVPN."""
    found = conditions_for(snapshot.debugging, "crypto isakmp")
    peers = sorted(
        condition.value
        for condition in found
        if condition.kind == "peer nbma" and isinstance(condition.value, IPv4Address)
    )
    # To its own conditions, what is about no peer is about every peer.
    unmatched = all(condition.given_to == "crypto" for condition in found)
    flag = "ON" if unmatched or any(condition.kind == "unmatched" for condition in found) else "OFF"
    lines = [
        f"Crypto conditional debug currently is turned {'ON' if found else 'OFF'}",
        f"IKE debug context unmatched flag: {flag}",
        f"IPsec debug context unmatched flag: {flag}",
    ]
    if peers:
        lines += ["", "IKE peer IP address filters:", *map(str, peers)]
    return page(lines)
