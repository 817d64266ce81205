"""What becomes of a message: which levels let it through, who hears it, what is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from iosish.config.model import DATETIME_MSEC, DmvpnLogging, Logging, LogRateLimit
from iosish.config.severity import DEBUGGING, number
from iosish.engine import DebugEvent
from iosish.log.buffer import LogBuffer
from iosish.log.conditions import Tunnels, wants
from iosish.log.line import line
from iosish.rate_limit import RateLimit
from iosish.snapshot import Debugging, LogCount, LogCounters, LogRecord

#: Longer texts are cut: a line may quote what a peer sent.
TEXT_LENGTH = 512
#: A thousand spokes that come up at once are told in full; a flood of bad packets is not.
MESSAGES_BURST, MESSAGES_PER_S = 5000, 500
#: What a flood of debugging costs the router is bounded by this: a few hundredths of its time.
DEBUGS_BURST, DEBUGS_PER_S = 4000, 2000

DMVPN = "DMVPN"
MINUTE_S = 60.0

Level = str | Literal[False]
#: Takes a record that has passed the levels, and the line that it is written as. True: shown; False: lost, since the
#: client does not read; None: not meant.
Listener = Callable[[LogRecord, str], bool | None]
#: Takes a record, and the line that it is written as.
Follower = Callable[[LogRecord, str], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: on the calendar, in the router's time zone, and in seconds on the clock that its uptime is counted by.

    `authoritative`: whether the calendar was set by someone to trust.
    """

    wall: datetime
    authoritative: bool
    now: float


class Syslog:
    """Sequence numbers count from 1 over the life of the router, which began at `started_at`."""

    def __init__(self, moment: Callable[[], Moment]) -> None:
        self.debugging = Debugging()
        self._moment = moment
        self._started_at = moment().now
        self._settings = Logging()
        self._buffer = LogBuffer(self._buffer_bytes())
        self._console: list[Listener] = []
        self._monitors: list[Listener] = []
        self._followers: list[Follower] = []
        self._servers: list[Follower] = []
        self._messages = RateLimit(MESSAGES_BURST, MESSAGES_PER_S, keys=1)
        self._debugs = RateLimit(DEBUGS_BURST, DEBUGS_PER_S, keys=1)
        self._wanted = _RateLimit(None)
        self._dmvpn = _Window(DmvpnLogging().rate_limit, MINUTE_S)
        self._occurrences: dict[tuple[str, str, int], tuple[int, LogRecord]] = {}
        self._sequence = 0
        self._counters = dict.fromkeys(LogCounters.__slots__, 0)
        self._untold_messages = self._untold_debugs = 0

    def configure(self, settings: Logging) -> None:
        """Take the `logging` and `service` lines. What is in the buffer stays as it was written."""
        if settings.rate_limit != self._settings.rate_limit:
            self._wanted = _RateLimit(settings.rate_limit)
        if settings.dmvpn and settings.dmvpn != self._settings.dmvpn:
            self._dmvpn = _Window(settings.dmvpn.rate_limit, MINUTE_S)
        if not settings.count:
            self._occurrences.clear()
        self._settings = settings
        self._buffer.resize(self._buffer_bytes())
        if not settings.buffered:
            self._buffer.clear()

    def _buffer_bytes(self) -> int:
        buffered = self._settings.buffered
        return buffered.size if buffered else 0

    def records(self) -> tuple[LogRecord, ...]:
        """The buffer, oldest first."""
        return self._buffer.records()

    def counters(self) -> LogCounters:
        return LogCounters(**self._counters)

    def clear(self) -> None:
        """`clear logging`."""
        self._buffer.clear()

    def listen(self, listener: Listener, *, console: bool) -> Callable[[], None]:
        """Hear the lines for the console or for monitors as they come; gives the function that ends it."""
        listeners = self._console if console else self._monitors
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Hear every line that is made, whatever the levels say; gives the function that ends it."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def serve(self, follower: Follower) -> None:
        """Hear the lines that go to servers (`logging trap`)."""
        self._servers.append(follower)

    def counted(self) -> tuple[LogCount, ...]:
        """How often each message came while `logging count` was on."""
        return tuple(LogCount(*key, occurrences, last) for key, (occurrences, last) in self._occurrences.items())

    def message(self, facility: str, severity: int, mnemonic: str, text: str) -> str | None:
        """Take a message, 0 (emergency) to 7 (debugging). Gives the line, or None when it is not wanted or when there
        are too many."""
        moment = self._moment()
        if facility == DMVPN and not self._settings.dmvpn:
            return None
        if not self._messages.allows(None, moment.now) or (facility == DMVPN and not self._dmvpn.allows(moment.now)):
            self._counters["rate_limited"] += 1
            self._untold_messages += 1
            return None
        return self._take(moment, facility, severity, mnemonic, text)

    def debug(self, event: DebugEvent, tunnels: Tunnels | None = None) -> str | None:
        """Take a line of `debug`; `tunnels` lead to the peer that it is about.

        Gives the line, or None when it is not wanted or when there are too many.
        """
        if not wants(self.debugging, event, tunnels or {}):
            return None
        moment = self._moment()
        if not self._debugs.allows(None, moment.now):
            self._counters["rate_limited"] += 1
            self._untold_debugs += 1
            return None
        return self._take(moment, "", DEBUGGING, "", event.text)

    def lose_debugs(self, count: int) -> None:
        """So many things that were to be debugged had no line, because there were too many."""
        self._counters["rate_limited"] += count
        self._untold_debugs += count

    @property
    def untold(self) -> bool:
        """Whether lines were left out that `tell` has not told of yet."""
        return bool(self._untold_messages or self._untold_debugs)

    def tell(self) -> None:
        """Say how many lines were left out since the last time."""
        moment = self._moment()
        messages, self._untold_messages = self._untold_messages, 0
        debugs, self._untold_debugs = self._untold_debugs, 0
        if messages:
            self._take(moment, "SYS", 3, "MSGLOST", f"{messages} messages lost because of queue overflow")
        if debugs:
            self._take(moment, "SYS", 3, "LOGGER_DROPPED", f"System dropped {debugs} debug messages.")

    def _take(self, moment: Moment, facility: str, severity: int, mnemonic: str, text: str) -> str:
        self._sequence += 1
        settings = self._settings
        timestamps = settings.log_timestamps if facility else settings.debug_timestamps
        record = LogRecord(
            self._sequence,
            moment.wall,
            moment.authoritative,
            facility,
            severity,
            mnemonic,
            text[:TEXT_LENGTH],
            uptime_s=moment.now - self._started_at,
            timestamps=DATETIME_MSEC if timestamps is None else timestamps,
            numbered=settings.sequence_numbers,
        )
        written = line(record)
        if settings.count and facility:
            key = facility, mnemonic, severity
            self._occurrences[key] = self._occurrences.get(key, (0, record))[0] + 1, record
        for follower in self._followers:
            follower(record, written)
        if not self._wanted.allows(record, moment.now):
            self._counters["rate_limited"] += 1
            if not self._wanted.console_only:
                return written
        elif _passes(settings.console, severity):  # also under `no logging on`
            self._counters["console"] += 1
            self._hand_out(self._console, record, written)
        if settings.on and settings.buffered and _passes(settings.buffered.level, severity):
            self._counters["buffer"] += 1
            self._buffer.append(record, written)
        if settings.on and _passes(settings.monitor, severity):
            self._counters["monitor"] += self._hand_out(self._monitors, record, written)
        if settings.on and _passes(settings.trap, severity):
            self._counters["trap"] += 1
            for follower in self._servers:
                follower(record, written)
        return written

    def _hand_out(self, listeners: list[Listener], record: LogRecord, written: str) -> int:
        """Gives how many showed it."""
        shown = 0
        for listener in tuple(listeners):
            took = listener(record, written)
            shown += took is True
            self._counters["dropped"] += took is False
        return shown


class _Window:
    """So many lines in so many seconds, counted from the first of them."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._since = float("-inf")
        self._count = 0

    def allows(self, now: float) -> bool:
        if now - self._since >= self._seconds:
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= self._most


class _RateLimit:
    """`logging rate-limit`: so many lines in each second."""

    def __init__(self, settings: LogRateLimit | None) -> None:
        self._settings = settings
        words = (settings.scope or "").split() if settings is not None else []
        self.console_only = "console" in words
        self._all = "all" in words
        self._window = _Window(settings.messages if settings is not None else 0, 1.0)

    def allows(self, record: LogRecord, now: float) -> bool:
        settings = self._settings
        if settings is None or not (record.facility or self._all):
            return True
        if settings.except_level is not None and record.severity <= number(settings.except_level):
            return True
        return self._window.allows(now)


def _passes(level: Level, severity: int) -> bool:
    return level is not False and severity <= number(level)
