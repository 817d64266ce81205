"""What is shown of packets: one readable line of each, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap

from iosish.capture import dissect
from iosish.capture.buffer import Captured
from iosish.show import monitor_capture
from tests.nhrp.pcap import CAPTURES

ARTICLE = CAPTURES / "epiecs__packetlife-backup" / "mGRE_ICMP.cap"
FILES = sorted(path for path in CAPTURES.rglob("*") if path.suffix in (".cap", ".pcap", ".pcapng"))


def frames(count: int | None = None) -> list[Captured]:
    found = []
    for number, frame in enumerate(rdpcap(str(ARTICLE))[:count]):
        data = bytes(frame)
        found.append(Captured("FastEthernet0/0", bool(number % 2), number / 100, data, len(data)))
    return found


def test_the_articles_first_packets() -> None:
    screen = monitor_capture.brief(frames(5))
    assert screen.split("\n")[:3] == [
        " ----------------------------------------------------------------------------",
        " #   size   timestamp     source             destination      dscp    protocol",
        " ----------------------------------------------------------------------------",
    ]
    lines = screen.split("\n")[3:-1]
    assert lines[0] == (
        "   0  138    0.000000   172.16.25.2      -> 172.16.15.2       0 BE    GRE     "
        "192.168.0.2 > 192.168.0.4 ICMP echo request id 6 seq 0"
    )
    assert lines[1] == (
        "   1  110    0.010000   172.16.25.2      -> 172.16.15.2      48 CS6   GRE     "
        'NHRP Resolution Request flags "router auth src-stable nat" id 8 hop 255 '
        "from 172.16.25.2 192.168.0.2 > 192.168.0.4; C-1 code 0 prefix 0 mtu 1514 hold 7200 pref 0; "
        "Responder Address; Forward Transit NHS Record; Reverse Transit NHS Record; NAT address"
    )


def test_a_tunnel_shows_what_is_inside_and_who_the_peer_is() -> None:
    (packet,) = frames(1)
    inside = dissect.line(packet.data[14:], tunnel=True)
    assert inside[:4] == ("192.168.0.2", "192.168.0.4", 0, "ICMP")
    assert inside.text == "echo request id 6 seq 0; 172.16.25.2 > 172.16.15.2"


@pytest.mark.parametrize(
    ("frame", "protocol", "text"),
    [
        (
            Ether() / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2", hwsrc="02:00:00:00:00:01"),
            "ARP",
            "request, who has 10.0.0.2, sender 02:00:00:00:00:01",
        ),
        (Ether() / IP() / TCP(sport=1, dport=179, flags="SA", seq=9), "TCP", "1 > 179 SYN,ACK seq 9 0 octets"),
        (Ether() / IP() / UDP(sport=5, dport=53) / b"abc", "UDP", "5 > 53 3 octets"),
        (Ether() / IP(proto=50) / bytes.fromhex("00001001 00000007 aabb"), "ESP", "SPI 0x00001001 seq 7 10 octets"),
        (
            Ether() / IP() / UDP(sport=4500, dport=4500) / bytes.fromhex("00001001 00000007 aabb"),
            "ESP",
            "in UDP 4500 > 4500 SPI 0x00001001 seq 7 10 octets",
        ),
        (Ether() / IP() / UDP(sport=4500, dport=4500) / b"\xff", "UDP", "4500 > 4500 NAT keepalive"),
        (Ether(type=0x88CC) / b"lldp", "0x88CC", "4 octets"),
        (Ether() / IP(frag=5, proto=17) / b"12345678", "UDP", "fragment at 40, 8 octets"),
        (
            Ether()
            / IP()
            / UDP(sport=500, dport=500)
            / bytes.fromhex("1111111111111111 2222222222222222 08 10 20 01 0000beef 0000001c"),
            "ISAKMP",
            "Quick Mode, message id 0x0000BEEF, encrypted, cookies 1111111111111111 2222222222222222",
        ),
        (Ether() / IP() / UDP(sport=500, dport=500) / b"short", "ISAKMP", "malformed: shorter than an ISAKMP header"),
    ],
)
def test_protocols(frame: Ether, protocol: str, text: str) -> None:
    read = dissect.line(bytes(frame), tunnel=False)
    assert (read.protocol, read.text) == (protocol, text)


def test_detailed_and_dump() -> None:
    packets = frames(2)
    detailed = monitor_capture.detailed(packets)
    assert "        Responder Address\n" in detailed
    assert "        out of FastEthernet0/0\n" in detailed and "        in on FastEthernet0/0\n" in detailed
    dump = monitor_capture.dump(packets[:1]).split("\n")
    assert dump[0] == " 0"
    assert dump[1] == f"  0000:  {packets[0].data[:4].hex().upper()} {packets[0].data[4:8].hex().upper()} " + (
        f"{packets[0].data[8:12].hex().upper()} {packets[0].data[12:16].hex().upper()}   " + dump[1][-16:]
    )


@settings(max_examples=300)
@given(st.data())
def test_hostile_packets_are_shown_and_harm_no_terminal(data: st.DataObject) -> None:
    """Octets of the wire with some changed, and some that never were a packet."""
    packet = bytearray(data.draw(st.sampled_from([captured.data for captured in frames()])))
    for _ in range(data.draw(st.integers(0, 6))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    octets = bytes(packet[: data.draw(st.integers(0, len(packet)))]) + data.draw(st.binary(max_size=20))
    tunnel = data.draw(st.booleans())
    shown = Captured("Tunnel0" if tunnel else "Loopback0", True, 0.0, octets[14:] if tunnel else octets, len(octets))
    for view in (monitor_capture.brief, monitor_capture.detailed, monitor_capture.dump):
        screen = view([shown])
        assert all(line.isprintable() for line in screen.split("\n"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_packet_of_every_capture_has_its_line(path: object) -> None:
    for frame in rdpcap(str(path)):
        for tunnel in (False, True):
            assert dissect.line(bytes(frame), tunnel)
