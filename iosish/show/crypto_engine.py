"""`show crypto engine connections active` and `show crypto sockets`: who encrypts, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.ipsec.sa import SaCounters
from iosish.show import crypto_names
from iosish.show.crypto_flows import by_interface, interfaces, is_flow_up, is_shared, maps, owner, profile_of
from iosish.show.text import page, short
from iosish.snapshot import Snapshot

CONNECTIONS = (
    "Crypto Engine Connections",
    "",
    "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address",
)
CONNECTION = "{id:>5}  {kind:<7} {algorithm:<18} {encrypted:>8} {decrypted:>8} {sequence:>8} {address}"
#: IOS 12.4 names the interface and no sequence numbers.
CONNECTIONS_12 = (
    *CONNECTIONS[:2],
    "   ID Interface  Type  Algorithm           Encrypt  Decrypt IP-Address",
)
CONNECTION_12 = "{id:>5} {interface:<10} {kind:<5} {algorithm:<18} {encrypted:>8} {decrypted:>8} {address}"

SOCKETS = ("", "Number of Crypto Socket connections {count}", "")
SOCKET = (
    "   {interface} Peers (local/remote): {local}/{peer} ",
    "       Local Ident  (addr/mask/port/prot): ({selector_local}/255.255.255.255/0/47)",
    "       Remote Ident (addr/mask/port/prot): ({selector_peer}/255.255.255.255/0/47)",
)
SOCKET_SHARED = "       Flags: shared"
SOCKET_END = (
    '       IPSec Profile: "{profile}"',
    "       Socket State: {state}",
    '       Client: "TUNNEL SEC" (Client State: Active)',
)
LISTENING = "Crypto Sockets in Listen state:"
LISTENER = 'Client: "TUNNEL SEC" Profile: "{profile}" Map-name: "{crypto_map}"'


@dataclass(frozen=True, slots=True)
class _Connection:
    id: int
    interface: str
    kind: str
    algorithm: str
    encrypted: int
    decrypted: int
    sequence: int
    address: IPv4Address


def connections(snapshot: Snapshot) -> str:
    """`show crypto engine connections active`: IPsec SAs by number, then ISAKMP SAs that encrypt."""
    headings, row = (CONNECTIONS_12, CONNECTION_12) if snapshot.like_12_4 else (CONNECTIONS, CONNECTION)
    lines = list(headings)
    for connections in (_ipsec(snapshot), _isakmp(snapshot)):
        for one in sorted(connections, key=lambda one: one.id):
            lines.append(
                row.format(
                    id=one.id,
                    interface=short(one.interface),
                    kind=one.kind,
                    algorithm=one.algorithm,
                    encrypted=one.encrypted,
                    decrypted=one.decrypted,
                    sequence=one.sequence,
                    address=one.address,
                )
            )
    return page(lines)


def _ipsec(snapshot: Snapshot) -> Iterator[_Connection]:
    for flow in snapshot.ike.flows:
        interface = interfaces(snapshot, flow.crypto_map)[0]
        for sa in (*flow.inbound, *flow.outbound):
            counters = snapshot.sas.get(sa.key, SaCounters())
            sent, received = (0, counters.packets) if sa.key.inbound else (counters.packets, 0)
            sequence = counters.sequence if sa.key.inbound else 0
            algorithm = crypto_names.engine(sa.transform)
            yield _Connection(sa.connection_id, interface, "IPsec", algorithm, sent, received, sequence, flow.local)


def _isakmp(snapshot: Snapshot) -> Iterator[_Connection]:
    """Messages of IKE are not counted here, on IOS neither."""
    for sa in snapshot.ike.isakmp:
        if sa.connection_id and sa.active:
            algorithm = crypto_names.engine_ike(sa.cipher, sa.key_bits, sa.hash)
            yield _Connection(sa.connection_id, owner(snapshot, sa.local), "IKE", algorithm, 0, 0, 0, sa.local)


def sockets(snapshot: Snapshot) -> str:
    """`show crypto sockets`: a flow under a shared profile is one socket, whichever tunnels use it."""
    lines: list[str] = []
    count = 0
    seen: set[tuple[str, str]] = set()
    for interface, flows in by_interface(snapshot):
        shared = is_shared(snapshot, interface)
        for flow in flows:
            place = flow.crypto_map, f"{flow.local} {flow.peer}"
            if place in seen:
                continue
            seen.add(place)
            count += 1
            for line in (*SOCKET, *([SOCKET_SHARED] if shared else []), *SOCKET_END):
                lines.append(
                    line.format(
                        interface="Shd" if shared else short(interface),
                        local=flow.local,
                        peer=flow.peer,
                        selector_local=flow.selector_local,
                        selector_peer=flow.selector_peer,
                        profile=profile_of(snapshot, interface) or "",
                        state="Open" if is_flow_up(flow) else "Closed",
                    )
                )
    listeners = [
        LISTENER.format(profile=profile_of(snapshot, interfaces(snapshot, tag)[0]) or "", crypto_map=tag)
        for tag in maps(snapshot)
    ]
    return page([*(line.format(count=count) for line in SOCKETS), *lines, LISTENING, *listeners])
