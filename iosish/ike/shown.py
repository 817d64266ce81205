"""The engine's state as values for `show`."""

from __future__ import annotations

from dataclasses import replace

from iosish.ike import constants as c
from iosish.ike.core import Core
from iosish.ike.flows import Protection
from iosish.ike.pairs import Pair, key_of
from iosish.ike.state import FlowState, IkeState, IpsecSa
from iosish.ipsec.sa import SecurityAssociation


def state(core: Core, now: float) -> IkeState:
    flows = sorted(core.flows, key=lambda item: (item.flow.crypto_map, int(item.flow.local), int(item.flow.peer)))
    return IkeState(
        isakmp=core.sas.shown(now),
        flows=tuple(_flow(core, protection) for protection in flows),
        counters=dict(core.node.counters),
    )


def _flow(core: Core, protection: Protection) -> FlowState:
    flow, sa = protection.flow, core.sas.best(protection.ends, None)
    newest = protection.pairs[0].inbound if protection.pairs else None
    return FlowState(
        crypto_map=flow.crypto_map,
        local=flow.local,
        peer=flow.peer,
        selector_local=flow.local if newest is None else newest.selector_local,
        selector_peer=flow.peer if newest is None else newest.selector_peer,
        peer_port=c.IKE_PORT if sa is None else sa.peer_port,
        status=_status(core, protection),
        up_since=protection.up_since,
        inbound=tuple(_one_way(pair, pair.inbound, pair.inbound_id) for pair in protection.pairs),
        outbound=tuple(_one_way(pair, pair.outbound, pair.outbound_id) for pair in protection.pairs),
        identity=None if sa is None else sa.peer_identity,
        profile=None if sa is None else sa.profile,
        ended_in=replace(protection.ended_in),
        ended_out=replace(protection.ended_out),
    )


def _status(core: Core, protection: Protection) -> str:
    isakmp = core.sas.best(protection.ends, None) is not None
    if protection.pairs:
        return "UP-ACTIVE" if isakmp else "UP-NO-IKE"
    if isakmp:
        return "UP-IDLE"
    return "DOWN-NEGOTIATING" if core.sas.between(protection.ends) else "DOWN"


def _one_way(pair: Pair, sa: SecurityAssociation, connection_id: int) -> IpsecSa:
    return IpsecSa(
        key=key_of(sa),
        connection_id=connection_id,
        transform=sa.transform,
        mode=sa.mode,
        udp=sa.udp_ports is not None,
        created_at=pair.created_at,
        expires_at=pair.expires_at,
        lifetime_s=pair.lifetime_s,
        lifetime_kb=pair.lifetime_kb,
        replay_window=sa.replay_window,
        pfs=pair.pfs,
    )
