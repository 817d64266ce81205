"""The conversation of the article's capture (`mGRE_ICMP.cap`, taken on R2's F0/0), packet by packet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from scapy.utils import rdpcap

from iosish.icmp.ping import PingRequest
from iosish.nhrp.packet import Exchange, Packet, decode
from iosish.plane.memory.wire import Capture
from iosish.sim.topology import SimLab

ARTICLE = Path(__file__).parent.parent / "captures" / "epiecs__packetlife-backup" / "mGRE_ICMP.cap"


def outer(packet: bytes) -> tuple[object, ...]:
    """What is fixed in the outer headers: ToS, DF, TTL, protocol, addresses, GRE flags and protocol type."""
    return (packet[1], packet[6] & 0x40, packet[8], packet[9], packet[12:20], packet[20:24])


def nhrp(packet: bytes) -> Packet | None:
    """The NHRP message without its request id and checksum, which are its router's own."""
    if packet[22:24] != b"\x20\x01":
        return None
    message = decode(packet[24:])
    assert isinstance(message.body, Exchange)
    return replace(message, body=replace(message.body, request_id=0))


def inner(packet: bytes) -> tuple[object, ...]:
    """What is fixed in the echo inside: length, TTL, addresses, type, sequence number."""
    ip = packet[24:]
    return (ip[2:4], ip[8], ip[9], ip[12:20], ip[20], int.from_bytes(ip[26:28]))


def test_ten_pings_make_the_articles_packets_in_its_order(lab: SimLab) -> None:
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured, at="R2 FastEthernet0/0")

    text = lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert "!!!!!\nSuccess rate is 100 percent (5/5)" in text
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))

    ours = [capture.packet for capture in captured]
    article = [bytes(frame)[14:] for frame in rdpcap(str(ARTICLE))]
    assert len(ours) == len(article) == 24
    for number, (mine, its) in enumerate(zip(ours, article, strict=True), 1):
        assert outer(mine) == outer(its), number
        assert nhrp(mine) == nhrp(its), number
        if nhrp(mine) is None:
            sequence = {1: 0, 3: 0, 4: 1, 8: 1}
            assert inner(mine)[:5] == inner(its)[:5], number
            if number in sequence:
                assert inner(mine)[5] == inner(its)[5] == sequence[number]


def test_both_spokes_know_each_other_afterwards_and_the_hub_is_as_before(lab: SimLab) -> None:
    hub_before = lab["R1"].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].entries
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))

    assert peers(lab, "R2") == {"192.168.0.1": "static", "192.168.0.4": "dynamic"}
    assert peers(lab, "R4") == {"192.168.0.1": "static", "192.168.0.2": "dynamic"}
    hub_after = lab["R1"].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].entries
    assert [entry.nbma for entry in hub_after] == [entry.nbma for entry in hub_before]


def peers(lab: SimLab, name: str) -> dict[str, str]:
    entries = lab[name].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].entries
    return {str(entry.target.network_address): entry.kind for entry in entries if not entry.local}
