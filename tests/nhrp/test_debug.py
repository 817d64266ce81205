"""`debug nhrp`: only what is wanted, in IOS's words, and never with the password."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from iosish.engine import Datagram, DebugEvent
from iosish.nhrp import debug
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.extensions import Extension, ExtensionType
from iosish.nhrp.packet import ErrorCode, Fault, Packet, PacketType, decode
from tests.nhrp.link import HUB, HUB_NBMA, Link, hub_interface, nbma, spoke_interface, tunnel_address
from tests.nhrp.pcap import nhrp_frames
from tests.nhrp.secure_link import SecureLink

ALL = frozenset({debug.PROTOCOL, debug.PACKET, debug.CACHE, debug.ERROR})
R2, R4 = tunnel_address(2), tunnel_address(4)


def said(engine: NhrpEngine) -> list[str]:
    return [event.text for event in engine.events() if isinstance(event, DebugEvent)]


def registered(hub_topics: set[str], spoke_topics: set[str], **both: object) -> tuple[list[str], list[str]]:
    """What a hub and its spoke say about the first registration."""
    link = Link()
    hub = link.add(hub_interface(**both))
    hub.debug = frozenset(hub_topics)
    spoke = NhrpEngine(random.Random(1))
    spoke.debug = frozenset(spoke_topics)
    link.engines[nbma(2)] = spoke
    link.configure(spoke_interface(2, **both))
    link.run(0.5)
    return said(hub), said(spoke)


def test_nothing_is_said_that_nobody_wants() -> None:
    assert registered(set(), set()) == ([], [])
    assert registered({debug.ERROR}, {"crypto isakmp"}) == ([], [])


def test_a_registration_as_both_ends_tell_it() -> None:
    hub, spoke = registered({debug.PROTOCOL}, {debug.PROTOCOL})
    assert spoke == [
        "NHRP: Attempting to send packet via DEST 192.168.0.1",
        "NHRP: Encapsulation succeeded.  Tunnel IP addr 172.16.15.2",
        "NHRP: Send Registration Request via Tunnel0 vrf 0, packet size: 92",
        " src: 192.168.0.2, dst: 192.168.0.1",
        "NHRP: 116 bytes out Tunnel0 ",
        "NHRP: Receive Registration Reply via Tunnel0 vrf 0, packet size: 112",
    ]
    assert hub[:2] == [
        "NHRP: Receive Registration Request via Tunnel0 vrf 0, packet size: 92",
        "NHRP: Adding Tunnel Endpoints (VPN: 192.168.0.2, NBMA: 172.16.25.2)",
    ]
    assert "NHRP: Send Registration Reply via Tunnel0 vrf 0, packet size: 112" in hub


def test_a_packet_in_full_without_its_password() -> None:
    _, spoke = registered(set(), {debug.PACKET}, authentication=b"cisco123", key=7)
    assert spoke[: spoke.index(" NAT address Extension(9):") + 6] == [
        "NHRP: Send Registration Request via Tunnel0 vrf 0, packet size: 108",
        " src: 192.168.0.2, dst: 192.168.0.1",
        " (F) afn: AF_IP(1), type: IP(800), hop: 255, ver: 1",
        "     shtl: 4(NSAP), sstl: 0(NSAP)",
        "     pktsz: 108 extoff: 52",
        ' (M) flags: "unique nat ", reqid: 1',
        "     src NBMA: 172.16.25.2",
        "     src protocol: 192.168.0.2, dst protocol: 192.168.0.1",
        " (C-1) code: no error(0)",
        "       prefix: 255, mtu: 1514, hd_time: 7200",
        "       addr_len: 0(NSAP), subaddr_len: 0(NSAP), proto_len: 0, pref: 0",
        " Responder Address Extension(3):",
        " Forward Transit NHS Record Extension(4):",
        " Reverse Transit NHS Record Extension(5):",
        " Authentication Extension(7):",
        "   type:Cleartext(1), data:<removed>",
        " NAT address Extension(9):",
        "  (C-1) code: no error(0)",
        "        prefix: 32, mtu: 1514, hd_time: 0",
        "        addr_len: 4(NSAP), subaddr_len: 0(NSAP), proto_len: 4, pref: 0",
        "        client NBMA: 172.16.15.2",
        "        client protocol: 192.168.0.1",
    ]


def test_both_topics_say_the_headline_once() -> None:
    _, spoke = registered(set(), {debug.PROTOCOL, debug.PACKET})
    assert sum(line.startswith("NHRP: Send") for line in spoke) == 1
    assert sum(line.startswith("NHRP: Receive") for line in spoke) == 1


def test_the_cache_tells_what_comes_and_goes() -> None:
    link = Link()
    hub = link.add(hub_interface())
    hub.debug = frozenset({debug.CACHE})
    link.add(spoke_interface(2))
    link.run(5)
    hub.clear(None, None, link.now)
    assert said(hub) == [
        "NHRP: Tunnel0: Cache add for target 192.168.0.2/32 next-hop 192.168.0.2",
        "           172.16.25.2",
        "NHRP: Tunnel0: Cache delete for target 192.168.0.2/32 next-hop 192.168.0.2",
        "           172.16.25.2",
    ]


def test_errors_name_the_peer_for_conditions() -> None:
    link = Link()
    hub = link.add(hub_interface())
    hub.debug = frozenset({debug.ERROR})
    hub.receive(Datagram("Tunnel0", nbma(2), HUB_NBMA, b"\0" * 40), link.now)
    assert [event for event in hub.events() if isinstance(event, DebugEvent)] == [
        DebugEvent(
            "nhrp error",
            "NHRP-ERROR: Tunnel0: packet from 172.16.25.2 refused: unknown NBMA address family",
            nbma(2),
            interface="Tunnel0",
        )
    ]


def test_what_waits_for_an_sa_is_said() -> None:
    link = SecureLink()
    link.station(1)
    for number in (2, 4):
        link.station(number)
    link.engines[nbma(4)].debug = frozenset({debug.PROTOCOL})
    link.run(5)
    link.events(4)
    link.ping(2, R4)
    link.run(1)
    lines = [event.text for event in link.events(4) if isinstance(event, DebugEvent)]
    waits = "NHRP: Delaying resolution request nbma src:172.16.45.2 nbma dst:172.16.25.2 reason:IPSEC-IFC: "
    assert waits + "need to wait for IPsec SAs." in lines
    assert lines.index("NHRP: Process delayed resolution request src:192.168.0.2 dst:192.168.0.4") < lines.index(
        "NHRP: Send Resolution Reply via Tunnel0 vrf 0, packet size: 120"
    )


@pytest.mark.parametrize("topic", sorted(ALL))
def test_the_password_is_in_no_line_not_even_quoted(topic: str) -> None:
    link = Link()
    password = b"hunter42"
    hub = link.add(hub_interface(authentication=password))
    spoke = link.add(spoke_interface(2, authentication=b"wrong666"))
    spoke.debug = hub.debug = frozenset({topic})
    link.run(30)
    request = link.frames()[0].packet
    error = Packet(
        type=PacketType.ERROR_INDICATION,
        source_nbma=HUB_NBMA,
        source=HUB,
        destination=R2,
        body=Fault(ErrorCode.LOOP_DETECTED, 0, request.encode()),
    )
    spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(2), error.encode()), link.now)
    text = "\n".join(said(hub) + said(spoke)).upper()
    for secret in (password, b"wrong666"):
        assert secret.decode().upper() not in text
        assert secret.hex(" ").upper() not in text and secret.hex().upper() not in text


def test_every_captured_packet_can_be_told() -> None:
    names = [
        "epiecs__packetlife-backup/mGRE_ICMP.cap",
        "the-tcpdump-group__tcpdump/nhrp-trace.pcap",
        "frr-nhrp-hub-key1.pcap",
    ]
    kinds = set()
    for name in names:
        for frame in nhrp_frames(name):
            packet = decode(frame.payload)
            lines = list(debug.dump(packet, frame.payload))
            assert lines[0].startswith(" (F) afn: AF_IP(1), type: IP(800), hop: ")
            assert not any("malformed" in line or "Unknown" in line for line in lines)
            kinds.add(packet.type)
    assert {PacketType.TRAFFIC_INDICATION, PacketType.RESOLUTION_REPLY, PacketType.REGISTRATION_REQUEST} <= kinds


def test_strange_extensions_and_codes_are_told_too() -> None:
    packet = decode(nhrp_frames("epiecs__packetlife-backup/mGRE_ICMP.cap")[0].payload)
    strange = (Extension(0x123, b"abc"), Extension(ExtensionType.RESPONDER, b"\1"))
    odd = replace(packet, extensions=strange)
    lines = list(debug.dump(odd, odd.encode()))
    assert lines[-4:] == [
        " Unknown Extension(291):",
        "   length: 3",
        " Responder Address Extension(3):",
        "   malformed: client information is cut short",
    ]
    fault = replace(packet, type=PacketType.ERROR_INDICATION, body=Fault(99, 4, b"\1\2"), extensions=None)
    assert " (M) error code: unknown(99), offset: 4" in list(debug.dump(fault, fault.encode()))
