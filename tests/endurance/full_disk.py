"""A disk that fills up while configurations are saved: a small tmpfs, full to the last octet at a drawn moment.

The lab lives on it, so that all that a router and the lab's parent write is concerned. The tmpfs is mounted in this
process's own mount namespace: it ends with the last process in there, whatever happens.
"""

from __future__ import annotations

import contextlib
import errno
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iosish.lab import namespaces
from tests.endurance.activities import Saving
from tests.endurance.cloud import Cloud
from tests.endurance.kills import kill_process
from tests.live.crypto import PROTECTED
from tests.live.lab import until

DISK_OCTETS = 4 << 20
_MS_PRIVATE = 1 << 18
FULL = "%Error writing nvram:startup-config (No space left on device)"


def enter_mount_namespace() -> None:
    """Have mounts of this process, and of all that it starts, be nobody else's. Before there is a thread."""
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("", "/", "none", namespaces.MS_REC | _MS_PRIVATE)


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A folder on a small tmpfs."""
    folder = Path(tempfile.mkdtemp(prefix="iosish-"))
    namespaces.mount("iosish", str(folder), "tmpfs", 0, f"size={DISK_OCTETS},mode=0700")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@dataclass(frozen=True, slots=True)
class Fill:
    """Whom to kill once the disk is full, and the shares (0 to 1) of the moments of the filling and of the kill."""

    seed: int
    number: int
    router: str
    process: str
    full_at: float
    killed_at: float

    @classmethod
    def drawn(cls, seed: int, number: int) -> Fill:
        draw = random.Random(f"{seed} full {number}")
        process = draw.choice(("router", "router", "forwarder"))
        return cls(seed, number, draw.choice(PROTECTED), process, draw.random(), draw.random())

    def __str__(self) -> str:
        return f"{self.number:4} {self.router} {self.process:9} full disk   "


class Trying(Saving):
    """Goes on when the disk is full, and counts how often that was said."""

    refused = 0

    def failed(self, said: str) -> None:
        assert said.count(FULL) == 1, said
        self.refused += 1


def perform(cloud: Cloud, fill: Fill) -> str:
    """Do it; gives what there is to tell. Raises AssertionError with what is not right."""
    if fill.process == "router":
        cloud.await_turn(fill.router)
    pid = cloud.lab.router_pid(fill.router)
    victim = pid if fill.process == "router" else cloud.lab.forwarder_pid(fill.router)
    activity = Trying(cloud, fill.router, random.Random(f"{fill.seed} full {fill.number} text"))
    filler = cloud.lab.state / "filler"
    activity.begin()
    try:
        time.sleep(0.2 * fill.full_at)
        # A write that is under way gives its room back when it fails.
        until(lambda: _is_full(filler) and activity.refused, "`write memory` says that the disk is full")
        time.sleep(0.2 * fill.killed_at)
        killed_at = kill_process(victim)
        activity.end()
        candidates = activity.may_be_saved()
        on_disk = cloud.startup_lines(fill.router)
        assert on_disk in candidates, f"{fill.router}: the startup-config is none that was saved"
        if victim == pid:
            cloud.deaths[fill.router].append(killed_at)
            cloud.saved[fill.router] = on_disk
            until(lambda: cloud.pid(fill.router) not in (None, pid), "the parent starts it again on a full disk")
        converged_s = cloud.expect_whole(killed_at) - killed_at
        assert cloud.startup_lines(fill.router) == on_disk, "what was saved is there no more"
        if victim == pid:
            assert cloud.lab.running(fill.router) == on_disk, f"{fill.router} does not run what was saved"
        assert FULL in cloud.lab.look(fill.router, "write memory")
    finally:
        filler.unlink(missing_ok=True)
    assert "[OK]" in cloud.lab.look(fill.router, "write memory")
    cloud.saved[fill.router] = cloud.lab.running(fill.router)
    cloud.expect_saved_runs()
    leaks = cloud.wires.leaks()
    assert not leaks, "readable on the wires:\n" + "\n".join(leaks[:20])
    assert "Traceback" not in cloud.log(), "a traceback in lab.log"
    cloud.expect_nothing_left()
    return f"refused {activity.refused} times, converged in {converged_s:.2f} s, saved again once there was room"


def _is_full(path: Path) -> bool:
    """Use up all that is left of the disk."""
    try:
        with path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError as error:
        return error.errno == errno.ENOSPC
