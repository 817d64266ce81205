"""The user plane between two namespaces of this machine, with SAs made by hand: CPU time of the forwarder for each
packet of a TCP connection (iperf3), out and in, system calls and what they cost the kernel included. Needs root.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iosish.desired import SaChange
from iosish.ipsec.transforms import Mode, Transform
from tests.benchmarks.figure import Figure
from tests.ipsec.associations import AES_SHA, GCM, other_end, words
from tests.user_plane.node import Node
from tests.user_plane.test_live_protection import IN_UDP, protect, two_ways
from tests.user_plane.test_live_tunnels import Pair, cloud

SECONDS = 3
WANTED_US = 15.0
KINDS: tuple[tuple[Transform | None, tuple[int, int] | None], ...] = (
    (None, None),
    (GCM, None),
    (GCM, IN_UDP),
    (AES_SHA, None),
    (AES_SHA, IN_UDP),
)


def _cpu_s(pid: int | None) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _packets(node: Node) -> int:
    counted = node.counters().interfaces["Tunnel0"]
    return int(counted.packets_in + counted.packets_out)


def _tcp(pair: Pair) -> tuple[float, float, float]:
    """Mbit/s, and CPU microseconds for each packet at the sender and at the receiver; ACKs count as packets."""
    server = ["iperf3", "-s", "-1", "-B", "192.168.0.1"]
    client = ["iperf3", "-c", "192.168.0.1", "-t", str(SECONDS), "-J"]
    nodes = pair.spoke, pair.hub
    before = [(_cpu_s(node.forwarder()), _packets(node)) for node in nodes]
    with ThreadPoolExecutor() as aside:
        serving = aside.submit(pair.hub.space.run, *server)
        time.sleep(0.5)  # until it listens
        shown = pair.spoke.space.run(*client).stdout
        serving.result()
    after = [(_cpu_s(node.forwarder()), _packets(node)) for node in nodes]
    sender, receiver = (
        (late[0] - early[0]) / (late[1] - early[1]) * 1e6 for early, late in zip(before, after, strict=True)
    )
    return json.loads(shown)["end"]["sum_received"]["bits_per_second"] / 1e6, sender, receiver


def measure() -> Iterator[Figure]:
    for transform, ports in KINDS:
        with cloud() as pair:
            if transform is None:
                pair.apply()
                what = "GRE in the clear"
            else:
                protect(pair)
                from_hub, from_spoke = two_ways(transform=transform, mode=Mode.TRANSPORT, udp_ports=ports)
                pair.hub.breath(SaChange((other_end(from_spoke), from_hub)))
                pair.spoke.breath(SaChange((other_end(from_hub), from_spoke)))
                what = f"{words(transform)}{', in UDP' if ports else ''}"
            speed, sender, receiver = _tcp(pair)
            yield Figure(f"{what} ({speed:.0f} Mbit/s), out", sender, WANTED_US, "us")
            yield Figure(f"{what}, in", receiver, WANTED_US, "us")
