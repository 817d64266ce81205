"""CPU time of one ESP packet in each direction, by transform: inner packet to ESP packet, and back.

Through the forwarding rules, as a plane calls them, but without its system calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from iosish.forwarding import ipv4
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.transforms import Cipher, Integrity, Transform
from tests.benchmarks.figure import Figure
from tests.ipsec.associations import HUB, SPOKE, other_end, outbound, words

#: An inner packet of the tunnel's usual `ip mtu`, and one of an interactive session.
SIZES = (1400, 100)
PACKETS = 2000
ROUNDS = 7
WANTED_US = {1400: 10.0, 100: 6.0}
#: No processor has instructions for these: their cost is OpenSSL's.
SLOW = {Cipher.DES: 60.0, Cipher.TRIPLE_DES: 60.0}
TRANSFORMS = (
    *(Transform(Cipher.AES_GCM, bits) for bits in (128, 256)),
    *(Transform(Cipher.AES_CBC, bits, Integrity.SHA1) for bits in (128, 256)),
    *(Transform(Cipher.AES_CBC, 256, integrity) for integrity in (Integrity.SHA256, Integrity.SHA512)),
    Transform(Cipher.TRIPLE_DES, 0, Integrity.SHA1),
    Transform(Cipher.DES, 0, Integrity.MD5),
    Transform(Cipher.NULL, 0, Integrity.SHA1),
)


def _router(name: str, crypto_map: str | None) -> Forwarder:
    rules = Forwarder()
    local, peer = (HUB, SPOKE) if name == "hub" else (SPOKE, HUB)
    tunnel = Tunnel("Tunnel0", local, adjacencies={1: peer}, multipoint=True, mtu=1400, crypto_map=crypto_map)
    rules.configure({"Tunnel0": tunnel}, 0.0)
    return rules


def _cpu_us(work: Callable[[], object]) -> float:
    """The least of some rounds, as the machine does other things too."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least / PACKETS * 1e6


def _both_ways(transform: Transform | None, size: int) -> tuple[float, float]:
    """CPU microseconds out and in; without a transform those of GRE in the clear."""
    crypto_map = None if transform is None else "Tunnel0-head-0"
    hub, spoke = _router("hub", crypto_map), _router("spoke", crypto_map)
    if transform is not None:
        sa = outbound(transform, replay_window=0)  # the same packets come in again in each round
        hub.install(sa, 0.0)
        spoke.install(replace(other_end(sa), replay_window=0), 0.0)
    inner = memoryview(ipv4.build(bytes((192, 168, 0, 1)), bytes((192, 168, 0, 2)), ipv4.UDP, bytes(size - 20)))
    source, destination = HUB.packed, SPOKE.packed
    frames = [memoryview(hub.transmit("Tunnel0", 1, inner, 1.0)[0][4]) for _ in range(PACKETS)]

    def out() -> None:
        transmit = hub.transmit
        for _ in range(PACKETS):
            transmit("Tunnel0", 1, inner, 1.0)

    def into() -> None:
        if transform is None:
            for frame in frames:
                spoke.receive(source, destination, frame, 1.0)
        else:
            for frame in frames:
                spoke.receive_esp(source, destination, frame, 1.0, None)

    figures = _cpu_us(out), _cpu_us(into)
    if spoke.drops.reasons or hub.drops.reasons:
        raise SystemExit(f"packets were dropped: {hub.drops.reasons} {spoke.drops.reasons}")
    return figures


def measure() -> Iterator[Figure]:
    for size in SIZES:
        for transform in (None, *TRANSFORMS):
            what = "GRE in the clear" if transform is None else words(transform)
            wanted = WANTED_US[size] if transform is None else SLOW.get(transform.cipher, WANTED_US[size])
            out, into = _both_ways(transform, size)
            yield Figure(f"{what}, {size} octets, CPU out", out, wanted, "us")
            yield Figure(f"{what}, {size} octets, CPU in", into, wanted, "us")
