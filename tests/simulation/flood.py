"""First messages of main mode from addresses that do not exist, as many as wanted, between packets of real spokes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.forwarding import ipv4
from iosish.plane.memory.wire import Capture
from tests.simulation.star import HUB, Star

IKE = 500
PER_S = 2000


def first_message(star: Star) -> bytes:
    """What a real spoke of this hub begins with: the UDP payload, cookie first."""
    captured: list[Capture] = []
    wire = star.internet.wire_to(star.outside(0))
    wire.tap(captured)
    star.spokes[0].clear_crypto_session(None)
    star.world.run_until(star.world.now + 5.0)
    for seen in captured:
        payload = seen.packet[ipv4.header_size(seen.packet) + 8 :]
        if seen.packet[9] == ipv4.UDP and payload[8:16] == bytes(8):
            return payload
    raise AssertionError("the spoke did not begin anew")


def flood(star: Star, count: int) -> Iterator[int]:
    """Send so many, `PER_S` a second; gives the number sent after each second. The sources are all different."""
    message = first_message(star)
    chance = star.world.random("flood")
    made_up = chance.sample(range(0x0B000000, 0x0B000000 + 4 * count, 4), count)
    for number, address in enumerate(made_up):
        payload = chance.randbytes(8) + message[8:]
        segment = ipv4.udp(IKE, IKE, payload)
        star.internet.inject(ipv4.build(IPv4Address(address).packed, HUB.packed, ipv4.UDP, segment))
        if number % 10 == 9:
            star.world.run_until(star.world.now + 10 / PER_S)
        if number % PER_S == PER_S - 1:
            yield number + 1
