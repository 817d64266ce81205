"""`iosish run CONFIG`: one router in this network namespace, or in a named one, without a lab around it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from iosish import atomic, resources
from iosish.lab import leftovers, namespaces, rights
from iosish.lab.ask import say
from iosish.lab.places import (
    Running,
    Trouble,
    check_name,
    make_private,
    read_record,
    router_socket,
    run_folder,
    run_key,
    start_time,
    state_folder,
)
from iosish.lab.state import read_config, store_of


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed, `config` as an absolute path. `interfaces`: devices by IOS interface names in full.

    `log`: what stands on standard output, "text" or "json", unless it is detached.
    """

    config: Path
    name: str | None = None
    detach: bool = False
    netns: str | None = None
    interfaces: dict[str, str] = field(default_factory=dict)
    log: str = "text"


def run(request: Request) -> int:
    """Be the router until told to end. Raises Trouble."""
    read_config(request.config)
    rights.check_router()
    from iosish.cli import grammar
    from iosish.lab.member import from_file

    member = from_file(grammar.load(resources.folder("grammar")), store_of(request.config), request.config)
    name = check_name(request.name, "router") if request.name else member.name
    for complaint in member.complaints:
        say(complaint)
    folder = run_folder() / run_key(name)
    socket_path = router_socket(folder, name)
    if request.netns is not None:
        _enter(request.netns)
    if request.detach:
        log = _state(name) / "run.log"
        return _detached(lambda ready: _serve(request, name, folder, socket_path, None, ready), log)
    return _serve(request, name, folder, socket_path, request.log, None)


def _enter(netns: str) -> None:
    try:
        namespaces.enter(netns)
    except OSError as error:
        raise Trouble(f"cannot enter the namespace {netns}: {error.strerror}") from None


def _state(name: str) -> Path:
    return make_private(make_private(state_folder()) / run_key(name))


def _serve(
    request: Request,
    name: str,
    folder: Path,
    socket_path: Path,
    log_to: str | None,
    ready: Callable[[], None] | None,
) -> int:
    from iosish.runtime import RouterOptions, serve

    _claim(name, folder)
    try:
        return serve(
            RouterOptions(
                name=name,
                startup_path=request.config,
                socket_path=socket_path,
                state_dir=_state(name),
                interfaces=request.interfaces,
                log_to=log_to,
                reason="power-on",
                kept_path=store_of(request.config).kept,
                ready=ready,
            )
        )
    finally:
        with leftovers.lock():
            leftovers.remove_folder(folder)


def _claim(name: str, folder: Path) -> None:
    with leftovers.lock():
        make_private(folder.parent)
        record = read_record(folder)
        if record is not None and Running(folder, record).alive:
            raise Trouble(f"a router {name} runs already (process {record.get('pid')}): --name gives this one another")
        make_private(folder)
        record = {
            "kind": "run",
            "name": name,
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "routers": [name],
        }
        atomic.replace(folder / "record.json", json.dumps(record).encode())


def _detached(body: Callable[[Callable[[], None]], int], log: Path) -> int:
    """Run it in a process of its own; return when its sockets are open. What it may complain of later is in `log`."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.close(read_end)
            os.setsid()
            status = _in_background(body, write_end, log)
        finally:
            os._exit(status)
    os.close(write_end)
    select.select([read_end], [], [])
    word = os.read(read_end, 65536)
    os.close(read_end)
    if word == b"ready":
        return 0
    os.waitpid(pid, 0)
    raise Trouble(word.decode(errors="replace") or f"the router ended at once: {log} says why")


def _in_background(body: Callable[[Callable[[], None]], int], write_end: int, log: Path) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, descriptor)
    os.close(null)
    os.close(out)

    def ready() -> None:
        with contextlib.suppress(OSError):
            os.write(write_end, b"ready")
            os.close(write_end)

    try:
        return body(ready)
    except Trouble as trouble:
        os.write(write_end, str(trouble).encode())
        return 2
    except BaseException:
        traceback.print_exc()
        return 2
