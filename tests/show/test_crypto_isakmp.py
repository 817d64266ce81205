"""`show crypto isakmp sa` and `peers`: phase 1 of the classic lab, and the shapes a row can take."""

from __future__ import annotations

from dataclasses import replace

from iosish.ike.state import IkeState
from iosish.show.crypto_isakmp import peers, sa
from tests.show.crypto_routers import attempt, odd_branch, secured_hub, secured_spoke

HUB = """\
IPv4 Crypto ISAKMP SA
dst             src             state          conn-id status
172.16.15.2     172.16.25.2     QM_IDLE           1002 ACTIVE
172.16.15.2     172.16.35.2     QM_IDLE           1001 ACTIVE
172.16.15.2     172.16.45.2     QM_IDLE           1003 ACTIVE

IPv6 Crypto ISAKMP SA

"""

#: The article's own screen.
HUB_12 = """\
dst             src             state          conn-id slot status
172.16.15.2     172.16.25.2     QM_IDLE           1002    0 ACTIVE
172.16.15.2     172.16.35.2     QM_IDLE           1001    0 ACTIVE
172.16.15.2     172.16.45.2     QM_IDLE           1003    0 ACTIVE
"""

SPOKE_DETAIL = """\
Codes: C - IKE configuration mode, D - Dead Peer Detection
       K - Keepalives, N - NAT-traversal
       T - cTCP encapsulation, X - IKE Extended Authentication
       psk - Preshared key, rsig - RSA signature
       renc - RSA encryption
IPv4 Crypto ISAKMP SA

C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.

1001  172.16.25.2     172.16.15.2            ACTIVE des  sha    psk  1  23:57:32 D   
       Engine-id:Conn-id =  SW:1

IPv6 Crypto ISAKMP SA

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH = """\
IPv4 Crypto ISAKMP SA
dst             src             state          conn-id status
198.51.100.1    7.7.7.7         QM_IDLE           2913 ACTIVE HUB
7.7.7.7         198.51.100.1    MM_NO_STATE       2912 ACTIVE (deleted)
203.0.113.9     203.0.113.7     MM_KEY_EXCH          0 ACTIVE
203.0.113.7     203.0.113.9     MM_NO_STATE          0 ACTIVE (deleted)
203.0.113.66    203.0.113.7     MM_NO_STATE          0 ACTIVE

IPv6 Crypto ISAKMP SA

"""

BRANCH_DETAIL = """\
Codes: C - IKE configuration mode, D - Dead Peer Detection
       K - Keepalives, N - NAT-traversal
       T - cTCP encapsulation, X - IKE Extended Authentication
       psk - Preshared key, rsig - RSA signature
       renc - RSA encryption
IPv4 Crypto ISAKMP SA

C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.

2913  7.7.7.7         198.51.100.1           ACTIVE aes  sha256 psk  14 09:03:41 DN  
       Engine-id:Conn-id =  SW:1913

2912  7.7.7.7         198.51.100.1           ACTIVE des  sha    psk  1  0            
       Engine-id:Conn-id =  SW:1912 (deleted)

0     203.0.113.7     203.0.113.9            ACTIVE                  0  0            
       Engine-id:Conn-id =  ???

0     203.0.113.7     203.0.113.9            ACTIVE des  sha    psk  1  0            
       Engine-id:Conn-id =  ??? (deleted)

0     203.0.113.7     203.0.113.66           ACTIVE                  0  0            
       Engine-id:Conn-id =  ???

IPv6 Crypto ISAKMP SA

"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRANCH_COUNT = """\
Active ISAKMP SA's: 1

Standby ISAKMP SA's: 0

Currently being negotiated ISAKMP SA's: 2

Dead ISAKMP SA's: 2
"""

BRANCH_PEERS = """\
Peer: 198.51.100.1 Port: 4500 Local: 7.7.7.7
 Phase1 id: hub.example.net
Peer: 203.0.113.9 Port: 500 Local: 203.0.113.7
Peer: 203.0.113.66 Port: 500 Local: 203.0.113.7
"""

EMPTY = """\
IPv4 Crypto ISAKMP SA
dst             src             state          conn-id status

IPv6 Crypto ISAKMP SA

"""


def test_the_hub_is_the_responder_of_its_spokes() -> None:
    assert sa(secured_hub()) == HUB


def test_a_configuration_of_12_4_gets_the_slot_and_no_ipv6() -> None:
    router = secured_hub()
    assert sa(replace(router, config=replace(router.config, version="12.4"))) == HUB_12


def test_detail_says_what_was_agreed() -> None:
    assert sa(secured_spoke(), detail=True) == SPOKE_DETAIL


def test_what_is_deleted_stands_below_what_replaced_it_and_an_attempt_has_no_number() -> None:
    assert sa(odd_branch()) == BRANCH
    assert sa(odd_branch(), detail=True) == BRANCH_DETAIL


def test_states_while_main_mode_runs() -> None:
    for state in ("MM_NO_STATE", "MM_SA_SETUP", "MM_KEY_EXCH", "MM_KEY_AUTH", "AG_INIT_EXCH"):
        router = replace(secured_hub(), ike=IkeState((attempt("172.16.25.2", "172.16.15.2", state),)))
        assert sa(router).splitlines()[2] == f"172.16.15.2     172.16.25.2     {state:<14}       0 ACTIVE"


def test_count_tells_live_from_dead() -> None:
    assert sa(odd_branch(), count=True) == BRANCH_COUNT


def test_active_has_the_slot_that_ha_counts_by_and_nothing_is_on_standby() -> None:
    assert sa(secured_spoke(), active=True).splitlines()[1:3] == [
        "dst             src             state          conn-id slot status",
        "172.16.15.2     172.16.25.2     QM_IDLE           1001    0 ACTIVE",
    ]
    assert "(deleted)" not in sa(odd_branch(), active=True)
    assert "QM_IDLE" not in sa(secured_hub(), standby=True)


def test_nat_and_vrf_choose() -> None:
    assert [line.split()[0] for line in sa(odd_branch(), nat=True).splitlines()[2:3]] == ["198.51.100.1"]
    assert "203.0.113" not in sa(odd_branch(), nat=True)
    assert sa(secured_hub(), vrf="RED") == EMPTY


def test_the_headings_stand_without_any_sa() -> None:
    assert sa(replace(secured_hub(), ike=IkeState())) == EMPTY


def test_peers_are_listed_once_with_what_they_call_themselves() -> None:
    assert peers(odd_branch()) == BRANCH_PEERS
    assert peers(odd_branch(), secured_hub().ike.isakmp[0].peer) == ""
    one = secured_hub().ike.isakmp[0].peer
    assert peers(secured_hub(), one) == "Peer: 172.16.25.2 Port: 500 Local: 172.16.15.2\n Phase1 id: 172.16.25.2\n"
