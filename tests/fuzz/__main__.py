"""`python -m tests.fuzz DECODER [--count N] [--seed N]`: say what came of it, or fail with the packet that broke it."""

from __future__ import annotations

import argparse
import time

from tests.fuzz import run
from tests.fuzz.decoders import DECODERS

parser = argparse.ArgumentParser(prog="tests.fuzz")
parser.add_argument("decoder", nargs="*", metavar="DECODER", help=f"{', '.join(DECODERS)}; all if none is named")
parser.add_argument("--count", type=int, default=1_000_000)
parser.add_argument("--seed", type=int, default=int(time.time()))
arguments = parser.parse_args()
for name in arguments.decoder or DECODERS:
    began = time.monotonic()
    outcome = run(DECODERS[name](), arguments.count, arguments.seed)
    print(
        f"{name}: {outcome.rounds} packets in {time.monotonic() - began:.0f} s, seed {arguments.seed}: "
        f"{outcome.taken} taken, {outcome.refused} refused, memory grew by {outcome.grown_kb} KiB",
        flush=True,
    )
