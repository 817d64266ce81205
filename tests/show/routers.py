"""Routers of the classic lab at one moment: the hub R1 with its spokes, and the spoke R2 that has pinged R4."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from iosish.config.model import (
    Buffered,
    Config,
    Interface,
    IpAddress,
    Logging,
    NhrpSettings,
    Timestamps,
    TunnelSettings,
)
from iosish.desired import ArpEntry, Desired, LinkState
from iosish.forwarding.tables import InterfaceCounters, Tunnel
from iosish.nhrp.state import (
    CacheEntry,
    MulticastEntry,
    NhrpInterfaceState,
    NhrpState,
    NhsState,
    Traffic,
)
from iosish.snapshot import InterfaceState, LogCounters, LogRecord, Route, SessionState, Snapshot

NOW = 100_000.0
WALL = datetime(2026, 11, 4, 18, 57, 38, 347_000)
HOUR = 3600
ZONED = Timestamps(datetime=True, msec=True, show_timezone=True)


def seconds(text: str) -> float:
    """`00:57:47` in seconds."""
    hours, minutes, rest = text.split(":")
    return int(hours) * HOUR + int(minutes) * 60 + int(rest)


def ago(text: str) -> float:
    """The moment that was `00:57:47` before now."""
    return NOW - seconds(text)


def ahead(text: str) -> float:
    return NOW + seconds(text)


def ip(text: str) -> IPv4Address:
    return IPv4Address(text)


def host(text: str) -> IPv4Network:
    return IPv4Network(text)


def spoke_entry(number: int, age: str, *, flags: tuple[str, ...] = ("unique", "registered", "used")) -> CacheEntry:
    """What the hub holds of spoke `number` that registered `age` ago."""
    return CacheEntry(
        target=host(f"192.168.0.{number}/32"),
        via=ip(f"192.168.0.{number}"),
        nbma=ip(f"172.16.{number}5.2"),
        kind="dynamic",
        flags=flags,
        created_at=ago(age),
        expires_at=ahead("01:59:21"),
        up=True,
        changed_at=ago(age),
    )


def hub() -> Snapshot:
    """R1 with spokes R2, R3 and R4."""
    tunnel = Interface(
        "Tunnel0",
        ip_address=IpAddress(ip("192.168.0.1"), ip("255.255.255.0")),
        tunnel=TunnelSettings(source=ip("172.16.15.2"), mode="gre multipoint"),
        nhrp=NhrpSettings(network_id=1, multicast_dynamic=True),
    )
    port = Interface("FastEthernet0/0", ip_address=IpAddress(ip("172.16.15.2"), ip("255.255.255.252")))
    spokes = (spoke_entry(2, "00:57:47"), spoke_entry(3, "00:45:56"), spoke_entry(4, "00:45:46"))
    nhrp = NhrpInterfaceState(
        "Tunnel0",
        "Hub",
        entries=spokes,
        multicast=tuple(MulticastEntry(ip(f"172.16.{number}5.2"), "dynamic") for number in (2, 3, 4)),
        traffic=Traffic(
            sent={"Registration Reply": 41, "Resolution Request": 2},
            received={"Registration Request": 41, "Resolution Request": 2},
        ),
    )
    return Snapshot(
        config=Config(hostname="R1", interfaces={"FastEthernet0/0": port, "Tunnel0": tunnel}),
        now=NOW,
        wall=WALL,
        clock_authoritative=False,
        started_at=ago("01:08:30"),
        started_wall=datetime(2026, 11, 4, 17, 49, 8),
        plane="user",
        kernel="6.1.0",
        memory_kb=524288,
        desired=Desired(
            neighbours={("Tunnel0", ip(f"192.168.0.{number}")): number - 1 for number in (2, 3, 4)},
            tunnels={
                "Tunnel0": Tunnel(
                    "Tunnel0",
                    ip("172.16.15.2"),
                    multipoint=True,
                    adjacencies={number - 1: ip(f"172.16.{number}5.2") for number in (2, 3, 4)},
                )
            },
        ),
        interfaces={
            "FastEthernet0/0": InterfaceState(
                "FastEthernet0/0",
                admin_up=True,
                line_up=True,
                link=LinkState(
                    "FastEthernet0/0",
                    present=True,
                    carrier=True,
                    mac="aa:bb:cc:00:01:00",
                    addresses=(IPv4Interface("172.16.15.2/30"),),
                ),
                changed_at=ago("01:08:20"),
                counters=InterfaceCounters(
                    packets_in=1204,
                    bytes_in=151_704,
                    packets_out=1187,
                    bytes_out=149_562,
                    multicast_in=12,
                    errors_in=1,
                    drops_out=3,
                    last_in=ago("00:00:02"),
                    last_out=ago("00:00:01"),
                ),
                rates=(4000, 5, 3000, 4),
            ),
            "Tunnel0": InterfaceState(
                "Tunnel0",
                admin_up=True,
                line_up=True,
                source=ip("172.16.15.2"),
                changed_at=ago("01:08:20"),
                cleared_at=ago("00:17:00"),
                counters=InterfaceCounters(
                    packets_in=95,
                    bytes_in=9120,
                    packets_out=93,
                    bytes_out=9012,
                    last_in=ago("00:00:12"),
                    last_out=ago("00:00:12"),
                ),
            ),
        },
        routes=(
            Route("S", host("0.0.0.0/0"), next_hop=ip("172.16.15.1"), distance=1),
            Route("C", host("172.16.15.0/30"), interface="FastEthernet0/0"),
            Route("L", host("172.16.15.2/32"), interface="FastEthernet0/0"),
            Route("C", host("192.168.0.0/24"), interface="Tunnel0"),
            Route("L", host("192.168.0.1/32"), interface="Tunnel0"),
        ),
        nhrp=NhrpState({"Tunnel0": nhrp}),
        arp=(
            ArpEntry("FastEthernet0/0", ip("172.16.15.1"), "aa:bb:cc:00:05:00", 540.0),
            ArpEntry("FastEthernet0/0", ip("172.16.15.2"), "aa:bb:cc:00:01:00", None),
        ),
        log=(
            LogRecord(
                1,
                datetime(2026, 11, 4, 17, 49, 10, 12_000),
                False,
                "LINEPROTO",
                5,
                "UPDOWN",
                "Line protocol on Interface Tunnel0, changed state to up",
            ),
            LogRecord(
                2,
                datetime(2026, 11, 4, 18, 3, 9, 5_000),
                True,
                "SYS",
                5,
                "CONFIG_I",
                "Configured from console by console",
            ),
        ),
        log_counters=LogCounters(console=2, buffer=2, trap=2),
        sessions=(
            SessionState(0, "con 0", "", 0.0, "", True),
            SessionState(2, "vty 0", "admin", 75.0, "10.0.0.9", False),
        ),
        history=("show dmvpn", "show history"),
        from_startup=frozenset({"FastEthernet0/0"}),
        board_id="IOSISH4711",
    )


def spoke() -> Snapshot:
    """R2 three seconds after it pinged R4."""
    tunnel = Interface(
        "Tunnel0",
        ip_address=IpAddress(ip("192.168.0.2"), ip("255.255.255.0")),
        tunnel=TunnelSettings(source="FastEthernet0/0", mode="gre multipoint", key=100),
        nhrp=NhrpSettings(network_id=1),
    )
    port = Interface("FastEthernet0/0", ip_address=IpAddress(ip("172.16.25.2"), ip("255.255.255.252")))
    nhrp = NhrpInterfaceState(
        "Tunnel0",
        "Spoke",
        entries=(
            CacheEntry(
                host("192.168.0.1/32"),
                ip("192.168.0.1"),
                ip("172.16.15.2"),
                "static",
                ("used",),
                ago("01:08:30"),
                None,
                True,
                ago("01:08:27"),
                preference=255,
            ),
            CacheEntry(
                host("192.168.0.2/32"),
                ip("192.168.0.2"),
                ip("172.16.25.2"),
                "dynamic",
                ("router", "unique", "local"),
                ago("00:00:03"),
                ahead("01:59:57"),
                True,
                ago("00:00:03"),
                local=True,
                preference=255,
                requesters=((ip("192.168.0.4"), 6),),
            ),
            CacheEntry(
                host("192.168.0.4/32"),
                ip("192.168.0.4"),
                ip("172.16.45.2"),
                "dynamic",
                ("router",),
                ago("00:00:03"),
                ahead("01:59:56"),
                True,
                ago("00:00:03"),
                preference=255,
            ),
        ),
        nhs=(
            NhsState(
                ip("192.168.0.1"),
                ip("172.16.15.2"),
                "RE",
                requests_sent=3,
                replies_received=2,
                last_reply_at=ago("00:20:05"),
                request_id=7,
                acknowledged_id=7,
            ),
        ),
        multicast=(MulticastEntry(ip("172.16.15.2"), "static"),),
        traffic=Traffic(
            sent={"Resolution Request": 1, "Resolution Reply": 1, "Registration Request": 3},
            received={"Resolution Request": 1, "Resolution Reply": 1, "Registration Reply": 2},
        ),
    )
    return Snapshot(
        config=Config(hostname="R2", interfaces={"FastEthernet0/0": port, "Tunnel0": tunnel}),
        now=NOW,
        wall=WALL,
        clock_authoritative=True,
        started_at=ago("01:08:30"),
        started_wall=datetime(2026, 11, 4, 17, 49, 8),
        plane="kernel",
        kernel="6.1.0",
        memory_kb=524288,
        interfaces={
            "FastEthernet0/0": InterfaceState(
                "FastEthernet0/0",
                admin_up=True,
                line_up=False,
                reason="no network device Fa0-0 here",
                link=LinkState("FastEthernet0/0", present=False),
            ),
            "Tunnel0": InterfaceState(
                "Tunnel0",
                admin_up=True,
                line_up=False,
                reason="no output interface",
                source=ip("172.16.25.2"),
            ),
        },
        nhrp=NhrpState({"Tunnel0": nhrp}),
    )


def branch() -> Snapshot:
    """R7: two tunnels and a shut one, a peer behind NAT, two tunnel addresses behind one peer, many kinds of ports."""
    base = spoke()
    main = Interface(
        "Tunnel10",
        description='Ethernet "over" all, %s {name}',
        bandwidth_kbps=2000,
        delay_tens_us=1000,
        vrf="RED",
        ip_address=IpAddress(ip("10.9.0.7"), ip("255.255.255.0")),
        ip_mtu=1400,
        tunnel=TunnelSettings(
            source="Loopback0", mode="gre multipoint", key=0xBEEF, tos=192, ttl=64, path_mtu_discovery=True
        ),
        nhrp=NhrpSettings(network_id=10),
    )
    interfaces = (
        main,
        Interface(
            "Tunnel2",
            ip_address=IpAddress(ip("10.2.0.1"), ip("255.255.255.252")),
            tunnel=TunnelSettings(source=ip("203.0.113.7"), destination=ip("203.0.113.9")),
        ),
        Interface(
            "Tunnel31", shutdown=True, tunnel=TunnelSettings(mode="gre multipoint"), nhrp=NhrpSettings(network_id=31)
        ),
        Interface("Loopback0", ip_address=IpAddress(ip("7.7.7.7"), ip("255.255.255.255"))),
        Interface(
            "GigabitEthernet0/1",
            description="uplink",
            mtu=1492,
            ip_address=IpAddress(ip("203.0.113.7"), ip("255.255.255.0")),
            secondary={ip("10.70.0.1"): IpAddress(ip("10.70.0.1"), ip("255.255.0.0"))},
        ),
        Interface("GigabitEthernet0/10", shutdown=True),
    )
    entries = (
        CacheEntry(
            host("10.9.0.1/32"),
            ip("10.9.0.1"),
            ip("198.51.100.1"),
            "static",
            ("used",),
            NOW - 15 * 86400,
            None,
            True,
            NOW - 15 * 86400,
        ),
        CacheEntry(
            host("10.9.0.3/32"),
            ip("10.9.0.3"),
            ip("198.51.100.3"),
            "dynamic",
            ("router", "used", "nhop", "rib"),
            ago("26:10:00"),
            ahead("00:01:30"),
            True,
            ago("26:10:00"),
            claimed_nbma=ip("10.0.0.3"),
        ),
        CacheEntry(
            host("10.9.0.4/32"),
            ip("10.9.0.4"),
            ip("198.51.100.1"),
            "static",
            (),
            ago("00:10:00"),
            None,
            False,
            ago("00:00:30"),
        ),
        CacheEntry(
            host("10.9.0.99/32"),
            None,
            None,
            "incomplete",
            ("negative",),
            ago("00:00:20"),
            ahead("00:02:40"),
            False,
            None,
        ),
    )
    nhs = (
        NhsState(
            ip("10.9.0.1"),
            ip("198.51.100.1"),
            "RE",
            priority=1,
            cluster=2,
            requests_sent=105434,
            requests_failed=2,
            replies_received=105432,
            last_reply_at=ago("00:00:49"),
            request_id=35914,
            acknowledged_id=35914,
        ),
        NhsState(ip("10.9.0.2"), None, "E", requests_sent=6, request_id=35915, pending=True, retry_s=64),
    )
    return Snapshot(
        config=Config(
            hostname="R7",
            logging=Logging(buffered=Buffered(64000), console=False, monitor="warnings", sequence_numbers=True),
            hosts={"hub": ip("10.9.0.1")},
            interfaces={interface.name: interface for interface in interfaces},
        ),
        now=NOW,
        wall=base.wall,
        clock_authoritative=True,
        started_at=NOW - (20 * 7 + 5) * 86400 - 12 * HOUR - 60,
        started_wall=datetime(2026, 6, 12, 6, 56, 38),
        plane="user",
        kernel="6.12.0",
        memory_kb=1000,
        reload_reason="reload",
        interfaces={
            "Tunnel10": InterfaceState(
                "Tunnel10",
                admin_up=True,
                line_up=True,
                source=ip("7.7.7.7"),
                counters=InterfaceCounters(
                    packets_in=7,
                    bytes_in=700,
                    packets_out=8,
                    bytes_out=801,
                    errors_out=2,
                    drops_in=5,
                    last_in=NOW - 3 * 86400,
                ),
                rates=(1_000_000, 100, 250_000, 50),
            ),
            "Tunnel2": InterfaceState(
                "Tunnel2", admin_up=True, line_up=False, reason="no output interface", source=ip("203.0.113.7")
            ),
            "Tunnel31": InterfaceState("Tunnel31", admin_up=False, line_up=False),
            "Loopback0": InterfaceState("Loopback0", admin_up=True, line_up=True),
            "GigabitEthernet0/1": InterfaceState(
                "GigabitEthernet0/1",
                admin_up=True,
                line_up=True,
                link=LinkState(
                    "GigabitEthernet0/1", True, True, mtu=1492, mac="02:00:00:00:07:01", speed_kbps=2_500_000
                ),
            ),
            "GigabitEthernet0/10": InterfaceState("GigabitEthernet0/10", admin_up=False, line_up=False),
        },
        routes=(
            Route("S", host("0.0.0.0/0"), next_hop=ip("203.0.113.1"), distance=250),
            Route("S", host("0.0.0.0/0"), next_hop=ip("203.0.113.2"), distance=250),
            Route("C", host("7.7.7.7/32"), interface="Loopback0"),
            Route("S", host("10.0.0.0/9"), next_hop=ip("10.9.0.1"), interface="Tunnel10", distance=1),
            Route("C", host("10.9.0.0/24"), interface="Tunnel10"),
            Route("L", host("10.9.0.7/32"), interface="Tunnel10"),
            Route("H", host("10.9.8.0/24"), next_hop=ip("10.9.0.3"), distance=250, metric=255, since=ago("00:00:06")),
            Route("S", host("172.16.0.0/16"), interface="Null0", distance=1),
            Route("S", host("192.168.4.0/22"), next_hop=ip("10.9.0.1"), distance=5, tag=77),
            Route("S", host("198.18.1.0/24"), next_hop=ip("10.9.0.1"), distance=1),
            Route("C", host("203.0.113.0/24"), interface="GigabitEthernet0/1"),
            Route("L", host("203.0.113.7/32"), interface="GigabitEthernet0/1"),
        ),
        nhrp=NhrpState(
            {
                "Tunnel10": NhrpInterfaceState(
                    "Tunnel10",
                    "Hub/Spoke",
                    entries=entries,
                    nhs=nhs,
                    multicast=(MulticastEntry(ip("198.51.100.1"), "nhs"),),
                    traffic=Traffic(
                        sent={"Purge Request": 4},
                        received={"Purge Reply": 3, "Error Indication": 1},
                        refused={"authentication mismatch": 2, "loop": 1},
                    ),
                ),
            }
        ),
        arp=(
            ArpEntry("GigabitEthernet0/1", ip("203.0.113.1"), "02:00:00:00:00:01", 61.0),
            ArpEntry("GigabitEthernet0/1", ip("203.0.113.7"), "02:00:00:00:07:01", None),
            ArpEntry("GigabitEthernet0/1", ip("203.0.113.88"), None, 0.0),
        ),
        log=(
            LogRecord(11, WALL, True, "CRYPTO", 6, "ISAKMP_ON_OFF", "ISAKMP is ON", timestamps=ZONED, numbered=True),
            LogRecord(
                12, WALL, True, "", 7, "", "ISAKMP: (0):Checking ISAKMP transform 1", timestamps=ZONED, numbered=True
            ),
            LogRecord(
                13,
                WALL,
                True,
                "SYS",
                5,
                "CONFIG_I",
                "Configured from console by cisco on vty0 (10.0.0.9)",
                timestamps=ZONED,
                numbered=True,
            ),
        ),
        log_counters=LogCounters(monitor=2, buffer=13, trap=12, rate_limited=4711, dropped=5),
        board_id="IOSISH0007",
    )


ROUTERS = {"hub": hub, "spoke": spoke, "branch": branch}
