"""`show crypto session`, and the crypto part of `show dmvpn detail`."""

from __future__ import annotations

from dataclasses import replace

from iosish.ike.state import IkeState
from iosish.nhrp.state import NhrpState
from iosish.show.crypto_session import session
from iosish.show.dmvpn import dmvpn
from iosish.show.nhrp import nhs
from tests.show.crypto_routers import attempt, isakmp_sa, odd_branch, secured_hub, secured_spoke
from tests.show.routers import ip

SPOKE = """\
Crypto session current status

Interface: Tunnel0
Session status: UP-ACTIVE     
Peer: 172.16.15.2 port 500 
  Session ID: 0  
  IKEv1 SA: local 172.16.25.2/500 remote 172.16.15.2/500 Active 
  IPSEC FLOW: permit 47 host 172.16.25.2 host 172.16.15.2 
        Active SAs: 2, origin: crypto map

"""  # noqa: W291 - IOS leaves blanks at the end of lines

SPOKE_DETAIL = """\
Crypto session current status

Code: C - IKE Configuration mode, D - Dead Peer Detection     
K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     
X - IKE Extended Authentication, F - IKE Fragmentation
R - IKE Auto Reconnect, U - IKE Dynamic Route Update
S - SIP VPN

Interface: Tunnel0
Uptime: 00:02:28
Session status: UP-ACTIVE     
Peer: 172.16.15.2 port 500 fvrf: (none) ivrf: (none)
      Phase1_id: 172.16.15.2
      Desc: (none)
  Session ID: 0  
  IKEv1 SA: local 172.16.25.2/500 remote 172.16.15.2/500 Active 
          Capabilities:D connid:1001 lifetime:23:57:32
  IPSEC FLOW: permit 47 host 172.16.25.2 host 172.16.15.2 
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 20 drop 0 life (KB/Sec) 4607998/3452
        Outbound: #pkts enc'ed 21 drop 0 life (KB/Sec) 4607998/3452

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH = """\
Crypto session current status

Interface: Tunnel2
Session status: DOWN-NEGOTIATING
Peer: 203.0.113.9 port 500 
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.9/500 Inactive 
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.9/500 Inactive 
  IPSEC FLOW: permit 47 host 203.0.113.7 host 203.0.113.9 
        Active SAs: 0, origin: crypto map

Interface: Tunnel10
Profile: HUB
Session status: UP-ACTIVE     
Peer: 198.51.100.1 port 4500 
  Session ID: 0  
  IKEv1 SA: local 7.7.7.7/4500 remote 198.51.100.1/4500 Active 
  Session ID: 0  
  IKEv1 SA: local 7.7.7.7/500 remote 198.51.100.1/500 Inactive 
  IPSEC FLOW: permit 47 host 7.7.7.7 host 198.51.100.1 
        Active SAs: 4, origin: crypto map

Interface: Tunnel10
Session status: UP-NO-IKE     
Peer: 198.51.100.3 port 500 
  IPSEC FLOW: permit 47 host 7.7.7.7 host 10.0.0.3 
        Active SAs: 2, origin: crypto map

Interface: Tunnel2
Session status: DOWN-NEGOTIATING
Peer: 203.0.113.66 port 500 
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.66/500 Inactive 

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH_DETAIL = """\
Interface: Tunnel2
Session status: DOWN-NEGOTIATING
Peer: 203.0.113.9 port 500 fvrf: (none) ivrf: (none)
      Desc: (none)
      Phase1_id: (none)
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.9/500 Inactive 
          Capabilities:(none) connid:0 lifetime:0
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.9/500 Inactive 
          Capabilities:(none) connid:0 lifetime:0
  IPSEC FLOW: permit 47 host 203.0.113.7 host 203.0.113.9 
        Active SAs: 0, origin: crypto map
        Inbound:  #pkts dec'ed 0 drop 0 life (KB/Sec) 0/0
        Outbound: #pkts enc'ed 0 drop 0 life (KB/Sec) 0/0

Interface: Tunnel10
Profile: HUB
Uptime: 2w1d
Session status: UP-ACTIVE     
Peer: 198.51.100.1 port 4500 fvrf: (none) ivrf: RED
      Phase1_id: hub.example.net
      Desc: (none)
  Session ID: 0  
  IKEv1 SA: local 7.7.7.7/4500 remote 198.51.100.1/4500 Active 
          Capabilities:DN connid:2913 lifetime:09:03:41
  Session ID: 0  
  IKEv1 SA: local 7.7.7.7/500 remote 198.51.100.1/500 Inactive 
          Capabilities:(none) connid:2912 lifetime:0
  IPSEC FLOW: permit 47 host 7.7.7.7 host 198.51.100.1 
        Active SAs: 4, origin: crypto map
        Inbound:  #pkts dec'ed 450282 drop 10 life (KB/Sec) 4271086/3452
        Outbound: #pkts enc'ed 773731 drop 5 life (KB/Sec) 0/3452

Interface: Tunnel10
Uptime: 1d02h
Session status: UP-NO-IKE     
Peer: 198.51.100.3 port 500 fvrf: (none) ivrf: RED
      Desc: (none)
      Phase1_id: (none)
  IPSEC FLOW: permit 47 host 7.7.7.7 host 10.0.0.3 
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 1010 drop 0 life (KB/Sec) KB Vol Rekey Disabled/3452
        Outbound: #pkts enc'ed 1011 drop 0 life (KB/Sec) KB Vol Rekey Disabled/3452

Interface: Tunnel2
Session status: DOWN-NEGOTIATING
Peer: 203.0.113.66 port 500 fvrf: (none) ivrf: (none)
      Desc: (none)
      Phase1_id: (none)
  Session ID: 0  
  IKEv1 SA: local 203.0.113.7/500 remote 203.0.113.66/500 Inactive 
          Capabilities:(none) connid:0 lifetime:0

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH_BRIEF = """\
Status: A- Active, U - Up, D - Down, I - Idle, S - Standby, N - Negotiating 
        K - No IKE
ivrf = (none)
Peer            I/F          Username        Group/Phase1_id          Uptime   Status
203.0.113.9     Tu2                                                            DN
198.51.100.1    Tu10                         hub.example.net          2w1d     UA
198.51.100.3    Tu10                                                  1d02h    UK
203.0.113.66    Tu2                                                            DN
"""  # noqa: W291 - IOS leaves blanks at the end of lines

SPOKE_12 = """\
Crypto session current status

Interface: Tunnel0
Session status: UP-ACTIVE     
Peer: 172.16.15.2 port 500 
  IKE SA: local 172.16.25.2/500 remote 172.16.15.2/500 Active 
  IPSEC FLOW: permit 47 host 172.16.25.2 host 172.16.15.2 
        Active SAs: 2, origin: crypto map

"""  # noqa: W291 - IOS leaves blanks at the end of lines

SPOKE_DMVPN = """\
Interface Tunnel0 is up/down, Addr. is 192.168.0.2, VRF "" 
   Tunnel Src./Dest. addr: 172.16.25.2/MGRE, Tunnel VRF ""
   Protocol/Transport: "multi-GRE/IP", Protect "MyProfile" 
   Interface State Control: Disabled
   nhrp event-publisher : Disabled

IPv4 NHS:
192.168.0.1  RE priority = 0 cluster = 0
Type:Spoke, Total NBMA Peers (v4/v6): 2

# Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb    Target Network
----- --------------- --------------- ----- -------- ----- -----------------
    1 172.16.15.2         192.168.0.1    UP 01:08:27     S     192.168.0.1/32
    1 172.16.45.2         192.168.0.4    UP 00:00:03     D     192.168.0.4/32

          
Crypto Session Details: 
--------------------------------------------------------------------------------

Interface: Tunnel0
Session: [0xAC100F02]
  Session ID: 0  
  IKEv1 SA: local 172.16.25.2/500 remote 172.16.15.2/500 Active 
          Capabilities:D connid:1001 lifetime:23:57:32
  Crypto Session Status: UP-ACTIVE     
  fvrf: (none),\tPhase1_id: 172.16.15.2
  IPSEC FLOW: permit 47 host 172.16.25.2 host 172.16.15.2 
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 20 drop 0 life (KB/Sec) 4607998/3452
        Outbound: #pkts enc'ed 21 drop 0 life (KB/Sec) 4607998/3452
   Outbound SPI : 0x 8DD9D24, transform : esp-aes esp-sha-hmac 
    Socket State: Open

Pending DMVPN Sessions:

"""  # noqa: W291, W293 - IOS leaves blanks at the end of lines

NO_IKE_DMVPN = """\
Interface: Tunnel10
Session: [0xC6336403]
  Crypto Session Status: UP-NO-IKE     
  fvrf: (none),\t  IPSEC FLOW: permit 47 host 7.7.7.7 host 10.0.0.3 
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 1010 drop 0 life (KB/Sec) KB Vol Rekey Disabled/3452
        Outbound: #pkts enc'ed 1011 drop 0 life (KB/Sec) KB Vol Rekey Disabled/3452
   Outbound SPI : 0x 623029E, transform : esp-gcm 256 
    Socket State: Open

Pending DMVPN Sessions:

"""  # noqa: W291 - IOS leaves blanks at the end of lines


def test_a_spoke_has_a_session_with_its_hub() -> None:
    assert session(secured_spoke()) == SPOKE


def test_detail_adds_what_went_through_and_what_is_left() -> None:
    assert session(secured_spoke(), detail=True) == SPOKE_DETAIL


def test_all_states_a_session_can_have() -> None:
    assert session(odd_branch()) == BRANCH
    assert BRANCH_DETAIL in session(odd_branch(), detail=True)


def test_brief() -> None:
    assert session(odd_branch(), brief=True) == BRANCH_BRIEF


def test_a_configuration_of_12_4_knows_one_ike() -> None:
    router = secured_spoke()
    assert session(replace(router, config=replace(router.config, version="12.4"))) == SPOKE_12


def test_one_peer_one_end_or_one_interface() -> None:
    hub = secured_hub()
    assert peers(session(hub, remote=ip("172.16.35.2"))) == ["172.16.35.2"]
    assert peers(session(hub, local=ip("172.16.15.2"))) == ["172.16.25.2", "172.16.35.2", "172.16.45.2"]
    assert peers(session(odd_branch(), interface="Tunnel2")) == ["203.0.113.9", "203.0.113.66"]
    assert session(hub, remote=ip("10.0.0.1"), detail=True).endswith("S - SIP VPN\n\n")


def peers(screen: str) -> list[str]:
    return [line.split()[1] for line in screen.splitlines() if line.startswith("Peer: ")]


def test_phase_1_alone_is_idle_once_it_is_up() -> None:
    isakmp = (isakmp_sa(1001, "172.16.15.2", "172.16.25.2"), attempt("172.16.15.2", "172.16.35.2", "MM_SA_SETUP"))
    screen = session(replace(secured_hub(), ike=IkeState(isakmp)))
    statuses = [line for line in screen.splitlines() if line.startswith(("Interface", "Session status"))]
    assert statuses == [
        "Interface: Tunnel0",
        "Session status: UP-IDLE       ",
        "Interface: Tunnel0",
        "Session status: DOWN-NEGOTIATING",
    ]
    assert "IPSEC FLOW" not in screen


def test_no_session_at_all() -> None:
    assert session(replace(secured_hub(), ike=IkeState())) == "Crypto session current status\n\n"


def test_dmvpn_detail_ends_with_the_sessions_of_its_tunnels() -> None:
    assert dmvpn(secured_spoke(), detail=True).endswith(SPOKE_DMVPN)
    assert dmvpn(odd_branch(), detail=True).endswith(NO_IKE_DMVPN)


def test_dmvpn_detail_of_one_peer_has_its_session_alone() -> None:
    screen = dmvpn(secured_hub(), detail=True, nbma=ip("172.16.35.2"))
    assert [line for line in screen.splitlines() if "IPSEC FLOW" in line] == [
        "  IPSEC FLOW: permit 47 host 172.16.15.2 host 172.16.35.2 "
    ]


def test_a_peer_without_an_sa_is_in_ike_then_in_ipsec() -> None:
    hub = secured_hub()
    state = hub.nhrp.interfaces["Tunnel0"]
    entries = tuple(replace(entry, secured=entry.nbma == ip("172.16.45.2"), up=False) for entry in state.entries)
    isakmp = (isakmp_sa(1001, "172.16.15.2", "172.16.25.2"), attempt("172.16.15.2", "172.16.35.2", "MM_KEY_EXCH"))
    screen = dmvpn(
        replace(hub, nhrp=NhrpState({"Tunnel0": replace(state, entries=entries)}), ike=IkeState(isakmp=isakmp))
    )
    assert [line.split()[1:4] for line in screen.splitlines()[-4:-1]] == [
        ["172.16.25.2", "192.168.0.2", "IPSEC"],
        ["172.16.35.2", "192.168.0.3", "IKE"],
        ["172.16.45.2", "192.168.0.4", "NHRP"],
    ]


def test_a_protected_server_is_asked_by_a_socket() -> None:
    assert " Protection Socket Requested: TRUE\n" in nhs(secured_spoke(), detail=True)
