"""The `show ip nhrp` family."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from iosish.nhrp.state import NhrpState
from iosish.show.nhrp import multicast, nhrp, nhs, summary, traffic
from tests.show.routers import branch, hub, ip, spoke

SPOKE = """\
192.168.0.1/32 via 192.168.0.1
   Tunnel0 created 01:08:30, never expire 
   Type: static, Flags: used 
   NBMA address: 172.16.15.2 
192.168.0.2/32 via 192.168.0.2
   Tunnel0 created 00:00:03, expire 01:59:57
   Type: dynamic, Flags: router unique local 
   NBMA address: 172.16.25.2 
    (no-socket) 
192.168.0.4/32 via 192.168.0.4
   Tunnel0 created 00:00:03, expire 01:59:56
   Type: dynamic, Flags: router 
   NBMA address: 172.16.45.2 
"""  # noqa: W291 - IOS leaves blanks at the end of lines

LOCAL_DETAIL = """\
192.168.0.2/32 via 192.168.0.2
   Tunnel0 created 00:00:03, expire 01:59:57
   Type: dynamic, Flags: router unique local 
   NBMA address: 172.16.25.2 
   Preference: 255
    (no-socket) 
  Requester: 192.168.0.4 Request ID: 6
"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH = """\
10.9.0.1/32 via 10.9.0.1
   Tunnel10 created 2w1d, never expire 
   Type: static, Flags: used 
   NBMA address: 198.51.100.1 
10.9.0.3/32 via 10.9.0.3
   Tunnel10 created 1d02h, expire 00:01:30
   Type: dynamic, Flags: router used nhop rib 
   NBMA address: 198.51.100.3 
    (Claimed NBMA address: 10.0.0.3) 
10.9.0.4/32 via 10.9.0.4
   Tunnel10 created 00:10:00, never expire 
   Type: static, Flags: 
   NBMA address: 198.51.100.1 
10.9.0.99/32
   Tunnel10 created 00:00:20, expire 00:02:40
   Type: incomplete, Flags: negative 
"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRIEF = """\
   Target             Via            NBMA           Mode   Intfc   Claimed
         10.9.0.1/32 10.9.0.1        198.51.100.1    static   Tu10    <   >
         10.9.0.3/32 10.9.0.3        198.51.100.3    dynamic  Tu10    <10.0.0.3>
         10.9.0.4/32 10.9.0.4        198.51.100.1    static   Tu10    <   >
        10.9.0.99/32 -               -               incomple Tu10    <   >
"""

NHS = """\
Legend: E=Expecting replies, R=Responding, W=Waiting, D=Dynamic
Tunnel10:
10.9.0.1  RE  NBMA Address: 198.51.100.1 priority = 1 cluster = 2
10.9.0.2   E  priority = 0 cluster = 0
"""

REPLIED = "  req-sent 105434  req-failed 2  repl-recv 105432 (00:00:49 ago)"
NHS_DETAIL = f"""\
Legend: E=Expecting replies, R=Responding, W=Waiting, D=Dynamic
Tunnel10:
10.9.0.1  RE  NBMA Address: 198.51.100.1 priority = 1 cluster = 2{REPLIED}
 Current Request ID: 35914 (Ack: 35914)
 Protection Socket Requested: FALSE
10.9.0.2   E  priority = 0 cluster = 0  req-sent 6  req-failed 0  repl-recv 0
 Current Request ID: 35915
 Protection Socket Requested: FALSE


Pending Registration Requests:
Registration Request: Reqid 35915, Ret 64  NHS 10.9.0.2 expired (Tu10)
"""

TRAFFIC = """\
Tunnel0: Max-send limit:10000Pkts/10Sec, Usage:0%
   Sent: Total 5
         1 Resolution Request  1 Resolution Reply  3 Registration Request
         0 Registration Reply  0 Purge Request  0 Purge Reply
         0 Error Indication  0 Traffic Indication  0 Redirect Suppress
   Rcvd: Total 4
         1 Resolution Request  1 Resolution Reply  0 Registration Request
         2 Registration Reply  0 Purge Request  0 Purge Reply
         0 Error Indication  0 Traffic Indication  0 Redirect Suppress
"""

SUMMARY = """\
    2 static   1 dynamic    1 incomplete
4 Remote
    2 static   1 dynamic    1 incomplete
    1 nhop     0 bfd
    0 default  0 temporary
    1 route
        1 rib (1 H    0 nho)
        0 bgp
    0 lfib
0 Local
    0 static   0 dynamic    0 incomplete
    0 lfib
"""

MULTICAST = """\
  I/F     NBMA address
Tunnel0    172.16.25.2        Flags: dynamic          (Enabled) 
Tunnel0    172.16.35.2        Flags: dynamic          (Enabled) 
Tunnel0    172.16.45.2        Flags: dynamic          (Enabled) 
"""  # noqa: W291 - IOS leaves blanks at the end of lines


def test_a_spoke_after_its_ping() -> None:
    assert nhrp(spoke()) == SPOKE


def test_detail_adds_preference_and_who_asked() -> None:
    assert nhrp(spoke(), detail=True, target=ip("192.168.0.2")) == LOCAL_DETAIL


def test_nat_and_an_entry_that_is_only_asked_for() -> None:
    assert nhrp(branch()) == BRANCH


def test_brief() -> None:
    assert nhrp(branch(), brief=True) == BRIEF


def test_filters() -> None:
    router = branch()

    def targets(kind: str) -> list[str]:
        screen = nhrp(router, static=kind == "static", dynamic=kind == "dynamic", incomplete=kind == "incomplete")
        return [line.split("/")[0] for line in screen.splitlines() if not line.startswith(" ")]

    assert targets("static") == ["10.9.0.1", "10.9.0.4"]
    assert targets("dynamic") == ["10.9.0.3"]
    assert targets("incomplete") == ["10.9.0.99"]
    assert nhrp(router, target=IPv4Network("10.9.0.0/30")).count(" via ") == 2
    assert nhrp(router, target=ip("10.9.0.200")) == ""
    assert nhrp(router, interface="Tunnel9") == ""


def test_nhs() -> None:
    assert nhs(branch()) == NHS
    assert nhs(branch(), detail=True) == NHS_DETAIL


def test_a_hub_has_no_nhs_to_show() -> None:
    assert nhs(hub()) == ""


def test_two_tunnels_with_servers_are_apart() -> None:
    tunnel = spoke().nhrp.interfaces["Tunnel0"]
    both = NhrpState({"Tunnel5": replace(tunnel, name="Tunnel5"), "Tunnel0": tunnel})
    server = "192.168.0.1  RE  NBMA Address: 172.16.15.2 priority = 0 cluster = 0"
    assert nhs(replace(spoke(), nhrp=both)).splitlines()[1:] == ["Tunnel0:", server, "", "Tunnel5:", server]


def test_traffic() -> None:
    assert traffic(spoke()) == TRAFFIC
    assert traffic(spoke(), interface="Tunnel1") == ""


def test_traffic_tells_what_was_refused_and_why() -> None:
    assert traffic(branch()).endswith("   Refused: Total 3\n         2 authentication mismatch\n         1 loop\n")


def test_summary() -> None:
    first, rest = summary(branch()).split("\n", 1)
    assert rest == SUMMARY
    words = first.split()
    assert words[:5] == ["IP", "NHRP", "cache", "4", "entries,"]
    assert int(words[5]) > 0
    assert summary(replace(hub(), nhrp=NhrpState())).startswith("IP NHRP cache 0 entries, 0 bytes\n")


def test_summary_of_one_entry() -> None:
    tunnel = hub().nhrp.interfaces["Tunnel0"]
    one = replace(hub(), nhrp=NhrpState({"Tunnel0": replace(tunnel, entries=tunnel.entries[:1])}))
    assert summary(one).startswith("IP NHRP cache 1 entry, ")


def test_multicast() -> None:
    assert multicast(hub()) == MULTICAST
