"""Raw sockets under `ping` and `traceroute`."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from ipaddress import IPv4Address
from typing import Any

from iosish.icmp.session import PROTOCOL_ICMP, Probe, Session

_IP_MTU_DISCOVER, _PMTUDISC_DONT, _PMTUDISC_DO = 10, 0, 2
_SOL_RAW, _ICMP_FILTER = 255, 1
_RECEIVE_BYTES = 65535
#: Received messages looked at before the loop gets its turn.
_BURST = 64


class Probing:
    """An iterator over the text of a running ping or traceroute; `abort`, once set, ends it with what there is.

    Raises OSError on the first step when the process may not open raw sockets.
    """

    def __init__(self, session: Session, abort: asyncio.Event) -> None:
        self._session = session
        self._abort = abort
        self._aborting: asyncio.Task[Any] | None = None
        self._receiver: socket.socket | None = None
        self._senders: dict[tuple[int, IPv4Address | None], socket.socket] = {}
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> Probing:
        return self

    async def __anext__(self) -> str:
        if self._receiver is None:
            self._open()
        while True:
            self._send()
            text = self._session.text()
            if text:
                await asyncio.sleep(0)  # a probe that never leaves must not hold the loop
                return text
            if self._session.done:
                await self.aclose()
                raise StopAsyncIteration
            await self._wait()
            self._session.wake(time.monotonic())

    async def aclose(self) -> None:
        if self._aborting is not None:
            self._aborting.cancel()
        if self._receiver is not None and self._receiver.fileno() >= 0:
            self._loop.remove_reader(self._receiver)
            self._receiver.close()
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()

    def _open(self) -> None:
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._receiver.setblocking(False)
        self._loop.add_reader(self._receiver, self._readable)
        self._aborting = asyncio.ensure_future(self._abort.wait())
        self._aborting.add_done_callback(self._aborted)
        self._session.start(time.monotonic())

    def _aborted(self, waiting: asyncio.Task[Any]) -> None:
        if not waiting.cancelled():
            self._session.abort(time.monotonic())
            self._woken.set()

    async def _wait(self) -> None:
        due = self._session.next_wake()
        timeout_s = None if due is None else max(0.0, due[0] - time.monotonic())
        try:
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        except TimeoutError:
            return
        self._woken.clear()

    def _readable(self) -> None:
        assert self._receiver is not None
        for _ in range(_BURST):
            try:
                packet, (source, _port) = self._receiver.recvfrom(_RECEIVE_BYTES)
            except OSError:
                break
            header = (packet[0] & 15) * 4 if packet else 0
            if header >= 20 and len(packet) > header:
                now = time.monotonic()
                self._session.receive(IPv4Address(source), packet[8], packet[header:], now)
        self._woken.set()

    def _send(self) -> None:
        for probe in self._session.datagrams():
            try:
                sender = self._sender(probe)
                sender.sendto(probe.payload, (str(probe.destination), 0))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    self._session.too_big(time.monotonic())
                # Anything else (no route, interface down) is a packet that was lost: the timeout says so.

    def _sender(self, probe: Probe) -> socket.socket:
        key = (probe.protocol, probe.source)
        sender = self._senders.get(key)
        if sender is None:
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, probe.protocol)
            self._senders[key] = sender
            sender.setblocking(False)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if probe.source is not None:
                sender.bind((str(probe.source), 0))
            if probe.protocol == PROTOCOL_ICMP:
                sender.setsockopt(_SOL_RAW, _ICMP_FILTER, b"\xff\xff\xff\xff")  # the receiver hears
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, probe.ttl)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, probe.tos)
        discover = _PMTUDISC_DO if probe.df else _PMTUDISC_DONT
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
        return sender
