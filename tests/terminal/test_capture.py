"""`monitor capture` at a console: IOS-XE's words, and what is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from scapy.layers import inet  # noqa: F401 # lets IPv4 be decoded
from scapy.utils import rdpcap

from iosish.desired import SeenPacket
from iosish.files import Files, parse
from iosish.forwarding import gre, ipv4
from tests.terminal.shipped import ShippedRouter, console

SETUP = "conf t\rinterface FastEthernet0/0\rinterface Tunnel0\rend\r"


def answers(router: ShippedRouter, typed: str) -> str:
    """What the router says to one line."""
    screen = console(f"terminal length 0\r{typed}\r", router)
    return screen.split(f"{typed}\n", 1)[1].rpartition("R1#")[0]


@pytest.fixture
def router(tmp_path: Path) -> ShippedRouter:
    router = ShippedRouter()
    router.files = Files(tmp_path / "flash")
    console(SETUP, router)
    return router


def test_a_capture_from_its_making_to_its_file(router: ShippedRouter) -> None:
    for line in (
        "monitor capture CAP interface tunnel 0 both",
        "monitor capture CAP interface Fa0/0 in",
        "mon cap CAP match ipv4 prot udp host 10.0.0.1 192.168.0.0/24 eq 500",
        "monitor capture CAP buffer size 5 circular",
        "monitor capture CAP limit packets 100 packet-len 128",
    ):
        assert answers(router, line) == "", line
    assert answers(router, "monitor capture CAP start") == "Started capture point : CAP\n"
    assert router.watched == {"Tunnel0", "FastEthernet0/0"}
    assert answers(router, "show monitor capture CAP") == (
        "\n"
        "Status Information for Capture CAP\n"
        "  Target Type:\n"
        "  Interface: Tunnel0, Direction: both\n"
        "  Interface: FastEthernet0/0, Direction: in\n"
        "   Status : Active\n"
        "  Filter Details:\n"
        "   IPv4\n"
        "    Source IP:  10.0.0.1\n"
        "    Destination IP:  192.168.0.0/24\n"
        "   Protocol: udp, destination port 500\n"
        "  Buffer Details:\n"
        "   Buffer Type: CIRCULAR\n"
        "   Buffer Size (in MB): 5\n"
        "  Limit Details:\n"
        "   Number of Packets to capture: 100\n"
        "   Packet Capture duration: 0 (no limit)\n"
        "   Packet Size to capture: 128\n"
        "   Maximum number of packets to capture per second: 1000\n"
        "   Packet sampling rate: 0 (no sampling)\n"
    )
    assert answers(router, "show monitor capture CAP parameter") == (
        "   monitor capture CAP interface Tunnel0 both\n"
        "   monitor capture CAP interface FastEthernet0/0 in\n"
        "   monitor capture CAP match ipv4 protocol udp host 10.0.0.1 192.168.0.0/24 eq 500\n"
        "   monitor capture CAP buffer size 5 circular\n"
        "   monitor capture CAP limit packet-len 128\n"
        "   monitor capture CAP limit packets 100\n"
    )
    inner = ipv4.build(b"\x0a\0\0\1", b"\xc0\xa8\0\7", 17, ipv4.udp(500, 500, bytes(30)))
    outer = ipv4.build(b"\1\1\1\1", b"\2\2\2\2", 47, gre.build(gre.IPV4, 1) + inner)
    router.captures.packets_seen([SeenPacket("Tunnel0", False, 1000.0 + at, outer, len(outer)) for at in (0, 0.5)])
    assert answers(router, "show monitor capture CAP buffer") == (
        " buffer size (KB) : 5120\n"
        " buffer used (KB) : 1\n"
        " packets in buf   : 2\n"
        " packets dropped  : 0\n"
        " packets per sec  : 2\n"
    )
    assert answers(router, "show monitor capture CAP buffer brief").splitlines()[3:] == [
        "   0   86    0.000000   10.0.0.1         -> 192.168.0.7       0 BE    ISAKMP  "
        "malformed: another version of IKE; key 1 1.1.1.1 > 2.2.2.2",
        "   1   86    0.500000   10.0.0.1         -> 192.168.0.7       0 BE    ISAKMP  "
        "malformed: another version of IKE; key 1 1.1.1.1 > 2.2.2.2",
    ]
    assert answers(router, "monitor capture CAP stop") == "Stopped capture point : CAP\n"
    assert not router.watched
    assert answers(router, "monitor capture CAP export flash:x.pcap") == "Exported Successfully\n"
    file = router.files.read(parse("flash:x.pcap"))
    assert [bytes(packet) for packet in rdpcap(BytesIO(file))] == [outer, outer]
    for text in (b"Tunnel0", b"FastEthernet0/0", b"iosish monitor capture CAP on R1: 2 packets, 0 dropped"):
        assert text in file
    assert answers(router, "monitor capture CAP clear") == "Cleared buffer for capture point : CAP\n"
    assert answers(router, "no monitor capture CAP") == ""
    assert answers(router, "show monitor capture") == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("monitor capture NONE start", "Capture NONE has not been configured\n"),
        ("monitor capture NONE stop", "Capture NONE has not been configured\n"),
        ("monitor capture NONE clear", "Capture NONE has not been configured\n"),
        ("monitor capture NONE export flash:x.pcap", "Capture NONE has not been configured\n"),
        ("no monitor capture NONE", "Capture NONE has not been configured\n"),
        ("no monitor capture NONE limit packets", "Capture NONE has not been configured\n"),
        ("show monitor capture NONE", "Capture NONE has not been configured\n"),
        ("show monitor capture NONE buffer", "Capture NONE has not been configured\n"),
        ("show monitor capture NONE buffer brief", "Capture NONE has not been configured\n"),
        ("monitor capture BARE start", "Unable to activate capture BARE: no interface is attached to it\n"),
        ("monitor capture BARE stop", "Capture BARE is not active\n"),
        ("monitor capture BARE", "% Incomplete command.\n\n"),
        ("monitor capture BARE limit", "% Incomplete command.\n\n"),
    ],
)
def test_what_cannot_be_done_is_said(router: ShippedRouter, typed: str, said: str) -> None:
    answers(router, "monitor capture BARE match any")
    assert answers(router, typed) == said


def test_an_interface_that_is_not_there_and_a_file_that_cannot_be(
    router: ShippedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    assert "% Invalid input detected" in answers(router, "monitor capture CAP interface Tunnel9 both")
    answers(router, "monitor capture CAP interface Tunnel0 both")
    said = answers(router, "monitor capture CAP export tftp://1.1.1.1/x.pcap")
    assert said.startswith("%Error writing tftp://1.1.1.1/x.pcap (")
    monkeypatch.setattr(router.files, "write", full)
    said = answers(router, "monitor capture CAP export flash:x.pcap")
    assert said == "%Error writing flash:x.pcap (No space left on device)\n"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("match ipv4 any any", "match ipv4 any any"),
        ("match ipv4 host 1.1.1.1 any", "match ipv4 host 1.1.1.1 any"),
        ("match ipv4 10.0.0.0/8 host 2.2.2.2", "match ipv4 10.0.0.0/8 host 2.2.2.2"),
        ("match ipv4 10.1.0.0 255.255.0.0 20.0.0.0 255.0.0.0", "match ipv4 10.1.0.0/16 20.0.0.0/8"),
        ("match ipv4 protocol 50 any any", "match ipv4 protocol esp any any"),
        ("match ipv4 protocol tcp any host 1.1.1.1 eq 22", "match ipv4 protocol tcp any host 1.1.1.1 eq 22"),
        ("match any", "match any"),
        ("limit pps 50 every 10 duration 9", "limit duration 9|limit every 10|limit pps 50"),
    ],
)
def test_parameters_are_shown_as_they_were_typed(router: ShippedRouter, typed: str, kept: str) -> None:
    assert answers(router, f"monitor capture CAP {typed}") == ""
    shown = answers(router, "show monitor capture CAP parameter")
    for line in kept.split("|"):
        assert f"   monitor capture CAP {line}\n" in shown
    assert answers(router, "no monitor capture CAP limit") == ""
    assert "limit" not in answers(router, "show monitor capture CAP parameter")
