"""`show tunnel protection statistics`: what tunnels and crypto sockets told each other, what was refused in clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iosish.show.text import page
from iosish.snapshot import Snapshot

RULE = "{title:-^70}"
DIRECTION = "   {direction}:"
CELL = "{name:<15}: {count:<4} "
CELLS_A_LINE = 3

SENT = ("Listen Start", "Listen Stop", "Socket Open", "Socket Close")
RECEIVED = (
    "General Error",
    "Socket Error",
    "Socket Ready",
    "Socket Up",
    "Socket Down",
    "MTU Changed",
    "Listen Ready",
    "Other",
)
ERRORS = ("Listen Start", "Listen Stop", "Socket Open", "Socket Close", "Conn Timeout")


def statistics(snapshot: Snapshot) -> str:
    """`show tunnel protection statistics`."""
    drops = snapshot.drops
    lost = {"ps pkt drops": drops.get("no SA", 0)}
    refused = {"clear pkt drops": drops.get("not protected", 0)}
    return page(
        [
            RULE.format(title=" Message Statistics "),
            *_direction("Sent", SENT, snapshot.sockets),
            *_direction("Rcvd", RECEIVED, snapshot.sockets),
            "",
            RULE.format(title=" Error Statistics "),
            *_direction("Rcvd", ERRORS, {}),
            "",
            RULE.format(title=" Data Statistics(Other than IPSec protection) "),
            *_direction("Sent", ("cef pkt drops", "ps pkt drops"), lost),
            *_direction("Rcvd", ("ps pkt drops", "clear pkt drops"), refused),
        ]
    )


def _direction(direction: str, names: tuple[str, ...], counts: Mapping[str, int]) -> Iterator[str]:
    yield DIRECTION.format(direction=direction)
    cells = [CELL.format(name=name, count=counts.get(name, 0)) for name in names]
    for start in range(0, len(cells), CELLS_A_LINE):
        yield " " * 6 + "".join(cells[start : start + CELLS_A_LINE])
