"""What IKE costs, in CPU time: one message in and out, the arithmetic of each group, a hub's side of a whole set-up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from iosish.engine import UdpDatagram
from iosish.ike.dh import GROUPS, DiffieHellman
from iosish.ike.engine import IkeEngine
from iosish.ike.packet import Header, decode, encode
from iosish.ike.payloads import Payload
from tests.benchmarks.figure import Figure
from tests.ike.link import HUB, POLICY, config, flow
from tests.ike.pcap import ike_frames

IOS = "OISF__suricata-verify/ikev1-isakmp-main-mode.pcap"
MESSAGES_US = 50.0
#: Wanted of both halves of an exchange, in microseconds; curve 20 is slow in OpenSSL itself.
GROUPS_US = {1: 200, 2: 250, 5: 500, 14: 800, 15: 2000, 16: 4000, 19: 200, 20: 1200, 21: 1000, 24: 1500}
#: What charon 5.9.8 takes for main mode alone, beside it on the same machine.
SET_UP_US = {2: 840, 14: 4190}
PEERS = 300


def measure() -> Iterator[Figure]:
    for place, frame in enumerate(ike_frames(IOS)[:4], 1):
        message = frame.message
        header, payloads = decode(message)

        def read(message: bytes = message) -> object:
            return decode(message)

        def write(header: Header = header, payloads: tuple[Payload, ...] = payloads) -> object:
            return encode(header.cookie_i, header.cookie_r, header.exchange, payloads)

        yield Figure(f"MM{place} of IOS read", _cpu_us(read, 2000), MESSAGES_US, "us")
        yield Figure(f"MM{place} of IOS written", _cpu_us(write, 2000), MESSAGES_US, "us")
    making = DiffieHellman(random.SystemRandom())
    for group in sorted(GROUPS):
        peer = making.begin(group).public

        def both(group: int = group, peer: bytes = peer) -> object:
            return making.begin(group).shared(peer)

        yield Figure(f"Diffie-Hellman of group {group}", _cpu_us(both, 50), GROUPS_US[group], "us")
    for group, wanted in SET_UP_US.items():
        yield Figure(f"a hub's side of main and quick mode, group {group}", _set_up_us(group), wanted, "us")


def _set_up_us(group: int) -> float:
    """CPU time of the responder's engine for each of PEERS initiators that come at once."""
    policies = (replace(POLICY, group=group),)
    hub = IkeEngine(random.SystemRandom())
    hub.configure(config(HUB, policies=policies), 0.0)
    peers: dict[IPv4Address, IkeEngine] = {}
    for number in range(PEERS):
        peer = IPv4Address("10.20.0.1") + number
        peers[peer] = engine = IkeEngine(random.Random(number))
        engine.configure(config(peer, policies=policies), 0.0)
        engine.request(flow(peer, HUB), 0.0)
    spent, now = 0.0, 0.0
    while True:
        now += 0.01
        arriving: list[UdpDatagram] = []
        for engine in peers.values():
            _settle(engine, now)
            arriving += [_at_the_other_end(datagram) for datagram in engine.datagrams()]
        if not arriving:
            break
        began = time.process_time()
        for datagram in arriving:
            hub.receive(datagram, now)
        _settle(hub, now)
        leaving = hub.datagrams()
        spent += time.process_time() - began
        for datagram in leaving:
            peers[datagram.peer].receive(_at_the_other_end(datagram), now)
    if not all(hub.flow_up(flow(HUB, peer)) for peer in peers):
        raise RuntimeError("not all peers came up")
    return spent / PEERS * 1e6


def _settle(engine: IkeEngine, now: float) -> None:
    while (wake := engine.next_wake()) is not None and wake[0] <= now:
        engine.wake(now)
    engine.changes(), engine.events()


def _at_the_other_end(datagram: UdpDatagram) -> UdpDatagram:
    return UdpDatagram(datagram.peer, datagram.peer_port, datagram.local, datagram.local_port, datagram.payload)


def _cpu_us(work: Callable[[], object], rounds: int) -> float:
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1e6
