"""A hub that holds 1,000 registrations, sent to it as GRE from the transit router's namespace. Needs root."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from iosish.forwarding import ipv4
from iosish.nhrp import constants as c
from iosish.nhrp.cie import Cie
from iosish.nhrp.packet import Exchange, Packet, PacketType
from tests.benchmarks.figure import Figure, taken_s
from tests.benchmarks.lab import environment, running

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
