"""Whole sessions on the shipped grammar: what is typed, and the screen that it leaves."""

from __future__ import annotations

from textwrap import dedent

from tests.terminal.shipped import console


def screen(text: str) -> str:
    """An expected screen: indented in the test, without the first line break; it ends in a prompt."""
    return dedent(text).removeprefix("\n").rstrip("\n")


def test_wrong_words_in_exec() -> None:
    """The caret stands under the first character that fits no keyword."""
    typed = (
        "shwo run\r"
        "sh rnu\r"
        "sh ip nhrpp\r"
        "show ip route 91.77.245.176/32\r"
        "show interfaces fastethernt0/0\r"
        "configure terminl\r"
        "ping 10.0.0.1 repaet 5\r"
        "c\r"
        "sh i\r"
        "sh\r"
        "copy run\r"
        "foo\r"
        "foo bar\r"
    )
    assert console(typed) == screen("""
        R1#shwo run
             ^
        % Invalid input detected at '^' marker.

        R1#sh rnu
               ^
        % Invalid input detected at '^' marker.

        R1#sh ip nhrpp
                     ^
        % Invalid input detected at '^' marker.

        R1#show ip route 91.77.245.176/32
                                      ^
        % Invalid input detected at '^' marker.

        R1#show interfaces fastethernt0/0
                                     ^
        % Invalid input detected at '^' marker.

        R1#configure terminl
                           ^
        % Invalid input detected at '^' marker.

        R1#ping 10.0.0.1 repaet 5
                            ^
        % Invalid input detected at '^' marker.

        R1#c
        % Ambiguous command:  "c"
        R1#sh i
        % Ambiguous command:  "sh i"
        R1#sh
        % Incomplete command.

        R1#copy run
        % Incomplete command.

        R1#foo
        Translating "foo"...domain server (255.255.255.255)
        % Bad IP address or host name
        % Unknown command or computer name, or unable to find computer address
        R1#foo bar
           ^
        % Invalid input detected at '^' marker.

        R1#""")


def test_privilege_levels() -> None:
    typed = "disable\rconf t\rsh run\renable\rshow privilege\r"
    assert console(typed) == screen("""
        R1#disable
        R1>conf t
           ^
        % Invalid input detected at '^' marker.

        R1>sh run
              ^
        % Invalid input detected at '^' marker.

        R1>enable
        R1#show privilege
        Current privilege level is 15
        R1#""")


def test_configure_asks_from_where() -> None:
    typed = "conf\r\rend\rconf\rnet\r"
    assert console(typed) == screen("""
        R1#conf
        Configuring from terminal, memory, or network [terminal]?
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#end
        R1#conf
        Configuring from terminal, memory, or network [terminal]? net
        ?Must be "terminal", "memory" or "network"
        R1#""")


def test_a_tunnel_in_abbreviations() -> None:
    typed = (
        "conf t\r"
        "int tu0\r"
        "ip add 192.168.0.1 255.255.255.0\r"
        "ip nhrp map multi dyn\r"
        "ip nhrp net 1\r"
        "tun so 172.16.15.2\r"
        "tun mode gre mul\r"
        "do sh run int tu0\r"
        "end\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int tu0
        R1(config-if)#ip add 192.168.0.1 255.255.255.0
        R1(config-if)#ip nhrp map multi dyn
        R1(config-if)#ip nhrp net 1
        R1(config-if)#tun so 172.16.15.2
        R1(config-if)#tun mode gre mul
        R1(config-if)#do sh run int tu0
        Building configuration...

        Current configuration : 170 bytes
        !
        interface Tunnel0
         ip address 192.168.0.1 255.255.255.0
         ip nhrp map multicast dynamic
         ip nhrp network-id 1
         tunnel source 172.16.15.2
         tunnel mode gre multipoint
        end

        R1(config-if)#end
        R1#""")


def test_wrong_words_in_configuration() -> None:
    typed = (
        "conf t\r"
        "interfac\r"
        "int tu\r"
        "int tunel0\r"
        "int lo0\r"
        "ip add\r"
        "ip add 10.0.0.1\r"
        "ip add 10.0.0.256 255.0.0.0\r"
        "ip address 10.0.0.1 255.255.255.0 secundary\r"
        "ip mtu 20\r"
        "ip nhrp nhs\r"
        "ip n\r"
        "bandwith 100\r"
        "no\r"
        "no ip adress\r"
        "do\r"
        "do sh clok\r"
        "do sh i\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#interfac
        % Incomplete command.

        R1(config)#int tu
        % Incomplete command.

        R1(config)#int tunel0
                          ^
        % Invalid input detected at '^' marker.

        R1(config)#int lo0
        R1(config-if)#ip add
        % Incomplete command.

        R1(config-if)#ip add 10.0.0.1
        % Incomplete command.

        R1(config-if)#ip add 10.0.0.256 255.0.0.0
                                      ^
        % Invalid input detected at '^' marker.

        R1(config-if)#ip address 10.0.0.1 255.255.255.0 secundary
                                                           ^
        % Invalid input detected at '^' marker.

        R1(config-if)#ip mtu 20
                             ^
        % Invalid input detected at '^' marker.

        R1(config-if)#ip nhrp nhs
        % Incomplete command.

        R1(config-if)#ip n
        % Ambiguous command:  "ip n"
        R1(config-if)#bandwith 100
                            ^
        % Invalid input detected at '^' marker.

        R1(config-if)#no
        % Incomplete command.

        R1(config-if)#no ip adress
                              ^
        % Invalid input detected at '^' marker.

        R1(config-if)#do
        % Incomplete command.

        R1(config-if)#do sh clok
                               ^
        % Invalid input detected at '^' marker.

        R1(config-if)#do sh i
        % Ambiguous command:  "do sh i"
        R1(config-if)#""")


def test_what_ios_refuses() -> None:
    typed = (
        "conf t\r"
        "int fa0/0\r"
        "ip add 10.0.0.1 255.255.255.252\r"
        "int fa0/1\r"
        "ip add 10.0.0.2 255.255.255.0\r"
        "ip add 10.0.0.8 255.255.255.252\r"
        "ip add 10.0.0.5 255.255.255.252\r"
        "ip route 10.1.1.1 255.255.255.0 10.0.0.2\r"
        "end\r"
        "sh run | s interface\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int fa0/0
        R1(config-if)#ip add 10.0.0.1 255.255.255.252
        R1(config-if)#int fa0/1
        R1(config-if)#ip add 10.0.0.2 255.255.255.0
        % 10.0.0.0 overlaps with FastEthernet0/0
        R1(config-if)#ip add 10.0.0.8 255.255.255.252
        Bad mask /30 for address 10.0.0.8
        R1(config-if)#ip add 10.0.0.5 255.255.255.252
        R1(config-if)#ip route 10.1.1.1 255.255.255.0 10.0.0.2
        %Inconsistent address and mask
        R1(config)#end
        R1#sh run | s interface
        interface FastEthernet0/0
         ip address 10.0.0.1 255.255.255.252
        interface FastEthernet0/1
         ip address 10.0.0.5 255.255.255.252
        R1#""")


def test_from_mode_to_mode() -> None:
    typed = (
        "conf t\r"
        "crypto isakmp policy 10\r"
        "hash\r"
        "hash md5\r"
        "auth pre\r"
        "crypto ipsec transform-set T esp-aes esp-sha-hmac\r"
        "mode tran\r"
        "crypto ipsec profile P\r"
        "set transform-set T\r"
        "int fa0/0.10\r"
        "encap dot1q 10\r"
        "int range fa0/0 - 1 , lo1\r"
        "router eigrp 1\r"
        "no auto-summary\r"
        "line vty 0 4\r"
        "exit\r"
        "ip access-list ext X\r"
        "permit ip any any\r"
        "route-map R permit 10\r"
        "key chain K\r"
        "key 1\r"
        "exit\r"
        "exit\r"
        "exit\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#crypto isakmp policy 10
        R1(config-isakmp)#hash
        % Incomplete command.

        R1(config-isakmp)#hash md5
        R1(config-isakmp)#auth pre
        R1(config-isakmp)#crypto ipsec transform-set T esp-aes esp-sha-hmac
        R1(cfg-crypto-trans)#mode tran
        R1(cfg-crypto-trans)#crypto ipsec profile P
        R1(ipsec-profile)#set transform-set T
        R1(ipsec-profile)#int fa0/0.10
        R1(config-subif)#encap dot1q 10
        R1(config-subif)#int range fa0/0 - 1 , lo1
        R1(config-if-range)#router eigrp 1
        R1(config-router)#no auto-summary
        R1(config-router)#line vty 0 4
        R1(config-line)#exit
        R1(config)#ip access-list ext X
        R1(config-ext-nacl)#permit ip any any
        R1(config-ext-nacl)#route-map R permit 10
        R1(config-route-map)#key chain K
        R1(config-keychain)#key 1
        R1(config-keychain-key)#exit
        R1(config-keychain)#exit
        R1(config)#exit
        R1#""")


def test_question_marks() -> None:
    typed = (
        "sh ip nhrp nhs d?\x15"
        "conf t\r"
        "int?"
        "erface tun?"
        "nel ?"
        "0 ?"
        "\x15int tu0\r"
        "ip nh?"
        "rp map ?"
        "10.0.0.1 ?"
        "\x15no ip addr?"
        "ess ?"
        "\x15tunnel mode gre ?"
        "\x15ip mtu 14?"
        "\x15xyz ?"
        "\x15i ?"
        "\x15do sh ver?"
        "\x15hash ?"
    )
    assert console(typed) == screen("""
        R1#sh ip nhrp nhs d?
          Dialer  detail

        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int?
          interface

        R1(config)#interface tun?
          Tunnel

        R1(config)#interface tunnel ?
          <0-2147483647>  Tunnel interface number

        R1(config)#interface tunnel 0 ?
          <cr>

        R1(config)#int tu0
        R1(config-if)#ip nh?
          nhrp

        R1(config-if)#ip nhrp map ?
          A.B.C.D    IP address of destination
          group      NHRP group mapping
          multicast  Use this NBMA mapping for broadcasts/multicasts

        R1(config-if)#ip nhrp map 10.0.0.1 ?
          A.B.C.D  Destination network mask
          A.B.C.D  IP NBMA address
          dynamic  Registered dynamically

        R1(config-if)#no ip addr?
          address

        R1(config-if)#no ip address ?
          A.B.C.D     IP address
          dhcp        IP Address negotiated via DHCP
          negotiated  IP Address negotiated over PPP
          pool        IP Address autoconfigured from a local DHCP pool
          <cr>

        R1(config-if)#tunnel mode gre ?
          ip          over IP
          ipv6        over IPv6
          multipoint  over IP (multipoint)

        R1(config-if)#ip mtu 14?
          <68-10000>

        R1(config-if)#xyz ?
        % Unrecognized command
        R1(config-if)#i ?
        % Ambiguous command:  "i "
        R1(config-if)#do sh ver?
          version

        R1(config-if)#hash ?
        % Unrecognized command
        R1(config-if)#hash""")


def test_tab() -> None:
    typed = "sh\tip\tnh\t\rco\t\x15conf t\rin\ttu\t0\rdo sh clo\t\rn\t"
    assert console(typed) == screen("""
        R1#sh
        R1#show ip
        R1#show ip nh
        R1#show ip nhrp
        R1#co
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#in
        R1(config)#interface tu
        R1(config)#interface Tunnel 0
        R1(config-if)#do sh clo
        R1(config-if)#do sh clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1(config-if)#n
        R1(config-if)#n""")


def test_editing_keys() -> None:
    """Ctrl-A, -F, -E, -B, -W, -Z, ESC d, DEL and the history."""
    typed = (
        "shw clock\x01\x06\x06o\x05\r"
        "sh cock\x02\x02\x02l\r"
        "ip route show clock\x01\x1bd\x1bd\r"
        "conf t\r"
        "hostname R9 and more\x17\x17\x08\r"
        "no hostname R9\x1a"
        "\x10\x10\x0e\r"
    )
    assert console(typed) == screen("""
        R1#show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1#sh clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1# show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#hostname R9
        R9(config)#no hostname R9^Z
        Router#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        Router(config)#""")


def test_pages_and_pipes() -> None:
    typed = (
        "conf t\r"
        "int lo0\r"
        "int lo1\r"
        "int lo2\r"
        "int lo3\r"
        "int lo4\r"
        "int lo5\r"
        "int lo6\r"
        "int lo7\r"
        "end\r"
        "ter len 8\r"
        "sh run\r"
        " "
        "\r"
        "q"
        "sh run | i 7|5\r"
        "sh run | c ^int\r"
        "sh run | b Lo.*7\r"
        "sh run | s back6\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int lo0
        R1(config-if)#int lo1
        R1(config-if)#int lo2
        R1(config-if)#int lo3
        R1(config-if)#int lo4
        R1(config-if)#int lo5
        R1(config-if)#int lo6
        R1(config-if)#int lo7
        R1(config-if)#end
        R1#ter len 8
        R1#sh run
        Building configuration...

        Current configuration : 331 bytes
        !
        version 15.9
        !
        hostname R1
        !
        interface Loopback0
         no ip address
        !
        interface Loopback1
         no ip address
        !
        interface Loopback2
        R1#sh run | i 7|5
        version 15.9
        interface Loopback5
        interface Loopback7
        R1#sh run | c ^int
        Number of lines which match regexp = 8
        R1#sh run | b Lo.*7

        interface Loopback7
         no ip address
        !
        end

        R1#sh run | s back6
        interface Loopback6
         no ip address
        R1#""")


def test_do() -> None:
    typed = (
        "conf t\r"
        "int tu0\r"
        "do sh clock\r"
        "do sh run | i ^int|^hos\r"
        "do ping 10.0.0.1 rep 2\r"
        "do wr\r"
        "terminal length 0\r"
        "do terminal length 0\r"
        "d?"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int tu0
        R1(config-if)#do sh clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1(config-if)#do sh run | i ^int|^hos
        hostname R1
        interface Tunnel0
        R1(config-if)#do ping 10.0.0.1 rep 2
        Type escape sequence to abort.
        Sending 2, 100-byte ICMP Echos to 10.0.0.1, timeout is 2 seconds:
        !!
        Success rate is 100 percent (2/2), round-trip min/avg/max = 1/1/1 ms
        R1(config-if)#do wr
        Building configuration...
        [OK]
        R1(config-if)#terminal length 0
                        ^
        % Invalid input detected at '^' marker.

        R1(config-if)#do terminal length 0
        R1(config-if)#d?
          dampening     default       delay         description   dialer
          dialer-group  do            duplex

        R1(config-if)#d""")


def test_a_pasted_configuration() -> None:
    typed = (
        "conf t\r"
        "!\r"
        "! a spoke\r"
        "hostname R2\r"
        "!\r"
        "interface FastEthernet0/0\r"
        " ip address 172.16.25.2 255.255.255.252\r"
        " no shutdown\r"
        "!\r"
        "interface Tunnel0\r"
        " ip address 192.168.0.2 255.255.255.0\r"
        " ip nhrp map 192.168.0.1 172.16.15.2\r"
        " ip nhrp nhs 192.168.0.1\r"
        "!\r"
        "ip route 0.0.0.0 0.0.0.0 172.16.25.1\r"
        "end\r"
        "sh run\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#!
        R1(config)#! a spoke
        R1(config)#hostname R2
        R2(config)#!
        R2(config)#interface FastEthernet0/0
        R2(config-if)# ip address 172.16.25.2 255.255.255.252
        R2(config-if)# no shutdown
        R2(config-if)#!
        R2(config-if)#interface Tunnel0
        R2(config-if)# ip address 192.168.0.2 255.255.255.0
        R2(config-if)# ip nhrp map 192.168.0.1 172.16.15.2
        R2(config-if)# ip nhrp nhs 192.168.0.1
        R2(config-if)#!
        R2(config-if)#ip route 0.0.0.0 0.0.0.0 172.16.25.1
        R2(config)#end
        R2#sh run
        Building configuration...

        Current configuration : 262 bytes
        !
        version 15.9
        !
        hostname R2
        !
        interface Tunnel0
         ip address 192.168.0.2 255.255.255.0
         ip nhrp map 192.168.0.1 172.16.15.2
         ip nhrp nhs 192.168.0.1
        !
        interface FastEthernet0/0
         ip address 172.16.25.2 255.255.255.252
        !
        ip route 0.0.0.0 0.0.0.0 172.16.25.1
        !
        end

        R2#""")


def test_default_and_no() -> None:
    typed = (
        "conf t\r"
        "int fa0/0\r"
        "ip add 10.0.0.1 255.0.0.0\r"
        "desc x\r"
        "default int fa0/0\r"
        "do sh run int fa0/0\r"
        "int fa0/0\r"
        "default desc\r"
        "no int fa0/0\r"
        "ip route 10.1.0.0 255.255.0.0 10.0.0.2\r"
        "ip route 10.1.0.0 255.255.0.0 10.0.0.3\r"
        "no ip route 10.1.0.0 255.255.0.0\r"
        "do sh run | i route\r"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int fa0/0
        R1(config-if)#ip add 10.0.0.1 255.0.0.0
        R1(config-if)#desc x
        R1(config-if)#default int fa0/0
        Interface FastEthernet0/0 set to default configuration
        R1(config)#do sh run int fa0/0
        Building configuration...

        Current configuration : 47 bytes
        !
        interface FastEthernet0/0
         no ip address
        end

        R1(config)#int fa0/0
        R1(config-if)#default desc
        R1(config-if)#no int fa0/0
        R1(config)#ip route 10.1.0.0 255.255.0.0 10.0.0.2
        R1(config)#ip route 10.1.0.0 255.255.0.0 10.0.0.3
        R1(config)#no ip route 10.1.0.0 255.255.0.0
        R1(config)#do sh run | i route
        R1(config)#""")


def test_an_interface_that_is_not_there() -> None:
    typed = "sh int fa0/9\rsh run int tu 12\rsh ip int lo3\rsh ip int br\r"
    assert console(typed) == screen("""
        R1#sh int fa0/9
                      ^
        % Invalid input detected at '^' marker.

        R1#sh run int tu 12
                         ^
        % Invalid input detected at '^' marker.

        R1#sh ip int lo3
                       ^
        % Invalid input detected at '^' marker.

        R1#sh ip int br
        Interface                  IP-Address      OK? Method Status                Protocol
        R1#""")


def test_a_long_line_is_scrolled_sideways() -> None:
    typed = (
        "conf t\r"
        "hostname a-name-that-is-rather-long\r"
        "int tu0\r"
        "description word word word word word word word word word word word word end\r"
        "do sh run | i desc\r"
        "\x10\x10"
        "\x01"
    )
    assert console(typed) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#hostname a-name-that-is-rather-long
        a-name-that-is-rathe(config)#int tu0
        a-name-that-is-rathe(config-if)#$ word word word word word word word word end
        a-name-that-is-rathe(config-if)#do sh run | i desc
         description word word word word word word word word word word word word end
        a-name-that-is-rathe(config-if)#description word word word word word word word$""")
