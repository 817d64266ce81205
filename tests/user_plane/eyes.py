"""Eyes on a cable: every IPv4 packet that passes a device, until somebody looks."""

from __future__ import annotations

import socket
from collections import Counter
from ipaddress import IPv4Address

from tests.user_plane.node import Namespace
from tests.user_plane.test_live_wire import ETH_P_IP, inside


class Eyes:
    """IPv4 packets that come in on a device."""

    def __init__(self, space: Namespace, device: str = "Fa0-0") -> None:
        self._socket = inside(space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind((device, ETH_P_IP))
        self._socket.setblocking(False)
        self._seen: list[bytes] = []

    def __enter__(self) -> Eyes:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def forget(self) -> None:
        self.seen()
        self._seen.clear()

    def seen(self) -> list[bytes]:
        """All that came since the last `forget`, IP header first."""
        while True:
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(65536)
            except BlockingIOError:
                return self._seen
            if kind == socket.PACKET_HOST:
                self._seen.append(packet[: int.from_bytes(packet[2:4], "big")])

    def protocols(self) -> Counter[int]:
        return Counter(packet[9] for packet in self.seen())

    def destinations(self) -> set[IPv4Address]:
        return {IPv4Address(packet[16:20]) for packet in self.seen()}
