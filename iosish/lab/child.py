"""A router's process: forked from the lab's parent, in its network namespace, with nothing of the parent's in hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iosish.lab import namespaces
from iosish.lab.places import start_time

#: What the process is to do in there; its result is the exit status.
Body = Callable[[Callable[[], None]], int]


@dataclass(slots=True)
class Child:
    """A running router process. `ready` becomes readable when its sockets are open, or when it ended."""

    pid: int
    started: int
    process: int
    ready: int

    def close(self) -> None:
        for descriptor in (self.process, self.ready):
            if descriptor >= 0:
                os.close(descriptor)
        self.process = self.ready = -1

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, number)

    def reap(self) -> int:
        """The exit status, negative for a signal, once `process` is readable; what it forked ends too."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            return 0


def fork(body: Body, namespace: int, log: Path) -> Child:
    """Start `body(ready)` in a namespace; it calls `ready` when its sockets are open. Raises OSError."""
    parent = os.getpid()
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = _in_child(body, parent, namespace, log, write_end)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    os.close(write_end)
    return Child(pid, start_time(pid) or 0, os.pidfd_open(pid), read_end)


def _in_child(body: Body, parent: int, namespace: int, log: Path, ready_end: int) -> int:
    namespaces.die_with_parent(signal.SIGKILL, parent)
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    asyncio._set_running_loop(None)  # the parent's loop ran when it forked; here it does not
    namespaces.setns(namespace, namespaces.CLONE_NEWNET)
    _let_go(log, ready_end)

    def ready() -> None:
        with contextlib.suppress(OSError):
            os.write(ready_end, b"r")

    return body(ready)


def _let_go(log: Path, ready_end: int) -> None:
    """Hold nothing of the parent's open.

    The numbers stay taken, by /dev/null: the parent's objects still are in memory here and may close "their" number.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for path in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(path.name)
        if descriptor > 2 and descriptor not in (nothing, out, ready_end):
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                os.dup2(nothing, descriptor, inheritable=False)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(nothing)
    os.close(out)
