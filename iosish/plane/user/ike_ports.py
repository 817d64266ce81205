"""UDP 500 and 4500: opened together on the control side, whatever happens to the forwarder.

What comes in on 500 is IKE and stays here. 4500 carries ESP too: the forwarder gets its descriptor, sends and
receives on it, and hands IKE up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

from iosish.desired import PlaneSink
from iosish.engine import UdpDatagram
from iosish.forwarding import ipv4
from iosish.plane import udp_4500
from iosish.plane.user import sockets
from iosish.plane.user.sockets import UdpPort

#: Messages taken in one turn of the loop.
BURST = 64
#: Ports that could not be opened are tried again this much later.
RETRY_S = 2.0


class IkePorts:
    """Both ports, or none of them. `handed` is told the descriptor of 4500 for the forwarder, and None at its end."""

    def __init__(self, sink: PlaneSink, handed: Callable[[int | None], None]) -> None:
        self._sink = sink
        self._handed = handed
        self._loop = asyncio.get_running_loop()
        self._wanted = False
        self._ike: UdpPort | None = None
        self._others: list[socket.socket] = []  # 4500, and one that keeps the kernel from answering ESP
        self._reason: str | None = None
        self._again: asyncio.TimerHandle | None = None

    def want(self, wanted: bool) -> None:
        """Open the ports, or close them."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if wanted:
            self._open()
        else:
            self.close()

    @property
    def descriptor(self) -> int | None:
        """That of 4500, while it is open."""
        return self._others[0].fileno() if self._others else None

    def close(self) -> None:
        self._wanted = False
        self._reason = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._ike is not None:
            self._handed(None)
        self._let_go()

    def _let_go(self) -> None:
        if self._ike is not None:
            self._loop.remove_reader(self._ike.fileno())
            self._ike.close()
            self._ike = None
        for other in self._others:
            other.close()
        self._others.clear()

    def _open(self) -> None:
        self._again = None
        port = udp_4500.IKE_PORT
        try:
            ike = sockets.open_port(port)
            self._ike = UdpPort(ike)
            self._loop.add_reader(ike, self._readable)
            port = udp_4500.NAT_T_PORT
            self._others.append(sockets.open_port(port))
            self._others.append(sockets.mute(ipv4.ESP))
        except OSError as error:
            self._let_go()
            self._again = self._loop.call_later(RETRY_S, self._open)
            reason = _reason(port, error)
            if reason != self._reason:
                self._reason = reason
                self._loop.call_soon(self._sink.ike_closed, reason)
            return
        self._reason = None
        self._handed(self.descriptor)
        self._loop.call_soon(self._sink.ike_closed, None)

    def send(self, datagram: UdpDatagram) -> None:
        """Send from port 500; what cannot be sent is lost, as on the way."""
        message = udp_4500.wrap(datagram.local_port, datagram.payload)
        if self._ike is None or message is None:
            return
        to = str(datagram.peer), datagram.peer_port
        with contextlib.suppress(OSError):  # no route or no such address (any more): IKE sends again
            self._ike.send(datagram.local.packed, udp_4500.IKE_TOS, udp_4500.IKE_TTL, False, message, to)

    def _readable(self) -> None:
        for _ in range(BURST):
            if self._ike is None:
                return
            try:
                received = self._ike.receive(udp_4500.MESSAGE_MAX + 1)
            except OSError:
                return
            if received is None:
                continue
            data, local, (peer, port) = received
            message = udp_4500.ike_message(udp_4500.IKE_PORT, data)
            if message is not None:
                self._sink.ike_received(
                    UdpDatagram(IPv4Address(local), udp_4500.IKE_PORT, IPv4Address(peer), port, message)
                )


def _reason(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {port} is taken by another program (another IKE daemon?): it is tried again until that ends"
    return f"UDP port {port} cannot be opened: {error.strerror or error}"
