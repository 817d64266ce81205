"""A process that kills another one right after a drawn step of its writing: `sniper PID STEP DELAY NAME FOLDER...`.

It sees each step by inotify. STEP is how many it lets pass, DELAY what it waits after that, in microseconds; steps at
files in whose name there is no NAME, a pattern, do not count. It prints a line of JSON once the other is dead:
`{"at": monotonic, "step": "CREATE .R1.cfg", "beside": {NAME: OCTETS}}`, with the temporary files that are left.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import signal
import struct
import sys
import time
from pathlib import Path

#: linux/inotify.h
STEPS = {0x2: "MODIFY", 0x40: "MOVED_FROM", 0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE"}
WITHIN_S = 20.0
_EVENT = struct.Struct("iIII")


def _events(folders: list[str]) -> tuple[int, dict[int, str]]:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    watches = {libc.inotify_add_watch(descriptor, folder.encode(), sum(STEPS)): folder for folder in folders}
    if descriptor < 0 or min(watches) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return descriptor, watches


def _next(descriptor: int, name: re.Pattern[str]) -> list[str]:
    """Steps in the order in which they were done. Raises TimeoutError."""
    if not select.select([descriptor], [], [], WITHIN_S)[0]:
        raise TimeoutError
    data, steps, at = os.read(descriptor, 65536), [], 0
    while at < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, at)
        file = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0").decode(errors="replace")
        at += _EVENT.size + length
        shown = re.sub("[.][0-9]+(-[0-9]+)?$", "", file)  # the number in a temporary file's name says nothing
        steps += [f"{word} {shown}" for bit, word in STEPS.items() if mask & bit and name.search(file)]
    return steps


def main(pid: int, step: int, delay_us: int, name: re.Pattern[str], folders: list[str]) -> None:
    process = os.pidfd_open(pid)
    descriptor, _ = _events(folders)
    seen: list[str] = []
    while len(seen) <= step:
        seen += _next(descriptor, name)
    until = time.perf_counter() + delay_us / 1e6
    while time.perf_counter() < until:
        pass
    at = time.monotonic()
    signal.pidfd_send_signal(process, signal.SIGKILL)
    select.select([process], [], [])
    beside = {}
    for folder in folders:
        for path in Path(folder).glob(f".*.{pid}*"):
            try:
                beside[path.name] = path.stat().st_size
            except FileNotFoundError:
                continue  # the next router has swept already
    while select.select([descriptor], [], [], 0)[0]:  # what was done until it was dead
        last = _next(descriptor, name)
        seen += [each for each in last if not each.startswith("DELETE")]
    print(json.dumps({"at": at, "step": seen[-1], "beside": beside}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), re.compile(sys.argv[4]), sys.argv[5:])
