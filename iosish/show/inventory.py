"""`show inventory`: the one part there is."""

from __future__ import annotations

import iosish
from iosish.show.text import page
from iosish.snapshot import Snapshot

CHASSIS = (
    'NAME: "Chassis", DESCR: "iosish router shell on Linux ({machine})"',
    "PID: {product:<18}, VID: {version:<4}, SN: {board}",
    "",
)
PRODUCT = "IOSISH"


def inventory(snapshot: Snapshot) -> str:
    values = {
        "machine": snapshot.machine,
        "product": PRODUCT,
        "version": f"V{iosish.__version__}",
        "board": snapshot.board_id,
    }
    return page(line.format(**values) for line in CHASSIS)
