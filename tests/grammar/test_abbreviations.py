"""What people type, and the line that the running-config shows for it."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Failure, Match, match

INTERFACE = [
    ("des to the hub", "description to the hub"),
    ("ip add 10.0.0.1 255.255.255.0", "ip address 10.0.0.1 255.255.255.0"),
    ("no ip add", "no ip address"),
    ("ip mtu 1400", "ip mtu 1400"),
    ("ip tc adj 1360", "ip tcp adjust-mss 1360"),
    ("ip nh net 1", "ip nhrp network-id 1"),
    ("ip nhrp auth NHRPKEY", "ip nhrp authentication NHRPKEY"),
    ("ip nhrp map mult dyn", "ip nhrp map multicast dynamic"),
    ("ip nhrp map 10.0.0.1 192.0.2.1", "ip nhrp map 10.0.0.1 192.0.2.1"),
    ("ip nhrp nhs 10.0.0.1 nb 192.0.2.1 mul", "ip nhrp nhs 10.0.0.1 nbma 192.0.2.1 multicast"),
    ("ip nhrp hold 300", "ip nhrp holdtime 300"),
    ("ip nhrp reg no", "ip nhrp registration no-unique"),
    ("ip nhrp reg time 30", "ip nhrp registration timeout 30"),
    ("ip nhrp sh", "ip nhrp shortcut"),
    ("ip nhrp red", "ip nhrp redirect"),
    ("no ip red", "no ip redirects"),
    ("no ip split eig 1", "no ip split-horizon eigrp 1"),
    ("no ip next eig 1", "no ip next-hop-self eigrp 1"),
    ("ip os net point-to-m", "ip ospf network point-to-multipoint"),
    ("ip os 1 ar 0", "ip ospf 1 area 0"),
    ("tun mode gre mult", "tunnel mode gre multipoint"),
    ("tun so e0/0", "tunnel source Ethernet0/0"),
    ("tun so lo 0", "tunnel source Loopback0"),
    ("tun so 192.0.2.1", "tunnel source 192.0.2.1"),
    ("tun dest 192.0.2.1", "tunnel destination 192.0.2.1"),
    ("tun key 1", "tunnel key 1"),
    ("tun prot ips prof DMVPN sh", "tunnel protection ipsec profile DMVPN shared"),
    ("sh", "shutdown"),
    ("no sh", "no shutdown"),
    ("enc dot 10 nat", "encapsulation dot1Q 10 native"),
]
GLOBAL = [
    ("int f0/0", "interface FastEthernet0/0"),
    ("int e0/0.10", "interface Ethernet0/0.10"),
    ("int t0", "interface Tunnel0"),
    ("int lo 7", "interface Loopback7"),
    ("int gi1", "interface GigabitEthernet1"),
    ("ho R1", "hostname R1"),
    ("ip route 0.0.0.0 0.0.0.0 192.0.2.1 250 name BACKUP", "ip route 0.0.0.0 0.0.0.0 192.0.2.1 250 name BACKUP"),
    ("no ip domain look", "no ip domain lookup"),
    ("cry isa pol 10", "crypto isakmp policy 10"),
    ("cry isa key SECRET add 0.0.0.0 0.0.0.0", "crypto isakmp key SECRET address 0.0.0.0 0.0.0.0"),
    ("cry ips tr SET esp-aes 256 esp-sha-h", "crypto ipsec transform-set SET esp-aes 256 esp-sha-hmac"),
    ("cry ips prof DMVPN", "crypto ipsec profile DMVPN"),
    ("router eig 1", "router eigrp 1"),
    ("lin vty 0 4", "line vty 0 4"),
    ("ip acc ext WAN", "ip access-list extended WAN"),
]
ENABLE = [
    ("sh run", "show running-config"),
    ("sh run int tu0", "show running-config interface Tunnel0"),
    ("sh ip int br", "show ip interface brief"),
    ("sh ip nh", "show ip nhrp"),
    ("sh ip nh nhs det", "show ip nhrp nhs detail"),
    ("sh dm", "show dmvpn"),
    ("sh cry isa sa", "show crypto isakmp sa"),
    ("sh cry isa sa det", "show crypto isakmp sa detail"),
    ("sh cry ips sa pe 172.16.15.2 det", "show crypto ipsec sa peer 172.16.15.2 detail"),
    ("sh cry sess rem 172.16.15.2", "show crypto session remote 172.16.15.2"),
    ("sh cry eng conn act", "show crypto engine connections active"),
    ("sh ip ro", "show ip route"),
    ("sh ver", "show version"),
    ("conf t", "configure terminal"),
    ("wr", "write"),
    ("wr mem", "write memory"),
    ("copy run start", "copy running-config startup-config"),
    ("ter len 0", "terminal length 0"),
    ("p 192.0.2.1 so lo0 rep 3", "ping 192.0.2.1 source Loopback0 repeat 3"),
    ("cle ip nh", "clear ip nhrp"),
]


@pytest.mark.parametrize(
    ("mode", "typed", "full"),
    [
        (mode, typed, full)
        for mode, lines in (("config-if", INTERFACE), ("config", GLOBAL), ("enable", ENABLE))
        for typed, full in lines
    ],
)
def test_a_line_may_be_cut_short(grammar: Grammar, mode: str, typed: str, full: str) -> None:
    found = match(grammar.modes[mode], typed)
    assert isinstance(found, Match), found
    assert found.text == full


@pytest.mark.parametrize(
    ("mode", "typed"), [("enable", "sh i"), ("config", "router"), ("config-if", "ip n"), ("exec", "e")]
)
def test_what_two_words_begin_with_is_not_taken(grammar: Grammar, mode: str, typed: str) -> None:
    assert isinstance(match(grammar.modes[mode], typed), Failure)


@pytest.mark.parametrize("mode", ["config-if", "config-subif", "config-if-range"])
def test_one_body_serves_every_interface_mode(grammar: Grammar, mode: str) -> None:
    assert isinstance(match(grammar.modes[mode], "ip address 10.0.0.1 255.255.255.0"), Match)
