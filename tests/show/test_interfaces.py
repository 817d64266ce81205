"""`show interfaces`, `show ip interface` and their short forms."""

from __future__ import annotations

from dataclasses import replace

from iosish.config.model import Config, Interface, Kept, KeptKey, Protection, TunnelSettings
from iosish.show.interfaces import description, interfaces
from iosish.show.ip_interface import brief, ip_interface
from iosish.snapshot import InterfaceState, Snapshot
from tests.show.routers import branch, hub, ip, spoke

PORT = """\
FastEthernet0/0 is up, line protocol is up 
  Hardware is Linux network device, address is aabb.cc00.0100 (bia aabb.cc00.0100)
  Internet address is 172.16.15.2/30
  MTU 1500 bytes, BW 100000 Kbit/sec, DLY 100 usec, 
     reliability 255/255, txload 1/255, rxload 1/255
  Encapsulation ARPA, loopback not set
  Keepalive not set
  Full-duplex, 100Mb/s, media type is virtual
  ARP type: ARPA, ARP Timeout 04:00:00
  Last input 00:00:02, output 00:00:01, output hang never
  Last clearing of "show interface" counters never
  Input queue: 0/75/0/0 (size/max/drops/flushes); Total output drops: 3
  Queueing strategy: fifo
  Output queue: 0/40 (size/max)
  5 minute input rate 4000 bits/sec, 5 packets/sec
  5 minute output rate 3000 bits/sec, 4 packets/sec
     1204 packets input, 151704 bytes, 0 no buffer
     Received 12 broadcasts (12 IP multicasts)
     0 runts, 0 giants, 0 throttles 
     1 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored
     0 watchdog, 12 multicast, 0 pause input
     1187 packets output, 149562 bytes, 0 underruns
     0 output errors, 0 collisions, 0 interface resets
     0 unknown protocol drops
     0 babbles, 0 late collision, 0 deferred
     0 lost carrier, 0 no carrier, 0 pause output
     0 output buffer failures, 0 output buffers swapped out
"""  # noqa: W291 - IOS leaves blanks at the end of lines

TUNNEL = """\
Tunnel10 is up, line protocol is up 
  Hardware is Tunnel
  Description: Ethernet "over" all, %s {name}
  Internet address is 10.9.0.7/24
  MTU 17912 bytes, BW 2000 Kbit/sec, DLY 10000 usec, 
     reliability 255/255, txload 31/255, rxload 127/255
  Encapsulation TUNNEL, loopback not set
  Keepalive not set
  Tunnel linestate evaluation up
  Tunnel source 7.7.7.7 (Loopback0)
   Tunnel Subblocks:
      src-track:
         Tunnel10 source tracking subblock associated with Loopback0
          Set of tunnels with source Loopback0, 1 member (includes iterators), on interface <OK>
  Tunnel protocol/transport multi-GRE/IP
    Key 0xBEEF, sequencing disabled
    Checksumming of packets disabled
  Tunnel TTL 64, Fast tunneling enabled
  Tunnel TOS/Traffic Class 0xC0
  Path MTU Discovery, ager 10 mins, min MTU 92
  Tunnel transport MTU 1472 bytes
  Tunnel transmit bandwidth 8000 (kbps)
  Tunnel receive bandwidth 8000 (kbps)
  Last input 3d00h, output never, output hang never
  Last clearing of "show interface" counters never
  Input queue: 0/75/5/0 (size/max/drops/flushes); Total output drops: 0
  Queueing strategy: fifo
  Output queue: 0/0 (size/max)
  5 minute input rate 1000000 bits/sec, 100 packets/sec
  5 minute output rate 250000 bits/sec, 50 packets/sec
     7 packets input, 700 bytes, 0 no buffer
     Received 0 broadcasts (0 IP multicasts)
     0 runts, 0 giants, 0 throttles 
     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort
     8 packets output, 801 bytes, 0 underruns
     2 output errors, 0 collisions, 0 interface resets
     0 unknown protocol drops
     0 output buffer failures, 0 output buffers swapped out
"""  # noqa: W291 - IOS leaves blanks at the end of lines

BRIEF = """\
Interface                  IP-Address      OK? Method Status                Protocol
GigabitEthernet0/1         203.0.113.7     YES manual up                    up      
GigabitEthernet0/10        unassigned      YES unset  administratively down down    
Loopback0                  7.7.7.7         YES manual up                    up      
Tunnel2                    10.2.0.1        YES manual up                    down    
Tunnel10                   10.9.0.7        YES manual up                    up      
Tunnel31                   unassigned      YES unset  administratively down down    
"""  # noqa: W291 - IOS leaves blanks at the end of lines

DESCRIPTIONS = """\
Interface                      Status         Protocol Description
Gi0/1                          up             up       uplink
Gi0/10                         admin down     down
Lo0                            up             up
Tu2                            up             down
Tu10                           up             up       Ethernet "over" all, %s {name}
Tu31                           admin down     down
"""


def one(interface: Interface, state: InterfaceState | None = None) -> Snapshot:
    states = {} if state is None else {interface.name: state}
    return replace(hub(), config=Config(interfaces={interface.name: interface}), interfaces=states)


def test_a_port() -> None:
    assert interfaces(hub(), "FastEthernet0/0") == PORT


def test_a_multipoint_tunnel() -> None:
    assert interfaces(branch(), "Tunnel10") == TUNNEL


def test_all_interfaces_ports_first() -> None:
    heads = [line.split()[0] for line in interfaces(branch()).splitlines() if not line.startswith(" ")]
    assert heads == ["GigabitEthernet0/1", "GigabitEthernet0/10", "Loopback0", "Tunnel2", "Tunnel10", "Tunnel31"]


def test_an_interface_that_is_not_configured() -> None:
    assert interfaces(hub(), "Tunnel9") == ""


def test_a_port_without_a_device_says_so() -> None:
    screen = interfaces(spoke(), "FastEthernet0/0").splitlines()
    assert screen[:3] == [
        "FastEthernet0/0 is down, line protocol is down ",
        "  Hardware is Linux network device",
        "  Line is down - no network device Fa0-0 here",
    ]


def test_a_tunnel_that_is_down_says_why() -> None:
    screen = interfaces(spoke(), "Tunnel0")
    assert screen.startswith("Tunnel0 is up, line protocol is down \n")
    assert "  Tunnel linestate evaluation down - no output interface\n" in screen


def test_a_shut_tunnel() -> None:
    screen = interfaces(branch(), "Tunnel31")
    assert screen.startswith("Tunnel31 is administratively down, line protocol is down \n")
    assert "  Tunnel linestate evaluation down - administratively down\n" in screen


def test_an_interface_that_no_state_is_known_of_is_down() -> None:
    assert interfaces(one(Interface("Serial0/0/0"))).startswith("Serial0/0/0 is down, line protocol is down \n")


def test_a_point_to_point_tunnel_names_its_destination() -> None:
    screen = interfaces(branch(), "Tunnel2")
    assert "  Tunnel source 203.0.113.7, destination 203.0.113.9\n" in screen
    assert "  Tunnel protocol/transport GRE/IP\n    Key disabled, sequencing disabled\n" in screen
    assert "  Tunnel transport MTU 1468 bytes\n" in screen  # the port below has 1492


def test_a_protected_tunnel_names_its_profile() -> None:
    tunnel = Interface("Tunnel0", tunnel=TunnelSettings(protection=Protection("DMVPN")))
    assert '  Tunnel protection via IPSec (profile "DMVPN")\n' in interfaces(one(tunnel))


def test_two_tunnels_on_one_source_are_members_of_one_set() -> None:
    router = spoke()
    second = replace(router.config.interfaces["Tunnel0"], name="Tunnel1")
    config = replace(router.config, interfaces={**router.config.interfaces, "Tunnel1": second})
    assert "2 members (includes iterators)" in interfaces(replace(router, config=config), "Tunnel1")


def test_a_subinterface_names_its_vlan() -> None:
    kept: dict[KeptKey, Kept] = {("encapsulation dot1Q",): Kept("encapsulation dot1Q 300")}
    screen = interfaces(one(Interface("FastEthernet0/0.300", kept=kept)))
    assert "  Encapsulation 802.1Q Virtual LAN, Vlan ID  300., loopback not set\n" in screen


def test_a_subinterface_without_a_vlan() -> None:
    kept: dict[KeptKey, Kept] = {("encapsulation dot1Q",): Kept("encapsulation dot1Q ")}
    assert "  Encapsulation ARPA, loopback not set\n" in interfaces(one(Interface("FastEthernet0/0.300", kept=kept)))


def test_a_description_stays_on_its_line() -> None:
    hostile = Interface("Loopback0", description="a\r\nFastEthernet9/9 is up\x1b[2J")
    screen = interfaces(one(hostile))
    assert "  Description: a??FastEthernet9/9 is up?[2J\n" in screen


def test_descriptions() -> None:
    assert description(branch()) == DESCRIPTIONS


def test_brief() -> None:
    assert brief(branch()) == BRIEF


def test_brief_knows_what_came_from_the_startup_config() -> None:
    assert brief(hub(), "FastEthernet0/0").splitlines()[1] == (
        "FastEthernet0/0            172.16.15.2     YES NVRAM  up                    up      "
    )


def test_brief_shortens_a_name_that_is_too_long() -> None:
    screen = brief(one(Interface("TwentyFiveGigE1/0/1000000001")))
    assert screen.splitlines()[1].startswith("Twe1/0/1000000001          unassigned ")


def test_ip_interface() -> None:
    screen = ip_interface(branch(), "GigabitEthernet0/1").splitlines()
    assert screen[:10] == [
        "GigabitEthernet0/1 is up, line protocol is up",
        "  Internet address is 203.0.113.7/24",
        "  Broadcast address is 255.255.255.255",
        "  Address determined by setup command",
        "  MTU is 1492 bytes",
        "  Helper address is not set",
        "  Directed broadcast forwarding is disabled",
        "  Secondary address 10.70.0.1/16",
        "  Outgoing access list is not set",
        "  Inbound  access list is not set",
    ]


def test_ip_interface_of_a_tunnel() -> None:
    screen = ip_interface(branch(), "Tunnel10")
    assert "  MTU is 1400 bytes\n" in screen
    assert "  ICMP redirects are never sent\n" in screen
    assert '  VPN Routing/Forwarding "RED"\n' in screen


def test_the_mtu_of_a_tunnel_is_the_one_that_the_data_plane_uses() -> None:
    router = hub()
    tunnel = replace(router.desired.tunnels["Tunnel0"], mtu=1440)
    desired = replace(router.desired, tunnels={"Tunnel0": tunnel})
    assert "  MTU is 1440 bytes\n" in ip_interface(replace(router, desired=desired), "Tunnel0")


def test_ip_interface_without_an_address() -> None:
    assert ip_interface(branch(), "GigabitEthernet0/10") == (
        "GigabitEthernet0/10 is administratively down, line protocol is down\n  Internet protocol processing disabled\n"
    )


def test_the_source_of_a_tunnel_may_be_an_address_of_nobody() -> None:
    tunnel = Interface("Tunnel0", tunnel=TunnelSettings(source=ip("192.0.2.1"), mode="gre multipoint"))
    assert "  Tunnel source 192.0.2.1\n" in interfaces(one(tunnel))
