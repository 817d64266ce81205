"""The router as its terminal sessions see it: configuration, saving, snapshots, probes."""

from __future__ import annotations

import asyncio
import itertools
import os
import zlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from iosish.cli.enter import enter
from iosish.cli.grammar import Grammar
from iosish.cli.load import decode, load
from iosish.cli.matcher import Match
from iosish.cli.render import render
from iosish.config import refused
from iosish.config.draft import Draft, Section
from iosish.config.model import Config
from iosish.config.secrets import up_to_secret
from iosish.config.store import Store
from iosish.desired import PlaneCounters
from iosish.engine import DebugEvent, Event, LogEvent
from iosish.files import Files
from iosish.forwarding.tables import InterfaceCounters
from iosish.icmp.ping import Ping, PingRequest
from iosish.icmp.traceroute import Traceroute, TracerouteRequest
from iosish.interfaces import held
from iosish.log.syslog import Listener, Moment, Syslog
from iosish.nhrp.config import Sessions
from iosish.runtime.capturing import Capturing
from iosish.runtime.clock import Clock, monotonic
from iosish.runtime.counting import Counting
from iosish.runtime.driver import Driver
from iosish.runtime.log_servers import LogServers
from iosish.runtime.options import RouterOptions
from iosish.runtime.packet_debug import PacketDebug
from iosish.runtime.probing import Probing
from iosish.runtime.rates import Rates
from iosish.runtime.reloading import Reloading
from iosish.snapshot import Debugging, InterfaceState, PlannedReload, Route, SessionState, Snapshot

#: A paste is reconciled when no line came for this long, or at the latest after the second time.
QUIET_S, LATEST_S = 0.02, 0.5
#: How long lines that were left out of the log are counted before that is said.
TELL_AFTER_S = 1.0


class RouterHost:
    """One router's `terminal.host.Host`."""

    def __init__(self, grammar: Grammar, options: RouterOptions) -> None:
        self.grammar = grammar
        self.options = options
        self.clock = Clock()
        self.rates = Rates()
        self.driver = Driver(self._event, self._changed)
        self.captures = Capturing(self.driver, self._event).captures
        self.reloading = asyncio.Event()
        self.sessions: Callable[[Any], tuple[SessionState, ...]] = lambda mine: ()
        self.changed: Callable[[], None] = lambda: None
        self.tell: Callable[[str], None] = lambda text: None
        self._planned = Reloading(
            lambda: self.now,
            lambda mnemonic, text: self.say("SYS", 5, mnemonic, text),
            lambda text: self.tell(text),
            self.reloading.set,
        )
        self.refused: tuple[str, ...] = ()
        self._loop = asyncio.get_running_loop()
        self._store = Store(options.startup_path, options.kept)
        self._saving = asyncio.Lock()
        self.files = Files(options.state_dir / "flash")
        self._config = Config()
        self.log = Syslog(self._moment)
        self._packet_debug = PacketDebug(self.driver, self._event, self._lost_debugs)
        self.log_servers = LogServers(self.say, self.resolve)
        self.log.serve(self.log_servers.take)
        self._draft: Draft | None = None
        self._dirty = False
        self._reconcile: asyncio.TimerHandle | None = None
        self._first_line_at = 0.0
        self._saved = Config()
        self._telling: asyncio.TimerHandle | None = None
        self._identifiers = itertools.count(os.getpid())
        self._started_at = monotonic()
        self._started_wall = self.clock.now(None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._counting = Counting()
        self._last_change: tuple[datetime, str] | None = None
        self._last_saved: datetime | None = None

    # Configuration

    def boot(self) -> None:
        """Load the startup-config and put it to work, and say which it is.

        A line that is refused is logged, the rest counts.
        """
        self.files.sweep()
        name = self.options.startup_path.name
        data, severity, mnemonic, text = self._startup(name)
        if data is None:
            self.say("IOSISH", severity, mnemonic, text)
        else:
            loaded = load(self.grammar, decode(data))
            self._config = self._saved = loaded.config
            self.log.configure(self._config.logging)
            self.say("IOSISH", severity, mnemonic, text)
            self.refused = tuple(f"{name}:{line.number}: {line.unquoted}: {line.told}" for line in loaded.refused())
            for line in loaded.lines:
                if line.reason:
                    # The line itself may hold a secret: its number says enough.
                    text = f"startup-config line {line.number} in {line.mode} is refused: {line.unquoted}"
                    self.say("IOSISH", 4, "CONFIG_REFUSED", text)
                if line.warning:
                    self.say("IOSISH", 4, "CONFIG_KEPT", line.warning)
        self.driver.configure(self._config)
        self.log_servers.configure(self._config)

    def _startup(self, name: str) -> tuple[bytes | None, int, str, str]:
        """The startup-config, and how the log tells which it is."""
        try:
            startup, trouble = self._store.start()
        except OSError as error:
            return None, 2, "CONFIG_UNREADABLE", f"startup-config {name}: {error.strerror or error}"
        if startup.data is None:
            return None, 6, "CONFIG_LOADED", f"startup-config {name}: {startup.told}"
        if startup.damage:
            what = (
                f"could not be mended ({trouble})" if trouble else f"mended, {self._store.damaged} has the damaged one"
            )
            text = f"startup-config {name} {startup.damage}: loaded {startup.told}; {what}"
            return startup.data, 3, "CONFIG_DAMAGED", text
        return startup.data, 6, "CONFIG_LOADED", f"startup-config {name}: loaded {startup.told}"

    @property
    def hostname(self) -> str:
        """As the log calls it."""
        return self._config.hostname

    @property
    def config(self) -> Config:
        if self._dirty and self._draft is not None:
            self._config = self._draft.freeze()
            self._dirty = False
        return self._config

    def enter(self, section: Section, match: Match) -> tuple[Section, list[str]]:
        if self._draft is None:
            self._draft = Draft(self._config)
        if self._opens_again(section, match):
            self.reconcile()
        section, messages = enter(self.grammar, self._draft, section, match)
        self._entered()
        if match.command.warn and not match.negated and not messages:
            self.say("IOSISH", 4, "CONFIG_KEPT", f"{match.command.path}: {match.command.warn}")
        if _protects(match):
            self.reconcile()  # nothing may leave in the clear while the rest of a paste comes in
        return section, messages

    def _entered(self) -> None:
        """The draft was changed: it is reconciled with the lines that follow soon."""
        self._dirty = True
        now = self._loop.time()
        if self._reconcile is None:
            self._first_line_at = now
        else:
            self._reconcile.cancel()
        at = min(now + QUIET_S, self._first_line_at + LATEST_S)
        self._reconcile = self._loop.call_at(at, self.reconcile)

    def forget(self, section: Section, beginning: str) -> bool:
        if self._draft is None:
            self._draft = Draft(self._config)
        forgotten = refused.taken(self._draft, section.paths, beginning, True)
        if forgotten:
            self._entered()
        return forgotten

    def _opens_again(self, section: Section, match: Match) -> bool:
        """Whether a line takes back a `shutdown` that is not at work yet: the interface is to go down in between."""
        if self._draft is None or not (match.negated or match.defaulted):
            return False
        if all(command.path != "shutdown" for command in match.commands):
            return False
        working = self.driver.router.config.interfaces
        for path in section.paths:
            if len(path) == 2 and path[0] == "interfaces" and self._draft.has(path):
                before = working.get(path[1])
                if before is not None and not before.shutdown and self._draft.get((*path, "shutdown")):
                    return True
        return False

    def reconcile(self) -> None:
        """Put what was entered to work, once for all lines of a paste."""
        if self._reconcile is not None:
            self._reconcile.cancel()
            self._reconcile = None
        if self.config != self.driver.router.config:
            self.log.configure(self._config.logging)
            self.driver.configure(self._config)
            self.log_servers.configure(self._config)
            self._packet_debug.configure(self.log.debugging, self._config)

    def configured(self, source: str, by: str) -> None:
        self.reconcile()
        self._last_change = (self.clock.now(self._config.timezone), by)
        self.say("SYS", 5, "CONFIG_I", f"Configured from {source} by {by}")

    def running_config(self) -> str:
        config = self.config
        lines = render(self.grammar, config)
        if config.version == Config().version:
            lines = [f"version {config.version}", "!", *lines]
        return "\n".join([*lines, "end", ""])

    def startup_config(self) -> str | None:
        data = self._store.read().data
        return None if data is None else decode(data)

    async def save(self, startup: bytes | None = None) -> None:
        async with self._saving:
            config = self.config
            data = self.running_config().encode("utf-8", "surrogateescape") if startup is None else startup
            # The disk takes its time: the router's timers do not wait for it.
            await asyncio.to_thread(self._store.write, data)
            self._saved = config if startup is None else load(self.grammar, decode(startup)).config
        self._last_saved = self.clock.now(config.timezone)
        self.changed()

    async def erase(self) -> None:
        async with self._saving:
            await asyncio.to_thread(self._store.erase)
            self._saved = Config()
        self.say("SYS", 7, "NV_BLOCK_INIT", "Initialized the geometry of nvram")
        self.changed()

    @property
    def modified(self) -> bool:
        return self.config != self._saved

    def reload(self, by: str, reason: str) -> None:
        self.say("SYS", 5, "RELOAD", f"Reload requested by {by}. Reload Reason: {reason}.")
        self.reloading.set()

    def plan_reload(self, planned: PlannedReload) -> None:
        self._planned.plan(planned)

    def cancel_reload(self) -> bool:
        return self._planned.cancel()

    @property
    def now(self) -> datetime:
        return self.clock.now(self.config.timezone)

    # What is asked

    def resolve(self, name: str) -> IPv4Address | None:
        try:
            return IPv4Address(name)
        except AddressValueError:
            hosts = self.config.hosts
            return next((address for known, address in hosts.items() if known.lower() == name.lower()), None)

    def ping(self, request: PingRequest, abort: asyncio.Event) -> Probing:
        return Probing(Ping(request, next(self._identifiers) & 0xFFFF), abort)

    def traceroute(self, request: TracerouteRequest, abort: asyncio.Event) -> Probing:
        names = {address: name for name, address in self.config.hosts.items()}
        return Probing(Traceroute(request, next(self._identifiers) & 0xFFFF, names.get), abort)

    def clear(self, what: str, **arguments: Any) -> None:
        if what == "nhrp":
            self.driver.clear_nhrp(arguments.get("interface"), arguments.get("address"))
        elif what == "dmvpn":
            self.driver.clear_dmvpn(Sessions(**arguments))
        elif what == "nhrp counters":
            self.driver.router.clear_nhrp_counters(arguments.get("interface"))
        elif what == "counters":
            self._start(self._clear_counters(arguments.get("interface")))
        elif what == "crypto sa":
            self.driver.clear_crypto_sa(arguments.get("peer"))
        elif what == "crypto isakmp":
            self.driver.clear_crypto_isakmp(arguments.get("connection"))
        elif what == "crypto session":
            self.driver.clear_crypto_session(arguments.get("remote"))
        elif what == "crypto counters":
            self._start(self._clear_sa_counters())
        elif what == "logging":
            self.log.clear()

    def _start(self, clearing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(clearing)
        self._tasks.add(task)  # the loop alone would not keep it alive
        task.add_done_callback(self._tasks.discard)

    async def _clear_counters(self, interface: str | None) -> None:
        counters = await self._counters()
        self._counting.clear([interface] if interface else list(self.config.interfaces), counters, monotonic())

    async def _clear_sa_counters(self) -> None:
        counters = await self._counters()
        self._counting.clear_sas(counters)
        self.driver.router.clear_crypto_counters(counters.sas)

    def set_clock(self, wall: datetime) -> None:
        before = self.clock.now(self.config.timezone)
        self.clock.set(wall, self.config.timezone)
        old, new = (
            f"{at:%H:%M:%S %Z %a %b} {at.day} {at.year}" for at in (before, self.clock.now(self.config.timezone))
        )
        text = f"System clock has been updated from {old} to {new}, configured from console by console."
        self.say("SYS", 6, "CLOCKUPDATE", text)
        self._planned.clock_moved()

    async def _counters(self) -> PlaneCounters:
        plane = self.driver.plane
        return await plane.counters() if plane else PlaneCounters()

    async def sample_rates(self) -> None:
        """Read the counters for the 5-minute rates; called now and then."""
        self.rates.sample((await self._counters()).interfaces, monotonic())

    async def snapshot(self, session: Any = None) -> Snapshot:
        self.reconcile()
        config, plane, now = self.config, self.driver.plane, monotonic()
        counters = await self._counters()
        self.rates.sample(counters.interfaces, now)
        return Snapshot(
            config=config,
            now=now,
            wall=self.clock.now(config.timezone),
            clock_authoritative=self.clock.authoritative,
            started_at=self._started_at,
            started_wall=self._started_wall,
            plane=plane.name if plane else "none",
            kernel=os.uname().release,
            memory_kb=os.sysconf("SC_PHYS_PAGES") * (os.sysconf("SC_PAGE_SIZE") // 1024),
            reload_reason=self.options.reason,
            desired=self.driver.router.desired,
            interfaces=self._interfaces(counters.interfaces),
            routes=tuple(self._routes()),
            nhrp=self.driver.router.nhrp_state(now),
            ike=self.driver.router.ike_state(now),
            sas=self._counting.sas(counters.sas),
            sockets=dict(self.driver.router.sockets),
            arp=await plane.arp() if plane else (),
            log=self.log.records(),
            log_servers=self.log_servers.states(),
            log_counters=self.log.counters(),
            log_counts=self.log.counted(),
            debugging=self.log.debugging,
            sessions=self.sessions(session),
            history=tuple(map(up_to_secret, session.history.lines)) if session is not None else (),
            drops=counters.drops,
            last_change=self._last_change,
            last_saved=self._last_saved,
            planned_reload=self._planned.planned,
            from_startup=frozenset(
                name
                for name, interface in config.interfaces.items()
                if (saved := self._saved.interfaces.get(name)) and saved.ip_address == interface.ip_address
            ),
            board_id=f"IOSISH{zlib.crc32(str(self.options.state_dir).encode()):08X}",
            machine=os.uname().machine,
            captures=self.captures.state(),
        )

    def _interfaces(self, counters: Mapping[str, InterfaceCounters]) -> dict[str, InterfaceState]:
        router = self.driver.router
        return {
            name: InterfaceState(
                name=name,
                admin_up=status.admin_up,
                line_up=status.line_up,
                reason=status.reason,
                link=router.links.get(name),
                source=status.source,
                changed_at=router.changed_at.get(name),
                cleared_at=self._counting.cleared_at.get(name),
                counters=self._counting.interface(name, counters),
                rates=self.rates.of(name),
            )
            for name, status in router.statuses.items()
        }

    def _routes(self) -> list[Route]:
        return [
            Route(path.code, path.network, path.interface, path.next_hop, path.distance, 0, path.tag)
            for path in self.driver.router.rib.all()
        ]

    def status(self) -> dict[str, Any]:
        """What the lab and other programs ask: one JSON object."""
        router = self.driver.router
        interfaces = {}
        for name, status in router.statuses.items():
            interface = router.config.interfaces[name]
            interfaces[name] = {
                "admin_up": status.admin_up,
                "line_up": status.line_up,
                "reason": status.reason,
                "held": held(router.config, interface) is not None,
                "address": str(status.addresses[0]) if status.addresses else None,
                "addresses": [str(address) for address in status.addresses],
                "description": interface.description,
            }
        servers = [{"interface": name, "address": str(address), "up": up} for name, address, up in router.servers()]
        return {
            "hostname": self.config.hostname,
            "pid": os.getpid(),
            "interfaces": interfaces,
            "nhs": servers,
            "modified": self.modified,
            "refused": list(self.refused),
        }

    # The log

    def say(self, facility: str, severity: int, mnemonic: str, text: str) -> None:
        self._written(self.log.message(facility, severity, mnemonic, text))

    def on_log(self, listener: Listener, *, console: bool) -> Callable[[], None]:
        return self.log.listen(listener, console=console)

    @property
    def debugging(self) -> Debugging:
        return self.log.debugging

    def set_debugging(self, debugging: Debugging) -> None:
        self.log.debugging = debugging
        self.driver.debug(debugging.topics)
        self._packet_debug.configure(debugging, self.config)

    def _lost_debugs(self, count: int) -> None:
        self.log.lose_debugs(count)
        self._written(None)

    def _event(self, event: Event) -> None:
        if isinstance(event, LogEvent):
            self.say(event.facility, event.severity, event.mnemonic, event.text)
        elif isinstance(event, DebugEvent):
            tunnels = None
            if event.peer is not None and self.log.debugging.conditions:
                tunnels = self.driver.router.tunnels_to(event.peer)
            self._written(self.log.debug(event, tunnels))

    def _written(self, line: str | None) -> None:
        if line is None and self.log.untold and self._telling is None:
            self._telling = self._loop.call_later(TELL_AFTER_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self.log.tell()

    def _moment(self) -> Moment:
        return Moment(self.clock.now(self._config.timezone), self.clock.authoritative, monotonic())

    def _changed(self) -> None:
        self.changed()


def _protects(match: Match) -> bool:
    """Whether a line asks for `tunnel protection`."""
    field = match.command.field
    return field is not None and field.path == ("tunnel", "protection") and not (match.negated or match.defaulted)
