"""What several commands say of protected flows: the tunnels under a crypto map, the SAs and counters of a peer."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.ike.state import FlowState, IpsecSa, IsakmpSa
from iosish.ipsec.sa import SaCounters
from iosish.show.text import by_name
from iosish.show.times import clock
from iosish.snapshot import Snapshot

#: Our address and the peer's.
Ends = tuple[IPv4Address, IPv4Address]

NONE = "(none)"
_OCTETS_PER_KB = 1024
_NO_COUNTERS = SaCounters()


def by_interface(
    snapshot: Snapshot, interface: str | None = None, peer: IPv4Address | None = None
) -> Iterator[tuple[str, list[FlowState]]]:
    """The flows of each tunnel in the order of show commands; those of a shared map stand under each of its tunnels."""
    found: dict[str, list[FlowState]] = {}
    for flow in sorted(snapshot.ike.flows, key=_by_peer):
        if peer in (None, flow.peer):
            for name in interfaces(snapshot, flow.crypto_map):
                found.setdefault(name, []).append(flow)
    for name in sorted(found, key=by_name):
        if interface in (None, name):
            yield name, found[name]


def _by_peer(flow: FlowState) -> tuple[str, int, int]:
    return flow.crypto_map, int(flow.peer), int(flow.local)


def interfaces(snapshot: Snapshot, crypto_map: str) -> list[str]:
    """The tunnels under a crypto map; a map whose tunnel is gone is under the one its tag names."""
    names = [name for name, tunnel in snapshot.desired.tunnels.items() if tunnel.crypto_map == crypto_map]
    return sorted(names, key=by_name) or [crypto_map.partition("-head-")[0]]


def maps(snapshot: Snapshot) -> list[str]:
    """The crypto maps of all protected tunnels, in the order of the tunnels."""
    tunnels = sorted(snapshot.desired.tunnels, key=by_name)
    tags = (snapshot.desired.tunnels[name].crypto_map for name in tunnels)
    return list(dict.fromkeys(tag for tag in tags if tag is not None))


def profile_of(snapshot: Snapshot, interface: str) -> str | None:
    """The IPsec profile that protects a tunnel."""
    config = snapshot.config.interfaces.get(interface)
    protection = config.tunnel.protection if config is not None else None
    return None if protection is None else protection.profile


def is_shared(snapshot: Snapshot, interface: str) -> bool:
    config = snapshot.config.interfaces.get(interface)
    return config is not None and config.tunnel.protection is not None and config.tunnel.protection.shared


def owner(snapshot: Snapshot, local: IPv4Address) -> str:
    """The protected tunnel with this source, else the interface with this address."""
    for name, tunnel in snapshot.desired.tunnels.items():
        if tunnel.crypto_map is not None and tunnel.local == local:
            return name
    for name, interface in snapshot.config.interfaces.items():
        if interface.ip_address is not None and interface.ip_address.address == local:
            return name
    return NONE


def vrfs(snapshot: Snapshot, interface: str) -> tuple[str, str]:
    """The VRF outside of a tunnel and the one inside, `(none)` for the global table."""
    config = snapshot.config.interfaces.get(interface)
    if config is None:
        return NONE, NONE
    return config.tunnel.vrf or NONE, config.vrf or config.ip_vrf or NONE


def isakmp(snapshot: Snapshot) -> dict[Ends, list[IsakmpSa]]:
    """The ISAKMP SAs between each two ends, in order of the peer; of each what is live first."""
    found: dict[Ends, list[IsakmpSa]] = {}
    for sa in sorted(snapshot.ike.isakmp, key=lambda sa: (int(sa.peer), int(sa.local), *by_age(sa))):
        found.setdefault((sa.local, sa.peer), []).append(sa)
    return found


def by_age(sa: IsakmpSa) -> tuple[bool, bool, int]:
    """Sorts the ISAKMP SAs with one peer: what is live, the newest first, then what is deleted."""
    return not sa.active, not is_up(sa), -sa.connection_id


def is_up(sa: IsakmpSa) -> bool:
    return sa.active and sa.state == "QM_IDLE"


def is_flow_up(flow: FlowState) -> bool:
    """Whether packets can go: a session that is down is `DOWN` or `DOWN-NEGOTIATING`."""
    return bool(flow.inbound and flow.outbound)


def counted(snapshot: Snapshot, flow: FlowState) -> tuple[SaCounters, SaCounters]:
    """What all SAs of a flow counted, those that ended included: in, and out."""
    totals = SaCounters(), SaCounters()
    for total, ended, sas in zip(totals, (flow.ended_in, flow.ended_out), (flow.inbound, flow.outbound), strict=True):
        total.add(ended)
        for sa in sas:
            total.add(snapshot.sas.get(sa.key, _NO_COUNTERS))
    return totals


def receive_errors(counters: SaCounters) -> int:
    return counters.replay_errors + counters.integrity_errors + counters.length_errors + counters.identity_errors


def remaining_kb(snapshot: Snapshot, sa: IpsecSa) -> int | None:
    """What the SA may still carry; None without a limit."""
    if sa.lifetime_kb is None:
        return None
    return max(0, sa.lifetime_kb - snapshot.sas.get(sa.key, _NO_COUNTERS).octets // _OCTETS_PER_KB)


def remaining_s(snapshot: Snapshot, sa: IpsecSa) -> int:
    return max(0, int(sa.expires_at - snapshot.now))


def lifetime(snapshot: Snapshot, sa: IsakmpSa) -> str:
    """`23:59:39` to the end of an ISAKMP SA, `0` for one that is not up."""
    return clock(sa.expires_at - snapshot.now) if is_up(sa) and sa.expires_at is not None else "0"
