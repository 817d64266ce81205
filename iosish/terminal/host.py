"""What a terminal session asks of the router it runs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any, Protocol

from iosish.capture.captures import Captures
from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Match
from iosish.config.draft import Section
from iosish.config.model import Config
from iosish.files import Files
from iosish.icmp.ping import PingRequest
from iosish.icmp.traceroute import TracerouteRequest
from iosish.snapshot import Debugging, LogRecord, PlannedReload, Snapshot


class Texts(Protocol):
    """Text as it comes; to be closed by whoever does not read it to its end."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def aclose(self) -> None: ...


class Host(Protocol):
    """A router as its sessions see it. Everything runs on the router's own loop."""

    grammar: Grammar
    files: Files
    captures: Captures

    @property
    def config(self) -> Config:
        """The running configuration, with all lines entered so far."""

    def enter(self, section: Section, match: Match) -> tuple[Section, list[str]]:
        """Take a configuration line in `section`; gives the section the next line belongs to, and IOS's messages.

        The reconcile with the data plane follows once, after the block of lines that is already there.
        """

    def forget(self, section: Section, beginning: str) -> bool:
        """`no` with the beginning of a line of the startup-config that was refused; whether there was one."""

    def configured(self, source: str, by: str) -> None:
        """The configuration was changed from `source`: `%SYS-5-CONFIG_I: Configured from console by console`.

        `source` is "console" for what was typed, or a file.
        """

    def running_config(self) -> str:
        """The lines of `show running-config`, from `version` to `end`."""

    def startup_config(self) -> str | None:
        """What the router would start with. Raises OSError."""

    async def save(self, startup: bytes | None = None) -> None:
        """Write the startup-config, atomically: the running-config, or what is given.

        Raises OSError, and ValueError for what is no text; then the old one stands.
        """

    async def erase(self) -> None: ...

    @property
    def modified(self) -> bool:
        """Whether the running-config differs from what was saved."""

    def reload(self, by: str, reason: str) -> None:
        """Restart the router from its startup-config, as soon as this terminal's output is out."""

    def plan_reload(self, planned: PlannedReload) -> None:
        """Reload later, in the place of what was planned before; all terminals are warned."""

    def cancel_reload(self) -> bool:
        """Whether a reload was planned, which is so no more."""

    @property
    def now(self) -> datetime:
        """The router's wall clock, in its time zone."""

    async def snapshot(self, session: Any = None) -> Snapshot: ...

    def ping(self, request: PingRequest, abort: asyncio.Event) -> Texts:
        """Run a ping; yields text as it comes ("!", "."), the last line included, which also comes after `abort`."""

    def traceroute(self, request: TracerouteRequest, abort: asyncio.Event) -> Texts: ...

    def resolve(self, name: str) -> IPv4Address | None:
        """A name of `ip host`, or an address in text."""

    def clear(self, what: str, **arguments: Any) -> None:
        """`clear ip nhrp`, `clear dmvpn session` and so on: `what` is "nhrp", "nhrp counters", "dmvpn", "counters",
        "logging", "crypto sa", "crypto counters", "crypto isakmp" or "crypto session".

        Arguments: `address` (nhrp), `interface` (nhrp counters, counters), those of `Sessions` (dmvpn),
        `peer` (crypto sa), `connection` (crypto isakmp), `remote` (crypto session).
        """

    def set_clock(self, wall: datetime) -> None:
        """`clock set`: `wall` is in the router's time zone, without one of its own."""

    def on_log(self, listener: Callable[[LogRecord, str], bool | None], *, console: bool) -> Callable[[], None]:
        """Hear log lines as they come, those for the console or those for monitors; gives the function that ends it.

        The listener answers whether the line was shown: False when it was lost, None when it was not meant.
        """

    @property
    def debugging(self) -> Debugging: ...

    def set_debugging(self, debugging: Debugging) -> None:
        """`debug`, `undebug`: for the whole router."""
