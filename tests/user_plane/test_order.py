"""What a plane hands to its forwarder, and when: its kernel and its forwarder are left out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from unittest.mock import Mock

from iosish.desired import Desired, KernelRoute
from iosish.engine import Datagram
from iosish.plane.user import UserPlane

DATAGRAM = Datagram("Tunnel0", IPv4Address("172.16.15.2"), IPv4Address("172.16.25.2"), b"a registration request")
EMPTY = Desired()
ROUTED = replace(
    EMPTY, routes=frozenset({KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", IPv4Address("172.16.25.1"))})
)


class Slow(UserPlane):
    """While the first picture is being made, the router wants another one and sends a datagram that needs it."""

    def __init__(self) -> None:
        super().__init__(Mock(), {})
        self.done: list[object] = []
        self._forwarder.send = self.sent  # type: ignore[method-assign] # there is no forwarder to send to
        self._settings.forward = Mock()  # type: ignore[method-assign] # those of this machine are none of ours

    async def _converge(self, desired: Desired) -> None:
        if desired is EMPTY:
            self.apply(ROUTED)
            self.send(DATAGRAM)
        self.done.append(desired)

    def sent(self, tunnel: str, peer: IPv4Address, payload: bytes) -> None:
        self.done.append(Datagram(tunnel, peer, DATAGRAM.local, payload))


async def worked() -> list[object]:
    plane = Slow()
    plane.apply(EMPTY)
    worker = asyncio.create_task(plane._work())
    await asyncio.wait_for(plane.settled(), 10)
    worker.cancel()
    return plane.done


def test_a_datagram_waits_for_the_picture_that_it_was_sent_with() -> None:
    assert asyncio.run(worked()) == [EMPTY, ROUTED, DATAGRAM]
