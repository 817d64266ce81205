"""The lines of the log on their way to syslog servers (`logging host`).

Nothing here waits for a server, and what waits for one is bounded: what finds no room is counted, and told when the
server takes lines again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.config.model import Config, LogHost
from iosish.log.datagram import datagram
from iosish.snapshot import LogRecord, LogServerState

#: Lines that wait for a server; sent in one go before others have their turn.
QUEUE_LINES, BURST_LINES = 1000, 50
#: A server that cannot be reached is tried again, later and later.
RETRY_FIRST_S, RETRY_LAST_S = 1.0, 60.0
#: A connection has to be there, and to take what is sent, within so long.
CONNECT_WITHIN_S, SEND_WITHIN_S = 10.0, 30.0

_IP_FREEBIND = 15
_TCP_USER_TIMEOUT = 18

Say = Callable[[str, int, str, str], None]
"""Writes into the log: facility, severity, mnemonic, text."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where lines go, and from which of our addresses (None: as the kernel routes)."""

    address: IPv4Address
    protocol: str
    port: int
    source: IPv4Address | None
    numbered: bool = False

    def __str__(self) -> str:
        return f"host {self.address} port {self.port}"


class LogServers:
    """All servers of a router. `resolve` knows the names of `ip host`."""

    def __init__(self, say: Say, resolve: Callable[[str], IPv4Address | None]) -> None:
        self._say = say
        self._resolve = resolve
        self._config = Config()
        self._senders: dict[IPv4Address | str, _Sender] = {}
        self._unknown: frozenset[str] = frozenset()
        self._count = 0

    def configure(self, config: Config) -> None:
        """Take a new running configuration; a server whose line did not change notices nothing."""
        self._config = config
        targets = {
            key: target for key, host in config.logging.hosts.items() if (target := self._target(host)) is not None
        }
        for key in [key for key, sender in self._senders.items() if targets.get(key) != sender.target]:
            sender = self._senders.pop(key)
            self._say("SYS", 6, "LOGGINGHOST_STARTSTOP", f"Logging to {sender.target} stopped - CLI initiated")
            sender.close()
        for key, target in targets.items():
            if key not in self._senders:
                self._senders[key] = (_TcpSender if target.protocol == "tcp" else _UdpSender)(target, self._say)
        unknown = frozenset(str(key) for key in config.logging.hosts if key not in targets)
        for name in sorted(unknown - self._unknown):
            text = f"logging host {name}: no `ip host` of that name, so that nothing is sent there"
            self._say("IOSISH", 4, "LOGGINGHOST_UNKNOWN", text)
        self._unknown = unknown

    def _target(self, host: LogHost) -> Target | None:
        address = host.host if isinstance(host.host, IPv4Address) else self._resolve(host.host)
        if address is None:
            return None
        return Target(address, host.protocol, host.server_port, self._source(), host.sequence_num_session)

    def _source(self) -> IPv4Address | None:
        interface = self._config.interfaces.get(self._config.logging.source_interface or "")
        return interface.ip_address.address if interface is not None and interface.ip_address else None

    def take(self, record: LogRecord, written: str) -> None:
        """Send a line to every server."""
        if not self._senders:
            return
        self._count += 1
        settings = self._config.logging
        for sender in self._senders.values():
            if sender.full:
                sender.lose()
                continue
            sender.put(
                datagram(
                    record,
                    written,
                    facility=settings.facility,
                    count=self._count,
                    origin=self._origin(sender.target),
                    session_number=sender.taken + 1 if sender.target.numbered else None,
                )
            )

    def _origin(self, target: Target) -> str:
        origin = self._config.logging.origin_id
        if origin is None:
            return ""
        if origin.kind == "ip":
            source = target.source or next(
                (known.ip_address.address for known in self._config.interfaces.values() if known.ip_address), None
            )
            return str(source or "0.0.0.0")
        return self._config.hostname if origin.kind == "hostname" else origin.string or ""

    def states(self) -> tuple[LogServerState, ...]:
        """In the order of the configuration."""
        return tuple(
            sender.state()
            if (sender := self._senders.get(key)) is not None
            else LogServerState(str(key), host.protocol, host.server_port, False, 0, 0, host.sequence_num_session)
            for key, host in self._config.logging.hosts.items()
        )

    def close(self) -> None:
        """Send no more; what still waits is lost."""
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()


class _Sender(ABC):
    """The way to one server. `taken` counts the lines that were for it, sent or not; put none while it is `full`."""

    def __init__(self, target: Target, say: Say) -> None:
        self.target = target
        self.taken = self.logged = self.dropped = 0
        self.up = False
        self._say = say
        self._queue: deque[bytes] = deque()
        self._untold = 0
        self._news = asyncio.Event()
        self._retry_s = RETRY_FIRST_S
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def full(self) -> bool:
        return len(self._queue) >= QUEUE_LINES

    def lose(self) -> None:
        """Count a line that finds no room."""
        self.taken += 1
        self.dropped += 1
        self._untold += 1

    def put(self, line: bytes) -> None:
        self.taken += 1
        self._queue.append(line)
        self._news.set()

    def state(self) -> LogServerState:
        target = self.target
        return LogServerState(
            str(target.address), target.protocol, target.port, self.up, self.logged, self.dropped, target.numbered
        )

    def close(self) -> None:
        self._task.cancel()

    @abstractmethod
    async def _run(self) -> None:
        """Send what is in the queue, until cancelled."""

    async def _lines(self) -> None:
        """Wait until there are some."""
        while not self._queue:
            self._news.clear()
            await self._news.wait()

    def _sent(self, lines: int) -> None:
        for _ in range(lines):
            self._queue.popleft()
        self.logged += lines
        self._retry_s = RETRY_FIRST_S
        if self._untold and not self._queue:
            lost, self._untold = self._untold, 0
            self._say("SYS", 3, "LOGGINGHOST_LOST", f"Logging to {self.target}: {lost} messages lost")

    async def _pause(self) -> None:
        await asyncio.sleep(self._retry_s)
        self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)

    def _started(self, why: str) -> None:
        self.up = True
        self._say("SYS", 6, "LOGGINGHOST_STARTSTOP", f"Logging to {self.target} started - {why}")

    def _failed(self) -> None:
        self.up = False
        self._say("SYS", 3, "LOGGINGHOST_FAIL", f"Logging to {self.target} failed")


class _UdpSender(_Sender):
    """A datagram a line. What the kernel has no way for yet (an interface comes up) waits a little."""

    async def _run(self) -> None:
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with own:
            own.setblocking(False)
            if self.target.source is not None:
                own.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)  # the address may still be on its way
                own.bind((str(self.target.source), 0))
            self._started("CLI initiated")
            while True:
                await self._lines()
                await self._send(own)

    async def _send(self, own: socket.socket) -> None:
        to = str(self.target.address), self.target.port
        for _ in range(min(BURST_LINES, len(self._queue))):
            try:
                own.sendto(self._queue[0], to)
            except BlockingIOError:
                await asyncio.sleep(0.01)
                return
            except OSError:
                self.up = False
                await self._pause()
                return
            self.up = True
            self._sent(1)
        await asyncio.sleep(0)


class _TcpSender(_Sender):
    """A line a line, ended by LF; the connection is made anew when it breaks."""

    async def _run(self) -> None:
        why, told = "CLI initiated", False
        while True:
            try:
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    reader, writer = await self._connect()
            except (OSError, TimeoutError):
                if not told:
                    self._failed()
                told = True
                await self._pause()
                continue
            self._started(why)
            try:
                await self._serve(reader, writer)
            except (OSError, TimeoutError):
                pass
            finally:
                writer.transport.abort()
            self._failed()
            why, told = "reconnection", True
            await self._pause()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = self.target.source
        local = (str(source), 0) if source is not None else None
        reader, writer = await asyncio.open_connection(
            str(self.target.address), self.target.port, local_addr=local, limit=4096
        )
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(SEND_WITHIN_S * 1000))
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send until the server hangs up, or takes nothing for too long. Raises OSError and TimeoutError."""
        listening = asyncio.ensure_future(_until_hung_up(reader))
        try:
            while True:
                waiting = asyncio.ensure_future(self._lines())
                try:
                    await asyncio.wait((listening, waiting), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                if listening.done():
                    return
                lines = [self._queue[index] for index in range(min(BURST_LINES, len(self._queue)))]
                writer.write(b"".join(line + b"\n" for line in lines))
                async with asyncio.timeout(SEND_WITHIN_S):
                    await writer.drain()
                self._sent(len(lines))
                await asyncio.sleep(0)
        finally:
            listening.cancel()


async def _until_hung_up(reader: asyncio.StreamReader) -> None:
    """A syslog server says nothing; what it says is not listened to."""
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass
