"""A hub and its services: whatever the order of the lines, IOS's order comes back, and comes back again."""

from __future__ import annotations

import random

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.cli.render import render

HUB = """\
version 15.7
!
service timestamps debug datetime msec
service timestamps log datetime msec
no service password-encryption
!
hostname HUB
!
boot-start-marker
boot-end-marker
!
no aaa new-model
!
clock timezone EET 2
!
no ip domain lookup
ip cef
!
no ipv6 cef
!
multilink bundle-name authenticated
!
username admin privilege 15 secret 5 $1$abcd$efgh
!
redundancy
!
crypto isakmp policy 10
 encr aes 256
 authentication pre-share
 group 14
!
crypto isakmp key SECRET address 0.0.0.0
!
crypto ipsec transform-set SET esp-aes 256 esp-sha256-hmac
 mode transport
!
crypto ipsec profile DMVPN
 set transform-set SET
!
interface Tunnel0
 description cloud one
 bandwidth 10000
 ip address 10.0.0.1 255.255.255.0
 no ip redirects
 ip mtu 1400
 no ip next-hop-self eigrp 1
 ip nhrp authentication NHRPKEY
 ip nhrp map multicast dynamic
 ip nhrp network-id 1
 ip nhrp holdtime 300
 ip nhrp registration no-unique
 ip nhrp redirect
 no ip split-horizon eigrp 1
 ip tcp adjust-mss 1360
 delay 1000
 tunnel source Ethernet0/0
 tunnel mode gre multipoint
 tunnel key 1
 tunnel protection ipsec profile DMVPN
!
interface Ethernet0/0
 ip address 192.0.2.1 255.255.255.252
 ip nat outside
 duplex auto
!
router eigrp 1
 network 10.0.0.0 0.0.0.255
!
ip forward-protocol nd
no ip http server
no ip http secure-server
ip route 0.0.0.0 0.0.0.0 192.0.2.2 name ISP
!
ip access-list extended WAN
 permit udp any any eq isakmp
!
access-list 1 permit 10.0.0.0 0.255.255.255
!
control-plane
!
line con 0
 logging synchronous
line vty 0 4
 login local
 transport input ssh
!
ntp server 192.0.2.9
!
end
"""


def _commands(lines: list[str]) -> list[str]:
    return [line for line in lines if line not in ("!", "end")]


def test_the_order_of_ios_comes_back(grammar: Grammar) -> None:
    loaded = load(grammar, HUB)
    assert not loaded.refused()
    assert _commands(render(grammar, loaded.config)) == _commands(HUB.splitlines())


def test_the_order_of_the_lines_of_an_interface_does_not_matter(grammar: Grammar) -> None:
    start = HUB.index("interface Tunnel0")
    lines = HUB[start : HUB.index("!", start)].splitlines()
    shuffled = lines[1:]
    random.Random(7).shuffle(shuffled)
    loaded = load(grammar, "\n".join([lines[0], *shuffled]))
    assert [line for line in render(grammar, loaded.config) if line in lines] == lines


def test_lines_that_should_filter_say_that_they_do_not(grammar: Grammar) -> None:
    loaded = load(grammar, "interface Ethernet0/0\n ip access-group WAN in\n zone-member security OUT\n")
    assert [line.warning for line in loaded.lines] == [
        None,
        "ip access-group <list> in: packets are not filtered",
        "zone-member security <zone>: packets are not filtered between zones",
    ]


def test_a_tunnel_mode_that_is_not_built_is_no_gre(grammar: Grammar) -> None:
    tunnel = load(grammar, "interface Tunnel1\n tunnel mode ipsec ipv4\n").config.interfaces["Tunnel1"].tunnel
    assert tunnel.mode == "ipsec ipv4"


def test_a_certificate_is_read_up_to_its_quit(grammar: Grammar) -> None:
    text = (
        "crypto pki certificate chain CA\n"
        " certificate ca 01\n"
        "  30820334 3082021C A0030201\n"
        "  0DEADBEE F0\n"
        "  quit\n"
        "hostname AFTER\n"
    )
    loaded = load(grammar, text)
    assert not loaded.refused()
    assert loaded.config.hostname == "AFTER"
    shown = render(grammar, loaded.config)
    assert [line.strip() for line in shown if line.startswith("  ")] == [
        "30820334 3082021C A0030201",
        "0DEADBEE F0",
        "quit",
    ]
