"""Every live line of tunnels, NHRP and crypto, with what takes it back: the matrix of `test_live_lines.py`, in memory,
and of `tests/live_changes`, in namespaces.

The lab is the encrypted one with a second tunnel beside each first (`second`): its own source, key and profile. In the
clear the second has a key of its own alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: What stands below a router's own lines. N is its number; hub and spokes have one line each of their own.
SECOND = """interface Loopback0
 ip address 172.31.{n}.{n} 255.255.255.255
interface Loopback9
 ip address 172.30.{n}.{n} 255.255.255.255
{crypto}interface Tunnel0
 ip nhrp registration timeout 2
interface Tunnel1
 ip address 192.168.1.{n} 255.255.255.0
 ip nhrp network-id 2
 ip nhrp registration timeout 2
{nhrp}
 tunnel source {source}
 tunnel mode gre multipoint
 tunnel key 7
{protection}{routes}"""
CRYPTO = """crypto ipsec profile Second
 set transform-set MyTransformSet
crypto isakmp key S3cond address 172.31.0.0 255.255.0.0
"""
PROTECTION = " tunnel protection ipsec profile Second\n"
HUB_NHRP = " ip nhrp map multicast dynamic"
SPOKE_NHRP = " ip nhrp map 192.168.1.1 {hub}\n ip nhrp map multicast {hub}\n ip nhrp nhs 192.168.1.1"
TRANSIT = "\n".join(f"ip route 172.31.{n}.{n} 255.255.255.255 172.16.{n}5.2" for n in (1, 2, 3, 4))


def second(n: int, *, encrypted: bool = True) -> str:
    """The lines of router N."""
    return SECOND.format(
        n=n,
        crypto=CRYPTO if encrypted else "",
        nhrp=HUB_NHRP if n == 1 else SPOKE_NHRP.format(hub="172.31.1.1" if encrypted else "172.16.15.2"),
        source="Loopback0" if encrypted else f"172.16.{n}5.2",
        protection=PROTECTION if encrypted else "",
        routes="" if n == 1 else "ip route 172.30.1.1 255.255.255.255 192.168.1.1",
    )


@dataclass(frozen=True, slots=True)
class Change:
    """`lines` and what takes them back, for router N. `free`: no peer that is there depends on it, so that
    flows through the same tunnel lose nothing either. `only`: the router that it is for, "hub" or "spoke".
    `whole`: it is about all tunnels of the router, so that those beside lose packets too."""

    field: str
    lines: str
    back: str
    free: bool = False
    only: str | None = None
    whole: bool = False

    @property
    def crypto(self) -> bool:
        """Whether there is something to change only where there is crypto."""
        return not self.lines.startswith(TUNNEL) or self.field == "tunnel.protection"


TUNNEL = "interface Tunnel0\n "
POLICY = "crypto isakmp policy 10\n "
SET = "crypto ipsec transform-set MyTransformSet "
PROFILE = "crypto ipsec profile MyProfile\n "
RING = "crypto keyring Ring\n "
ISAKMP = "crypto isakmp profile Iso\n "
ISO = (
    "crypto keyring Ring\n pre-shared-key address 172.16.0.0 255.255.0.0 key P4ssw0rd\n"
    "crypto isakmp profile Iso\n keyring Ring\n match identity address 172.16.0.0 255.255.0.0\n"
)
NO_ISO = "no crypto isakmp profile Iso\nno crypto keyring Ring\n"


def _tunnel(field: str, line: str, back: str = "", *, free: bool = False, only: str | None = None) -> Change:
    return Change(field, TUNNEL + line, TUNNEL + (back or f"no {line}"), free, only)


def _under(head: str, field: str, line: str, back: str = "", free: bool = True, whole: bool = False) -> Change:
    return Change(field, head + line, head + (back or f"no {line}"), free, None, whole)


def _global(field: str, line: str, back: str = "", free: bool = True, whole: bool = False) -> Change:
    return Change(field, line, back or f"no {line}", free, None, whole)


CHANGES = (
    # tunnels
    _tunnel("bandwidth_kbps", "bandwidth 1000", free=True),
    _tunnel("delay_tens_us", "delay 100", free=True),
    _tunnel("ip_mtu", "ip mtu 1400", free=True),
    _tunnel("adjust_mss", "ip tcp adjust-mss 1360", free=True),
    _tunnel("secondary", "ip address 192.168.7.{n} 255.255.255.0 secondary", free=True),
    _tunnel("ip_address", "ip address 192.168.0.9{n} 255.255.255.0", "ip address 192.168.0.{n} 255.255.255.0"),
    _tunnel("shutdown", "shutdown"),
    _tunnel("tunnel.source", "tunnel source FastEthernet0/0", "tunnel source 172.16.{n}5.2", free=True),
    _tunnel("tunnel.source", "tunnel source Loopback9", "tunnel source 172.16.{n}5.2"),
    _tunnel("tunnel.source", "no tunnel source", "tunnel source 172.16.{n}5.2"),
    _tunnel("tunnel.destination", "tunnel destination 172.16.35.2", "no tunnel destination", free=True),
    _tunnel("tunnel.mode", "tunnel mode gre ip", "tunnel mode gre multipoint"),
    _tunnel(
        "tunnel.mode",
        "tunnel destination 172.16.15.2\n tunnel mode gre ip",
        "tunnel mode gre multipoint\n no tunnel destination",
        only="spoke",
    ),
    _tunnel("tunnel.key", "tunnel key 9"),
    _tunnel("tunnel.tos", "tunnel tos 32", free=True),
    _tunnel("tunnel.ttl", "tunnel ttl 64", free=True),
    _tunnel("tunnel.path_mtu_discovery", "tunnel path-mtu-discovery", free=True),
    _tunnel(
        "tunnel.protection",
        "tunnel protection ipsec profile MyProfile shared",
        _PROTECTED := ("tunnel protection ipsec profile MyProfile"),
    ),
    _tunnel("tunnel.protection", "no tunnel protection ipsec profile MyProfile", _PROTECTED),
    _tunnel("tunnel.protection", "tunnel protection ipsec profile Second", _PROTECTED),
    _tunnel("tunnel.protection", "tunnel protection ipsec profile default", _PROTECTED),
    # NHRP
    _tunnel("nhrp.network_id", "ip nhrp network-id 77", "ip nhrp network-id 1", free=True),
    _tunnel("nhrp.network_id", "no ip nhrp network-id", "ip nhrp network-id 1"),
    _tunnel("nhrp.authentication", "ip nhrp authentication other"),
    _tunnel("nhrp.map", "ip nhrp map 192.168.0.77 172.16.99.2", free=True),
    _tunnel("nhrp.map", "ip nhrp map 192.168.0.1 172.16.99.2", "ip nhrp map 192.168.0.1 172.16.15.2", only="spoke"),
    _tunnel("nhrp.map", "no ip nhrp map 192.168.0.1 172.16.15.2", "ip nhrp map 192.168.0.1 172.16.15.2", only="spoke"),
    _tunnel("nhrp.multicast", "ip nhrp map multicast 172.16.99.2", free=True),
    _tunnel(
        "nhrp.multicast", "no ip nhrp map multicast 172.16.15.2", "ip nhrp map multicast 172.16.15.2", only="spoke"
    ),
    _tunnel("nhrp.multicast_dynamic", "ip nhrp map multicast dynamic", free=True, only="spoke"),
    _tunnel(
        "nhrp.multicast_dynamic",
        "no ip nhrp map multicast dynamic",
        "ip nhrp map multicast dynamic",
        free=True,
        only="hub",
    ),
    _tunnel("nhrp.nhs", "ip nhrp nhs 192.168.0.77", free=True),
    _tunnel("nhrp.nhs", "no ip nhrp nhs 192.168.0.1", "ip nhrp nhs 192.168.0.1", only="spoke"),
    _tunnel("nhrp.nhs", "ip nhrp nhs 192.168.0.1 priority 5 cluster 1", "ip nhrp nhs 192.168.0.1", only="spoke"),
    _tunnel("nhrp.holdtime_s", "ip nhrp holdtime 600", free=True),
    _tunnel(
        "nhrp.registration_timeout_s", "ip nhrp registration timeout 3", "ip nhrp registration timeout 2", free=True
    ),
    _tunnel("nhrp.registration_no_unique", "ip nhrp registration no-unique", free=True),
    _tunnel("nhrp.server_only", "ip nhrp server-only", free=True, only="hub"),
    _tunnel("nhrp.record", "no ip nhrp record", "ip nhrp record", free=True),
    _tunnel("nhrp.responder", "ip nhrp responder Loopback9", free=True),
    # ISAKMP
    _under(POLICY, "policies.encryption", "encryption aes 256", "encryption des"),
    _under(POLICY, "policies.hash", "hash sha256", "hash sha"),
    _under(
        POLICY, "policies.authentication", "authentication rsa-sig", "authentication pre-share", free=False, whole=True
    ),
    _under(POLICY, "policies.group", "group 14", "group 1"),
    _under(POLICY, "policies.lifetime_s", "lifetime 600"),
    _global("isakmp.policies", "crypto isakmp policy 20\n authentication pre-share", "no crypto isakmp policy 20"),
    _global("isakmp.default_policy", "no crypto isakmp default policy", "crypto isakmp default policy"),
    _global("isakmp.keys", "crypto isakmp key Other address 172.16.99.2"),
    _global(
        "isakmp.keys",
        "crypto isakmp key Wrong address 172.16.0.0 255.255.0.0",
        "crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0",
    ),
    _global("isakmp.hostname_keys", "crypto isakmp key Other hostname elsewhere.example"),
    _global("isakmp.identity", "crypto isakmp identity hostname"),
    _global("isakmp.invalid_spi_recovery", "crypto isakmp invalid-spi-recovery"),
    _global("isakmp.enabled", "no crypto isakmp enable", "crypto isakmp enable", free=False, whole=True),
    _global("isakmp.keepalive", "crypto isakmp keepalive 10 3 periodic"),
    _global("isakmp.nat_keepalive_s", "crypto isakmp nat keepalive 20"),
    _global("isakmp.aggressive_disabled", "crypto isakmp aggressive-mode disable"),
    _global("session_log", "crypto logging session"),
    _global("keyrings", "crypto keyring Ring", "no crypto keyring Ring"),
    _global("keyrings.keys", RING + "pre-shared-key address 172.16.99.2 key Other", "no crypto keyring Ring"),
    _global("keyrings.hostname_keys", RING + "pre-shared-key hostname far.example key Other", "no crypto keyring Ring"),
    _global("keyrings.local_address", RING + "local-address 172.16.{n}5.2", "no crypto keyring Ring"),
    _global("isakmp.profiles", ISO, NO_ISO),
    *(
        _global(f"profiles.{field}", ISO + ISAKMP + line, NO_ISO)
        for field, line in (
            ("keyrings", "keyring Ring"),
            ("self_identity", "self-identity fqdn r.example"),
            ("addresses", "match identity address 172.31.0.0 255.255.0.0"),
            ("hosts", "match identity host r.example"),
            ("aggressive", "initiate mode aggressive"),
            ("keepalive", "keepalive 10 retry 3"),
            ("local_address", "local-address 172.16.{n}5.2"),
        )
    ),
    # IPsec
    _global(
        "ipsec.default_transform_set", "no crypto ipsec default transform-set", "crypto ipsec default transform-set"
    ),
    _global("ipsec.idle_s", "crypto ipsec security-association idle-time 600"),
    _global("ipsec.lifetime", "crypto ipsec security-association lifetime seconds 1800"),
    _global("ipsec.lifetime_kb", "crypto ipsec security-association lifetime kilobytes 100000"),
    _global("ipsec.replay_window", "crypto ipsec security-association replay window-size 1024"),
    _global("ipsec.df_bit", "crypto ipsec df-bit clear"),
    _global(
        "ipsec.nat_transparency",
        "no crypto ipsec nat-transparency udp-encapsulation",
        "crypto ipsec nat-transparency udp-encapsulation",
    ),
    _global("ipsec.transform_sets", SET + "esp-aes 256 esp-sha256-hmac\n exit", SET + "esp-aes esp-sha-hmac\n exit"),
    _global(
        "ipsec.transform_sets",
        "crypto ipsec transform-set More esp-3des esp-md5-hmac\n exit",
        "no crypto ipsec transform-set More",
    ),
    _global(
        "transform_sets.mode", SET + "esp-aes esp-sha-hmac\n mode transport", SET + "esp-aes esp-sha-hmac\n mode tunnel"
    ),
    _global("ipsec.profiles", "crypto ipsec profile More", "no crypto ipsec profile More"),
    Change("ipsec.profiles", "no crypto ipsec profile MyProfile", PROFILE + "set transform-set MyTransformSet"),
    _under(PROFILE, "profiles.df_bit", "set security-association dfbit clear"),
    _under(PROFILE, "profiles.idle", "set security-association idle-time 600"),
    _under(PROFILE, "profiles.lifetime", "set security-association lifetime seconds 1800"),
    _under(PROFILE, "profiles.lifetime_kb", "set security-association lifetime kilobytes 100000"),
    _under(PROFILE, "profiles.replay_window", "set security-association replay window-size 512"),
    _under(PROFILE, "profiles.pfs", "set pfs group2"),
    _under(PROFILE, "profiles.udp_forced", "set udp-encapsulation force"),
    _under(PROFILE, "profiles.transform_sets", "set transform-set default", "set transform-set MyTransformSet"),
    Change(
        "profiles.isakmp_profile",
        ISO + PROFILE + "set isakmp-profile Iso",
        PROFILE + "no set isakmp-profile Iso\n" + NO_ISO,
        free=True,
    ),
)

#: Live leaves that are not in the matrix, and why.
ELSEWHERE = {
    "description": "text",
    "mtu": "of physical interfaces",
    "isakmp.ipv6_keys": "without effect",
    "keyrings.ipv6_keys": "without effect",
}


#: The routers on which lines are changed: the hub and a spoke.
NUMBERS = {"R1": 1, "R2": 2}


def cases() -> Iterator[tuple[str, Change]]:
    """Each change with a router that it is for."""
    for router in NUMBERS:
        for change in CHANGES:
            if change.only in (None, "hub" if router == "R1" else "spoke"):
                yield router, change


def texts(changes: Change, router: str) -> tuple[str, str]:
    n = NUMBERS[router]
    return changes.lines.format(n=n), changes.back.format(n=n)
