"""`debug` on running routers, as somebody at a console and somebody at a vty see it."""

from __future__ import annotations

from tests.live.lab import HUB, Lab, until
from tests.live.terminal import Terminal

STAMP = r"\*\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3}: "


def test_the_console_and_a_monitor_see_what_nhrp_does_until_undebug_all(classic: Lab) -> None:
    with Terminal(classic, "R1") as console, Terminal(classic, "R1") as vty:
        console.press("enable\rdebug nhrp packet\r")
        console.expect(r"NHRP activity debugging is on\nR1#$")
        vty.press("enable\rterminal monitor\rshow debugging\r")
        vty.expect(r"\nNHRP:\n  NHRP activity debugging is on\n\nR1#$")
        classic.configure("R2", "interface Tunnel0\n shutdown\n no shutdown")
        for terminal in (console, vty):
            terminal.expect(rf"\n{STAMP}NHRP: Receive Registration Request via Tunnel0 vrf 0, packet size: \d+\n")
            terminal.expect(rf"\n{STAMP}NHRP: Send Registration Reply via Tunnel0 vrf 0, packet size: \d+\n")
        classic.expect_up("R2", [HUB])
        vty.press("u all\r")
        vty.expect(r"u all\nAll possible debugging has been turned off\nR1#$")
    assert "NHRP: Send Registration Reply" in classic.look("R1", "show logging")
    assert classic.look("R1", "show debugging") == "\n"


def test_a_condition_leaves_only_what_is_about_one_spoke(classic: Lab) -> None:
    with classic.configured("R1", "logging buffered 100000", "default logging buffered"):
        classic.console("R1", "debug dmvpn condition peer tunnel 192.168.0.2", "debug dmvpn all nhrp")
        for spoke in ("R2", "R3"):
            classic.configure(spoke, "interface Tunnel0\n shutdown\n no shutdown")
            classic.expect_up(spoke, [HUB])
            classic.settle(spoke)
        classic.console("R1", "undebug all", "no debug dmvpn condition")
        log = classic.look("R1", "show logging")
    assert "NHRP: Adding Tunnel Endpoints (VPN: 192.168.0.2, NBMA: 172.16.25.2)\n" in log
    assert "     src NBMA: 172.16.25.2\n" in log
    assert "NHRP: Adding Tunnel Endpoints (VPN: 192.168.0.3" not in log and "src NBMA: 172.16.35.2" not in log
    assert classic.look("R1", "show debugging condition") == "% No conditions found\n"


def test_a_ping_of_the_routers_own_address_is_seen(classic: Lab) -> None:
    classic.console("R2", "clear logging", "debug ip icmp", "ping 192.168.0.2", "ping 172.16.25.2")

    def told() -> bool:
        log = classic.look("R2", "show logging")
        ends = ((verb, address) for verb in ("sent", "rcvd") for address in ("192.168.0.2", "172.16.25.2"))
        return all(log.count(f"ICMP: echo reply {verb}, src {own}, dst {own}, ") == 5 for verb, own in ends)

    until(told, "five replies, sent and received, of each address")
    classic.console("R2", "undebug all")
