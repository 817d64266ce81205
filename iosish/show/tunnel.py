"""`show tunnel endpoints`: who is behind which NBMA address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.forwarding.tables import Tunnel
from iosish.show.text import by_name, page
from iosish.show.times import since
from iosish.snapshot import Snapshot

HEADING = (" {name} running in {mode} mode", "")
#: Base and Parent, pointers on IOS, are the index of the adjacency.
ENDPOINT = " Endpoint transport {nbma} Refcount {references} Base 0x{index:X} Create Time {created}"
OVERLAY = "   overlay {address} Refcount 1 Parent 0x{index:X} Create Time {created}"
SUBBLOCKS = ("   Tunnel Subblocks:", "     tunnel-nhrp-sb:", "       NHRP subblock has {count} entries")


def endpoints(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show tunnel endpoints [Tunnel0]`."""
    lines: list[str] = []
    for name in sorted(snapshot.desired.tunnels, key=by_name):
        if interface in (None, name):
            lines += _tunnel(snapshot, snapshot.desired.tunnels[name])
    return page(lines)


def _tunnel(snapshot: Snapshot, tunnel: Tunnel) -> Iterator[str]:
    for line in HEADING:
        yield line.format(name=tunnel.name, mode="multi-GRE/IP" if tunnel.multipoint else "GRE/IP")
    overlays: dict[int, list[IPv4Address]] = {}
    for (interface, address), index in snapshot.desired.neighbours.items():
        if interface == tunnel.name:
            overlays.setdefault(index, []).append(address)
    state = snapshot.nhrp.interfaces.get(tunnel.name)
    entries = [entry for entry in state.entries if entry.nbma is not None] if state is not None else []
    created: dict[IPv4Address | None, float] = {}
    counts: dict[IPv4Address | None, int] = {}
    for entry in entries:
        created[entry.nbma] = min(entry.created_at, created.get(entry.nbma, entry.created_at))
        counts[entry.nbma] = counts.get(entry.nbma, 0) + 1
    for index, nbma in sorted(tunnel.adjacencies.items(), key=lambda adjacency: adjacency[1]):
        addresses = sorted(overlays.get(index, ()))
        age = since(snapshot.now, created.get(nbma, snapshot.started_at))
        yield ENDPOINT.format(nbma=nbma, references=1 + len(addresses), index=index, created=age)
        for address in addresses:
            yield OVERLAY.format(address=address, index=index, created=age)
        for line in SUBBLOCKS:
            yield line.format(count=counts.get(nbma, 0))
