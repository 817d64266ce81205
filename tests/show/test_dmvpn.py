"""`show dmvpn`: the screens of the classic lab, and the shapes a row can take."""

from __future__ import annotations

from dataclasses import replace

from iosish.nhrp.state import CacheEntry, NhrpState
from iosish.show.dmvpn import dmvpn
from iosish.snapshot import Snapshot
from tests.show.routers import NOW, ago, branch, host, hub, ip, spoke, spoke_entry

LEGEND = """\
Legend: Attrb --> S - Static, D - Dynamic, I - Incomplete
        N - NATed, L - Local, X - No Socket
        T1 - Route Installed, T2 - Nexthop-override
        C - CTS Capable
        # Ent --> Number of NHRP entries with same NBMA peer
        NHS Status: E --> Expecting Replies, R --> Responding, W --> Waiting
        UpDn Time --> Up or Down Time for a Tunnel
==========================================================================
"""

HUB = (
    LEGEND
    + """
Interface: Tunnel0, IPv4 NHRP Details 
Type:Hub, NHRP Peers:3, 

 # Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb
 ----- --------------- --------------- ----- -------- -----
     1 172.16.25.2         192.168.0.2    UP 00:57:47     D
     1 172.16.35.2         192.168.0.3    UP 00:45:56     D
     1 172.16.45.2         192.168.0.4    UP 00:45:46     D

"""  # noqa: W291 - IOS leaves blanks at the end of two lines
)

SPOKE = (
    LEGEND
    + """
Interface: Tunnel0, IPv4 NHRP Details 
Type:Spoke, NHRP Peers:2, 

 # Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb
 ----- --------------- --------------- ----- -------- -----
     1 172.16.15.2         192.168.0.1    UP 01:08:27     S
     1 172.16.45.2         192.168.0.4    UP 00:00:03     D

"""  # noqa: W291 - IOS leaves blanks at the end of two lines
)

HUB_12 = """\
Legend: Attrb --> S - Static, D - Dynamic, I - Incomplete
        N - NATed, L - Local, X - No Socket
        # Ent --> Number of NHRP entries with same NBMA peer

Tunnel0, Type:Hub, NHRP Peers:3, 
 # Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb
 ----- --------------- --------------- ----- -------- -----
     1     172.16.25.2     192.168.0.2    UP 00:57:47 D    
     1     172.16.35.2     192.168.0.3    UP 00:45:56 D    
     1     172.16.45.2     192.168.0.4    UP 00:45:46 D    

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH_DETAIL = (
    LEGEND
    + """\
Tunnel31 is admin down

Interface Tunnel10 is up/up, Addr. is 10.9.0.7, VRF "RED" 
   Tunnel Src./Dest. addr: 7.7.7.7/MGRE, Tunnel VRF ""
   Protocol/Transport: "multi-GRE/IP", Protect "" 
   Interface State Control: Disabled
   nhrp event-publisher : Disabled

IPv4 NHS:
10.9.0.1  RE priority = 1 cluster = 2
10.9.0.2   E priority = 0 cluster = 0
Type:Hub/Spoke, Total NBMA Peers (v4/v6): 3

# Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb    Target Network
----- --------------- --------------- ----- -------- ----- -----------------
    2 198.51.100.1           10.9.0.1    UP     2w1d     S        10.9.0.1/32
                             10.9.0.4  NHRP 00:00:30     S        10.9.0.4/32
    1 198.51.100.3           10.9.0.3    UP    1d02h  DNT1        10.9.0.3/32
    1 UNKNOWN               10.9.0.99  NHRP    never    IX       10.9.0.99/32

          
Crypto Session Details: 
--------------------------------------------------------------------------------

Pending DMVPN Sessions:

"""  # noqa: W291, W293 - IOS leaves blanks at the end of lines
)


def rows(screen: str) -> list[str]:
    """What stands below the columns."""
    lines = screen.splitlines()
    last = max(number for number, line in enumerate(lines) if line.lstrip().startswith("-----"))
    return [line for line in lines[last + 1 :] if line]


def with_entries(snapshot: Snapshot, *entries: CacheEntry) -> Snapshot:
    tunnel = replace(snapshot.nhrp.interfaces["Tunnel0"], entries=entries)
    return replace(snapshot, nhrp=NhrpState({"Tunnel0": tunnel}))


def test_the_hub_lists_its_three_spokes() -> None:
    assert dmvpn(hub()) == HUB


def test_a_spoke_lists_its_hub_and_the_spoke_it_pinged_but_not_itself() -> None:
    assert dmvpn(spoke()) == SPOKE


def test_a_configuration_of_12_4_gets_the_table_of_12_4() -> None:
    router = hub()
    assert dmvpn(replace(router, config=replace(router.config, version="12.4"))) == HUB_12


def test_detail_is_a_format_of_its_own() -> None:
    assert dmvpn(branch(), detail=True) == BRANCH_DETAIL


def test_addresses_behind_one_peer_stand_under_it() -> None:
    assert rows(dmvpn(branch())) == [
        "     2 198.51.100.1           10.9.0.1    UP     2w1d     S",
        "                              10.9.0.4  NHRP 00:00:30     S",
        "     1 198.51.100.3           10.9.0.3    UP    1d02h  DNT1",
        "     1 UNKNOWN               10.9.0.99  NHRP    never    IX",
    ]


def test_a_shut_tunnel_is_named_below_the_legend() -> None:
    assert f"{LEGEND}Tunnel31 is admin down\n\nInterface: Tunnel10," in dmvpn(branch())
    assert "Tunnel31" not in dmvpn(branch(), interface="Tunnel10")


def test_a_shortcut_shows_its_override_and_its_route() -> None:
    """Sample: a phase 3 spoke with DT2 for the network behind the peer and DT1 for the peer itself."""
    override = replace(
        spoke_entry(3, "00:00:05", flags=("router", "rib", "nho")),
        target=host("10.0.3.0/24"),
    )
    route = spoke_entry(3, "00:00:05", flags=("router", "nhop", "rib"))
    assert rows(dmvpn(with_entries(hub(), route, override))) == [
        "     2 172.16.35.2         192.168.0.3    UP 00:00:05   DT2",
        "                           192.168.0.3    UP 00:00:05   DT1",
    ]


def test_no_socket() -> None:
    assert rows(dmvpn(with_entries(hub(), spoke_entry(3, "00:00:05", flags=("no-socket",))))) == [
        "     1 172.16.35.2         192.168.0.3    UP 00:00:05    DX",
    ]


def test_filters() -> None:
    router = branch()
    assert len(rows(dmvpn(router, static=True))) == 2
    assert rows(dmvpn(router, dynamic=True)) == ["     1 198.51.100.3           10.9.0.3    UP    1d02h  DNT1"]
    assert rows(dmvpn(router, nbma=ip("198.51.100.3"))) == rows(dmvpn(router, dynamic=True))
    assert rows(dmvpn(router, tunnel=ip("10.9.0.4"))) == ["     1 198.51.100.1           10.9.0.4  NHRP 00:00:30     S"]
    assert dmvpn(hub(), nbma=ip("10.1.1.1")) == LEGEND + "\n"


def test_nothing_but_the_legend_without_a_tunnel() -> None:
    assert dmvpn(replace(hub(), nhrp=NhrpState())) == LEGEND + "\n"


def test_a_hub_that_nobody_registered_with_is_still_a_hub() -> None:
    screen = dmvpn(with_entries(hub()))
    assert "Type:Hub, NHRP Peers:0, \n" in screen
    assert rows(screen) == []


def test_a_thousand_registrations() -> None:
    entries = tuple(
        CacheEntry(
            target=host(f"10.{number // 250}.{number % 250}.1/32"),
            via=ip(f"10.{number // 250}.{number % 250}.1"),
            nbma=ip(f"172.20.{number // 250}.{number % 250}"),
            kind="dynamic",
            flags=("unique", "registered"),
            created_at=NOW - number,
            expires_at=NOW + 7200,
            up=True,
            changed_at=ago("00:01:00"),
        )
        for number in range(1000)
    )
    screen = dmvpn(with_entries(hub(), *reversed(entries)))
    assert "NHRP Peers:1000, " in screen
    assert len(rows(screen)) == 1000
    assert rows(screen)[0] == "     1 172.20.0.0             10.0.0.1    UP 00:01:00     D"


def test_a_peer_without_an_sa_waits_for_ike_and_one_that_does_not_answer_for_nhrp() -> None:
    """Samples: `1 172.29.0.1 172.30.90.1 IKE 3w5d S` and `1 172.30.84.1 172.29.0.1 NHRP never SC`."""
    waiting = replace(spoke_entry(3, "00:00:05"), up=False, changed_at=None, secured=False)
    silent = replace(spoke_entry(4, "00:00:30"), up=False)
    assert rows(dmvpn(with_entries(spoke(), waiting, silent))) == [
        "     1 172.16.35.2         192.168.0.3   IKE    never     D",
        "     1 172.16.45.2         192.168.0.4  NHRP 00:00:30     D",
    ]
