"""One kill: drawn from seed and number, done, and looked at until all is as it was."""

from __future__ import annotations

import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.endurance.activities import ACTIVITIES, Activity, Saving
from tests.endurance.cloud import Cloud
from tests.live.crypto import PROTECTED
from tests.live.lab import until

PROCESSES = ("router", "router", "forwarder")
#: Steps of writing that a kill may let pass, a few writes' worth, and how long after its step it comes at most.
STEPS, DELAY_US = 24, 400


@dataclass(frozen=True, slots=True)
class Kill:
    """Whom to kill, what goes on, and at which part of the time that this takes (0 to 1)."""

    seed: int
    number: int
    activity: str
    router: str
    process: str
    moment: float

    @classmethod
    def drawn(cls, seed: int, number: int) -> Kill:
        draw = random.Random(f"{seed} {number}")
        # Each activity in its turn, so that a few kills see all of them.
        activity = list(ACTIVITIES)[number % len(ACTIVITIES)]
        return cls(seed, number, activity, draw.choice(PROTECTED), draw.choice(PROCESSES), draw.random())

    def __str__(self) -> str:
        return f"{self.number:4} {self.router} {self.process:9} {self.activity:12}"


@dataclass(slots=True)
class Outcome:
    """How a kill went. Times are in seconds, `after_s` since the activity began.

    Of a write: `stood` is what was saved, `step` the last that was done, `beside` the temporary files there were.
    """

    after_s: float = 0.0
    converged_s: float = 0.0
    took_s: float = 0.0
    waited_s: float = 0.0
    stood: str = ""
    step: str = ""
    beside: list[str] = field(default_factory=list)
    found: str = ""

    def __str__(self) -> str:
        parts = [f"{self.after_s:6.3f} s in", f"converged in {self.converged_s:5.2f} s", f"all in {self.took_s:5.1f} s"]
        parts += [part for part in (self.stood, self.step and f"after {self.step}", *self.beside, self.found) if part]
        if self.waited_s > 0.5:
            parts.append(f"waited {self.waited_s:.0f} s for the parent's pause to be over")
        return ", ".join(parts)


def perform(cloud: Cloud, kill: Kill) -> Outcome:
    """Do it. Raises AssertionError with what is not right afterwards."""
    began = time.monotonic()
    outcome = Outcome()
    if kill.process == "router":
        outcome.waited_s = cloud.await_turn(kill.router)
    pid = cloud.lab.router_pid(kill.router)
    victim = pid if kill.process == "router" else cloud.lab.forwarder_pid(kill.router)
    esp = cloud.wires.esp
    activity = ACTIVITIES[kill.activity](
        cloud, kill.router, random.Random(f"{kill.seed} {kill.number} {kill.activity}")
    )
    activity.begin()
    under_way = time.monotonic()
    if victim == pid and isinstance(activity, Saving):
        killed_at = _kill_between_steps(activity.file(), kill, victim, outcome)
    else:
        time.sleep(kill.moment * activity.within_s)
        killed_at = kill_process(victim)
    outcome.after_s = killed_at - under_way
    if kill.process == "router":
        cloud.deaths[kill.router].append(killed_at)
        activity.end()
        _settle(cloud, kill.router, activity, outcome)
        until(lambda: cloud.lab.record()["processes"][kill.router][0] != pid, "the parent starts it again")
    else:
        activity.end()
        cloud.saved[kill.router] = activity.may_be_saved()[0]
        activity.undo()
    outcome.converged_s = cloud.expect_whole(killed_at) - killed_at
    cloud.expect_saved_runs()
    activity.check()
    outcome.found = activity.found()
    leaks = cloud.wires.leaks()
    assert not leaks, "readable on the wires:\n" + "\n".join(leaks[:20])
    assert cloud.wires.esp > esp, "no ESP was seen: the wires are not watched"
    assert "Traceback" not in cloud.log(), "a traceback in lab.log"
    cloud.expect_nothing_left()
    outcome.took_s = time.monotonic() - began
    return outcome


def kill_process(pid: int) -> float:
    """`kill -9`; gives when (monotonic, seconds), once the process is no more."""
    descriptor = os.pidfd_open(pid)
    try:
        at = time.monotonic()
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [])
        return at
    finally:
        os.close(descriptor)


def _kill_between_steps(file: Path, kill: Kill, pid: int, outcome: Outcome) -> float:
    """`kill -9` right after a drawn one of the steps by which a file is written; gives when."""
    step, rest = divmod(kill.moment * STEPS, 1)
    folders = map(str, (file.parent, *(path for path in file.parent.iterdir() if path.is_dir())))
    name = rf"^\.?{re.escape(file.name)}"
    command = [sys.executable, "-m", "tests.endurance.sniper", str(pid), f"{step:.0f}", f"{rest * DELAY_US:.0f}", name]
    done = subprocess.run([*command, *folders], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, "not a step of `write memory` was seen"
    found = json.loads(done.stdout.splitlines()[-1])
    outcome.step = found["step"]
    outcome.beside = [f"{name} of {size} octets" for name, size in found["beside"].items()]
    return float(found["at"])


def _settle(cloud: Cloud, router: str, activity: Activity, outcome: Outcome) -> None:
    """Find out which of the configurations that may stand does, now that nobody writes any more."""
    on_disk = cloud.startup_lines(router)
    candidates = activity.may_be_saved()
    assert on_disk in candidates, f"{router}: the startup-config is neither the old nor the new one"
    if len(candidates) > 1 and candidates[0] != candidates[1]:
        outcome.stood = "old text" if on_disk == candidates[0] else "new text"
    cloud.saved[router] = on_disk
