"""Change each line and change it back; a line each, figures at the end, exit status 1 when anything was not right."""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from tests.live.crypto import PROTECTED
from tests.live_changes.cloud import Cloud
from tests.live_changes.trial import Outcome, Trial, perform, trials


def run(wanted: list[Trial], hold_s: float) -> tuple[list[tuple[Trial, Outcome]], list[str]]:
    """All trials of one kind of lab; a fresh lab after each that fails."""
    done: list[tuple[Trial, Outcome]] = []
    failed: list[str] = []
    waiting = list(wanted)
    while waiting:
        with Cloud(encrypted=waiting[0].encrypted) as cloud:
            while waiting:
                trial = waiting.pop(0)
                try:
                    done.append((trial, perform(cloud, trial, hold_s)))
                except AssertionError as error:
                    failed.append(f"{trial} FAILED: {error}")
                    report(failed[-1], cloud)
                    break
                print(f"{trial} {done[-1][1]}", flush=True)
    return done, failed


def report(what: str, cloud: Cloud) -> None:
    """Everything that is needed to see what happened."""
    print(what)
    for router in PROTECTED:
        asked = "show logging", "show dmvpn", "show ip nhrp", "show crypto session"
        print(f"---- {router}\n{cloud.lab.look(router, *asked)}")
    print("----", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m tests.live_changes", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="those in whose line of the report this stands")
    parser.add_argument("--part", default="1/1", metavar="N/OF", help="each OFth of them, from the Nth on")
    parser.add_argument("--hold", type=float, default=3.0, metavar="SECONDS", help="how long a line stays changed")
    options = parser.parse_args(arguments)
    first, of = map(int, options.part.split("/"))
    began, done, failed = time.monotonic(), [], []
    for encrypted in (False, True):
        wanted = [trial for trial in trials(encrypted=encrypted) if options.only in str(trial)][first - 1 :: of]
        well, not_well = run(wanted, options.hold)
        done += well
        failed += not_well
    if done:
        sent, healed = sum(one.sent for _, one in done), [one.healed_s for _, one in done]
        print(f"{len(done)} changes in {time.monotonic() - began:.0f} s: {sent} datagrams sent, 0 lost")
        print(f"as before after {statistics.median(healed):.2f} s (median), {max(healed):.2f} s at most")
    print(f"{len(failed)} failures" if failed else "all went well" if done else "there is no such change")
    for failure in failed:
        print(failure)
    return 1 if failed or not done else 0


sys.exit(main(sys.argv[1:]))
