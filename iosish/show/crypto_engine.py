"""`show crypto engine connections active` and `show crypto sockets`: who encrypts, and for whom."""

from __future__ import annotations

from collections.abc import Iterator

from iosish.ipsec.sa import SaCounters
from iosish.show import crypto_names
from iosish.show.crypto_flows import by_interface, interfaces, is_flow_up, is_shared, maps, profile_of
from iosish.show.text import page, short
from iosish.snapshot import Snapshot

CONNECTIONS = (
    "Crypto Engine Connections",
    "",
    "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address",
)
CONNECTION = "{id:>5}  {kind:<7} {algorithm:<18} {encrypted:>8} {decrypted:>8} {sequence:>8} {address}"

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


def connections(snapshot: Snapshot) -> str:
    """`show crypto engine connections active`: IPsec SAs by number, then ISAKMP SAs that encrypt."""
    lines = list(CONNECTIONS)
    for _, line in sorted(_ipsec(snapshot)):
        lines.append(line)
    for sa in sorted(snapshot.ike.isakmp, key=lambda sa: sa.connection_id):
        if sa.connection_id and sa.active:
            lines.append(
                CONNECTION.format(
                    id=sa.connection_id,
                    kind="IKE",
                    algorithm=crypto_names.engine_ike(sa.cipher, sa.key_bits, sa.hash),
                    encrypted=0,
                    decrypted=0,
                    sequence=0,
                    address=sa.local,
                )
            )
    return page(lines)


def _ipsec(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    for flow in snapshot.ike.flows:
        for sa in (*flow.inbound, *flow.outbound):
            counters = snapshot.sas.get(sa.key, SaCounters())
            line = CONNECTION.format(
                id=sa.connection_id,
                kind="IPsec",
                algorithm=crypto_names.engine(sa.transform),
                encrypted=0 if sa.key.inbound else counters.packets,
                decrypted=counters.packets if sa.key.inbound else 0,
                sequence=counters.sequence if sa.key.inbound else 0,
                address=flow.local,
            )
            yield sa.connection_id, line


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
