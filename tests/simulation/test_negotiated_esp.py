"""What two routers send by SAs that their IKE agreed on, opened from outside: by scapy and by Wireshark."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from iosish.desired import SaChange
from iosish.forwarding import ipv4
from iosish.icmp.ping import PingRequest
from iosish.ipsec.sa import SecurityAssociation
from iosish.plane.memory.wire import Capture
from iosish.sim.topology import SimLab
from tests.ipsec.associations import scapys
from tests.ipsec.test_tshark import GOOD, key_option
from tests.simulation.encrypted_lab import Read, everywhere, make

TRANSFORMS = {
    "as the article has it": "esp-aes esp-sha-hmac",
    "transport mode": "esp-aes esp-sha-hmac\n mode transport",
    "AES-256 and SHA-256": "esp-aes 256 esp-sha256-hmac",
    "DES and MD5": "esp-des esp-md5-hmac\n mode transport",
    "GCM": "esp-gcm 256",
}
FIELDS = ("esp.spi", "esp.icv_good", "ip.checksum.status", "icmp.checksum.status", "_ws.malformed", "ip.dst")


def outbound_sas(lab: SimLab) -> dict[int, SecurityAssociation]:
    """By SPI, every outbound SA that IKE installs from now on: its packets show up on the wires."""
    found: dict[int, SecurityAssociation] = {}

    def overheard(secure: Callable[[SaChange], None]) -> Callable[[SaChange], None]:
        def note(change: SaChange) -> None:
            found.update({sa.spi: sa for sa in change.installed if not sa.inbound})
            secure(change)

        return note

    for node in lab.nodes.values():
        node.plane.secure = overheard(node.plane.secure)  # type: ignore[method-assign,assignment]
    return found


def conversation(read: Read, transform: str) -> tuple[dict[int, SecurityAssociation], list[bytes]]:
    """The SAs of an encrypted lab, and the ESP packets of its coming up and of pings from R2 to R4."""
    lab = make(read, everywhere(f"crypto ipsec transform-set MyTransformSet {transform}"))
    sas = outbound_sas(lab)
    captured: list[Capture] = []
    for wire in lab.wires.values():
        wire.tap(captured)
    lab.world.run_until(15.0)
    for size in (36, 100, 1400):
        assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4"), size=size))
    packets = [seen.packet for seen in captured if seen.packet[9] == ipv4.ESP]
    assert {int.from_bytes(packet[20:24], "big") for packet in packets} == set(sas)
    return sas, packets


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_scapy_and_wireshark_open_it(read: Read, tmp_path: Path, transform: str) -> None:
    sas, packets = conversation(read, TRANSFORMS[transform])
    echoes = 0
    for packet in packets:
        sa = sas[int.from_bytes(packet[20:24], "big")]
        opened = scapys(sa).decrypt(IP(packet), verify=True)
        while opened.payload and ICMP not in opened:
            opened = opened.payload
        if ICMP in opened:
            inner = opened[ICMP].underlayer
            whole = bytes(inner)
            del inner.chksum, inner[ICMP].chksum
            assert bytes(inner) == whole
            echoes += 1
    assert echoes >= 2 * 15 * 2  # by R5: twice on the wires
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt-get install tshark")
    file = tmp_path / "esp.pcap"
    wrpcap(str(file), [Ether() / IP(packet) for packet in packets])
    options = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE", "ip.check_checksum:TRUE"]
    options += [key_option(sa) for sa in sas.values()]
    command = ["tshark", "-n", "-r", str(file), "-T", "fields", "-E", "separator=;"]
    command += [word for option in options for word in ("-o", option)]
    command += [word for field in FIELDS for word in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(";") for line in done.stdout.splitlines()]
    assert len(rows) == len(packets)
    for _, icv, ip_sums, icmp_sum, malformed, _ in rows:
        assert (icv, malformed) == (GOOD, "")
        assert set(ip_sums.split(",")) == {GOOD}
        assert icmp_sum in ("", GOOD)
    inner = [row for row in rows if row[3] == GOOD]
    assert len(inner) == echoes
    assert {row[5].split(",")[-1] for row in inner} == {"192.168.0.2", "192.168.0.4"}
