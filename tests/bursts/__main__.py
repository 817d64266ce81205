"""`python -m tests.bursts [KIND ...] [--frames N] [--seed N]`: say what came of it, or fail with what differs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.bursts import receiving, sending

KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], tuple[int, int]]]] = {
    **{kind: (burst, receiving.check) for kind, burst in receiving.BURSTS.items()},
    "TAP": (sending.tap_frames(), sending.check),
}

_SETTINGS = settings(
    max_examples=200,
    phases=[Phase.generate],  # a burst is made smaller in `test_bursts.py`; here the seed brings it back
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def go(kind: str, frames: int, first_seed: int) -> str:
    bursts, check = KINDS[kind]
    began, packets, number, large, last_seed = time.monotonic(), 0, 0, 0, first_seed

    @_SETTINGS
    @given(bursts)
    def go_on(burst: Any) -> None:
        nonlocal packets, number, large
        some, joined = check(burst)
        packets, number, large = packets + some, number + 1, large + joined

    while packets < frames:
        seed(last_seed)(go_on)()
        last_seed += 1
    return (
        f"{kind}: {packets} packets in {number} bursts, {time.monotonic() - began:.0f} s, seeds {first_seed} to "
        f"{last_seed - 1}: the same in each way; {large} large packets were made or cut"
    )


parser = argparse.ArgumentParser(prog="tests.bursts")
parser.add_argument("kind", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all if none is named")
parser.add_argument("--frames", type=int, default=100_000, help="so many of each kind at least")
parser.add_argument("--seed", type=int, default=int(time.time()))
arguments = parser.parse_args()
for kind in arguments.kind or KINDS:
    print(go(kind, arguments.frames, arguments.seed), flush=True)
