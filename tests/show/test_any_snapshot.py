"""No state of a router, however odd, makes a show command raise or write over the screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from iosish.config.crypto import (
    AddressKey,
    Crypto,
    HostnameKey,
    Ipsec,
    IpsecProfile,
    Ipv6Key,
    Isakmp,
    IsakmpPolicy,
    IsakmpProfile,
    Keyring,
    KeyringKey,
    Lifetime,
    MatchAddress,
    TransformSet,
)
from iosish.config.model import (
    Config,
    Interface,
    IpAddress,
    Kept,
    NhrpSettings,
    Protection,
    Timestamps,
    Timezone,
    TunnelSettings,
)
from iosish.desired import ArpEntry, Desired, LinkState
from iosish.forwarding.tables import InterfaceCounters, Tunnel
from iosish.ike import config as ike
from iosish.ike.state import FlowState, IkeState, IpsecSa, IsakmpSa
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from iosish.log.topics import TOPICS
from iosish.nhrp.state import CacheEntry, MulticastEntry, NhrpInterfaceState, NhrpState, NhsState, Traffic
from iosish.show import (
    adjacency,
    arp,
    clock,
    crypto_engine,
    crypto_ipsec,
    crypto_isakmp,
    crypto_policy,
    crypto_session,
    crypto_transforms,
    debugging,
    dmvpn,
    history,
    hosts,
    interfaces,
    inventory,
    ip_interface,
    ip_route,
    logging,
    nhrp,
    tunnel,
    tunnel_protection,
    users,
    version,
)
from iosish.snapshot import (
    DebugCondition,
    Debugging,
    InterfaceState,
    LogCounters,
    LogRecord,
    Route,
    SessionState,
    Snapshot,
)

text = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["{0}", "{name}", "%s", "\r\nR1#", "\x1b[2J", "\udcff", "\u2028", "a" * 600, "encapsulation dot1Q "]
    ),
)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
addresses_or_none = st.none() | addresses
networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False), addresses, st.integers(0, 32)
)
masks = st.integers(0, 32).map(lambda length: IPv4Network((0, length)).netmask)
ip_addresses = st.builds(IpAddress, addresses, masks)
times = st.floats(min_value=-1e9, max_value=1e9)
counts = st.integers(0, 2**64)
names = st.sampled_from(
    ["Tunnel0", "Tunnel4294967295", "Loopback0", "FastEthernet0/0", "GigabitEthernet0/0/1.4", "Serial0/0:1", "odd", ""]
)


def by_name(values: Callable[[str], st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to four interfaces, each under its own name."""
    return st.lists(names, max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: values(name) for name in chosen})
    )


kept = st.dictionaries(st.tuples(text), st.builds(Kept, text), max_size=2)
tunnels = st.builds(
    TunnelSettings,
    source=st.none() | addresses | names,
    destination=addresses_or_none,
    mode=st.sampled_from(["gre ip", "gre multipoint"]),
    key=st.none() | st.integers(0, 2**32 - 1),
    tos=st.none() | st.integers(0, 255),
    ttl=st.integers(1, 255),
    path_mtu_discovery=st.booleans(),
    vrf=st.none() | text,
    protection=st.none() | st.builds(Protection, text, st.booleans()),
)
counters = st.builds(InterfaceCounters, *[counts] * 10, st.none() | times, st.none() | times)
links = st.builds(
    LinkState,
    name=names,
    present=st.booleans(),
    carrier=st.booleans(),
    mtu=counts,
    mac=text,
    addresses=st.just((IPv4Interface("10.0.0.1/8"),)),
    reason=st.none() | text,
    speed_kbps=st.none() | counts,
)
entries = st.builds(
    CacheEntry,
    target=networks,
    via=addresses_or_none,
    nbma=addresses_or_none,
    kind=st.sampled_from(["static", "dynamic", "incomplete"]) | text,
    flags=st.lists(st.sampled_from(["rib", "nho", "no-socket", "local"]) | text, max_size=3).map(tuple),
    created_at=times,
    expires_at=st.none() | times,
    up=st.booleans(),
    changed_at=st.none() | times,
    claimed_nbma=addresses_or_none,
    local=st.booleans(),
    preference=counts,
    requesters=st.lists(st.tuples(addresses, counts), max_size=2).map(tuple),
    secured=st.booleans(),
)
servers = st.builds(
    NhsState,
    address=addresses,
    nbma=addresses_or_none,
    status=st.sampled_from(["RE", "E", "W"]) | text,
    last_reply_at=st.none() | times,
    acknowledged_id=st.none() | counts,
    pending=st.booleans(),
)
packets = st.dictionaries(text | st.just("Purge Reply"), counts, max_size=2)
nhrp_states = by_name(
    lambda name: st.builds(
        NhrpInterfaceState,
        name=st.just(name),
        role=text,
        entries=st.lists(entries, max_size=4).map(tuple),
        nhs=st.lists(servers, max_size=2).map(tuple),
        multicast=st.lists(st.builds(MulticastEntry, addresses, text), max_size=2).map(tuple),
        traffic=st.builds(Traffic, packets, packets, packets),
    )
).map(NhrpState)
maps = st.sampled_from(["Tunnel0-head-0", "P-head-1"]) | text
transforms = st.builds(
    Transform, st.sampled_from(Cipher), st.sampled_from([0, 128, 192, 256]), st.none() | st.sampled_from(Integrity)
)
sa_keys = st.builds(SaKey, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([IPv4Address("10.0.0.1")]))
isakmp_sas = st.builds(
    IsakmpSa,
    connection_id=counts,
    local=addresses,
    local_port=st.integers(0, 65535),
    peer=addresses,
    peer_port=st.integers(0, 65535),
    initiator=st.booleans(),
    state=st.sampled_from(["QM_IDLE", "MM_NO_STATE"]) | text,
    active=st.booleans(),
    created_at=times,
    expires_at=st.none() | times,
    cipher=st.none() | st.sampled_from(ike.Cipher),
    key_bits=st.sampled_from([0, 256]),
    hash=st.none() | st.sampled_from(ike.Hash),
    authentication=st.none() | st.sampled_from(ike.Authentication),
    group=counts,
    capabilities=text,
    peer_identity=st.none() | text,
    profile=st.none() | text,
)
ipsec_sas = st.builds(
    IpsecSa,
    key=sa_keys,
    connection_id=counts,
    transform=transforms,
    mode=st.sampled_from(Mode),
    udp=st.booleans(),
    created_at=times,
    expires_at=times,
    lifetime_s=counts,
    lifetime_kb=st.none() | counts,
    replay_window=st.integers(0, 1024),
    pfs=st.none() | counts,
)
ike_states = st.builds(
    IkeState,
    isakmp=st.lists(isakmp_sas, max_size=3).map(tuple),
    flows=st.lists(
        st.builds(
            FlowState,
            crypto_map=maps,
            local=addresses,
            peer=addresses,
            selector_local=addresses,
            selector_peer=addresses,
            peer_port=st.integers(0, 65535),
            status=st.sampled_from(["UP-ACTIVE", "DOWN"]) | text,
            up_since=st.none() | times,
            inbound=st.lists(ipsec_sas, max_size=2).map(tuple),
            outbound=st.lists(ipsec_sas, max_size=2).map(tuple),
            identity=st.none() | text,
            profile=st.none() | text,
        ),
        max_size=3,
    ).map(tuple),
)
sa_counters = st.builds(
    SaCounters,
    packets=counts,
    octets=counts,
    sequence=counts,
    last_at=st.none() | times,
    replay_errors=counts,
    integrity_errors=counts,
    length_errors=counts,
    identity_errors=counts,
    send_errors=counts,
)
desired = st.builds(
    Desired,
    neighbours=st.dictionaries(st.tuples(names, addresses), st.integers(1, 3), max_size=3),
    tunnels=by_name(
        lambda name: st.builds(
            Tunnel,
            name=st.just(name),
            local=addresses_or_none,
            key=st.none() | st.integers(0, 2**32 - 1),
            multipoint=st.booleans(),
            mtu=counts,
            tos=st.none() | st.integers(0, 255),
            ttl=st.integers(1, 255),
            adjacencies=st.dictionaries(st.integers(1, 3), addresses, max_size=3),
            crypto_map=st.none() | maps,
        )
    ),
)
secrets = {"key": st.none() | text, "sealed": st.none() | text}
keys = st.dictionaries(st.tuples(addresses, masks), st.builds(AddressKey, addresses, masks, **secrets), max_size=2)
hostname_keys = st.dictionaries(text, st.builds(HostnameKey, text, **secrets), max_size=1)
ipv6_keys = st.dictionaries(text, st.builds(Ipv6Key, text, **secrets), max_size=1)
conditions = st.builds(
    DebugCondition,
    st.sampled_from(["dmvpn", "nhrp", "crypto"]),
    st.sampled_from(["peer nbma", "vrf"]),
    addresses | text,
)
names_or_text = st.sampled_from(["default", "P"]) | text
cryptos = st.builds(
    Crypto,
    keyrings=st.dictionaries(
        text,
        st.builds(
            Keyring,
            name=text,
            keys=st.dictionaries(
                st.tuples(addresses, masks), st.builds(KeyringKey, addresses, masks, **secrets), max_size=2
            ),
            hostname_keys=hostname_keys,
            ipv6_keys=ipv6_keys,
        ),
        max_size=2,
    ),
    isakmp=st.builds(
        Isakmp,
        default_policy=st.booleans(),
        policies=st.dictionaries(
            counts,
            st.builds(IsakmpPolicy, counts, text, text, text, counts, counts),
            max_size=2,
        ),
        keys=keys,
        hostname_keys=hostname_keys,
        ipv6_keys=ipv6_keys,
        profiles=st.dictionaries(
            text,
            st.builds(
                IsakmpProfile,
                name=text,
                keyrings=st.lists(text, max_size=2).map(tuple),
                addresses=st.dictionaries(
                    st.tuples(addresses, masks, st.none()), st.builds(MatchAddress, addresses, masks), max_size=2
                ),
                hosts=st.dictionaries(text, st.just(True), max_size=1),
            ),
            max_size=2,
        ),
    ),
    ipsec=st.builds(
        Ipsec,
        lifetime=st.builds(Lifetime, seconds=st.none() | counts, days=st.none() | counts),
        lifetime_kb=counts,
        transform_sets=st.dictionaries(
            names_or_text,
            st.builds(TransformSet, text, ah=st.none() | text, cipher=st.none() | text, integrity=st.none() | text),
            max_size=2,
        ),
        profiles=st.dictionaries(
            names_or_text,
            st.builds(
                IpsecProfile,
                name=text,
                lifetime=st.none() | st.builds(Lifetime, seconds=st.none() | counts, days=st.none() | counts),
                lifetime_kb=st.none() | counts,
                transform_sets=st.lists(names_or_text, max_size=2).map(tuple),
                pfs=st.none() | counts,
                ikev2_profile=st.none() | text,
                isakmp_profile=st.none() | text,
            ),
            max_size=2,
        ),
    ),
)
configs = st.builds(
    Config,
    version=st.sampled_from(["15.9", "12.4"]) | text,
    password_encryption=st.none() | st.booleans(),
    hostname=text,
    crypto=cryptos,
    timezone=st.none() | st.builds(Timezone, text, st.integers(-23, 23)),
    hosts=st.dictionaries(text, addresses, max_size=2),
    interfaces=by_name(
        lambda name: st.builds(
            Interface,
            name=st.just(name),
            description=st.none() | text,
            bandwidth_kbps=st.none() | counts,
            vrf=st.none() | text,
            ip_address=st.none() | ip_addresses,
            secondary=st.dictionaries(addresses, ip_addresses, max_size=2),
            mtu=st.none() | counts,
            ip_mtu=st.none() | counts,
            delay_tens_us=st.none() | counts,
            shutdown=st.booleans(),
            tunnel=tunnels,
            nhrp=st.builds(NhrpSettings, network_id=st.none() | counts),
            kept=kept,
        )
    ),
    kept=kept,
)
routes = st.builds(
    Route,
    code=st.sampled_from(["C", "L", "S", "S*", "H", ""]) | text,
    network=networks,
    interface=st.none() | names,
    next_hop=addresses_or_none,
    distance=counts,
    metric=counts,
    tag=st.none() | counts,
    since=st.none() | times,
)
timestamps = st.just(False) | st.builds(Timestamps, *[st.booleans()] * 6)
records = st.builds(
    LogRecord,
    counts,
    st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    st.booleans(),
    text,
    st.integers(0, 7),
    text,
    text,
    times,
    timestamps,
    st.booleans(),
)
snapshots = st.builds(
    Snapshot,
    config=configs,
    now=times,
    wall=st.datetimes(),
    clock_authoritative=st.booleans(),
    started_at=times,
    started_wall=st.just(datetime(1993, 3, 1)),
    plane=text,
    kernel=text,
    memory_kb=counts,
    reload_reason=text,
    desired=desired,
    interfaces=by_name(
        lambda name: st.builds(
            InterfaceState,
            name=st.just(name),
            admin_up=st.booleans(),
            line_up=st.booleans(),
            reason=st.none() | text,
            link=st.none() | links,
            source=addresses_or_none,
            changed_at=st.none() | times,
            cleared_at=st.none() | times,
            counters=counters,
            rates=st.tuples(counts, counts, counts, counts),
        )
    ),
    routes=st.lists(routes, max_size=4).map(tuple),
    nhrp=nhrp_states,
    ike=ike_states,
    sas=st.dictionaries(sa_keys, sa_counters, max_size=2),
    sockets=st.dictionaries(text | st.just("Socket Up"), counts, max_size=2),
    drops=st.dictionaries(text | st.just("not protected"), counts, max_size=2),
    arp=st.lists(st.builds(ArpEntry, names, addresses, st.none() | text, st.none() | times), max_size=3).map(tuple),
    log=st.lists(records, max_size=2).map(tuple),
    log_counters=st.builds(LogCounters, counts, counts, counts, counts, counts, counts),
    debugging=st.builds(
        Debugging, st.frozensets(st.sampled_from([*TOPICS])), st.lists(conditions, max_size=3).map(tuple)
    ),
    sessions=st.lists(
        st.builds(SessionState, st.integers(0, 999), text, text, times, text, st.booleans()), max_size=2
    ).map(tuple),
    history=st.lists(text, max_size=2).map(tuple),
    board_id=text,
    machine=text,
)

ANY = IPv4Address("10.0.0.0")
COMMANDS: dict[str, Callable[[Snapshot], str]] = {
    "show dmvpn": dmvpn.dmvpn,
    "show dmvpn detail": lambda snapshot: dmvpn.dmvpn(snapshot, detail=True),
    "show dmvpn peer tunnel": lambda snapshot: dmvpn.dmvpn(snapshot, tunnel=ANY, static=True),
    "show crypto isakmp sa": crypto_isakmp.sa,
    "show crypto isakmp sa detail": lambda snapshot: crypto_isakmp.sa(snapshot, detail=True),
    "show crypto isakmp sa count": lambda snapshot: crypto_isakmp.sa(snapshot, count=True),
    "show crypto isakmp peers": crypto_isakmp.peers,
    "show crypto ipsec sa": crypto_ipsec.sa,
    "show crypto ipsec sa detail": lambda snapshot: crypto_ipsec.sa(snapshot, detail=True),
    "show crypto ipsec sa identity": crypto_ipsec.identity,
    "show crypto ipsec sa address": crypto_ipsec.by_address,
    "show crypto ipsec sa count": crypto_ipsec.count,
    "show crypto session": crypto_session.session,
    "show crypto session detail": lambda snapshot: crypto_session.session(snapshot, detail=True),
    "show crypto session brief": lambda snapshot: crypto_session.session(snapshot, brief=True),
    "show crypto engine connections active": crypto_engine.connections,
    "show crypto sockets": crypto_engine.sockets,
    "show crypto isakmp policy": crypto_policy.policy,
    "show crypto isakmp default policy": crypto_policy.default_policy,
    "show crypto isakmp key": crypto_policy.key,
    "show crypto isakmp profile": crypto_policy.profile,
    "show crypto ipsec transform-set": crypto_transforms.transform_set,
    "show crypto ipsec profile": crypto_transforms.profile,
    "show crypto ipsec security-association lifetime": crypto_transforms.lifetime,
    "show crypto map": crypto_transforms.crypto_map,
    "show ip nhrp": nhrp.nhrp,
    "show ip nhrp brief": lambda snapshot: nhrp.nhrp(snapshot, brief=True, target=ANY),
    "show ip nhrp detail": lambda snapshot: nhrp.nhrp(snapshot, detail=True, target=IPv4Network("10.0.0.0/8")),
    "show ip nhrp nhs": nhrp.nhs,
    "show ip nhrp nhs detail": lambda snapshot: nhrp.nhs(snapshot, detail=True),
    "show ip nhrp traffic": nhrp.traffic,
    "show ip nhrp summary": nhrp.summary,
    "show ip nhrp multicast": nhrp.multicast,
    "show interfaces": interfaces.interfaces,
    "show interfaces description": interfaces.description,
    "show ip interface": ip_interface.ip_interface,
    "show ip interface brief": ip_interface.brief,
    "show ip route": ip_route.ip_route,
    "show ip route static": lambda snapshot: ip_route.ip_route(snapshot, static=True),
    "show ip route A": lambda snapshot: ip_route.ip_route(snapshot, address=ANY),
    "show ip route A M": lambda snapshot: ip_route.ip_route(
        snapshot, IPv4Address("10.9.5.1"), IPv4Address("255.0.255.0")
    ),
    "show ip route summary": ip_route.summary,
    "show version": version.version,
    "show clock": lambda snapshot: clock.clock(snapshot, detail=True),
    "show users": users.users,
    "show arp": arp.arp,
    "show adjacency": lambda snapshot: adjacency.adjacency(snapshot, detail=True),
    "show tunnel endpoints": tunnel.endpoints,
    "show tunnel protection statistics": tunnel_protection.statistics,
    "show logging": logging.logging,
    "show debugging": debugging.debugging,
    "show debugging condition": debugging.conditions,
    "show crypto debug-condition": debugging.crypto_conditions,
    "show history": history.history,
    "show hosts": hosts.hosts,
    "show inventory": inventory.inventory,
}


@given(snapshot=snapshots)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_snapshot_gives_lines_of_printable_text(snapshot: Snapshot) -> None:
    for command, show in COMMANDS.items():
        note(command)
        screen = show(snapshot)
        assert screen == "" or screen.endswith("\n")
        assert all(line.replace("\t", " ").isprintable() for line in screen.split("\n"))
