"""What the router says of itself, its sessions, its neighbours and its tunnels' ends."""

from __future__ import annotations

from dataclasses import replace

import iosish
from iosish.config.model import Config, Interface, Logging, Timezone
from iosish.forwarding.tables import Tunnel
from iosish.show.adjacency import adjacency, gre_encapsulation
from iosish.show.arp import arp, dotted
from iosish.show.clock import clock
from iosish.show.debugging import crypto_conditions, debugging
from iosish.show.history import history
from iosish.show.hosts import hosts
from iosish.show.inventory import inventory
from iosish.show.logging import logging
from iosish.show.tunnel import endpoints
from iosish.show.users import users
from iosish.show.version import version
from iosish.snapshot import DebugCondition, Debugging, LogCounters
from tests.show.routers import branch, hub, ip, spoke

VERSION = f"""\
Cisco IOS Software, IOSISH Software (IOSISH-ADVENTERPRISEK9-M), Version 15.9(3)M, RELEASE SOFTWARE (fc1)
Copyright (c) 2026-2026 the iosish authors: not Cisco software, iosish {iosish.__version__} on Linux
Data plane is user
Kernel is Linux 6.1.0

ROM: none

R1 uptime is 1 hour, 8 minutes
System returned to ROM by power-on
System restarted at 17:49:08 UTC Wed Nov 4 2026
System image file is "flash:/iosish-{iosish.__version__}"
Last reload reason: power-on

cisco IOSISH (x86_64) processor (revision {iosish.__version__}) with 524288K/0K bytes of memory.
Processor board ID IOSISH4711
1 FastEthernet interface

Configuration register is 0x2102
"""

USERS = """\
    Line       User       Host(s)              Idle       Location
*  0 con 0                idle                 00:00:00   
   2 vty 0     admin      idle                 00:01:15   10.0.0.9

  Interface    User               Mode         Idle     Peer Address
"""  # noqa: W291 - IOS leaves blanks at the end of a line

ARP = """\
Protocol  Address          Age (min)  Hardware Addr   Type   Interface
Internet  203.0.113.1             1   0200.0000.0001  ARPA   GigabitEthernet0/1
Internet  203.0.113.7             -   0200.0000.0701  ARPA   GigabitEthernet0/1
Internet  203.0.113.88            0   Incomplete      ARPA   
"""  # noqa: W291 - IOS leaves blanks at the end of a line

ADJACENCY = """\
Protocol Interface                 Address
IP       FastEthernet0/0           172.16.15.1(2)
IP       Tunnel0                   192.168.0.2(1)
IP       Tunnel0                   192.168.0.3(1)
IP       Tunnel0                   192.168.0.4(1)
"""

ADJACENCY_DETAIL = """\
IP       Tunnel0                   192.168.0.4(1)
                                   epoch 0
                                   sourced in sev-epoch 0
                                   Encap length 24
                                   4500000000000000FF2F27AAAC100F02AC102D02
                                   00000800
                                   Tun endpt
                                   Next chain element:
                                     IP adj out of Tunnel0, addr 172.16.45.2
"""

ENDPOINTS = """\
 Tunnel0 running in multi-GRE/IP mode

 Endpoint transport 172.16.25.2 Refcount 2 Base 0x1 Create Time 00:57:47
   overlay 192.168.0.2 Refcount 1 Parent 0x1 Create Time 00:57:47
   Tunnel Subblocks:
     tunnel-nhrp-sb:
       NHRP subblock has 1 entries
"""

HOSTS = """\
Default domain is lab.example
Name/address lookup uses static mappings

Codes: UN - unknown, EX - expired, OK - OK, ?? - revalidate
       temp - temporary, perm - permanent
       NA - Not Applicable None - Not defined

Host                      Port  Flags      Age Type   Address(es)
hub                       None  (perm, OK)  0   IP    10.9.0.1
"""

LOGGING_HEAD = """\
Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns, xml disabled, \
filtering disabled)

No Active Message Discriminator.



No Inactive Message Discriminator.


"""
LOGGING_MIDDLE = """\
    Exception Logging: size (4096 bytes)
    Count and timestamp logging messages: disabled
    Persistent logging: disabled

No active filter modules.

"""
HUB_LOGGING = f"""\
{LOGGING_HEAD}\
    Console logging: level debugging, 9 messages logged, xml disabled,
                     filtering disabled
    Monitor logging: level debugging, 0 messages logged, xml disabled,
                     filtering disabled
    Buffer logging:  level debugging, 9 messages logged, xml disabled,
                    filtering disabled
{LOGGING_MIDDLE}\
    Trap logging: level informational, 8 message lines logged
        Logging Source-Interface:       VRF Name:

Log Buffer (4096 bytes):

*Nov  4 17:49:10.012: %LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up
Nov  4 18:03:09.005: %SYS-5-CONFIG_I: Configured from console by console
"""
BRANCH_LOGGING = f"""\
{LOGGING_HEAD.replace("0 messages", "5 messages", 1).replace("0 messages rate", "4711 messages rate")}\
    Console logging: disabled
    Monitor logging: level warnings, 2 messages logged, xml disabled,
                     filtering disabled
    Buffer logging:  level debugging, 13 messages logged, xml disabled,
                    filtering disabled
{LOGGING_MIDDLE}\
    Trap logging: level informational, 12 message lines logged
        Logging Source-Interface:       VRF Name:

Log Buffer (64000 bytes):

000011: Nov  4 18:57:38.347 UTC: %CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON
000012: Nov  4 18:57:38.347 UTC: ISAKMP: (0):Checking ISAKMP transform 1
000013: Nov  4 18:57:38.347 UTC: %SYS-5-CONFIG_I: Configured from console by cisco on vty0 (10.0.0.9)
"""
NO_LOGGING = f"""\
{LOGGING_HEAD.replace("enabled", "disabled", 1)}\
    Console logging: disabled
    Monitor logging: disabled
    Buffer logging:  disabled, xml disabled,
                    filtering disabled
{LOGGING_MIDDLE}\
    Trap logging: disabled
        Logging Source-Interface:       VRF Name:

"""
DEBUGGING = """\

NHRP:
  NHRP activity debugging is on

Cryptographic Subsystem:
  Crypto ISAKMP debugging is on
  Crypto IPSEC debugging is on

"""
CONDITIONS = """\
Crypto conditional debug currently is turned ON
IKE debug context unmatched flag: ON
IPsec debug context unmatched flag: ON

IKE peer IP address filters:
172.16.25.2
"""


def test_version() -> None:
    assert version(hub()) == VERSION


def test_version_counts_ports_but_no_subinterface() -> None:
    names = ("Ethernet0/0", "GigabitEthernet0/0", "GigabitEthernet0/1", "GigabitEthernet0/1.5", "Loopback0", "Tunnel0")
    config = Config(interfaces={name: Interface(name) for name in names})
    screen = version(replace(hub(), config=config))
    assert "\n1 Ethernet interface\n2 Gigabit Ethernet interfaces\n\nConf" in screen


def test_clock() -> None:
    assert clock(hub()) == "*18:57:38.347 UTC Wed Nov 4 2026\n"
    assert clock(spoke(), detail=True) == ("18:57:38.347 UTC Wed Nov 4 2026\nTime source is user configuration\n")
    config = Config(timezone=Timezone("CET", 1))
    assert clock(replace(hub(), config=config), detail=True) == (
        "*18:57:38.347 CET Wed Nov 4 2026\nTime source is hardware calendar\n"
    )


def test_users() -> None:
    assert users(hub()) == USERS


def test_history() -> None:
    assert history(hub()) == "  show dmvpn\n  show history\n"
    assert history(spoke()) == ""


def test_arp() -> None:
    assert arp(branch()) == ARP
    assert arp(branch(), address=ip("203.0.113.1")).count("Internet") == 1
    assert arp(branch(), interface="GigabitEthernet0/2") == ""


def test_a_mac_address_in_three_groups() -> None:
    assert dotted("AA:bb:cc:00:01:02") == "aabb.cc00.0102"
    assert dotted("nonsense") == "0000.0000.0000"


def test_adjacency() -> None:
    assert adjacency(hub()) == ADJACENCY
    assert adjacency(hub(), interface="FastEthernet0/0").count("IP ") == 1


def test_adjacency_detail_shows_the_octets_in_front() -> None:
    assert adjacency(hub(), detail=True).endswith(ADJACENCY_DETAIL)


def test_the_encapsulation_of_a_keyed_tunnel() -> None:
    tunnel = Tunnel("Tunnel0", ip("172.16.15.2"), key=0x64, tos=0xC0, ttl=64)
    octets = bytes.fromhex(gre_encapsulation(tunnel, ip("172.16.25.2")))
    header, gre = octets[:20], octets[20:]
    assert (header[1], header[8], header[9]) == (0xC0, 64, 47)
    words = sum(int.from_bytes(header[place : place + 2]) for place in range(0, 20, 2))
    assert words % 0xFFFF == 0  # RFC 791: the sum over a right header
    assert gre.hex() == "2000080000000064"


def test_tunnel_endpoints() -> None:
    assert endpoints(hub()).startswith(ENDPOINTS)
    assert endpoints(hub(), interface="Tunnel1") == ""


def test_hosts() -> None:
    config = replace(branch().config, domain_name="lab.example")
    assert hosts(replace(branch(), config=config)) == HOSTS
    assert hosts(hub()).startswith("Default domain is not set\n")


def test_logging() -> None:
    assert logging(replace(hub(), log_counters=LogCounters(console=9, buffer=9, trap=8))) == HUB_LOGGING


def test_logging_of_a_router_that_was_told_otherwise() -> None:
    assert logging(branch()) == BRANCH_LOGGING


def test_logging_that_is_switched_off() -> None:
    config = Config(logging=Logging(on=False, buffered=False, console=False, monitor=False, trap=False))
    assert logging(replace(hub(), config=config)) == NO_LOGGING


def test_debugging() -> None:
    assert debugging(hub()) == "\n"
    topics = frozenset({"crypto ipsec", "crypto isakmp", "nhrp packet"})
    assert debugging(replace(hub(), debugging=Debugging(topics))) == DEBUGGING
    condition = DebugCondition("crypto", "peer nbma", ip("172.16.25.2"))
    assert crypto_conditions(replace(hub(), debugging=Debugging(topics, (condition,)))) == CONDITIONS
    assert crypto_conditions(hub()).startswith("Crypto conditional debug currently is turned OFF\n")


def test_inventory() -> None:
    assert inventory(hub()) == (
        'NAME: "Chassis", DESCR: "iosish router shell on Linux (x86_64)"\n'
        f"PID: IOSISH            , VID: V{iosish.__version__:<3}, SN: IOSISH4711\n\n"
    )
