"""The steps of the classic DMVPN lab on five running routers, as somebody at their consoles sees them."""

from __future__ import annotations

import re

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import GRE
from scapy.packet import Packet

from tests.live.crypto import sending
from tests.live.lab import HUB, SPOKES, Lab, until

pytestmark = pytest.mark.live

PING_R4 = """\
Type escape sequence to abort.
Sending 5, 100-byte ICMP Echos to 192.168.0.4, timeout is 2 seconds:
!!!!!
Success rate is 100 percent (5/5), round-trip min/avg/max = """

#: Registers again within a second, and gives entries three seconds.
QUICK = "interface Tunnel0\n ip nhrp registration timeout 1\n ip nhrp holdtime 3"
AS_BEFORE = "interface Tunnel0\n no ip nhrp registration timeout\n no ip nhrp holdtime"


#: The GRE protocol type of NHRP, and where its packets say what they are.
NHRP, TYPE = 0x2001, 17


def bump(lab: Lab, *routers: str) -> None:
    """`shutdown`, `no shutdown` on their tunnels."""
    for router in routers:
        lab.configure(router, "interface Tunnel0\n shutdown\n no shutdown")


def resolution_paths(packets: list[Packet]) -> list[tuple[str, str]]:
    """Outer source and destination of NHRP resolution requests and replies, in order."""
    nhrp = [p for p in packets if GRE in p and p[GRE].proto == NHRP]
    return [(p[IP].src, p[IP].dst) for p in nhrp if bytes(p[GRE].payload)[TYPE] in (1, 2)]


def echo_paths(packets: list[Packet], kind: int) -> list[tuple[str, str]]:
    """Outer source and destination of echo requests (8) or replies (0) in GRE, in order."""
    return [(p[IP].src, p[IP].dst) for p in packets if GRE in p and ICMP in p and p[ICMP].type == kind]


def test_a4_the_first_packets_go_by_the_hub_then_direct(classic: Lab) -> None:
    with classic.capture("R5", "Fa0/1") as wire:
        assert classic.console("R2", "ping 192.168.0.4").startswith(PING_R4)
        classic.expect_up("R2", [HUB, "192.168.0.4"])
        classic.expect_up("R4", [HUB, "192.168.0.2"])
        assert classic.console("R2", "ping 192.168.0.4").startswith(PING_R4)
        until(lambda: len(echo_paths(wire.packets(), 0)) == 10, "ten replies came to R2")
    packets = wire.packets()
    requests, replies = echo_paths(packets, 8), echo_paths(packets, 0)
    assert requests[0] == ("172.16.25.2", "172.16.15.2")
    assert replies[0] == ("172.16.15.2", "172.16.25.2")
    assert requests[5:] == [("172.16.25.2", "172.16.45.2")] * 5
    assert replies[5:] == [("172.16.45.2", "172.16.25.2")] * 5
    # R2 asks for R4 and R4 for R2; requests and replies go by the hub.
    assert (
        sorted(resolution_paths(packets)) == [("172.16.15.2", "172.16.25.2")] * 2 + [("172.16.25.2", "172.16.15.2")] * 2
    )


def test_a4_the_way_of_a_packet_is_seen_by_traceroute(classic: Lab) -> None:
    first = classic.console("R2", "traceroute 192.168.0.4 numeric")
    classic.expect_up("R2", [HUB, "192.168.0.4"])
    assert re.search(r"^ +1 192\.168\.0\.1 ", first, re.MULTILINE)
    direct = classic.console("R2", "traceroute 192.168.0.4 numeric")
    assert re.findall(r"^ +\d+ (\S+)", direct, re.MULTILINE) == ["192.168.0.4"]


def test_a5_both_spokes_list_each_other_and_the_hub_is_as_it_was(classic: Lab) -> None:
    hub_before = classic.peers("R1")
    classic.console("R2", "ping 192.168.0.4")
    direct = {HUB: ("172.16.15.2", "UP", "S"), "192.168.0.4": ("172.16.45.2", "UP", "D")}
    classic.expect_peers("R2", direct)
    classic.expect_up("R4", [HUB, "192.168.0.2"])
    screen = classic.console("R2", "show dmvpn")
    assert "Type:Spoke, NHRP Peers:2, \n" in screen
    assert re.search(r"^     1 172\.16\.45\.2         192\.168\.0\.4    UP 00:00:0\d     D$", screen, re.MULTILINE)
    assert classic.peers("R1") == hub_before
    assert classic.up_peers("R3") == {HUB}


def test_a6_an_unused_entry_ages_out_and_comes_back_with_traffic(classic: Lab) -> None:
    with (
        classic.configured("R2", QUICK, AS_BEFORE),
        classic.configured("R4", QUICK, AS_BEFORE),
    ):
        for _ in range(2):
            assert "(5/5)" in classic.console("R2", "ping 192.168.0.4")
            classic.expect_up("R2", [HUB, "192.168.0.4"])
            classic.expect_up("R2", [HUB])  # the unused entry has aged out
        assert re.search(r"192\.168\.0\.1/32 via .*\n.*, never expire \n", classic.console("R2", "show ip nhrp"))
    # An entry that says 7200 s now, so that the next test does not begin with one that is about to end.
    bump(classic, "R2", "R4")


def test_a6_an_entry_in_use_is_asked_for_again_before_it_ends(classic: Lab) -> None:
    with (
        classic.configured("R2", QUICK, AS_BEFORE),
        classic.configured("R4", QUICK, AS_BEFORE),
        sending(classic, {"R2": ("192.168.0.4",)}),  # in use also while a console starts
    ):
        classic.expect_up("R2", [HUB, "192.168.0.4"])
        asked = requests_sent(classic, "R2")
        with classic.capture("R5", "Fa0/0") as hub_wire:

            def asked_again() -> bool:
                assert "(100/100)" in classic.console("R2", "ping 192.168.0.4 repeat 100")
                return requests_sent(classic, "R2") >= asked + 2

            until(asked_again, "R2 asked for R4 again, twice")
        assert echo_paths(hub_wire.packets(), 8) == []  # not one packet went by the hub meanwhile
    bump(classic, "R2", "R4")


def test_a_bump_in_one_paste_takes_the_tunnel_down_and_up(classic: Lab) -> None:
    classic.configure("R2", "interface Tunnel0\n shutdown\n no shutdown")
    classic.expect_up("R2", [HUB])
    log = classic.console("R2", "show logging")
    events = re.findall(r"%(\S+): Interface Tunnel0, changed state to (.+)", log)
    assert events == [("LINK-5-CHANGED", "administratively down"), ("LINK-5-UPDOWN", "up")]
    assert re.search(r"NHRP_NHS_DOWN.*\n(.*\n)*.*NHRP_NHS_UP", log)


def requests_sent(lab: Lab, router: str) -> int:
    """Resolution requests, as `show ip nhrp traffic` counts them."""
    found = re.search(r"Sent: .*\n +(\d+) Resolution Request", lab.look(router, "show ip nhrp traffic"))
    assert found
    return int(found[1])


def test_a7_show_ip_nhrp(classic: Lab) -> None:
    classic.console("R2", "ping 192.168.0.4")
    classic.expect_up("R2", [HUB, "192.168.0.4"])
    screen = classic.console("R2", "show ip nhrp")
    assert re.search(
        r"^192\.168\.0\.4/32 via 192\.168\.0\.4\n"
        r"   Tunnel0 created 00:00:0\d, expire 01:59:5\d\n"
        r"   Type: dynamic, Flags: router \S.*\n"
        r"   NBMA address: 172\.16\.45\.2 \n",
        screen,
        re.MULTILINE,
    )
    assert re.search(
        r"^192\.168\.0\.1/32 via 192\.168\.0\.1\n"
        r"   Tunnel0 created 0\d:\d\d:\d\d, never expire \n"
        r"   Type: static, Flags: (used )?\n"
        r"   NBMA address: 172\.16\.15\.2 \n",
        screen,
        re.MULTILINE,
    )
    hub = classic.console("R1", "show ip nhrp 192.168.0.4")
    assert re.match(
        r"192\.168\.0\.4/32 via 192\.168\.0\.4\n"
        r"   Tunnel0 created 0\d:\d\d:\d\d, expire 0[12]:\d\d:\d\d\n"
        r"   Type: dynamic, Flags: unique registered .*\n"
        r"   NBMA address: 172\.16\.45\.2 \n",
        hub,
    )


def test_c8_a_key_on_one_side_only(classic: Lab) -> None:
    with classic.configured("R2", "interface Tunnel0\n tunnel key 77", "interface Tunnel0\n no tunnel key"):
        bump(classic, "R2")
        # Not up, on either side of the tunnel ...
        classic.expect_peers("R2", {HUB: ("172.16.15.2", "NHRP", "S")})
        assert re.search(r"^192\.168\.0\.1   E ", classic.console("R2", "show ip nhrp nhs"), re.MULTILINE)
        assert "Success rate is 0 percent (0/2)" in classic.console("R2", "ping 192.168.0.1 repeat 2 timeout 1")
        # ... counted at the hub ...
        queue = r"Input queue: 0/75/([1-9]\d*)/0 \(size/max/drops/flushes\)"
        until(lambda: re.search(queue, classic.look("R1", "show interfaces Tunnel0")), "R1 counts the drops")
        # ... and logged there, with the reason.
        refused = "%IOSISH-4-GRE_REFUSED: Tunnel0: packets from 172.16.25.2 are refused: key mismatch"
        until(lambda: refused in classic.look("R1", "show logging"), "R1 logs why")
        assert "Key 0x4D, sequencing disabled" in classic.console("R2", "show interfaces Tunnel0")
        # The others do not feel it.
        assert "(5/5)" in classic.console("R3", "ping 192.168.0.4")
        # The same key on the other side, and it is up.
        with classic.configured("R1", "interface Tunnel0\n tunnel key 77", "interface Tunnel0\n no tunnel key"):
            classic.expect_up("R2", [HUB])
            assert "(5/5)" in classic.console("R2", "ping 192.168.0.1")
    bump(classic, *SPOKES)


def test_c15_different_network_ids_are_no_obstacle(classic: Lab) -> None:
    try:
        for number, router in enumerate(("R1", *SPOKES), 101):
            classic.configure(router, f"interface Tunnel0\n ip nhrp network-id {number}")
        bump(classic, "R1", *SPOKES)
        classic.expect_up("R1", SPOKES.values())
        assert "ip nhrp network-id 104" in classic.console("R4", "show running-config interface Tunnel0")
        assert "(5/5)" in classic.console("R2", "ping 192.168.0.4")
        classic.expect_up("R2", [HUB, "192.168.0.4"])
    finally:
        for router in ("R1", *SPOKES):
            classic.configure(router, "interface Tunnel0\n ip nhrp network-id 1")


def test_c16_different_tunnel_numbers_on_hub_and_spokes(classic: Lab) -> None:
    numbers = {"R1": 100, "R2": 2, "R3": 0, "R4": 2147483647}
    tunnels = {router: tunnel_lines(classic, router) for router in numbers}
    try:
        for router, number in numbers.items():
            classic.configure(router, "no interface Tunnel0")
            classic.configure(router, "\n".join((f"interface Tunnel{number}", *tunnels[router][1:])))
        classic.expect_up("R1", SPOKES.values())
        assert "Interface: Tunnel100, IPv4 NHRP Details" in classic.console("R1", "show dmvpn")
        assert "(5/5)" in classic.console("R2", "ping 192.168.0.4")
        classic.expect_up("R2", [HUB, "192.168.0.4"])
        assert "   Tunnel2147483647 created " in classic.console("R4", "show ip nhrp 192.168.0.2")
    finally:
        for router, number in numbers.items():
            classic.configure(router, f"no interface Tunnel{number}")
            classic.configure(router, "\n".join(tunnels[router]))


def tunnel_lines(lab: Lab, router: str) -> list[str]:
    """The lines of Tunnel0, as `show running-config interface Tunnel0` has them."""
    lines = lab.console(router, "show running-config interface Tunnel0").split("\n")
    return [line for line in lines if line.startswith((" ", "interface"))]


@pytest.mark.parametrize(("line", "back"), [("shutdown", "no shutdown"), ("tunnel key 9", "no tunnel key")])
def test_a_spoke_that_leaves_says_so_by_the_tunnel_as_it_was(classic: Lab, line: str, back: str) -> None:
    """Holding times are two hours."""
    assert "(5/5)" in classic.console("R2", "ping 192.168.0.4")
    classic.expect_up("R4", [HUB, "192.168.0.2"])
    with classic.configured("R2", f"interface Tunnel0\n {line}", f"interface Tunnel0\n {back}"):
        classic.expect_up("R1", ["192.168.0.3", "192.168.0.4"])
        classic.expect_up("R4", [HUB])
    classic.expect_up("R1", SPOKES.values())
