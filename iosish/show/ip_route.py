"""`show ip route`: the table under its classful headings, one route, and the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from iosish.show.text import by_address, page
from iosish.show.times import since
from iosish.snapshot import Route, Snapshot

CODES = (
    "Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP",
    "       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area ",
    "       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2",
    "       E1 - OSPF external type 1, E2 - OSPF external type 2",
    "       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2",
    "       ia - IS-IS inter area, * - candidate default, U - per-user static route",
    "       o - ODR, P - periodic downloaded static route, H - NHRP, l - LISP",
    "       a - application route",
    "       + - replicated route, % - next hop override, p - overrides from PfR",
    "",
)
NO_GATEWAY = "Gateway of last resort is not set"
GATEWAY = "Gateway of last resort is {next_hop} to network 0.0.0.0"
ONE_MASK = "      {network} is subnetted, {count} subnets"
MANY_MASKS = "      {network} is variably subnetted, {count} subnets, {masks} masks"
#: A route below a heading, and one that stands for itself.
CHILD = "{code:<8} {prefix}"
ALONE = "{code:<5} {prefix}"
CONNECTED = " is directly connected"
METRIC = " [{distance}/{metric}]"
VIA = " via {next_hop}"

ENTRY = "Routing entry for {network}"
SUPERNET = ", supernet"
ENTRY_PARENT = "Routing entry for {network}, {count} known subnets"
ATTACHED = "  Attached ({count} connection{plural})"
MASKS = "  Variably subnetted with {count} masks"
KNOWN = '  Known via "{source}", distance {distance}, metric {metric}'
VIA_INTERFACE = " (connected, via interface)"
CANDIDATE = ", candidate default path"
TAG = "  Tag {tag}"
BLOCKS = "  Routing Descriptor Blocks:"
PATH = "  {mark} {path}"
PATH_METRIC = "      Route metric is {metric}, traffic share count is 1"
PATH_TAG = "      Route tag {tag}"
NO_NETWORK = "% Network not in table"
NO_SUBNET = "% Subnet not in table"

SUMMARY = (
    "IP routing table name is default (0x0)",
    "IP routing table maximum-paths is 32",
    "Route Source    Networks    Subnets     Replicates  Overhead    Memory (bytes)",
)
SUMMARY_ROW = "{source:<15} {networks:<11} {subnets:<11} {replicates:<11} {overhead:<11} {memory}"

SOURCES = {"C": "connected", "L": "connected", "S": "static", "H": "nhrp"}
#: Routes whose age IOS prints.
_AGED = frozenset("HDOBRi")
_DEFAULT = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A network with all its paths, the first one first."""

    network: IPv4Network
    paths: tuple[Route, ...]

    @property
    def code(self) -> str:
        code = self.paths[0].code
        return f"{code}*" if self.network == _DEFAULT and "*" not in code else code


def ip_route(
    snapshot: Snapshot,
    address: IPv4Address | None = None,
    mask: IPv4Address | None = None,
    static: bool = False,
    connected: bool = False,
) -> str:
    """`show ip route [A [MASK] | static | connected]`."""
    entries = _entries(snapshot.routes)
    if address is not None:
        return page(_lookup(snapshot.now, entries, address, mask))
    lines = [*CODES, _gateway(entries), ""]
    codes = {"S"} if static else {"C", "L"} if connected else set()
    for network, children in _by_class(entries).items():
        shown = [child for child in children if not codes or child.paths[0].code[:1] in codes]
        lines += _group(snapshot.now, network, children, shown)
    return page(lines)


def summary(snapshot: Snapshot) -> str:
    """`show ip route summary`; the bytes are those of this process."""
    entries = _entries(snapshot.routes)
    counts: dict[str, list[int]] = {"connected": [0, 0, 0], "static": [0, 0, 0]}
    for entry in entries:
        row = counts.setdefault(SOURCES.get(entry.paths[0].code[:1], "other"), [0, 0, 0])
        row[0 if entry.network == classful(entry.network) else 1] += 1
        row[2] += sum(sys.getsizeof(path) + sys.getsizeof(path.network) for path in entry.paths)
    headings = [network for network, children in _by_class(entries).items() if _is_heading(network, children)]
    internal = sum(sys.getsizeof(network) for network in headings)
    lines = list(SUMMARY)
    for source, (networks, subnets, memory) in counts.items():
        lines.append(_summary_row(source, networks, subnets, memory))
    lines.append(
        SUMMARY_ROW.format(
            source="internal", networks=len(headings), subnets="", replicates="", overhead="", memory=internal
        )
    )
    totals = [sum(row[column] for row in counts.values()) for column in range(3)]
    lines.append(_summary_row("Total", totals[0] + len(headings), totals[1], totals[2] + internal))
    return page(lines)


def classful(network: IPv4Network) -> IPv4Network:
    """The class A, B or C network that `network` lies in; itself when it is larger or of no class."""
    first = int(network.network_address) >> 24
    length = 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 32
    if network.prefixlen <= length:
        return network
    return network.supernet(new_prefix=length)


def _entries(routes: Iterable[Route]) -> list[_Entry]:
    networks: dict[IPv4Network, list[Route]] = {}
    for route in routes:
        networks.setdefault(route.network, []).append(route)
    return [_Entry(network, tuple(networks[network])) for network in sorted(networks, key=by_address)]


def _by_class(entries: list[_Entry]) -> dict[IPv4Network, list[_Entry]]:
    groups: dict[IPv4Network, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(classful(entry.network), []).append(entry)
    return groups


def _is_heading(network: IPv4Network, children: list[_Entry]) -> bool:
    return any(child.network != network for child in children)


def _gateway(entries: list[_Entry]) -> str:
    for entry in entries:
        if entry.network == _DEFAULT:
            return GATEWAY.format(next_hop=entry.paths[0].next_hop or "0.0.0.0")
    return NO_GATEWAY


def _group(now: float, network: IPv4Network, children: list[_Entry], shown: list[_Entry]) -> Iterator[str]:
    """A classful network's heading counts all its subnets, also when only some are shown."""
    if not shown:
        return
    if not _is_heading(network, children):
        yield from _route(now, shown[0], ALONE, with_mask=True)
        return
    lengths = {child.network.prefixlen for child in children}
    if len(lengths) == 1:
        subnets = f"{network.network_address}/{min(lengths)}"
        yield ONE_MASK.format(network=subnets, count=len(children))
    else:
        yield MANY_MASKS.format(network=network, count=len(children), masks=len(lengths))
    for child in shown:
        yield from _route(now, child, CHILD, with_mask=len(lengths) > 1)


def _route(now: float, entry: _Entry, form: str, with_mask: bool) -> Iterator[str]:
    prefix = str(entry.network if with_mask else entry.network.network_address)
    head = form.format(code=entry.code, prefix=prefix)
    for path in entry.paths:
        yield head + _path(now, path)
        head = " " * len(head)


def _path(now: float, path: Route) -> str:
    if path.next_hop is None:
        text = CONNECTED
    else:
        text = METRIC.format(distance=path.distance, metric=path.metric) + VIA.format(next_hop=path.next_hop)
    if path.code[:1] in _AGED and path.since is not None:
        text += f", {since(now, path.since)}"
    return text if path.interface is None else f"{text}, {path.interface}"


def _lookup(now: float, entries: list[_Entry], address: IPv4Address, mask: IPv4Address | None) -> Iterator[str]:
    """The longest match; the default route only answers for 0.0.0.0, and a mask asks for exactly that network."""
    groups = _by_class(entries)
    whole = classful(IPv4Network((int(address), 32)))
    if mask is not None:
        wanted = IPv4Network((int(address), int(mask).bit_count()), strict=False)
        matches = [entry for entry in entries if entry.network == wanted]
    elif int(address) == 0:
        matches = [entry for entry in entries if entry.network == _DEFAULT]
    else:
        matches = [entry for entry in entries if address in entry.network and entry.network != _DEFAULT]
        if address == whole.network_address and _is_heading(whole, groups.get(whole, [])):
            yield from _parent(now, whole, groups[whole])
            return
    if matches:
        yield from _entry(max(matches, key=lambda entry: entry.network.prefixlen))
    else:
        yield NO_SUBNET if whole in groups else NO_NETWORK


def _parent(now: float, network: IPv4Network, children: list[_Entry]) -> Iterator[str]:
    yield ENTRY_PARENT.format(network=network, count=len(children))
    attached = sum(child.paths[0].code[:1] in ("C", "L") for child in children)
    if attached:
        yield ATTACHED.format(count=attached, plural="" if attached == 1 else "s")
    masks = len({child.network.prefixlen for child in children})
    if masks > 1:
        yield MASKS.format(count=masks)
    for child in children:
        yield from _route(now, child, CHILD, with_mask=masks > 1)


def _entry(entry: _Entry) -> Iterator[str]:
    first = entry.paths[0]
    natural = classful(IPv4Network((int(entry.network.network_address), 32)))
    yield ENTRY.format(network=entry.network) + (SUPERNET if entry.network.prefixlen < natural.prefixlen else "")
    known = KNOWN.format(source=_source(first), distance=first.distance, metric=first.metric)
    if first.code[:1] == "C":
        known += VIA_INTERFACE
    if entry.network == _DEFAULT:
        known += CANDIDATE
    yield known
    if first.tag is not None:
        yield TAG.format(tag=first.tag)
    yield BLOCKS
    for place, path in enumerate(entry.paths):
        yield PATH.format(mark=" " if place else "*", path=_descriptor(path))
        yield PATH_METRIC.format(metric=path.metric)
        if path.tag is not None:
            yield PATH_TAG.format(tag=path.tag)


def _source(route: Route) -> str:
    return SOURCES.get(route.code[:1], "other")


def _descriptor(path: Route) -> str:
    if path.next_hop is None:
        return f"directly connected, via {path.interface}" if path.interface else "directly connected"
    return f"{path.next_hop}, via {path.interface}" if path.interface else str(path.next_hop)


def _summary_row(source: str, networks: int, subnets: int, memory: int) -> str:
    return SUMMARY_ROW.format(
        source=source, networks=networks, subnets=subnets, replicates=0, overhead=0, memory=memory
    )
