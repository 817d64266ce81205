"""`show dmvpn` and `show dmvpn detail`: the peers of each tunnel, from its NHRP cache, and who protects their packets.

A peer is an NBMA address; all tunnel addresses behind it stand under it. What the router answers
for itself (local entries) is no peer and is not listed. A peer of a protected tunnel is `IKE` until phase 1
is up with it, then `IPSEC` until phase 2 is, and then what NHRP says.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.config.model import Interface
from iosish.nhrp.state import CacheEntry, NhrpInterfaceState, NhsState
from iosish.show.crypto_flows import by_interface, is_up, isakmp
from iosish.show.crypto_session import dmvpn_session
from iosish.show.text import address, by_address, by_name, page
from iosish.show.times import since
from iosish.snapshot import Snapshot

LEGEND = (
    "Legend: Attrb --> S - Static, D - Dynamic, I - Incomplete",
    "        N - NATed, L - Local, X - No Socket",
    "        T1 - Route Installed, T2 - Nexthop-override",
    "        C - CTS Capable",
    "        # Ent --> Number of NHRP entries with same NBMA peer",
    "        NHS Status: E --> Expecting Replies, R --> Responding, W --> Waiting",
    "        UpDn Time --> Up or Down Time for a Tunnel",
    "=" * 74,
)
ADMIN_DOWN = "{name} is admin down"
HEADING = ("Interface: {name}, IPv4 NHRP Details ", "Type:{role}, NHRP Peers:{peers}, ", "")
COLUMNS = (
    " # Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb",
    " ----- --------------- --------------- ----- -------- -----",
)
ROW = " {entries:>5} {nbma:<15} {tunnel:>15} {state:>5} {changed:>8} {attributes:>5}"

#: The form of IOS 12.4, for a configuration that says `version 12.x`.
LEGEND_12 = (
    "Legend: Attrb --> S - Static, D - Dynamic, I - Incomplete",
    "        N - NATed, L - Local, X - No Socket",
    "        # Ent --> Number of NHRP entries with same NBMA peer",
)
HEADING_12 = ("{name}, Type:{role}, NHRP Peers:{peers}, ",)
ROW_12 = " {entries:>5} {nbma:>15} {tunnel:>15} {state:>5} {changed:>8} {attributes:<5}"

DETAIL_HEADING = (
    'Interface {name} is {admin}/{line}, Addr. is {address}, VRF "{vrf}" ',
    '   Tunnel Src./Dest. addr: {source}/{destination}, Tunnel VRF "{tunnel_vrf}"',
    '   Protocol/Transport: "{transport}", Protect "{profile}" ',
    "   Interface State Control: Disabled",
    "   nhrp event-publisher : Disabled",
)
DETAIL_NHS = "{address}  {status:>2} priority = {priority} cluster = {cluster}"
DETAIL_TYPE = "Type:{role}, Total NBMA Peers (v4/v6): {peers}"
DETAIL_COLUMNS = (
    "# Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb    Target Network",
    "----- --------------- --------------- ----- -------- ----- -----------------",
)
DETAIL_ROW = "{entries:>5} {nbma:<15} {tunnel:>15} {state:>5} {changed:>8} {attributes:>5} {target:>18}"
CRYPTO = ("          ", "Crypto Session Details: ", "-" * 80, "")
DETAIL_END = ("Pending DMVPN Sessions:", "")

UNKNOWN = "UNKNOWN"

Peers = dict[IPv4Address | None, list[CacheEntry]]


def dmvpn(
    snapshot: Snapshot,
    detail: bool = False,
    interface: str | None = None,
    nbma: IPv4Address | None = None,
    tunnel: IPv4Address | None = None,
    static: bool = False,
    dynamic: bool = False,
) -> str:
    """`show dmvpn [detail] [interface Tunnel0 | peer nbma A | peer tunnel A] [static | dynamic]`.

    With a filter only the tunnels that have such a peer are shown.
    """
    old = snapshot.like_12_4 and not detail
    lines = list(LEGEND_12 if old else LEGEND)
    lines += [
        ADMIN_DOWN.format(name=name)
        for name in sorted(snapshot.config.interfaces, key=by_name)
        if _is_shut(snapshot.config.interfaces[name]) and interface in (None, name)
    ]
    lines.append("")
    filtered = nbma is not None or tunnel is not None or static or dynamic
    listed: dict[str, Peers] = {}
    for name in sorted(snapshot.nhrp.interfaces, key=by_name):
        state = snapshot.nhrp.interfaces[name]
        configured = snapshot.config.interfaces.get(name)
        if interface not in (None, name) or (configured is not None and configured.shutdown):
            continue
        shown = [entry for entry in state.entries if _wanted(entry, nbma, tunnel, static, dynamic)]
        if filtered and not shown:
            continue
        peers = listed[name] = _by_peer(shown)
        if detail:
            lines += _detail(snapshot, state, peers)
        elif old:
            lines += _summary(snapshot, state, peers, HEADING_12, ROW_12)
        else:
            lines += _summary(snapshot, state, peers, HEADING, ROW)
    if detail:
        lines += CRYPTO
        sas = isakmp(snapshot)
        for name, flows in by_interface(snapshot):
            if name in listed:
                for flow in flows:
                    if not filtered or flow.peer in listed[name]:
                        lines += dmvpn_session(snapshot, name, flow, sas.get((flow.local, flow.peer), []))
        lines += DETAIL_END
    return page(lines)


def _is_shut(interface: Interface) -> bool:
    return interface.shutdown and interface.nhrp.network_id is not None


def _wanted(
    entry: CacheEntry, nbma: IPv4Address | None, tunnel: IPv4Address | None, static: bool, dynamic: bool
) -> bool:
    if entry.local:
        return False
    if nbma is not None and entry.nbma != nbma:
        return False
    if tunnel is not None and _tunnel_address(entry) != tunnel:
        return False
    if static or dynamic:
        return entry.kind == ("static" if static else "dynamic")
    return True


def _tunnel_address(entry: CacheEntry) -> IPv4Address:
    return entry.target.network_address if entry.via is None else entry.via


def _by_peer(entries: list[CacheEntry]) -> Peers:
    """Entries by NBMA address, in order of address; what has none yet comes last."""
    peers: Peers = {}
    for entry in sorted(entries, key=lambda entry: by_address(entry.target)):
        peers.setdefault(entry.nbma, []).append(entry)
    return dict(sorted(peers.items(), key=lambda peer: (peer[0] is None, int(peer[0] or 0))))


def _attributes(entry: CacheEntry) -> str:
    if entry.kind == "incomplete" or entry.nbma is None:
        return "IX"
    letters = "S" if entry.kind == "static" else "D"
    if entry.claimed_nbma is not None:
        letters += "N"
    if "no-socket" in entry.flags:
        letters += "X"
    if "nho" in entry.flags:
        letters += "T2"
    elif "rib" in entry.flags:
        letters += "T1"
    return letters


def _summary(
    snapshot: Snapshot, state: NhrpInterfaceState, peers: Peers, heading: tuple[str, ...], row: str
) -> Iterator[str]:
    for line in heading:
        yield line.format(name=state.name, role=state.role, peers=len(peers))
    yield from COLUMNS
    yield from _rows(snapshot, state.name, peers, row)
    yield ""


def _state(entry: CacheEntry, authenticated: frozenset[IPv4Address]) -> str:
    if not entry.secured:
        return "IPSEC" if entry.nbma in authenticated else "IKE"
    return "UP" if entry.up else "NHRP"


def _rows(snapshot: Snapshot, interface: str, peers: Peers, row: str) -> Iterator[str]:
    local = snapshot.interfaces[interface].source if interface in snapshot.interfaces else None
    authenticated = frozenset(sa.peer for sa in snapshot.ike.isakmp if sa.local == local and is_up(sa))
    for nbma, entries in peers.items():
        count, peer = str(len(entries)), address(nbma, UNKNOWN)
        for entry in entries:
            yield row.format(
                entries=count,
                nbma=peer,
                tunnel=str(_tunnel_address(entry)),
                state=_state(entry, authenticated),
                changed=since(snapshot.now, entry.changed_at),
                attributes=_attributes(entry),
                target=str(entry.target),
            )
            count = peer = ""


def _detail(snapshot: Snapshot, state: NhrpInterfaceState, peers: Peers) -> Iterator[str]:
    config = snapshot.config.interfaces.get(state.name, Interface(state.name))
    now = snapshot.interfaces.get(state.name)
    multipoint = config.tunnel.mode == "gre multipoint"
    values = {
        "name": state.name,
        "admin": "up",
        "line": "up" if now is not None and now.line_up else "down",
        "address": str(config.ip_address.address) if config.ip_address else "0.0.0.0",
        "vrf": config.vrf or "",
        "source": address(now.source if now else None, UNKNOWN),
        "destination": "MGRE" if multipoint else address(config.tunnel.destination, UNKNOWN),
        "tunnel_vrf": config.tunnel.vrf or "",
        "transport": "multi-GRE/IP" if multipoint else "GRE/IP",
        "profile": config.tunnel.protection.profile if config.tunnel.protection else "",
    }
    for line in DETAIL_HEADING:
        yield line.format(**values)
    yield from _servers(state.nhs)
    yield DETAIL_TYPE.format(role=state.role, peers=len(peers))
    yield ""
    yield from DETAIL_COLUMNS
    yield from _rows(snapshot, state.name, peers, DETAIL_ROW)
    yield ""


def _servers(servers: tuple[NhsState, ...]) -> Iterator[str]:
    if servers:
        yield from ("", "IPv4 NHS:")
    for server in servers:
        yield DETAIL_NHS.format(
            address=server.address, status=server.status, priority=server.priority, cluster=server.cluster
        )
