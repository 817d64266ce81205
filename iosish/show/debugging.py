"""`show debugging`, `show crypto debug-condition`."""

from __future__ import annotations

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


def crypto_conditions(snapshot: Snapshot) -> str:
    """`show crypto debug-condition`. What is about no peer is always shown: the unmatched flags are on."""
    peers = sorted(snapshot.debugging.peers)
    lines = [
        f"Crypto conditional debug currently is turned {'ON' if peers else 'OFF'}",
        "IKE debug context unmatched flag: ON",
        "IPsec debug context unmatched flag: ON",
    ]
    if peers:
        lines += ["", "IKE peer IP address filters:", *map(str, peers)]
    return page(lines)
