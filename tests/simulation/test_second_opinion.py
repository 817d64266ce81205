"""Wireshark's eye on the frames of a whole conversation: nothing malformed, no bad checksum."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from iosish.config.model import Config
from iosish.icmp.ping import PingRequest
from iosish.plane.memory.wire import Capture
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab

TSHARK = ["tshark", "-n", "-o", "nhrp.auth_ext_has_addr:FALSE", "-o", "ip.check_checksum:TRUE"]


def test_tshark_decodes_every_frame_of_a_cloud_with_key_and_authentication(
    classic: dict[str, str], read: Callable[[str], Config], tmp_path: Path
) -> None:
    added = "interface Tunnel0\n tunnel key 42\n ip nhrp authentication secret\n"
    texts = [text.replace("\nend", f"\n{added if name != 'R5' else ''}\nend") for name, text in classic.items()]
    lab = SimLab(World(1), [read(text) for text in texts])
    captured: list[Capture] = []
    for wire in lab.wires.values():
        wire.tap(captured)
    lab.world.run_until(5.0)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    lab["R2"].clear_nhrp(None, None)
    lab.world.run_until(lab.world.now + 5.0)
    assert len(captured) > 50

    file = tmp_path / "cloud.pcap"
    wrpcap(str(file), [Ether() / IP(capture.packet) for capture in captured])
    fields = [
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "_ws.malformed",
        "-e",
        "_ws.expert.message",
        "-e",
        "nhrp.hdr.op.type",
    ]
    done = subprocess.run([*TSHARK, "-r", file, *fields], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == len(captured)
    faults = [row for row in rows if row[1] or "checksum" in row[2].lower() or "malformed" in row[2].lower()]
    assert not faults
    assert {row[3] for row in rows} >= {"1", "2", "3", "4"}  # requests and replies, of registration and resolution
