"""Run the measurements named, or all, and print a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from tests.benchmarks import commit, esp, flood, hub, ike, lab, log, plane, restart
from tests.benchmarks.figure import Figure

MEASUREMENTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "commit": commit.measure,
    "esp": esp.measure,
    "flood": flood.measure,
    "ike": ike.measure,
    "lab": lab.measure,
    "hub": hub.measure,
    "log": log.measure,
    "restart": restart.measure,
    "plane": plane.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"no measurement {unknown[0]}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in names or MEASUREMENTS:
        for figure in MEASUREMENTS[name]():
            print(figure, flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
