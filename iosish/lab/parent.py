"""The parent of a lab: makes namespaces and cables, forks the routers, restarts one that died, removes everything.

It ends on `lab down`, on SIGTERM, SIGHUP and SIGINT, and when `lab up` leaves without having said that it stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iosish import atomic, resources
from iosish.cli import grammar as grammar_
from iosish.lab import leftovers, namespaces, rights
from iosish.lab.child import fork
from iosish.lab.control import Announcer, Control
from iosish.lab.member import Member, from_file
from iosish.lab.panel import Panel
from iosish.lab.places import (
    Trouble,
    make_private,
    namespace,
    router_socket,
    start_time,
)
from iosish.lab.state import StateFolder
from iosish.lab.topology import Cable, End, cables
from iosish.runtime import RouterOptions, serve
from iosish.terminal import typed as _shared_by_all_routers  # noqa: F401 # imported once, before they are forked

#: How long `lab up` waits for interfaces and next-hop servers.
UP_WITHIN_S = 10.0
#: How long routers may take to end by themselves.
END_WITHIN_S = 3.0
STATUS_MAX = 4_000_000
#: A router that reloads closes its socket, and opens it again.
AGAIN_AFTER_S = 0.1
#: A record that could not be written, since the disk is full, is written this much later.
RECORD_AGAIN_S = 2.0
LOG_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What `lab up` was asked for. `direct` is false where the lab takes a user namespace of its own."""

    name: str | None
    source: Path
    folder: Path
    state: Path
    fresh: bool
    plane: str
    direct: bool


class Lab:
    """A lab from its files to its end; `run` is all of it."""

    def __init__(self, plan: Plan, announcer: Announcer) -> None:
        self.plan = plan
        self.say = announcer
        self.members: dict[str, Member] = {}
        self.cables: tuple[Cable, ...] = ()
        self.pulled: frozenset[End] = frozenset()
        self.started_at = time.time()
        self._ending = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._panel: Panel | None = None
        self._control = Control(self)
        self._claimed = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        self.say.when_left(self.end)
        starting = asyncio.create_task(self._start())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await ending
        except (Trouble, OSError, grammar_.GrammarError) as error:
            self.say.trouble(str(error))
        finally:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await starting
            await self._remove_everything()

    def end(self) -> None:
        """Take the lab down."""
        self._ending.set()

    # -- starting ---------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._state = StateFolder.open(self.plan.state, self.plan.fresh)
        copies = self._state.copy_from(self.plan.source)
        for file in copies.kept:
            self.say.warning(
                f"{self.plan.source / file.name} has changed, but the router saved its configuration since: "
                f"the saved one runs (--fresh takes yours)"
            )
        self._grammar = grammar_.load(resources.folder("grammar"))
        for file in copies.files:
            self._enrol(from_file(self._grammar, self._state.store(file), self.plan.source / file.name))
        self._claim()
        self._panel = Panel(self.plan.state.name)
        self._log(f"up: {', '.join(self.members)}")
        gc.collect()
        gc.freeze()
        await self._control.open(self.plan.folder / "lab.sock")
        await self._bring_up(list(self.members.values()))

    def _enrol(self, member: Member) -> None:
        for other in self.members.values():
            if other.name.lower() == member.name.lower():
                raise Trouble(f"{member.file.name} and {other.file.name} are both named {other.name}")
        router_socket(self.plan.folder, member.name)
        member.namespace = namespace(self.plan.name, member.name)
        self.members[member.name] = member
        for complaint in member.complaints:
            self.say.warning(complaint)

    def _claim(self) -> None:
        with leftovers.lock():
            try:
                make_private(self.plan.folder.parent)
                self.plan.folder.mkdir(mode=0o700)
            except FileExistsError:
                raise Trouble("a lab of this name is being started or is up already") from None
            except OSError as error:
                raise Trouble(f"cannot make {self.plan.folder}: {error.strerror}") from None
            self._claimed = True
            self._record()

    def _record(self) -> None:
        """Write down what is ours, for the verbs, and for whoever clears up if we are killed."""
        record = {
            "kind": "lab",
            "name": self.plan.name,
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "source": str(self.plan.source),
            "state": str(self.plan.state),
            "routers": list(self.members),
            "namespaces": {member.namespace: member.inode for member in self.members.values() if member.inode},
            "processes": {name: [m.child.pid, m.child.started] for name, m in self.members.items() if m.child},
        }
        atomic.replace(self.plan.folder / "record.json", json.dumps(record, indent=1).encode())

    async def _bring_up(self, members: list[Member]) -> None:
        """Namespaces, cables, hubs, then spokes; and wait for what they are to reach."""
        assert self._panel is not None
        began = time.monotonic()
        for member in members:
            member.make_namespace()
        self._record()
        self._lay_cables()
        for group in ([m for m in members if not m.spoke], [m for m in members if m.spoke]):
            for member in group:
                self._fork(member, "power-on")
            self._record()
            if group:
                self.say.progress(f"starting {' '.join(member.name for member in group)}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UP_WITHIN_S):
                    await asyncio.gather(*(self._ready(member) for member in group))
        silent = await self._settle(members, began + UP_WITHIN_S)
        dead = [member.name for member in members if member.status is None]
        if dead:
            raise Trouble(f"not running: {', '.join(dead)}; {self._log_path()} says why")
        self.say.up(list(self.members), len(self.cables), time.monotonic() - began, silent)

    async def _settle(self, members: list[Member], until: float) -> list[str]:
        """Wait until all is up, `until` at most; gives what is not."""
        told: list[str] = []
        while waits := [wait for member in members for wait in member.waits_for()]:
            self._news.clear()
            left = until - time.monotonic()
            if left <= 0 or not any(member.may_come_up() for member in members):
                break
            routers = sorted({wait.partition(":")[0].split()[0] for wait in waits})
            if routers != told:
                told = routers
                self.say.progress(f"waiting for {', '.join(routers)}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return waits

    async def add(self, file: Path) -> str:
        """Start one more router; gives its name, and what is not up yet as warnings. Raises Trouble, OSError."""
        target = self.plan.state / file.name
        if any(member.file == target for member in self.members.values()):
            raise Trouble(f"{file.name} runs already")
        member = from_file(self._grammar, self._state.store(self._state.add(file)), file)
        self._enrol(member)
        try:
            await self._bring_up([member])
        except (Trouble, OSError):
            await self._stop([member])
            self._forget(member)
            raise
        return member.name

    def _forget(self, member: Member) -> None:
        if self._panel is not None:
            self._panel.take([end for end in self._panel.ends() if end[0] == member.name])
        member.drop_namespace()
        self.members.pop(member.name, None)
        self._record()

    # -- routers ----------------------------------------------------------------------------------

    def _fork(self, member: Member, reason: str) -> None:
        if self._ending.is_set():
            raise Trouble("the lab is being taken down")
        folder = self._state.router_folder(member.name)
        socket_path = router_socket(self.plan.folder, member.name)
        socket_path.unlink(missing_ok=True)

        def body(ready: Callable[[], None]) -> int:
            options = RouterOptions(
                name=member.name,
                startup_path=member.file,
                socket_path=socket_path,
                state_dir=folder,
                reason=reason,
                kept_path=self._state.store(member.file).kept,
                ready=ready,
            )
            return serve(options, self._grammar)

        member.status = None
        member.child = fork(body, member.descriptor, self._log_path())
        asyncio.get_running_loop().add_reader(member.child.process, self._died, member)

    async def _ready(self, member: Member) -> None:
        """Return when the router's sockets are open, and follow its reports from then on."""
        child = member.child
        if child is None or child.ready < 0:
            return
        loop = asyncio.get_running_loop()
        member.opened.clear()
        loop.add_reader(child.ready, member.opened.set)
        try:
            await member.opened.wait()
        finally:
            if child.ready >= 0:
                loop.remove_reader(child.ready)
        if member.child is child:
            self._spawn(self._follow(member))

    async def _follow(self, member: Member) -> None:
        """Hear what a router reports until it ends, also after a `reload`; cables follow its addresses."""
        child, path = member.child, router_socket(self.plan.folder, member.name)
        while child is not None and member.child is child:
            with contextlib.suppress(OSError, ValueError):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=STATUS_MAX)
                try:
                    writer.write(b'{"kind": "watch"}\n')
                    while line := await reader.readline():
                        member.report(line)
                        self._lay_cables()
                        self._news.set()
                finally:
                    writer.close()
            await asyncio.sleep(AGAIN_AFTER_S)

    def _died(self, member: Member) -> None:
        child = member.child
        assert child is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(child.process)
        if child.ready >= 0:
            loop.remove_reader(child.ready)
        status = child.reap()
        child.close()
        member.child, member.status = None, None
        member.opened.set()
        self._news.set()
        if not self._ending.is_set() and member.name in self.members:
            self._spawn(self._restart(member, child.pid, status))

    async def _restart(self, member: Member, pid: int, status: int) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        pause_s = member.pause_s(time.monotonic())
        later = f" in {pause_s:.0f} s" if pause_s else ""
        self._log(f"%IOSISH-3-RESTART: {member.name} (process {pid}) {how}: restarted{later}")
        # A new namespace: what the dead router had put on its devices is gone with them.
        if self._panel is not None:
            self._panel.take([end for end in self._panel.ends() if end[0] == member.name])
        member.drop_namespace()
        await asyncio.sleep(pause_s)
        if member.name not in self.members:
            return
        try:
            member.make_namespace()
            self._lay_cables()
            self._fork(member, "crash")
        except (OSError, Trouble) as error:
            self._log(f"%IOSISH-2-NORESTART: {member.name}: {error}")
            return
        member.restarts += 1
        self._spawn(self._record_once_possible())
        await self._ready(member)

    async def _record_once_possible(self) -> None:
        """A full disk keeps no router from starting again."""
        while not self._ending.is_set():
            try:
                self._record()
                return
            except OSError as error:
                self._log(f"%IOSISH-4-NORECORD: {self.plan.folder / 'record.json'}: {error.strerror}")
            await asyncio.sleep(RECORD_AGAIN_S)

    # -- cables -----------------------------------------------------------------------------------

    def _lay_cables(self) -> None:
        """Devices for the ports there are, and cables as their addresses say."""
        if self._panel is None:
            return
        here = [member for member in self.members.values() if member.descriptor >= 0]
        ports = [port for member in here for port in member.ports]
        ends = [port.end for port in ports]
        try:
            self._panel.take(self._panel.ends() - set(ends))
            self._panel.put(ends, {member.name: member.descriptor for member in here})
            self.cables = cables(ports)
            self._panel.arrange(self.cables, self.pulled)
        except OSError as error:
            self._log(f"%IOSISH-3-CABLE: {error}")

    def pull(self, one: str, other: str, out: bool) -> int:
        """Cut (`out`) or join every cable between two routers; gives how many there are. Raises Trouble.

        On a LAN of more than two, only the first one's plug is pulled: the others still hear each other.
        """
        one, other = self.member(one).name, self.member(other).name
        if one == other:
            raise Trouble(f"there is no cable from {one} to itself")
        between = [cable for cable in self.cables if cable.between(one, other)]
        if not between:
            raise Trouble(f"there is no cable between {one} and {other}")
        ends = {
            end
            for cable in between
            for end in cable.ends
            if end[0] == one or (end[0] == other and (len(cable.ends) == 2 or not out))
        }
        self.pulled = self.pulled | ends if out else self.pulled - ends
        self._lay_cables()
        return len(between)

    def member(self, name: str) -> Member:
        """A router by name, any case. Raises Trouble."""
        for member in self.members.values():
            if member.name.lower() == name.lower():
                return member
        raise Trouble(f"there is no router {name} in this lab: {', '.join(self.members)}")

    # -- ending -----------------------------------------------------------------------------------

    async def _stop(self, members: Iterable[Member]) -> None:
        """Have routers end, by force where they do not."""
        members = list(members)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for member in members:
                if member.child is not None:
                    member.child.signal(number)
            until = time.monotonic() + END_WITHIN_S
            while any(member.child for member in members) and time.monotonic() < until:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), max(until - time.monotonic(), 0))

    async def _remove_everything(self) -> None:
        self._ending.set()
        for task in list(self._tasks):
            task.cancel()
        await self._stop(self.members.values())
        for member in self.members.values():
            member.drop_namespace()
        if self._panel is not None:
            self._panel.close()
        if self._claimed:
            self._log("down")
            with leftovers.lock():
                leftovers.remove_folder(self.plan.folder)
            await self._control.close()
        self.say.gone()

    # -- small things -----------------------------------------------------------------------------

    def _spawn(self, job: Any) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _log_path(self) -> Path:
        return self.plan.state / "lab.log"

    def _log(self, text: str) -> None:
        path = self._log_path()
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > LOG_MAX:
                path.replace(path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%b %d %H:%M:%S')}: {text}\n")


def main(plan: Plan, leash: Any) -> None:
    """Be the parent of a lab, in a process of its own; never returns. `leash` is the socket to `lab up`."""
    status = 1
    try:
        os.setsid()
        os.chdir("/")
        if not plan.direct:
            rights.enter_user_namespace()
        namespaces.share_folder()
        asyncio.run(_run(plan, leash))
        status = 0
    except OSError as error:
        with contextlib.suppress(OSError):
            leash.setblocking(True)
            leash.sendall(json.dumps({"trouble": str(error)}).encode() + b"\n")
    finally:
        os._exit(status)


async def _run(plan: Plan, leash: Any) -> None:
    announcer = await Announcer.on(leash)
    await Lab(plan, announcer).run()
    await announcer.close()
