"""`show crypto engine connections active` and `show crypto sockets`."""

from __future__ import annotations

from dataclasses import replace

from iosish.ike.state import IkeState
from iosish.show.crypto_engine import connections, sockets
from tests.show.crypto_routers import odd_branch, secured_hub
from tests.show.test_crypto_ipsec import shared

HUB = """\
Crypto Engine Connections

   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address
    1  IPsec   AES+SHA                   0       30       32 172.16.15.2
    2  IPsec   AES+SHA                  31        0        0 172.16.15.2
    3  IPsec   AES+SHA                   0       20       22 172.16.15.2
    4  IPsec   AES+SHA                  21        0        0 172.16.15.2
    5  IPsec   AES+SHA                   0       40       42 172.16.15.2
    6  IPsec   AES+SHA                  41        0        0 172.16.15.2
 1001  IKE     SHA+DES                   0        0        0 172.16.15.2
 1002  IKE     SHA+DES                   0        0        0 172.16.15.2
 1003  IKE     SHA+DES                   0        0        0 172.16.15.2
"""

BRANCH = """\
Crypto Engine Connections

   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address
   11  IPsec   AES256+SHA256             0     1000     1002 7.7.7.7
   12  IPsec   AES256+SHA256          1001        0        0 7.7.7.7
   13  IPsec   AES256+SHA256             0   449282   449290 7.7.7.7
   14  IPsec   AES256+SHA256        772730        0        0 7.7.7.7
   21  IPsec   AES-GCM256                0     1010     1012 7.7.7.7
   22  IPsec   AES-GCM256             1011        0        0 7.7.7.7
 2913  IKE     SHA256+AES256             0        0        0 7.7.7.7
"""

BRANCH_SOCKETS = """\

Number of Crypto Socket connections 3

   Tu2 Peers (local/remote): 203.0.113.7/203.0.113.9 
       Local Ident  (addr/mask/port/prot): (203.0.113.7/255.255.255.255/0/47)
       Remote Ident (addr/mask/port/prot): (203.0.113.9/255.255.255.255/0/47)
       IPSec Profile: "STRONG"
       Socket State: Closed
       Client: "TUNNEL SEC" (Client State: Active)
   Tu10 Peers (local/remote): 7.7.7.7/198.51.100.1 
       Local Ident  (addr/mask/port/prot): (7.7.7.7/255.255.255.255/0/47)
       Remote Ident (addr/mask/port/prot): (198.51.100.1/255.255.255.255/0/47)
       IPSec Profile: "STRONG"
       Socket State: Open
       Client: "TUNNEL SEC" (Client State: Active)
   Tu10 Peers (local/remote): 7.7.7.7/198.51.100.3 
       Local Ident  (addr/mask/port/prot): (7.7.7.7/255.255.255.255/0/47)
       Remote Ident (addr/mask/port/prot): (10.0.0.3/255.255.255.255/0/47)
       IPSec Profile: "STRONG"
       Socket State: Open
       Client: "TUNNEL SEC" (Client State: Active)
Crypto Sockets in Listen state:
Client: "TUNNEL SEC" Profile: "STRONG" Map-name: "Tunnel2-head-0"
Client: "TUNNEL SEC" Profile: "STRONG" Map-name: "Tunnel10-head-0"
"""  # noqa: W291 - IOS leaves blanks at the end of lines

SHARED_SOCKETS = """\

Number of Crypto Socket connections 1

   Shd Peers (local/remote): 172.16.25.2/172.16.15.2 
       Local Ident  (addr/mask/port/prot): (172.16.25.2/255.255.255.255/0/47)
       Remote Ident (addr/mask/port/prot): (172.16.15.2/255.255.255.255/0/47)
       Flags: shared
       IPSec Profile: "MyProfile"
       Socket State: Open
       Client: "TUNNEL SEC" (Client State: Active)
Crypto Sockets in Listen state:
Client: "TUNNEL SEC" Profile: "MyProfile" Map-name: "MyProfile-head-1"
"""  # noqa: W291 - IOS leaves blanks at the end of lines

NO_SOCKETS = """\

Number of Crypto Socket connections 0

Crypto Sockets in Listen state:
Client: "TUNNEL SEC" Profile: "MyProfile" Map-name: "Tunnel0-head-0"
"""


def test_each_sa_is_a_connection() -> None:
    assert connections(secured_hub()) == HUB


def test_a_configuration_of_12_4_gets_the_interface() -> None:
    router = secured_hub()
    lines = connections(replace(router, config=replace(router.config, version="12.4"))).splitlines()
    assert (lines[2], lines[3], lines[-1]) == (
        "   ID Interface  Type  Algorithm           Encrypt  Decrypt IP-Address",
        "    1 Tu0        IPsec AES+SHA                   0       30 172.16.15.2",
        " 1003 Tu0        IKE   SHA+DES                   0        0 172.16.15.2",
    )


def test_what_does_not_encrypt_is_no_connection() -> None:
    assert connections(odd_branch()) == BRANCH


def test_sockets_of_each_tunnel() -> None:
    assert sockets(odd_branch()) == BRANCH_SOCKETS


def test_a_shared_socket_is_one() -> None:
    assert sockets(shared()) == SHARED_SOCKETS


def test_a_protected_tunnel_listens_before_it_has_peers() -> None:
    assert sockets(replace(secured_hub(), ike=IkeState())) == NO_SOCKETS
