"""What a lab left behind whose parent was killed: removed by the next command, as far as it is provably that lab's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iosish.lab import namespaces
from iosish.lab.places import all_records, is_running, make_private, state_folder


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One at a time: claiming a name and clearing up. Raises Trouble."""
    path = make_private(state_folder()) / ".lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep() -> list[str]:
    """Remove what is left of everything that has a record and runs no more; gives a line for each. Raises Trouble."""
    if all(running.alive for running in all_records()):
        return []
    with lock():
        return _sweep()


def _sweep() -> list[str]:
    said = []
    for running in all_records():
        if not running.alive:
            _end_processes(running.record.get("processes"))
            _remove_namespaces(running.record.get("namespaces"))
            remove_folder(running.folder)
            said.append(f"removed what {running.describe()} left behind: it had been killed")
    return said


def _end_processes(processes: Any) -> None:
    if not isinstance(processes, dict):
        return
    for entry in processes.values():
        if isinstance(entry, list) and len(entry) == 2 and is_running(*entry):
            with contextlib.suppress(OSError):
                os.kill(entry[0], signal.SIGKILL)


def _remove_namespaces(recorded: Any) -> None:
    """Only those that still are the ones recorded: a name may have been given to another since."""
    if not isinstance(recorded, dict):
        return
    for name, inode in recorded.items():
        if isinstance(name, str) and name.startswith("iosish-") and "/" not in name and namespaces.inode(name) == inode:
            with contextlib.suppress(OSError):
                namespaces.remove(name)


def remove_folder(folder: Path) -> None:
    """Remove a folder of sockets with its record, and the folder of all of them when it was the last."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.suffix in (".sock", ".json"):
                path.unlink(missing_ok=True)
        folder.rmdir()
        folder.parent.rmdir()
