"""`show version`: taken for IOS 15.9(3)M by its readers, and yet says what this is."""

from __future__ import annotations

from collections import Counter

import iosish
from iosish.show.clock import zone
from iosish.show.text import kind, page
from iosish.show.times import uptime, wall
from iosish.snapshot import Snapshot

IOS_VERSION = "15.9(3)M"
HEADING = (
    "Cisco IOS Software, IOSISH Software (IOSISH-ADVENTERPRISEK9-M), Version {ios}, RELEASE SOFTWARE (fc1)",
    "Copyright (c) 2026-2026 the iosish authors: not Cisco software, iosish {version} on Linux",
    "Data plane is {plane}",
    "Kernel is Linux {kernel}",
    "",
    "ROM: none",
    "",
    "{hostname} uptime is {uptime}",
    "System returned to ROM by {reason}",
    "System restarted at {started}",
    'System image file is "flash:/iosish-{version}"',
    "Last reload reason: {reason}",
    "",
    "cisco IOSISH ({machine}) processor (revision {version}) with {memory}K/0K bytes of memory.",
    "Processor board ID {board}",
)
INTERFACES = "{count} {kind} interface{plural}"
END = ("", "Configuration register is 0x2102")

#: What IOS calls its ports here; tunnels and loopbacks are no hardware.
KINDS = {
    "Ethernet": "Ethernet",
    "FastEthernet": "FastEthernet",
    "GigabitEthernet": "Gigabit Ethernet",
    "TenGigabitEthernet": "Ten Gigabit Ethernet",
    "Serial": "Serial",
}


def version(snapshot: Snapshot) -> str:
    values = {
        "ios": IOS_VERSION,
        "version": iosish.__version__,
        "plane": snapshot.plane,
        "kernel": snapshot.kernel,
        "hostname": snapshot.config.hostname,
        "uptime": uptime(snapshot.now - snapshot.started_at),
        "reason": snapshot.reload_reason,
        "started": wall(snapshot.started_wall, zone(snapshot), milliseconds=False),
        "machine": snapshot.machine,
        "memory": snapshot.memory_kb,
        "board": snapshot.board_id,
    }
    lines = [line.format(**values) for line in HEADING]
    ports = Counter(kind(name) for name in snapshot.config.interfaces if "." not in name)
    lines += [
        INTERFACES.format(count=ports[name], kind=words, plural="" if ports[name] == 1 else "s")
        for name, words in KINDS.items()
        if ports[name]
    ]
    return page([*lines, *END])
