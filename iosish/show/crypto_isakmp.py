"""`show crypto isakmp sa` and `show crypto isakmp peers`: phase 1 as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from iosish.ike.state import IsakmpSa
from iosish.show.crypto_flows import is_up, isakmp, lifetime
from iosish.show.crypto_names import ike_authentication, ike_cipher, ike_hash
from iosish.show.text import page
from iosish.snapshot import Snapshot

IPV4 = "IPv4 Crypto ISAKMP SA"
#: This router speaks IKE over IPv4 alone, but the heading stands.
IPV6 = ("", "IPv6 Crypto ISAKMP SA", "")
COLUMNS = "dst             src             state          conn-id status"
ROW = "{responder:<15} {initiator:<15} {state:<14} {connection:>7} {status}"
#: With the slot of the crypto engine: IOS 12.4, and what HA asks for.
COLUMNS_SLOT = "dst             src             state          conn-id slot status"
ROW_SLOT = "{responder:<15} {initiator:<15} {state:<14} {connection:>7}    0 {status}"

CODES = (
    "Codes: C - IKE configuration mode, D - Dead Peer Detection",
    "       K - Keepalives, N - NAT-traversal",
    "       T - cTCP encapsulation, X - IKE Extended Authentication",
    "       psk - Preshared key, rsig - RSA signature",
    "       renc - RSA encryption",
)
DETAIL_COLUMNS = (
    "",
    "C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.",
)
DETAIL_ROW = (
    "",
    "{connection:<5} {local:<15} {peer:<15}        ACTIVE {cipher:<4} {hash:<6} {authentication:<4} {group:<2} "
    "{lifetime:<8} {capabilities:<4}",
    "       Engine-id:Conn-id =  {engine}{deleted}",
)
#: The software engine counts from 1 what IKE counts from 1001.
FIRST_CONNECTION = 1001

COUNT = (
    "Active ISAKMP SA's: {active}",
    "",
    "Standby ISAKMP SA's: 0",
    "",
    "Currently being negotiated ISAKMP SA's: {negotiated}",
    "",
    "Dead ISAKMP SA's: {dead}",
)

PEER = "Peer: {peer} Port: {port} Local: {local}"
PEER_IDENTITY = " Phase1 id: {identity}"


def sa(
    snapshot: Snapshot,
    detail: bool = False,
    active: bool = False,
    standby: bool = False,
    count: bool = False,
    nat: bool = False,
    vrf: str | None = None,
) -> str:
    """`show crypto isakmp sa [detail | active | standby | count | nat | vrf NAME]`.

    There is no standby router, and IKE lives in the global table: nothing is on standby or in a VRF.
    """
    sas = [sa for there in isakmp(snapshot).values() for sa in there]
    if count:
        return _count(sas)
    if standby or vrf is not None:
        sas = []
    if active:
        sas = [sa for sa in sas if sa.active]
    if nat:
        sas = [sa for sa in sas if sa.nat_local or sa.nat_peer]
    if detail:
        return page([*CODES, IPV4, *DETAIL_COLUMNS, *_details(snapshot, sas), *IPV6])
    if snapshot.like_12_4:
        return page([COLUMNS_SLOT, *_rows(ROW_SLOT, sas)])
    if active or standby:
        return page([IPV4, COLUMNS_SLOT, *_rows(ROW_SLOT, sas)])
    return page([IPV4, COLUMNS, *_rows(ROW, sas), *IPV6])


def peers(snapshot: Snapshot, peer: IPv4Address | None = None) -> str:
    """`show crypto isakmp peers [A]`."""
    lines: list[str] = []
    for sas in isakmp(snapshot).values():
        by_port = {sa.peer_port: sa for sa in reversed(sas) if sa.active and peer in (None, sa.peer)}
        for port, sa in sorted(by_port.items()):
            lines.append(PEER.format(peer=sa.peer, port=port, local=sa.local))
            if sa.peer_identity is not None:
                lines.append(PEER_IDENTITY.format(identity=sa.peer_identity))
    return page(lines)


def _rows(row: str, sas: Iterable[IsakmpSa]) -> Iterator[str]:
    for sa in sas:
        status = "ACTIVE" if sa.active else "ACTIVE (deleted)"
        yield row.format(
            responder=str(sa.peer if sa.initiator else sa.local),
            initiator=str(sa.local if sa.initiator else sa.peer),
            state=sa.state,
            connection=sa.connection_id,
            status=status if sa.profile is None or not sa.active else f"{status} {sa.profile}",
        )


def _details(snapshot: Snapshot, sas: Iterable[IsakmpSa]) -> Iterator[str]:
    for sa in sas:
        engine = sa.connection_id - FIRST_CONNECTION + 1
        for line in DETAIL_ROW:
            yield line.format(
                connection=sa.connection_id,
                local=str(sa.local),
                peer=str(sa.peer),
                cipher=ike_cipher(sa.cipher),
                hash=ike_hash(sa.hash),
                authentication=ike_authentication(sa.authentication),
                group=sa.group,
                lifetime=lifetime(snapshot, sa),
                capabilities=sa.capabilities,
                engine=f"SW:{engine}" if engine > 0 else "???",
                deleted="" if sa.active else " (deleted)",
            )


def _count(sas: list[IsakmpSa]) -> str:
    active = sum(is_up(sa) for sa in sas)
    dead = sum(not sa.active for sa in sas)
    negotiated = len(sas) - active - dead
    return page(line.format(active=active, negotiated=negotiated, dead=dead) for line in COUNT)
