"""Kill, fill and cut; a line each, figures at the end, and exit status 1 when anything was not as it should be."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from contextlib import ExitStack

from tests.endurance import cuts, full_disk, kills
from tests.endurance.cloud import Cloud
from tests.live.crypto import PROTECTED


class Run:
    """All sections of one seed; of each all numbers, or `only` one."""

    def __init__(self, seed: int, only: int | None) -> None:
        self.seed = seed
        self.only = only
        self.failed: list[str] = []

    def numbers(self, count: int) -> list[int]:
        return list(range(count)) if self.only is None else [self.only] if count else []

    def report(self, section: str, what: object, error: AssertionError, number: int, cloud: Cloud | None) -> None:
        """Everything that is needed to see what happened, and to do it again."""
        again = f"python -m tests.endurance --seed {self.seed} {section} --only {number}"
        self.failed.append(f"{what} {error}\n  again: {again}")
        print(f"{what} FAILED: {error}\n  again: {again}")
        if cloud is not None:
            for router in PROTECTED:
                asked = "show logging", "show dmvpn", "show crypto isakmp sa", "show crypto ipsec sa"
                print(f"---- {router}\n{cloud.lab.look(router, *asked)}")
            print(f"---- lab.log\n{cloud.log()[-8000:]}", flush=True)

    # -- the three sections -----------------------------------------------------------------------

    def cut(self, count: int) -> None:
        if not count:
            return
        times = []
        with cuts.router() as one:
            length = one.file.stat().st_size
            for number in self.numbers(count):
                damage = cuts.Damage.drawn(self.seed, number, length)
                try:
                    times.append(cuts.boot(one, damage))
                except AssertionError as error:
                    self.report(f"--cuts {count}", damage, error, number, None)
                    continue
                print(f"{damage}, boots in {times[-1]:.2f} s", flush=True)
        print(f"{len(times)} damaged startup-configs booted, {spread(times)}")

    def kill(self, count: int) -> None:
        done: list[tuple[kills.Kill, kills.Outcome]] = []
        waiting = self.numbers(count)
        began = time.monotonic()
        while waiting:
            with Cloud() as cloud:
                while waiting:
                    kill = kills.Kill.drawn(self.seed, waiting.pop(0))
                    try:
                        outcome = kills.perform(cloud, kill)
                    except AssertionError as error:
                        self.report(f"--kills {count}", kill, error, kill.number, cloud)
                        break  # what follows begins with a lab that is well
                    done.append((kill, outcome))
                    print(f"{kill} {outcome}", flush=True)
        if count:
            summarise(done, time.monotonic() - began)

    def fill(self, count: int) -> None:
        waiting = self.numbers(count)
        while waiting:
            with ExitStack() as stack:
                cloud = stack.enter_context(Cloud(stack.enter_context(full_disk.small_disk())))
                while waiting:
                    fill = full_disk.Fill.drawn(self.seed, waiting.pop(0))
                    try:
                        print(f"{fill} {full_disk.perform(cloud, fill)}", flush=True)
                    except AssertionError as error:
                        self.report(f"--full-disk {count}", fill, error, fill.number, cloud)
                        break


def summarise(done: list[tuple[kills.Kill, kills.Outcome]], took_s: float) -> None:
    print(f"{len(done)} kills in {took_s:.0f} s")
    print(f"converged: {spread([outcome.converged_s for _, outcome in done])}")
    for what in ("activity", "process", "router"):
        times: dict[str, list[float]] = {}
        for kill, outcome in done:
            times.setdefault(getattr(kill, what), []).append(outcome.converged_s)
        for each in sorted(times):
            print(f"  {what} {each}: {len(times[each])} kills, {spread(times[each])}")
    stood = Counter(outcome.stood for _, outcome in done if outcome.stood)
    beside = sum(bool(outcome.beside) for _, outcome in done)
    print(f"  killed in `write memory`: {dict(stood)}, {beside} with temporary files there")
    for step, count in Counter(outcome.step for _, outcome in done if outcome.step).most_common():
        print(f"    after {step}: {count}")


def spread(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} s (median), {max(times):.2f} s at most" if times else "none"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m tests.endurance", description=__doc__)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill -9 of a router or its forwarder")
    parser.add_argument("--full-disk", type=int, default=0, metavar="N", help="the same on a disk that fills up")
    parser.add_argument("--cuts", type=int, default=0, metavar="N", help="boots of a damaged startup-config")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="of these, the one of this number alone")
    options = parser.parse_args(arguments)
    if not (options.kills or options.full_disk or options.cuts):
        options.kills, options.full_disk, options.cuts = 200, 20, 100
    if options.full_disk:
        full_disk.enter_mount_namespace()
    run = Run(options.seed, options.only)
    run.cut(options.cuts)  # first: it forks, and there is no thread yet
    run.kill(options.kills)
    run.fill(options.full_disk)
    print(f"{len(run.failed)} failures" if run.failed else "all went well")
    for failure in run.failed:
        print(failure)
    return 1 if run.failed else 0


sys.exit(main(sys.argv[1:]))
