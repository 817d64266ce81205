"""Names and folders of labs and of single routers: what is where, and what runs.

Light on purpose: every verb, also the console, looks here first.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` and `dataclasses` take longer to import than a console to find
    from collections.abc import Iterator
    from typing import Any

#: A Unix socket's path has at most 107 octets.
SOCKET_PATH_MAX = 107
RECORD_MAX = 1_000_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class Trouble(Exception):
    """Why a command could not run, in one line for the user."""


def base() -> Path | None:
    moved = os.environ.get("IOSISH_STATE_DIR")
    return Path(moved) if moved else None


def state_folder() -> Path:
    """Where startup-configs and flash are kept."""
    if moved := base():
        return moved
    if os.geteuid() == 0:
        return Path("/var/lib/iosish")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "iosish"


def run_folder() -> Path:
    """Where control sockets and the records of what runs are. Raises Trouble when a plain user has no such place."""
    if moved := base():
        return moved / "run"
    if os.geteuid() == 0:
        return Path("/run/iosish")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime:
        raise Trouble("XDG_RUNTIME_DIR is not set: set it, or IOSISH_STATE_DIR, to a folder of your own")
    return Path(runtime) / "iosish"


def make_private(folder: Path) -> Path:
    """Create a folder that only its owner may enter. Raises Trouble when it is someone else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise Trouble(f"cannot make {folder}: {error.strerror}") from None
    if found.st_uid != os.geteuid():
        raise Trouble(f"{folder} belongs to another user")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def check_name(name: str, what: str) -> str:
    """A name that is fit for folders and namespaces. Raises Trouble."""
    if not _NAME.fullmatch(name):
        raise Trouble(f"{name!r} is no name for a {what}: letters, digits and . _ - (32 at most)")
    return name


def lab_key(name: str | None) -> str:
    """The folder of a lab below the run folder."""
    return "lab" if name is None else f"lab-{check_name(name, 'lab')}"


def run_key(router: str) -> str:
    """The folder of a single router (`iosish run`), below the run folder and the state folder alike."""
    return f"run-{router}"


def namespace(lab: str | None, router: str) -> str:
    return f"iosish-{router}" if lab is None else f"iosish-{lab}-{router}"


def router_socket(folder: Path, router: str) -> Path:
    """A router's control socket. Raises Trouble when the path is too long for a socket."""
    path = folder / f"{router}.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise Trouble(f"{path} is too long for a socket: set IOSISH_STATE_DIR to a shorter path")
    return path


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot (proc(5), stat field 22); None if there is none.

    Together with the number it tells a process from another that got the same number later.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return int(fields[19]) if fields[0] not in "ZX" else None


def is_running(pid: Any, started: Any) -> bool:
    """Whether the process that was recorded with this number and start time still runs."""
    return isinstance(pid, int) and isinstance(started, int) and pid > 0 and start_time(pid) == started


class Running:
    """A lab, or a single router, that has a record: `name` is the lab's or the router's, None for the default lab."""

    __slots__ = ("folder", "record")

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder, self.record = folder, record

    @property
    def is_lab(self) -> bool:
        return self.record.get("kind") == "lab"

    @property
    def name(self) -> str | None:
        return self.record.get("name")

    @property
    def alive(self) -> bool:
        return is_running(self.record.get("pid"), self.record.get("started"))

    def routers(self) -> list[str]:
        routers = self.record.get("routers", [])
        return [name for name in routers if isinstance(name, str)] if isinstance(routers, list) else []

    def describe(self) -> str:
        if not self.is_lab:
            return "iosish run"
        return f"lab {self.name}" if self.name else "the lab"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of what runs in a folder; None when there is none, or none that can be read."""
    try:
        with (folder / "record.json").open("rb") as file:
            found = json.loads(file.read(RECORD_MAX))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def all_records() -> Iterator[Running]:
    """Everything that has a record, running or not."""
    try:
        folders = sorted(run_folder().iterdir())
    except (OSError, Trouble):
        return
    for folder in folders:
        record = read_record(folder)
        if record is not None:
            yield Running(folder, record)


def find_lab(name: str | None) -> Running:
    """The lab of that name, if it is up. Raises Trouble."""
    folder = run_folder() / lab_key(name)
    record = read_record(folder)
    if record is not None and (found := Running(folder, record)).alive:
        return found
    up = [running.name or "(no name)" for running in all_records() if running.is_lab and running.alive]
    wanted = f"no lab {name} is up" if name else "no lab is up"
    raise Trouble(f"{wanted}; up: {', '.join(up)}" if up else f"{wanted}: `iosish lab up` starts one")


def find_router(router: str | None, name: str | None = None) -> tuple[str, Path]:
    """The only running router of that name, any case: its name and its socket. Raises Trouble, listing what runs."""
    running = [found for found in all_records() if found.alive and (name is None or found.name == name)]
    if name is not None and not running:
        raise Trouble(f"nothing named {name} runs")
    every = [(found, each) for found in running for each in found.routers()]
    chosen = [(found, each) for found, each in every if router is None or each.lower() == router.lower()]
    if len(chosen) == 1:
        found, each = chosen[0]
        return each, router_socket(found.folder, each)
    if not every:
        raise Trouble("no router runs: `iosish lab up` starts the classic lab")
    listed = ", ".join(f"{each} ({found.describe()})" for found, each in (chosen or every))
    if not chosen:
        raise Trouble(f"no router {router} runs; there are {listed}")
    how = "say which router" if router is None else "say which with --name"
    raise Trouble(f"{how}: there are {listed}")
