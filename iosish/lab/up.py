"""`iosish lab up`: start the lab's parent, tell how it goes, open a console, ask whether the lab stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iosish import resources
from iosish.lab import rights
from iosish.lab.ask import count, say
from iosish.lab.places import (
    Running,
    Trouble,
    lab_key,
    read_record,
    router_socket,
    run_folder,
)
from iosish.lab.state import folder_of


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed. `source` None is the lab that is shipped."""

    source: Path | None
    name: str | None
    fresh: bool
    plane: str
    detach: bool


def up(request: Request) -> int:
    """Exit status: that of the console's commands, or 0. Raises Trouble."""
    source = request.source or resources.folder("running-configs") / "dmvpn"
    if not source.is_dir():
        raise Trouble(f"{source}: no such folder")
    folder = run_folder() / lab_key(request.name)
    direct = rights.check_lab()
    _check_not_up(request.name, folder)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become_parent(request, source, folder, direct, theirs)
    theirs.close()
    leash = _Leash(ours, pid)
    try:
        first = leash.until_up()
        if request.detach:
            leash.keep()
            return 0
        return _console(leash, router_socket(folder, first), request.name)
    except KeyboardInterrupt:
        return 2
    finally:
        leash.let_go()


def _check_not_up(name: str | None, folder: Path) -> None:
    record = read_record(folder)
    if record is not None and Running(folder, record).alive:
        routers = Running(folder, record).routers()
        named = f" --name {name}" if name else ""
        console = f"`iosish console {routers[0]}{named}` opens it, " if routers else ""
        raise Trouble(
            f"{'lab ' + name if name else 'the lab'} is up already: {console}`iosish lab down{named}` ends it"
        )


def _become_parent(request: Request, source: Path, folder: Path, direct: bool, leash: socket.socket) -> None:
    """In the forked process: hold nothing of the caller's terminal, then be the parent. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    try:
        from iosish.lab import parent

        state = folder_of(request.name, source)
        parent.main(
            parent.Plan(request.name, source.resolve(), folder, state, request.fresh, request.plane, direct), leash
        )
    except BaseException as error:
        leash.sendall(json.dumps({"trouble": f"{type(error).__name__}: {error}"}).encode() + b"\n")
    finally:
        os._exit(1)


class _Leash:
    """The connection to the lab's parent: it takes the lab down when this end closes without a `keep`."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._pid = pid
        self._kept = False

    def _message(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise Trouble("the lab's parent ended before the lab was up")
        found = json.loads(line)
        return found if isinstance(found, dict) else {}

    def until_up(self) -> str:
        """Show the progress; gives the first router. Raises Trouble when the lab does not come up."""
        while True:
            message = self._message()
            if "progress" in message:
                say(f"{message['progress']} ...")
            elif "warning" in message:
                say(message["warning"])
            elif "trouble" in message:
                raise Trouble(message["trouble"])
            elif "up" in message:
                up = message["up"]
                for silent in up["silent"]:
                    say(f"not up: {silent}")
                routers, wires = count(len(up["routers"]), "router"), count(up["cables"], "cable")
                say(f"{routers}, {wires}, up in {up['took_s']:.1f} s")
                return str(up["routers"][0])

    def keep(self) -> None:
        self._connection.sendall(b"keep\n")
        self._kept = True

    def let_go(self) -> None:
        """Close; unless the lab is kept, return when nothing is left of it."""
        if self._kept:
            self._connection.close()
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it ends: let it do so in peace
        self._connection.shutdown(socket.SHUT_WR)
        self._stream.read()
        self._connection.close()
        os.waitpid(self._pid, 0)


def _console(leash: _Leash, path: Path, name: str | None) -> int:
    from iosish.terminal import console

    typed = sys.stdin is not None and sys.stdin.isatty()
    if typed:
        say("the console of the first router; `exit` leaves it")
    status = console.main(str(path), None)
    if typed and _stays():
        leash.keep()
        named = f" --name {name}" if name else ""
        say(f"the lab stays: `iosish console ROUTER{named}`, `iosish lab status{named}`, `iosish lab down{named}`")
    return status


def _stays() -> bool:
    while True:
        os.write(2, b"Keep the lab running? [y/n] ")
        answer = sys.stdin.readline()
        if not answer:
            os.write(2, b"\n")
            return False
        if answer.strip().lower() in ("y", "yes"):
            return True
        if answer.strip().lower() in ("n", "no"):
            return False
