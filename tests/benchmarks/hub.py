"""A hub that holds 1,000 registrations, sent to it as GRE from the transit router's namespace, and lines of its tunnel
that change: from the moment that they are sent to its console to their effect in the kernel. Needs root.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

from pyroute2 import IPRoute

from iosish.forwarding import ipv4
from iosish.lab import namespaces
from iosish.lab.places import namespace
from iosish.nhrp import constants as c
from iosish.nhrp.cie import Cie
from iosish.nhrp.packet import Exchange, Packet, PacketType
from iosish.plane.user.neighbours import Neighbours
from iosish.plane.user.netlink import NUD_PERMANENT
from tests.benchmarks.figure import Figure, taken_s
from tests.benchmarks.lab import Lab, environment, running
from tests.live.lab import ask

SPOKES = 1000
HUB = IPv4Address("172.16.15.2")
OVERLAY = IPv4Address("172.20.0.1")
CEILING_S = 30.0

CONFIGS = {
    "HUB": """hostname HUB
interface FastEthernet0/0
 ip address 172.16.15.2 255.255.255.252
interface Tunnel0
 ip address 172.20.0.1 255.255.0.0
 ip nhrp map multicast dynamic
 ip nhrp network-id 1
 tunnel source 172.16.15.2
 tunnel mode gre multipoint
ip route 0.0.0.0 0.0.0.0 172.16.15.1
end
""",
    "TRANSIT": """hostname TRANSIT
interface FastEthernet0/0
 ip address 172.16.15.1 255.255.255.252
end
""",
}


def registration(number: int) -> bytes:
    """The packet of spoke `number`: IPv4, GRE, NHRP, as a spoke of this program sends it."""
    nbma = IPv4Address("10.0.0.0") + number
    client = Cie(prefix=c.REGISTRATION_PREFIX, mtu=c.MTU, holding_time_s=7200)
    packet = Packet(
        type=PacketType.REGISTRATION_REQUEST,
        source_nbma=nbma,
        source=OVERLAY + number,
        destination=OVERLAY,
        body=Exchange(c.REGISTRATION_UNIQUE | c.NAT, number, (client,)),
        extensions=(),
    )
    return ipv4.build(nbma.packed, HUB.packed, ipv4.GRE, b"\0\0\x20\x01" + packet.encode(), tos=0xC0)


#: Run in the transit router's namespace: packets from standard input, each after its length, at a steady pace.
SENDER = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for line in sys.stdin:
    out.sendto(bytes.fromhex(line), (sys.argv[1], 0))
    time.sleep(0.001)
"""


class Kernel:
    """What there is of the tunnel in a router's namespace."""

    def __init__(self, lab: Lab, router: str) -> None:
        descriptor = os.open(namespaces.NETNS / namespace(lab.name, router), os.O_RDONLY | os.O_CLOEXEC)
        with namespaces.inside(descriptor):
            self._netlink, self._neighbours = IPRoute(), Neighbours()
        os.close(descriptor)

    def mtu(self) -> int:
        [link] = self._netlink.get_links(ifname="Tunnel0")
        return int(link.get_attr("IFLA_MTU"))

    def has(self, address: object) -> bool:
        return bool(list(self._netlink.get_addr(address=address)))

    def neighbours(self) -> int:
        """All but that on the uplink."""
        return sum(bool(neighbour.state & NUD_PERMANENT) for neighbour in self._neighbours.dump())

    def close(self) -> None:
        self._netlink.close()
        self._neighbours.close()


#: Lines of the hub's tunnel, a few of each kind, and what shows in the kernel that one is in force.
CHANGES: dict[str, tuple[Sequence[object], Callable[[Kernel, object], bool]]] = {
    "ip mtu {}": (range(1400, 1405), lambda kernel, mtu: kernel.mtu() == mtu),
    "ip address {} 255.255.255.0 secondary": (
        [f"172.21.{number}.1" for number in range(5)],
        lambda kernel, address: kernel.has(address),
    ),
    "tunnel key {}": ([5], lambda kernel, _: kernel.neighbours() == 0),  # which forgets all spokes
}


def _changes(lab: Lab) -> Iterator[Figure]:
    with closing(Kernel(lab, "HUB")) as kernel:
        _await(lambda: kernel.neighbours() == SPOKES, "spokes in the kernel")
        for line, (values, in_force) in CHANGES.items():
            times = []
            for value in values:
                typed = f"configure terminal\ninterface Tunnel0\n{line.format(value)}\n"
                began = time.perf_counter()
                said = ask(lab.socket("HUB"), f'{{"kind": "command"}}\n{typed}')
                if said != b"\x000":
                    raise SystemExit(f"{typed}: {said.decode()}")
                _await(lambda in_force=in_force, value=value: in_force(kernel, value), line)  # type: ignore[misc] # defaults bind the loop's values
                times.append(time.perf_counter() - began)
            yield Figure(f"{line.format('N')} on that hub, in force", statistics.median(times), 0.2)


def _await(there: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not there():
        if time.monotonic() - began > CEILING_S:
            raise SystemExit(f"still not: {what}")


def measure() -> Iterator[Figure]:
    with environment() as env, tempfile.TemporaryDirectory() as folder:
        for name, text in CONFIGS.items():
            Path(folder, f"{name}.cfg").write_text(text)
        with running(f"hub{os.getpid()}", env, Path(folder)) as lab:
            packets = "".join(f"{registration(number).hex()}\n" for number in range(1, SPOKES + 1))
            lab.iosish("lab", "exec", "TRANSIT", "--", sys.executable, "-c", SENDER, str(HUB), text=packets)
            began = time.monotonic()
            while f"NHRP Peers:{SPOKES}," not in (shown := lab.iosish("console", "HUB", "-c", "show dmvpn")):
                if time.monotonic() - began > CEILING_S:
                    raise SystemExit(f"the hub holds fewer than {SPOKES} peers:\n{shown[:1000]}")
            show = taken_s(lambda: lab.iosish("console", "HUB", "-c", "show dmvpn"), 5)
            yield Figure(f"show dmvpn with {SPOKES} registrations, the console's start included", show, 0.3)
            yield Figure("that hub, Pss", lab.pss_kib("HUB") / 1024, 60.0, "MiB")
            yield from _changes(lab)
