"""`show adjacency`: the next hops that packets can go to, and with `detail` the octets put before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.forwarding.tables import Tunnel
from iosish.show.arp import dotted
from iosish.show.text import by_name, page
from iosish.snapshot import Snapshot

COLUMNS = "Protocol Interface                 Address"
ROW = "IP       {interface:<25} {address}({references})"
DETAIL = " " * 35
_ETHERTYPE_IP = "0800"
_NO_MAC = "000000000000"


@dataclass(frozen=True, slots=True)
class _Adjacency:
    interface: str
    address: IPv4Address
    encapsulation: str  # hexadecimal
    endpoint: IPv4Address | None = None


def adjacency(snapshot: Snapshot, interface: str | None = None, detail: bool = False) -> str:
    """`show adjacency [X] [detail]`. In brackets: the adjacency itself and the routes that use it."""
    lines = [COLUMNS]
    uses = Counter((route.interface, route.next_hop) for route in snapshot.routes)
    for entry in sorted(_adjacencies(snapshot), key=lambda entry: (by_name(entry.interface), entry.address)):
        if interface not in (None, entry.interface):
            continue
        references = 1 + uses[entry.interface, entry.address] + uses[None, entry.address]
        lines.append(ROW.format(interface=entry.interface, address=str(entry.address), references=references))
        if detail:
            lines += [DETAIL + line for line in _detail(entry)]
    return page(lines)


def _adjacencies(snapshot: Snapshot) -> Iterator[_Adjacency]:
    for (interface, address), index in snapshot.desired.neighbours.items():
        tunnel = snapshot.desired.tunnels.get(interface)
        endpoint = tunnel.adjacencies.get(index) if tunnel is not None else None
        if tunnel is not None and endpoint is not None:
            yield _Adjacency(interface, address, gre_encapsulation(tunnel, endpoint), endpoint)
    for entry in snapshot.arp:
        if entry.mac is None or entry.age_s is None:
            continue
        state = snapshot.interfaces.get(entry.interface)
        own = state.link.mac if state is not None and state.link is not None else ""
        yield _Adjacency(entry.interface, entry.address, _mac(entry.mac) + _mac(own) + _ETHERTYPE_IP)


def _mac(text: str) -> str:
    return dotted(text).replace(".", "").upper() if text else _NO_MAC


def _detail(entry: _Adjacency) -> Iterator[str]:
    yield "epoch 0"
    yield "sourced in sev-epoch 0"
    yield f"Encap length {len(entry.encapsulation) // 2}"
    for start in range(0, len(entry.encapsulation), 40):
        yield entry.encapsulation[start : start + 40]
    if entry.endpoint is None:
        yield "ARP"
    else:
        yield "Tun endpt"
        yield "Next chain element:"
        yield f"  IP adj out of {entry.interface}, addr {entry.endpoint}"


def gre_encapsulation(tunnel: Tunnel, endpoint: IPv4Address) -> str:
    """The outer IP header (RFC 791) and the GRE header (RFC 2890) of an empty packet, in hexadecimal."""
    local = tunnel.local or IPv4Address(0)
    head = bytes((0x45, (tunnel.tos or 0) & 0xFF, 0, 0, 0, 0, 0, 0, tunnel.ttl & 0xFF, 47))
    addresses = local.packed + endpoint.packed
    words = head + b"\0\0" + addresses
    total = sum(int.from_bytes(words[place : place + 2]) for place in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    gre = b"\0\0\x08\0" if tunnel.key is None else b"\x20\0\x08\0" + (tunnel.key & 0xFFFFFFFF).to_bytes(4)
    return (head + (~total & 0xFFFF).to_bytes(2) + addresses + gre).hex().upper()
