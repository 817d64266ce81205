"""The pair of SAs that a quick mode has agreed on, with its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import constants as c
from iosish.ike import debug_text, keymat, messages
from iosish.ike.esp_proposals import Choice
from iosish.ike.pairs import Pair
from iosish.ike.payloads import Identification
from iosish.ike.quick_exchange import QuickMode
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Mode

if TYPE_CHECKING:
    from iosish.ike.core import Core


def build(
    core: Core,
    quick: QuickMode,
    choice: Choice,
    shared: bytes,
    now: float,
    identities: list[Identification] | None = None,
) -> Pair:
    """Both SAs with their keys. `identities` are those that a responder got."""
    sa, crypto_map, keys = quick.sa, quick.crypto_map, messages.keys_of(quick.sa)
    nonces = quick.nonce_i + quick.nonce_r
    hard = None if choice.lifetime_kb is None else choice.lifetime_kb * 1024
    soft = None if hard is None else hard - min(c.REKEY_OCTETS, int(hard * c.REKEY_OCTETS_SHARE))
    theirs = identities[0].address() if identities and sa.nat_peer and choice.mode is Mode.TUNNEL else None

    def one_way(spi: int, inbound: bool) -> SecurityAssociation:
        encryption, integrity = keymat.esp_keys(keys, choice.transform, spi.to_bytes(4, "big"), nonces, shared)
        return SecurityAssociation(
            spi=spi,
            inbound=inbound,
            crypto_map=crypto_map.tag,
            local=sa.local,
            peer=sa.peer,
            selector_local=sa.local,
            selector_peer=theirs or sa.peer,
            transform=choice.transform,
            encryption_key=encryption,
            integrity_key=integrity,
            mode=choice.mode,
            udp_ports=(sa.local_port, sa.peer_port) if sa.nat else None,
            replay_window=crypto_map.replay_window,
            df=crypto_map.df,
            soft_octets=soft,
            hard_octets=hard,
        )

    pair = Pair(
        flow=quick.flow,
        inbound=one_way(quick.spi, True),
        outbound=one_way(choice.spi, False),
        initiator=quick.initiator,
        created_at=now,
        lifetime_s=choice.lifetime_s,
        lifetime_kb=choice.lifetime_kb,
        pfs=choice.pfs,
        profile=sa.profile,
        inbound_id=core.pairs.next_flow_id(),
        outbound_id=core.pairs.next_flow_id(),
    )
    debug_text.created(core.node, sa, pair)
    return pair
