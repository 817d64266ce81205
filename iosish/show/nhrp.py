"""The `show ip nhrp` family: cache, next hop servers, packets, multicast list."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from iosish.nhrp.state import CacheEntry, NhrpInterfaceState, NhsState
from iosish.show.text import address, by_address, by_name, page, short
from iosish.show.times import since, until
from iosish.snapshot import Snapshot

ENTRY = (
    "{target} via {via}",
    "   {interface} created {created}, {expire}",
    "   Type: {kind}, Flags: {flags}",
    "   NBMA address: {nbma} ",
)
INCOMPLETE = ("{target}", *ENTRY[1:3])
CLAIMED = "    (Claimed NBMA address: {claimed}) "
PREFERENCE = "   Preference: {preference}"
NO_SOCKET = "    (no-socket) "
REQUESTER = "  Requester: {requester} Request ID: {request_id}"

BRIEF_COLUMNS = "   Target             Via            NBMA           Mode   Intfc   Claimed"
BRIEF_ROW = "{target:>20} {via:<15} {nbma:<15} {kind:<8} {interface:<7} <{claimed:^3}>"

NHS_LEGEND = "Legend: E=Expecting replies, R=Responding, W=Waiting, D=Dynamic"
NHS = "{address}  {status:>2}  {nbma}priority = {priority} cluster = {cluster}"
NHS_NBMA = "NBMA Address: {nbma} "
NHS_DETAIL = "  req-sent {sent}  req-failed {failed}  repl-recv {received}"
NHS_LAST_REPLY = " ({ago} ago)"
NHS_REQUEST = " Current Request ID: {request}"
NHS_ACKNOWLEDGED = " (Ack: {acknowledged})"
NHS_PROTECTION = " Protection Socket Requested: {requested}"
PENDING_HEADING = ("", "", "Pending Registration Requests:")
PENDING = "Registration Request: Reqid {request}, Ret {retry}  NHS {address} {state} ({interface})"

#: A packet costs the router little, so nothing is rate-limited on the way out; the line is one that parsers want.
TRAFFIC = "{name}: Max-send limit:10000Pkts/10Sec, Usage:0%"
TRAFFIC_TOTAL = "   {direction}: Total {total}"
TRAFFIC_ROWS = (
    ("Resolution Request", "Resolution Reply", "Registration Request"),
    ("Registration Reply", "Purge Request", "Purge Reply"),
    ("Error Indication", "Traffic Indication", "Redirect Suppress"),
)
#: Not on IOS, and only there when something was refused: the reasons tell a wrong authentication string from a loop.
TRAFFIC_REFUSED = "   Refused: Total {total}"
TRAFFIC_REASON = " " * 9 + "{count} {reason}"

SUMMARY = (
    "IP NHRP cache {entries} {noun}, {size} bytes",
    "    {static} static   {dynamic} dynamic    {incomplete} incomplete",
)
SUMMARY_REMOTE = (
    "{entries} Remote",
    "    {static} static   {dynamic} dynamic    {incomplete} incomplete",
    "    {nhop} nhop     {bfd} bfd",
    "    0 default  0 temporary",
    "    {route} route",
    "        {route} rib ({rib} H    {nho} nho)",
    "        0 bgp",
    "    0 lfib",
)
SUMMARY_LOCAL = (
    "{entries} Local",
    "    {static} static   {dynamic} dynamic    {incomplete} incomplete",
    "    0 lfib",
)

MULTICAST_COLUMNS = "  I/F     NBMA address"
MULTICAST_ROW = "{interface:<10} {nbma:<15}    Flags: {flag:<16} (Enabled) "


def nhrp(
    snapshot: Snapshot,
    brief: bool = False,
    detail: bool = False,
    target: IPv4Address | IPv4Network | None = None,
    interface: str | None = None,
    dynamic: bool = False,
    static: bool = False,
    incomplete: bool = False,
) -> str:
    """`show ip nhrp [A | PREFIX] [interface Tunnel0] [dynamic | static | incomplete] [brief | detail]`.

    An address finds the entries that cover it, a prefix the entries within it.
    """
    kinds = {kind for kind, on in (("dynamic", dynamic), ("static", static), ("incomplete", incomplete)) if on}
    lines = [BRIEF_COLUMNS] if brief else []
    for state in _interfaces(snapshot, interface):
        for entry in sorted(state.entries, key=lambda entry: by_address(entry.target)):
            if (kinds and entry.kind not in kinds) or not _covers(entry.target, target):
                continue
            if brief:
                lines.append(_brief(state.name, entry))
            else:
                lines += _entry(snapshot.now, state.name, entry, detail)
    return page(lines)


def nhs(snapshot: Snapshot, detail: bool = False, interface: str | None = None) -> str:
    """`show ip nhrp nhs [detail] [Tunnel0]`."""
    states = [state for state in _interfaces(snapshot, interface) if state.nhs]
    if not states:
        return ""
    lines = [NHS_LEGEND]
    pending = []
    for place, state in enumerate(states):
        lines += ["", f"{state.name}:"] if place else [f"{state.name}:"]
        for server in state.nhs:
            lines += _server(snapshot, state.name, server, detail)
            if server.pending:
                pending.append(_pending(state.name, server))
    if detail and pending:
        lines += [*PENDING_HEADING, *pending]
    return page(lines)


def traffic(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show ip nhrp traffic [interface Tunnel0]`."""
    lines: list[str] = []
    for state in _interfaces(snapshot, interface):
        lines.append(TRAFFIC.format(name=state.name))
        lines += _packets("Sent", state.traffic.sent)
        lines += _packets("Rcvd", state.traffic.received)
        if state.traffic.refused:
            lines.append(TRAFFIC_REFUSED.format(total=sum(state.traffic.refused.values())))
            for reason, count in sorted(state.traffic.refused.items()):
                lines.append(TRAFFIC_REASON.format(count=count, reason=reason))
    return page(lines)


def summary(snapshot: Snapshot) -> str:
    """`show ip nhrp summary`; the bytes are those of this process."""
    entries = [entry for state in _interfaces(snapshot, None) for entry in state.entries]
    local = [entry for entry in entries if entry.local]
    remote = [entry for entry in entries if not entry.local]
    flags = {flag: sum(flag in entry.flags for entry in remote) for flag in ("nhop", "bfd", "rib", "nho")}
    size = sum(_size_bytes(entry) for entry in entries)
    noun = "entry" if len(entries) == 1 else "entries"
    lines = [line.format(noun=noun, size=size, **_kinds(entries)) for line in SUMMARY]
    route = flags["rib"] + flags["nho"]
    lines += [line.format(route=route, **flags, **_kinds(remote)) for line in SUMMARY_REMOTE]
    lines += [line.format(**_kinds(local)) for line in SUMMARY_LOCAL]
    return page(lines)


def multicast(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show ip nhrp multicast [Tunnel0]`."""
    lines = [MULTICAST_COLUMNS]
    for state in _interfaces(snapshot, interface):
        for entry in state.multicast:
            lines.append(MULTICAST_ROW.format(interface=state.name, nbma=str(entry.nbma), flag=entry.flag))
    return page(lines)


def _interfaces(snapshot: Snapshot, interface: str | None) -> Iterator[NhrpInterfaceState]:
    for name in sorted(snapshot.nhrp.interfaces, key=by_name):
        if interface in (None, name):
            yield snapshot.nhrp.interfaces[name]


def _covers(entry: IPv4Network, wanted: IPv4Address | IPv4Network | None) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, IPv4Address):
        return wanted in entry
    return entry.subnet_of(wanted)


def _entry(now: float, interface: str, entry: CacheEntry, detail: bool) -> Iterator[str]:
    no_socket = entry.local or "no-socket" in entry.flags
    values = {
        "target": str(entry.target),
        "via": entry.via,
        "interface": interface,
        "created": since(now, entry.created_at),
        "expire": "never expire " if entry.expires_at is None else f"expire {until(now, entry.expires_at)}",
        "kind": entry.kind,
        "flags": "".join(f"{flag} " for flag in entry.flags if flag != "no-socket"),
        "nbma": entry.nbma,
    }
    complete = entry.via is not None and entry.nbma is not None
    for line in ENTRY if complete else INCOMPLETE:
        yield line.format(**values)
    if entry.claimed_nbma is not None:
        yield CLAIMED.format(claimed=entry.claimed_nbma)
    if detail:
        yield PREFERENCE.format(preference=entry.preference)
    if no_socket:
        yield NO_SOCKET
    if detail:
        for requester, request_id in entry.requesters:
            yield REQUESTER.format(requester=requester, request_id=request_id)


def _brief(interface: str, entry: CacheEntry) -> str:
    return BRIEF_ROW.format(
        target=str(entry.target),
        via=address(entry.via, "-"),
        nbma=address(entry.nbma, "-"),
        kind=entry.kind[:8],
        interface=short(interface)[:7],
        claimed=address(entry.claimed_nbma, ""),
    )


def _server(snapshot: Snapshot, interface: str, server: NhsState, detail: bool) -> Iterator[str]:
    line = NHS.format(
        address=server.address,
        status=server.status,
        nbma="" if server.nbma is None else NHS_NBMA.format(nbma=server.nbma),
        priority=server.priority,
        cluster=server.cluster,
    )
    if not detail:
        yield line
        return
    line += NHS_DETAIL.format(
        sent=server.requests_sent, failed=server.requests_failed, received=server.replies_received
    )
    if server.last_reply_at is not None:
        line += NHS_LAST_REPLY.format(ago=since(snapshot.now, server.last_reply_at))
    yield line
    request = NHS_REQUEST.format(request=server.request_id)
    if server.acknowledged_id is not None:
        request += NHS_ACKNOWLEDGED.format(acknowledged=server.acknowledged_id)
    yield request
    config = snapshot.config.interfaces.get(interface)
    protected = config is not None and config.tunnel.protection is not None
    yield NHS_PROTECTION.format(requested="TRUE" if protected else "FALSE")


def _pending(interface: str, server: NhsState) -> str:
    return PENDING.format(
        request=server.request_id,
        retry=server.retry_s,
        address=server.address,
        state="waiting" if "R" in server.status else "expired",
        interface=short(interface),
    )


def _packets(direction: str, packets: Mapping[str, int]) -> Iterator[str]:
    yield TRAFFIC_TOTAL.format(direction=direction, total=sum(packets.values()))
    for row in TRAFFIC_ROWS:
        yield " " * 9 + "  ".join(f"{packets.get(name, 0)} {name}" for name in row)


def _kinds(entries: Iterable[CacheEntry]) -> dict[str, int]:
    counts = {"entries": 0, "static": 0, "dynamic": 0, "incomplete": 0}
    for entry in entries:
        counts["entries"] += 1
        if entry.kind in counts:
            counts[entry.kind] += 1
    return counts


def _size_bytes(entry: CacheEntry) -> int:
    owned = (entry.target, entry.via, entry.nbma, entry.flags, entry.requesters, entry.created_at)
    return sys.getsizeof(entry) + sum(sys.getsizeof(value) for value in owned if value is not None)
