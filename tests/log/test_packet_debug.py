"""`debug ip packet`, `debug ip icmp`, `debug tunnel`: the lines for packets that pass, and the lists that choose."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish import access_list
from iosish.access_list import Flow
from iosish.cli.load import load
from iosish.desired import TO_ITSELF, SeenPacket
from iosish.engine import DebugEvent
from iosish.forwarding import gre, ipv4
from iosish.log import packet_text
from iosish.runtime import host as host_module
from iosish.runtime.host import RouterHost
from iosish.runtime.packet_debug import BURST
from iosish.terminal.scripted import ScriptedSession
from iosish.terminal.session import CONSOLE
from tests.log.test_host import lines, with_host
from tests.terminal.router import Collected
from tests.terminal.shipped import console, shipped_grammar

HERE, THERE, FAR = (IPv4Address(text).packed for text in ("10.0.0.1", "10.0.0.2", "10.9.9.9"))
NBMA, PEER = (IPv4Address(text).packed for text in ("172.16.25.2", "172.16.15.2"))
STARTUP = """hostname R2
no service timestamps
interface Tunnel0
 ip address 10.0.0.1 255.255.255.0
interface FastEthernet0/0
 ip address 172.16.25.2 255.255.255.252
access-list 101 deny icmp any host 10.9.9.9
access-list 101 permit icmp any any
"""
ECHO, REPLY = bytes([8, 0]) + bytes(78), bytes([0, 0]) + bytes(78)


def over_tunnel(source: bytes, destination: bytes, payload: bytes, inbound: bool = False) -> SeenPacket:
    inner = ipv4.build(source, destination, ipv4.ICMP, payload)
    ends = (PEER, NBMA) if inbound else (NBMA, PEER)
    data = ipv4.build(*ends, ipv4.GRE, gre.build(gre.IPV4, None) + inner)
    return SeenPacket("Tunnel0", inbound, 0.0, data, len(data))


async def debugged(host: RouterHost, command: str, *packets: SeenPacket) -> list[str]:
    """The lines that a command gives for packets."""
    session = ScriptedSession(host, CONSOLE, Collected())
    session.feed(f"clear logging\nundebug all\n{command}\n".encode())
    session.end()
    await session.run()
    host.driver.packets_seen(packets)
    return await lines(host)


def test_packets_as_ios_tells_of_them(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        sent, answer = over_tunnel(HERE, THERE, ECHO), over_tunnel(THERE, HERE, REPLY, inbound=True)
        assert await debugged(host, "debug ip packet", sent, answer) == [
            "IP: s=10.0.0.1 (local), d=10.0.0.2 (Tunnel0), len 100, sending",
            "IP: s=10.0.0.2 (Tunnel0), d=10.0.0.1 (Tunnel0), len 100, rcvd 3",
        ]
        assert await debugged(host, "debug ip icmp", sent, answer) == [
            "ICMP: echo reply rcvd, src 10.0.0.2, dst 10.0.0.1, topology BASE, dscp 0 topoid 0"
        ]
        assert await debugged(host, "debug tunnel", sent, answer) == [
            "Tunnel0: GRE/IP encapsulated 172.16.25.2->172.16.15.2 (linktype=7, len=124)",
            'Tunnel0: GRE/IP to classify 172.16.15.2->172.16.25.2 (tbl=0,"default" len=124 ttl=255 tos=0x0)',
        ]
        forwarded = over_tunnel(FAR, THERE, ECHO)
        assert await debugged(host, "debug ip packet 101 detail", forwarded, over_tunnel(HERE, FAR, ECHO)) == [
            "IP: s=10.9.9.9, d=10.0.0.2 (Tunnel0), len 100, forward",
            "    ICMP type=8, code=0",
        ]
        frame = bytes(12) + b"\x08\x00" + ipv4.build(PEER, NBMA, ipv4.UDP, ipv4.udp(5000, 500, b"x"))
        wire = SeenPacket("FastEthernet0/0", True, 0.0, frame, len(frame))
        assert await debugged(host, "debug ip packet detail", wire) == [
            "IP: s=172.16.15.2 (FastEthernet0/0), d=172.16.25.2 (FastEthernet0/0), len 29, rcvd 3",
            "    UDP src=5000, dst=500",
        ]
        assert await debugged(host, "undebug all", sent, wire) == []

    with_host(tmp_path, steps, STARTUP)


def test_what_a_router_says_to_itself_is_seen_too(tmp_path: Path) -> None:
    def to_itself(source: bytes, destination: bytes, payload: bytes) -> list[SeenPacket]:
        frame = bytes(12) + b"\x08\x00" + ipv4.build(source, destination, ipv4.ICMP, payload)
        return [SeenPacket(TO_ITSELF, inbound, 0.0, frame, len(frame)) for inbound in (False, True)]

    async def steps(host: RouterHost) -> None:
        replies = to_itself(HERE, HERE, REPLY)
        assert await debugged(host, "debug ip icmp", *to_itself(HERE, HERE, ECHO), *replies) == [
            "ICMP: echo reply sent, src 10.0.0.1, dst 10.0.0.1, topology BASE, dscp 0 topoid 0",
            "ICMP: echo reply rcvd, src 10.0.0.1, dst 10.0.0.1, topology BASE, dscp 0 topoid 0",
        ]
        assert await debugged(host, "debug ip packet", *to_itself(NBMA, HERE, ECHO)) == [
            "IP: s=172.16.25.2 (local), d=10.0.0.1 (Tunnel0), len 100, sending",
            "IP: s=172.16.25.2 (Tunnel0), d=10.0.0.1 (Tunnel0), len 100, rcvd 3",
        ]
        of_others = to_itself(b"\x7f\0\0\1", b"\x7f\0\0\1", REPLY)
        assert await debugged(host, "debug ip packet", *of_others) == []
        assert await debugged(host, "debug tunnel", *replies) == []

    with_host(tmp_path, steps, STARTUP)


def test_an_address_that_is_new_is_the_routers_own_at_once(tmp_path: Path) -> None:
    async def steps(host: RouterHost) -> None:
        assert await debugged(host, "debug ip icmp") == []
        session = ScriptedSession(host, CONSOLE, Collected())
        session.feed(b"configure terminal\ninterface Tunnel0\nip address 10.9.9.9 255.255.255.0\nend\nclear logging\n")
        session.end()
        await session.run()
        host.driver.packets_seen([over_tunnel(THERE, FAR, REPLY, inbound=True)])
        assert (await lines(host))[-1].startswith("ICMP: echo reply rcvd, src 10.0.0.2, dst 10.9.9.9")

    with_host(tmp_path, steps, STARTUP)


def test_a_storm_is_bounded_in_each_turn_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "TELL_AFTER_S", 0.0)

    async def steps(host: RouterHost) -> None:
        storm = [over_tunnel(HERE, THERE, ECHO)] * (BURST + 100)
        assert len(await debugged(host, "debug ip packet", *storm)) == BURST
        for _ in range(3):
            await asyncio.sleep(0)
        assert (await lines(host))[-1] == "%SYS-3-LOGGER_DROPPED: System dropped 100 debug messages."

    with_host(tmp_path, steps, STARTUP + "logging buffered 100000\n")


def test_the_screens_of_packet_debugging() -> None:
    assert console(
        "debug ip packet 101 detail\rdebug ip icmp\rdebug tunnel\rshow debugging\rundebug ip packet\rno debug tunnel\r"
    ).splitlines() == [
        "R1#debug ip packet 101 detail",
        "IP packet debugging is on (detailed) for access list 101",
        "R1#debug ip icmp",
        "ICMP packet debugging is on",
        "R1#debug tunnel",
        "Tunnel Interface debugging is on",
        "R1#show debugging",
        "",
        "Generic IP:",
        "  ICMP packet debugging is on",
        "  IP packet debugging is on (detailed) for access list 101",
        "",
        "Tunnel:",
        "  Tunnel Interface debugging is on",
        "",
        "R1#undebug ip packet",
        "IP packet debugging is off",
        "R1#no debug tunnel",
        "Tunnel Interface debugging is off",
        "R1#",
    ]


@given(st.binary(max_size=80), st.booleans())
def test_no_packet_is_too_odd(data: bytes, inbound: bool) -> None:
    ip = packet_text.read(data)
    if ip is not None:
        told = [
            *packet_text.ip_packet(ip, "Tunnel0", inbound, (), detail=True),
            *packet_text.icmp(ip, inbound, (ip.source, ip.destination)),
            *packet_text.tunnel(ip, "Tunnel0", inbound),
        ]
        assert all(line.isprintable() for line in told)
        assert DebugEvent(packet_text.PACKET, told[0]).peer is None


LISTS = """access-list 1 permit 10.0.0.0 0.0.0.255
access-list 2 deny 10.0.0.2
access-list 2 permit any log
ip access-list extended WEB
 20 permit tcp any host 10.0.0.2 range 80 443
 10 deny tcp any any eq www
 30 permit udp host 10.0.0.1 gt 1023 any eq isakmp
ip access-list standard NEAR
 remark near by
 permit host 10.0.0.1
access-list 100 permit icmp any any echo
access-list 150 permit tcp any any established
"""


@pytest.mark.parametrize(
    ("name", "flow", "permitted"),
    [
        ("1", ("10.0.0.9", "10.9.9.9", 6, (1, 2)), True),
        ("1", ("10.0.1.9", "10.0.0.9", 6, (1, 2)), False),
        ("2", ("10.0.0.2", "10.9.9.9", 6, (1, 2)), False),
        ("2", ("10.0.0.3", "10.9.9.9", 6, (1, 2)), True),
        ("WEB", ("10.0.0.1", "10.0.0.2", 6, (1024, 443)), True),
        ("WEB", ("10.0.0.1", "10.0.0.2", 6, (1024, 80)), False),
        ("WEB", ("10.0.0.1", "10.0.0.9", 17, (1024, 500)), True),
        ("WEB", ("10.0.0.1", "10.0.0.9", 17, (1023, 500)), False),
        ("WEB", ("10.0.0.1", "10.0.0.2", 6, None), False),
        ("NEAR", ("10.0.0.1", "10.0.0.2", 1, None), True),
        ("NEAR", ("10.0.0.2", "10.0.0.1", 1, None), False),
        ("100", ("10.0.0.1", "10.0.0.2", 1, None, 8), True),
        ("100", ("10.0.0.1", "10.0.0.2", 1, None, 0), False),
        ("150", ("10.0.0.1", "10.0.0.2", 6, (1, 2)), False),  # what cannot be judged matches nothing
    ],
)
def test_what_a_list_permits(name: str, flow: tuple[object, ...], permitted: bool) -> None:
    found = access_list.find(load(shipped_grammar(), LISTS).config, name)
    source, destination, *rest = flow
    assert found is not None
    assert found.permits(Flow(int(IPv4Address(source)), int(IPv4Address(destination)), *rest)) is permitted  # type: ignore[arg-type] # a row of the table


def test_a_list_that_is_not_there() -> None:
    assert access_list.find(load(shipped_grammar(), LISTS).config, "99") is None
