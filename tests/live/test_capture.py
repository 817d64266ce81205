"""`monitor capture` in a running lab: the article's capture made again, and a protected tunnel from both sides."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import pytest
from scapy.utils import RawPcapNgReader, rdpcap

from tests.live.lab import Lab, until
from tests.simulation.test_article import ARTICLE, inner, nhrp, outer
from tests.user_plane.floods import counter, flood

pytestmark = pytest.mark.live


class Row(NamedTuple):
    """A packet of a file, as tshark reads it."""

    interface: str
    direction: str
    protocols: str
    data: bytes


def exported(lab: Lab, router: str, name: str) -> Path:
    path = lab.state / f"{router}-{name}.pcap"
    assert "Exported Successfully" in lab.console(router, f"monitor capture {name} export {path}")
    return path


def rows(path: Path) -> list[Row]:
    """All packets; none may be malformed."""
    fields = ("frame.interface_name", "frame.packet_flags_direction", "frame.protocols")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *(word for field in fields for word in ("-e", field))]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    raw = subprocess.run(["tshark", "-r", str(path), "-w", "-", "-F", "pcapng"], check=True, capture_output=True).stdout
    malformed = ["tshark", "-r", str(path), "-Y", "_ws.malformed"]
    assert not subprocess.run(malformed, check=True, capture_output=True).stdout
    again = path.with_suffix(".again")
    again.write_bytes(raw)
    with RawPcapNgReader(str(again)) as reader:
        packets = [data for data, _ in reader]
    lines = [line.split("\t") for line in table]
    return [Row(name, direction, seen, data) for (name, direction, seen), data in zip(lines, packets, strict=True)]


def start(lab: Lab, router: str, *interfaces: str) -> None:
    lab.console(router, *(f"monitor capture CAP interface {interface} both" for interface in interfaces))
    assert "Started capture point : CAP" in lab.console(router, "monitor capture CAP start")


def test_the_articles_capture_is_made_again(clear_lab: Lab) -> None:
    lab = clear_lab
    for router in ("R1", "R2"):
        start(lab, router, "FastEthernet0/0", "Tunnel0")
    for _ in range(2):  # on a busy machine seven of ten in a row may go by the hub before each end knows the other
        assert "(5/5)" in lab.console("R2", "ping 192.168.0.4 repeat 5")
    for router in ("R1", "R2"):
        assert "Stopped capture point : CAP" in lab.console(router, "monitor capture CAP stop")
        assert " packets dropped  : 0\n" in lab.console(router, "show monitor capture CAP buffer")
    brief = lab.console("R2", "show monitor capture CAP buffer brief")
    assert "NHRP Resolution Reply flags" in brief and "ICMP echo request" in brief

    spoke, hub = exported(lab, "R2", "CAP"), exported(lab, "R1", "CAP")
    assert {row.interface for row in rows(spoke)} == {"FastEthernet0/0", "Tunnel0"}
    wire = gre_packets_of(spoke, "FastEthernet0/0")
    tunnel = gre_packets_of(spoke, "Tunnel0")
    article = [bytes(frame)[14:] for frame in rdpcap(str(ARTICLE))]

    def messages(packets: list[bytes]) -> list[tuple[object, ...]]:
        return [(outer(packet), nhrp(packet)) for packet in packets if nhrp(packet) is not None]

    ours, its = messages(wire), messages(article)
    assert len(ours) == len(its) == 4
    assert sorted(map(repr, ours)) == sorted(map(repr, its))
    assert len(messages(tunnel)) == 4

    echoes = [packet for packet in wire if nhrp(packet) is None]
    requests = [packet for packet in echoes if packet[12:16] == bytes((172, 16, 25, 2))]
    replies = [packet for packet in echoes if packet[12:16] != bytes((172, 16, 25, 2))]
    assert len(requests) == len(replies) == 10, "nothing is lost"
    assert [inner(packet)[5] for packet in requests] == [*range(5), *range(5)]
    hub_address, far = bytes((172, 16, 15, 2)), bytes((172, 16, 45, 2))
    assert requests[0][16:20] == hub_address, "the first goes by the hub"
    assert requests[-1][16:20] == far and replies[-1][12:16] == far, "the last go directly"

    def when(packets: list[bytes], kind: int, source: str) -> int:
        """The place of the message of this type whose requester is `source`."""
        return next(
            place
            for place, packet in enumerate(packets)
            if (message := nhrp(packet)) is not None and message.type == kind and str(message.source) == source
        )

    assert when(wire, 1, "192.168.0.2") < when(wire, 2, "192.168.0.2")
    assert when(wire, 1, "192.168.0.4") < when(wire, 2, "192.168.0.4")
    at_hub = gre_packets_of(hub, "FastEthernet0/0")
    own = [
        packet
        for packet in at_hub
        if (m := nhrp(packet)) is not None and m.type == 1 and str(m.source) == "192.168.0.2"
    ]
    assert [packet[12:16] for packet in own] == [bytes((172, 16, 25, 2)), hub_address], "the request before its forward"
    assert when(at_hub, 1, "192.168.0.2") < when(at_hub, 2, "192.168.0.2")


def gre_packets_of(path: Path, interface: str) -> list[bytes]:
    """The GRE packets of one interface, IPv4 header first; registrations and their answers are left out."""
    found = []
    for row in rows(path):
        if row.interface != interface or ":gre" not in row.protocols:
            continue
        packet = row.data if interface.startswith("Tunnel") else row.data[14:]
        packet = packet[: int.from_bytes(packet[2:4], "big")]
        message = nhrp(packet)
        if message is None or message.type in (1, 2):
            found.append(packet)
    return found


def test_of_a_flood_a_capture_that_is_stopped_holds_or_counts_all_that_passed(classic: Lab) -> None:
    """R5 floods R2, whose link it shares; some of it is kept."""
    lab = classic
    inside = f"iosish-{lab.name}-"
    with counter(f"{inside}R2", "Fa0-0") as passed:
        began = passed()
        start(lab, "R2", "FastEthernet0/0")
        begun = passed()
        with flood(f"{inside}R5", IPv4Address("172.16.25.2"), 500_000):
            until(lambda: passed() - begun > 20_000, "the flood")
            ending = passed()
            lab.console("R2", "monitor capture CAP stop")
            ended = passed()
    shown = lab.console("R2", "show monitor capture CAP buffer", "no monitor capture CAP")
    kept, dropped = (int(number) for number in re.findall(r"packets (?:in buf|dropped) +: (\d+)", shown))
    assert kept and ending - begun <= kept + dropped <= ended - began


def test_a_protected_tunnel_is_clear_inside_and_esp_on_its_uplink(crypto_lab: Lab) -> None:
    lab = crypto_lab
    lab.expect_up("R1", ("192.168.0.2", "192.168.0.3", "192.168.0.4"))
    lab.console("R2", "ping 192.168.0.1")
    start(lab, "R2", "FastEthernet0/0", "Tunnel0")
    assert "(5/5)" in lab.console("R2", "ping 192.168.0.1")
    lab.console("R2", "monitor capture CAP stop")
    found = rows(exported(lab, "R2", "CAP"))
    lab.console("R2", "no monitor capture CAP")
    tunnel = [row for row in found if row.interface == "Tunnel0"]
    assert sum("icmp" in row.protocols for row in tunnel) == 10
    assert not any("esp" in row.protocols for row in tunnel)
    uplink = [row for row in found if row.interface == "FastEthernet0/0"]
    assert not any("gre" in row.protocols for row in uplink)
    esp = [row for row in uplink if "esp" in row.protocols]
    assert len(esp) >= 10 and {int(row.direction, 16) for row in esp} == {1, 2}
