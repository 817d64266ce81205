"""A hundred thousand first messages from made-up addresses at a hub in memory, between the pings of its real spokes."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

from iosish import resources
from iosish.cli.grammar import load as load_grammar
from iosish.plane.memory.world import World
from tests.benchmarks.figure import Figure
from tests.benchmarks.restart import reader
from tests.simulation.encrypted_lab import Flow
from tests.simulation.flood import PER_S, flood
from tests.simulation.star import Star

SPOKES = 10
MESSAGES = 100_000
SETTLED = 5  # seconds of flood after which memory has to stay as it is


def measure() -> Iterator[Figure]:
    star = _star()
    pings = Flow(star.spokes[1], "192.168.0.1", 0.05)
    least = SPOKES
    began = time.process_time()
    for _ in flood(star, MESSAGES):
        least = min(least, star.registered(), star.answered())
    cpu_us = (time.process_time() - began) / MESSAGES * 1e6
    pings.stop()
    yield Figure(f"CPU for each of {MESSAGES} made-up first messages, {PER_S}/s", cpu_us, 1000.0, "us")
    yield Figure(f"spokes of {SPOKES} that were down at any time", SPOKES - least, 1, "")
    yield Figure(f"pings lost of {len(pings.sent)}", len(pings.lost()), 1, "")
    counters = star.hub.router.ike_state(star.world.now).counters
    yield Figure("half-open SAs left of them", MESSAGES - counters["half-open limit"], 1001, "")
    yield Figure("most memory in its second half above the first's", _growth_kib(), 1000.0, "KiB")


def _star() -> Star:
    star = Star(World(1), reader(load_grammar(resources.folder("grammar"))), SPOKES)
    if star.all_up_within(30.0) is None:
        raise SystemExit("the spokes did not come up")
    return star


def _growth_kib() -> float:
    star = _star()
    tracemalloc.start()
    sizes = []
    for number in flood(star, MESSAGES):
        if number > SETTLED * PER_S:
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    half = len(sizes) // 2
    return (max(sizes[half:]) - max(sizes[:half])) / 1024
