"""10,000 configuration lines, in the process: matched, entered, frozen, and rendered again."""

from __future__ import annotations

from collections.abc import Iterator

from iosish import resources
from iosish.cli import grammar as grammar_
from iosish.cli.load import load
from iosish.cli.render import render
from tests.benchmarks.figure import Figure, taken_s

LINES = 10_000


def configuration(lines: int = LINES) -> str:
    """What long configurations are made of: routes, access lists, host names, interfaces with their lines."""
    blocks: list[str] = []
    count = number = 0
    while count < lines:
        high, low = divmod(number, 250)
        blocks += [
            f"ip route 10.{high}.{low}.0 255.255.255.0 Null0 name site{number}",
            f"ip host site{number} 10.{high}.{low}.1",
            f"access-list 100 permit ip 10.{high}.{low}.0 0.0.0.255 any",
        ]
        count += 3
        if number % 10 == 0:
            blocks += [
                f"interface Loopback{number}",
                f" description site {number}",
                f" ip address 172.{16 + high}.{low}.1 255.255.255.255",
            ]
            count += 3
        number += 1
    return "\n".join(blocks[:lines]) + "\n"


def measure() -> Iterator[Figure]:
    grammar = grammar_.load(resources.folder("grammar"))
    text = configuration()
    loaded = load(grammar, text)
    if loaded.refused():
        raise SystemExit(f"refused: {loaded.refused()[0]}")
    yield Figure(f"{LINES} lines committed", taken_s(lambda: load(grammar, text), 3), 2.0)
    yield Figure(f"{LINES} lines rendered", taken_s(lambda: render(grammar, loaded.config), 3), 2.0)
