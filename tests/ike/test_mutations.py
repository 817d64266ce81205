"""Peers that have the key and lie: whatever stands in an authentic message, nothing is raised and nothing breaks."""

from __future__ import annotations

import random

import pytest

from iosish.engine import UdpDatagram
from iosish.ike import keymat, messages, notices, packet
from iosish.ike.constants import MAX_MESSAGE_IDS
from iosish.ike.isakmp_sa import IsakmpSa
from iosish.ike.packet import Exchange
from iosish.ike.payloads import (
    Delete,
    Identification,
    Kind,
    NatOriginalAddress,
    Nonce,
    Notification,
    NotifyType,
    Payload,
    Sa,
)
from tests.ike.link import HUB, OTHER, POLICY, SPOKE, Station, World, config, usable

ROUNDS = 1500


def chains(world: World, station: Station) -> list[tuple[Payload, ...]]:
    """What a peer may say in phase 2, well made."""
    from iosish.ike import esp_proposals, policies

    crypto_map = station.engine._core.node.config.maps["Tunnel0-head-0"]
    host, away = (Identification(1, 47, 0, address.packed) for address in (SPOKE, HUB))
    return [
        (esp_proposals.offer(crypto_map, 0x12345678, False, False), Nonce(bytes(20)), host, away),
        (esp_proposals.offer(crypto_map, 0x12345679, True, True), Nonce(bytes(20)), host, away),
        (policies.offer((POLICY,)), Nonce(bytes(20))),
        (Delete(3, 4, (b"\x01\x02\x03\x04",) * 3),),
        (Delete(1, 16, (bytes(16),)),),
        *((Notification(1, bytes(16), kind, bytes(8)),) for kind in NotifyType),
        (NatOriginalAddress(Kind.NAT_OA, 1, bytes(4)), host),
        (Sa(()), Nonce(bytes(8))),
    ]


def lie(chance: random.Random, chain: tuple[Payload, ...]) -> bytes:
    rest = bytearray(packet.encode_payloads(chain))
    for _ in range(chance.randrange(4)):
        rest[chance.randrange(len(rest))] = chance.choice((0, 1, 255, chance.randrange(256)))
    if chance.random() < 0.1:
        del rest[chance.randrange(len(rest)) :]
    return bytes(rest)


def seal(chance: random.Random, sa: IsakmpSa, exchange: Exchange, first: int, rest: bytes) -> bytes:
    keys, message_id = messages.keys_of(sa), chance.getrandbits(32)
    iv = keymat.phase2_iv(keys, sa.last_block, message_id)
    digest = keymat.hash_1(keys, message_id, rest)
    return messages.protect(sa, exchange, message_id, iv, digest, first, rest)[0]


@pytest.mark.parametrize("seed", range(3))
def test_authentic_nonsense(seed: int) -> None:
    world, chance = World(seed), random.Random(seed)
    hub, liar = world.add(HUB), world.add(SPOKE)
    other = world.add(OTHER)
    liar.request(HUB)
    other.request(HUB)
    world.run()
    [sa] = liar.engine._core.sas
    said = chains(world, liar)
    for number in range(ROUNDS):
        chain = chance.choice(said)
        exchange = chance.choice((Exchange.QUICK, Exchange.INFORMATIONAL))
        data = seal(chance, sa, exchange, chain[0].kind, lie(chance, chain))
        hub.engine.receive(UdpDatagram(HUB, 500, SPOKE, 500, data), world.now + number / 100)
        hub.engine.wake(world.now + number / 100)
        hub.collect()
        world.wire.clear()
        if not any(item.peer == SPOKE and item.up_at is not None for item in hub.engine._core.sas):
            break  # it has deleted its own
    world.now += ROUNDS / 100
    assert usable(world, HUB, OTHER), "who does not lie is not touched"
    assert sum(len(item.quick) for item in hub.engine._core.sas) <= 64
    world.run(400)
    assert hub.engine._core.pairs._awaited == {}
    assert usable(world, HUB, OTHER)
    liar = world.add(SPOKE)
    liar.request(HUB)
    world.run(5)
    assert usable(world, HUB, SPOKE), "and who stops lying is welcome"


def test_a_peer_cannot_take_more_than_its_share() -> None:
    world = World()
    hub, spoke = world.add(HUB), world.add(SPOKE)
    spoke.request(HUB)
    world.run()
    [sa] = spoke.engine._core.sas
    chance = random.Random(1)
    from iosish.ike import esp_proposals

    crypto_map = spoke.engine._core.node.config.maps["Tunnel0-head-0"]
    hosts = [Identification(1, 47, 0, address.packed) for address in (SPOKE, HUB)]
    for number in range(500):
        offer = esp_proposals.offer(crypto_map, 1000 + number, False, False)
        rest = packet.encode_payloads((offer, Nonce(bytes(20)), *hosts))
        data = seal(chance, sa, Exchange.QUICK, Kind.SA, rest)
        hub.engine.receive(UdpDatagram(HUB, 500, SPOKE, 500, data), world.now)
    hub.collect()
    world.wire.clear()
    assert hub.counters("too many quick modes") == 500 - 32
    assert len(hub.sas) == 2 + 32
    world.run(100)
    assert len(hub.sas) == 2
    assert usable(world, HUB, SPOKE)


def test_message_ids_are_remembered_in_bounds_and_none_is_forgotten() -> None:
    """Before that the SA makes room for another one."""
    world = World()
    hub, spoke = world.add(HUB, config(HUB)), world.add(SPOKE)
    spoke.request(HUB)
    world.run()
    [sa] = spoke.engine._core.sas
    for _ in range(MAX_MESSAGE_IDS):
        notices.delete_esp(spoke.engine._core, sa, 0x7777, world.now)
    world.run(10)
    for station in (hub, spoke):
        [now_there] = station.engine._core.sas
        assert now_there.created_at > sa.created_at
        assert len(now_there.message_ids) < 10
    assert spoke.flow_events == ["up 172.16.15.2"]
    assert usable(world, HUB, SPOKE)
