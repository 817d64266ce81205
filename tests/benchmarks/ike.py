"""What IKE's parts cost, in CPU time: one message in and out, and the arithmetic of each group."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from iosish.ike.dh import GROUPS, DiffieHellman
from iosish.ike.packet import Header, decode, encode
from iosish.ike.payloads import Payload
from tests.benchmarks.figure import Figure
from tests.ike.pcap import ike_frames

IOS = "OISF__suricata-verify/ikev1-isakmp-main-mode.pcap"
MESSAGES_US = 50.0
#: Wanted of both halves of an exchange, in microseconds; curve 20 is slow in OpenSSL itself.
GROUPS_US = {1: 200, 2: 250, 5: 500, 14: 800, 15: 2000, 16: 4000, 19: 200, 20: 1200, 21: 1000, 24: 1500}


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


def _cpu_us(work: Callable[[], object], rounds: int) -> float:
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1e6
