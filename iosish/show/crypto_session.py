"""`show crypto session`, and what `show dmvpn detail` says of the same sessions: phase 1 and 2 of each peer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.ike.state import FlowState, IpsecSa, IsakmpSa
from iosish.show.crypto_flows import (
    NONE,
    Ends,
    by_interface,
    counted,
    is_up,
    isakmp,
    lifetime,
    owner,
    receive_errors,
    remaining_kb,
    remaining_s,
    vrfs,
)
from iosish.show.crypto_names import transform
from iosish.show.text import page, short
from iosish.show.times import duration
from iosish.snapshot import Snapshot

HEADING = ("Crypto session current status", "")
CODES = (
    "Code: C - IKE Configuration mode, D - Dead Peer Detection     ",
    "K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     ",
    "X - IKE Extended Authentication, F - IKE Fragmentation",
    "R - IKE Auto Reconnect, U - IKE Dynamic Route Update",
    "S - SIP VPN",
    "",
)
INTERFACE = "Interface: {interface}"
PROFILE = "Profile: {profile}"
UPTIME = "Uptime: {uptime}"
STATUS = "Session status: {status:<14}"
PEER = "Peer: {peer} port {port} "
PEER_DETAIL = "Peer: {peer} port {port} fvrf: {fvrf} ivrf: {ivrf}"
IDENTITY = "      Phase1_id: {identity}"
DESCRIPTION = "      Desc: (none)"
#: Sessions are numbered by IKEv2 alone.
SESSION_ID = "  Session ID: 0  "
IKE_SA = "  IKEv1 SA: local {local}/{local_port} remote {peer}/{peer_port} {status} "
IKE_SA_12 = "  IKE SA: local {local}/{local_port} remote {peer}/{peer_port} {status} "
IKE_SA_DETAIL = "          Capabilities:{capabilities} connid:{connection} lifetime:{lifetime}"
FLOW = (
    "  IPSEC FLOW: permit 47 host {local} host {peer} ",
    "        Active SAs: {sas}, origin: crypto map",
)
TRAFFIC = (
    "        Inbound:  #pkts dec'ed {received} drop {receive_errors} life (KB/Sec) {life_in}",
    "        Outbound: #pkts enc'ed {sent} drop {send_errors} life (KB/Sec) {life_out}",
)
NO_VOLUME = "KB Vol Rekey Disabled"

BRIEF_LEGEND = (
    "Status: A- Active, U - Up, D - Down, I - Idle, S - Standby, N - Negotiating ",
    "        K - No IKE",
    "ivrf = (none)",
    "Peer            I/F          Username        Group/Phase1_id          Uptime   Status",
)
BRIEF_ROW = "{peer:<15} {interface:<12} {user:<15} {identity:<24} {uptime:<8} {status}"
BRIEF_STATUS = {"UP-ACTIVE": "UA", "UP-IDLE": "UI", "UP-NO-IKE": "UK", "DOWN": "D", "DOWN-NEGOTIATING": "DN"}

#: A session's address in memory, on IOS; here its peer's address.
DMVPN_SESSION = ("Interface: {interface}", "Session: [0x{session:08X}]")
DMVPN_STATUS = "  Crypto Session Status: {status:<14}"
DMVPN_IDENTITY = "  fvrf: {fvrf},\tPhase1_id: {identity}"
#: IOS ends this line with the identity, and runs on without one.
DMVPN_NO_IDENTITY = "  fvrf: {fvrf},\t"
DMVPN_SOCKET = (
    "   Outbound SPI : 0x{spi:>8X}, transform : {transform} ",
    "    Socket State: {socket}",
    "",
)


@dataclass(frozen=True, slots=True)
class _Session:
    """A flow with the phase 1 of its peer, or phase 1 alone, so far."""

    interface: str
    local: IPv4Address
    peer: IPv4Address
    peer_port: int
    status: str
    identity: str | None
    profile: str | None
    up_since: float | None
    isakmp: list[IsakmpSa]
    flow: FlowState | None


def session(
    snapshot: Snapshot,
    detail: bool = False,
    brief: bool = False,
    remote: IPv4Address | None = None,
    local: IPv4Address | None = None,
    interface: str | None = None,
) -> str:
    """`show crypto session [remote A] [local A] [interface X] [detail | brief]`."""
    sessions = [
        session
        for session in _sessions(snapshot)
        if remote in (None, session.peer) and local in (None, session.local) and interface in (None, session.interface)
    ]
    if brief:
        return page([*BRIEF_LEGEND, *(_brief(snapshot, session) for session in sessions)])
    lines = [*HEADING, *(CODES if detail else ())]
    for session in sessions:
        lines += _session(snapshot, session, detail)
    return page(lines)


def _sessions(snapshot: Snapshot) -> Iterator[_Session]:
    sas = isakmp(snapshot)
    flows: set[Ends] = set()
    for interface, there in by_interface(snapshot):
        for flow in there:
            ends = flow.local, flow.peer
            flows.add(ends)
            yield _Session(
                interface,
                *ends,
                flow.peer_port,
                flow.status,
                flow.identity,
                flow.profile,
                flow.up_since,
                sas.get(ends, []),
                flow,
            )
    for (local, peer), alone in sas.items():
        if (local, peer) not in flows:
            newest = alone[0]
            yield _Session(
                owner(snapshot, local),
                local,
                peer,
                newest.peer_port,
                _idle_status(newest),
                newest.peer_identity,
                newest.profile,
                None,
                alone,
                None,
            )


def _idle_status(sa: IsakmpSa) -> str:
    if is_up(sa):
        return "UP-IDLE"
    return "DOWN-NEGOTIATING" if sa.active else "DOWN"


def _session(snapshot: Snapshot, session: _Session, detail: bool) -> Iterator[str]:
    yield INTERFACE.format(interface=session.interface)
    if session.profile is not None:
        yield PROFILE.format(profile=session.profile)
    if detail and session.up_since is not None:
        yield UPTIME.format(uptime=duration(snapshot.now - session.up_since))
    yield STATUS.format(status=session.status)
    if detail:
        fvrf, ivrf = vrfs(snapshot, session.interface)
        yield PEER_DETAIL.format(peer=session.peer, port=session.peer_port, fvrf=fvrf, ivrf=ivrf)
        identity = IDENTITY.format(identity=session.identity or NONE)
        yield from (DESCRIPTION, identity) if session.identity is None else (identity, DESCRIPTION)
    else:
        yield PEER.format(peer=session.peer, port=session.peer_port)
    yield from _ike_sas(snapshot, session.isakmp, detail)
    if session.flow is not None:
        yield from _flow(snapshot, session.flow, detail)
    yield ""


def _ike_sas(snapshot: Snapshot, sas: list[IsakmpSa], detail: bool) -> Iterator[str]:
    old = snapshot.like_12_4
    for sa in sas:
        if not old:
            yield SESSION_ID
        yield (IKE_SA_12 if old else IKE_SA).format(
            local=sa.local,
            local_port=sa.local_port,
            peer=sa.peer,
            peer_port=sa.peer_port,
            status="Active" if is_up(sa) else "Inactive",
        )
        if detail:
            yield IKE_SA_DETAIL.format(
                capabilities=sa.capabilities or NONE, connection=sa.connection_id, lifetime=lifetime(snapshot, sa)
            )


def _flow(snapshot: Snapshot, flow: FlowState, detail: bool) -> Iterator[str]:
    received, sent = counted(snapshot, flow)
    for line in FLOW + (TRAFFIC if detail else ()):
        yield line.format(
            local=flow.selector_local,
            peer=flow.selector_peer,
            sas=len(flow.inbound) + len(flow.outbound),
            received=received.packets,
            receive_errors=receive_errors(received),
            life_in=_life(snapshot, flow.inbound),
            sent=sent.packets,
            send_errors=sent.send_errors,
            life_out=_life(snapshot, flow.outbound),
        )


def _life(snapshot: Snapshot, sas: tuple[IpsecSa, ...]) -> str:
    """What is left of the newest SA: `4413303/280`."""
    if not sas:
        return "0/0"
    kilobytes = remaining_kb(snapshot, sas[0])
    return f"{NO_VOLUME if kilobytes is None else kilobytes}/{remaining_s(snapshot, sas[0])}"


def _brief(snapshot: Snapshot, session: _Session) -> str:
    return BRIEF_ROW.format(
        peer=str(session.peer),
        interface=short(session.interface),
        user="",
        identity=session.identity or "",
        uptime="" if session.up_since is None else duration(snapshot.now - session.up_since),
        status=BRIEF_STATUS.get(session.status, session.status),
    )


def dmvpn_session(snapshot: Snapshot, interface: str, flow: FlowState, sas: list[IsakmpSa]) -> Iterator[str]:
    """A session as `show dmvpn detail` has it; `sas` are the ISAKMP SAs with its peer."""
    for line in DMVPN_SESSION:
        yield line.format(interface=interface, session=int(flow.peer))
    yield from _ike_sas(snapshot, sas, True)
    yield DMVPN_STATUS.format(status=flow.status)
    fvrf, lines = vrfs(snapshot, interface)[0], _flow(snapshot, flow, True)
    if flow.identity is not None:
        yield DMVPN_IDENTITY.format(fvrf=fvrf, identity=flow.identity)
    else:
        yield DMVPN_NO_IDENTITY.format(fvrf=fvrf) + next(lines)
    yield from lines
    newest = flow.outbound[0] if flow.outbound else None
    for line in DMVPN_SOCKET:
        yield line.format(
            spi=newest.key.spi if newest is not None else 0,
            transform=transform(newest.transform) if newest is not None else "",
            socket="Open" if newest is not None else "Closed",
        )
