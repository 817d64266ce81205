"""What anybody can send: counted, bounded, and without effect on what works."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from iosish.engine import LogEvent, UdpDatagram
from iosish.ike import attributes, dh, notices, packet
from iosish.ike.attributes import SECONDS, Attribute, Phase1, Protocol
from iosish.ike.constants import DH_BURST, DH_COST, DH_RATE, FIRST_BURST, FIRST_RATE, MAX_HALF_OPEN_PER_PEER, MAX_SPOILT
from iosish.ike.engine import IkeEngine
from iosish.ike.packet import Exchange
from iosish.ike.payloads import Delete, KeyExchange, Nonce, Notification, NotifyType, Sa
from iosish.ike.policies import offer
from tests.ike.link import HUB, OTHER, POLICY, SPOKE, Station, World, config, flow, usable

OFFER = offer((POLICY,))


class CountingDh:
    """The real one, counted."""

    def __init__(self, source: random.Random) -> None:
        self._real = dh.DiffieHellman(source)
        self.begun = 0

    def begin(self, group: int) -> dh.Exchange:
        self.begun += 1
        return self._real.begin(group)


def first_message(cookie: int, payloads: tuple[Sa, ...] = (OFFER,)) -> bytes:
    return packet.encode(cookie.to_bytes(8, "big"), bytes(8), Exchange.MAIN, payloads)


def from_peer(number: int, data: bytes, port: int = 500) -> UdpDatagram:
    return UdpDatagram(HUB, port, IPv4Address(0x0A000000 + number), 500, data)


def up(world: World, **changes: object) -> tuple[Station, Station]:
    hub, spoke = world.add(HUB, config(HUB, **changes)), world.add(SPOKE, config(SPOKE, **changes))
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    return hub, spoke


# --- floods ---------------------------------------------------------------------------------------------------------


def test_a_flood_of_first_messages_costs_no_diffie_hellman_and_no_memory_that_lasts() -> None:
    counting = CountingDh(random.Random(1))
    hub = IkeEngine(random.Random(2), counting)
    hub.configure(config(HUB, half_open_max=100), 0.0)
    hub.receive(from_peer(1, first_message(1)), 0.0)
    hub.datagrams(), hub.events()
    tracemalloc.start()
    for number in range(1, 5001):
        hub.receive(from_peer(number, first_message(number)), number / 1000)
        hub.datagrams(), hub.events()
        if number == 1000:
            before = tracemalloc.take_snapshot()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    assert counting.begun == 0
    assert len(hub.state(5.0).isakmp) == 100
    assert hub.state(5.0).counters["half-open limit"] == 4900
    grown = sum(item.size_diff for item in after.compare_to(before, "filename"))
    # What stays is the rate limits' memory of addresses, which is bounded too.
    assert grown < 4000 * 1000
    hub.wake(200.0)
    assert hub.state(200.0).isakmp == ()
    assert hub.next_wake() is None


def test_a_flood_leaves_time_for_who_is_up() -> None:
    """However many made-up addresses there are, only so many of their messages are looked at."""
    hub = IkeEngine(random.Random(2))
    hub.configure(config(HUB), 0.0)
    answered = 0
    for number in range(1, 15001):
        hub.receive(from_peer(number, first_message(number)), number / 15000)
        answered += len(hub.datagrams())
    assert FIRST_BURST <= answered <= FIRST_BURST + FIRST_RATE
    assert hub.state(1.0).counters["rate limit"] == 15000 - answered


def test_a_flood_does_not_keep_a_peer_out() -> None:
    world = World()
    hub, spoke = world.add(HUB, config(HUB, half_open_max=50)), world.add(SPOKE)
    number = 0

    def flood(message: UdpDatagram) -> UdpDatagram:
        nonlocal number
        for _ in range(20 if message.local == SPOKE else 0):
            number += 1
            hub.engine.receive(from_peer(number, first_message(number)), world.now)
        return message

    world.rules.append(flood)
    spoke.request(HUB)
    world.run(5)
    assert usable(world, HUB, SPOKE)


def test_one_address_gets_only_so_many() -> None:
    hub = IkeEngine(random.Random(2))
    hub.configure(config(HUB), 0.0)
    for number in range(1, 400):
        hub.receive(from_peer(1, first_message(number)), 0.0)
    assert len(hub.state(0.0).isakmp) == MAX_HALF_OPEN_PER_PEER


def test_third_messages_are_worked_off_a_few_at_a_time_and_timers_are_not_held() -> None:
    counting = CountingDh(random.Random(1))
    hub = IkeEngine(random.Random(2), counting)
    hub.configure(config(HUB), 0.0)
    public = dh.DiffieHellman(random.Random(3)).begin(2).public
    for number in range(1, 201):
        hub.receive(from_peer(number, first_message(number)), 0.0)
    for answer in hub.datagrams():
        header, _ = packet.decode_header(answer.payload)
        third = packet.encode(header.cookie_i, header.cookie_r, Exchange.MAIN, (KeyExchange(public), Nonce(bytes(20))))
        hub.receive(UdpDatagram(HUB, 500, answer.peer, 500, third), 1.0)
    assert counting.begun == 0
    wakes = 0
    while (wake := hub.next_wake()) is not None and wake[0] <= 1.0:
        assert wake == (1.0, "Diffie-Hellman")
        before = counting.begun
        hub.wake(2.0)
        assert 0 < counting.begun - before <= DH_COST
        wakes += 1
    assert counting.begun == 200 and wakes >= 200 // DH_COST
    assert len(hub.datagrams()) == 200


def test_bad_public_values_are_refused_and_the_right_one_may_follow() -> None:
    world = World()
    hub = world.add(HUB)
    spoke = world.add(SPOKE)
    zeros: list[UdpDatagram] = []

    def forge(message: UdpDatagram) -> UdpDatagram:
        header, body = packet.decode_header(message.payload)
        if message.local == SPOKE and len(message.payload) == 284 and not zeros:
            payloads = packet.decode_payloads(header.next_payload, body)
            forged = packet.encode(header.cookie_i, header.cookie_r, 2, (KeyExchange(bytes(128)), *payloads[1:]))
            zeros.append(message)
            world.deliver(UdpDatagram(SPOKE, 500, HUB, 500, forged))
        return message

    world.rules.append(forge)
    spoke.request(HUB)
    world.run(15)
    assert hub.counters("public value out of range") == 1
    assert usable(world, HUB, SPOKE)


def test_one_address_gets_only_so_much_diffie_hellman() -> None:
    """Whoever has an address can send any number of good third messages."""
    counting = CountingDh(random.Random(1))
    hub = IkeEngine(random.Random(2), counting)
    hub.configure(config(HUB), 0.0)
    public = dh.DiffieHellman(random.Random(3)).begin(2).public
    for number in range(1, 1001):
        now = number / 100
        hub.receive(from_peer(1, first_message(number)), now)
        [answer] = hub.datagrams()
        header, _ = packet.decode_header(answer.payload)
        third = packet.encode(header.cookie_i, header.cookie_r, Exchange.MAIN, (KeyExchange(public), Nonce(bytes(20))))
        hub.receive(from_peer(1, third), now)
        hub.wake(now)
        hub.datagrams()
    assert DH_BURST <= counting.begun <= DH_BURST + 10 * DH_RATE


def test_one_who_begins_costs_only_so_much_diffie_hellman() -> None:
    """Whoever gets our cookie can send bad public values one after the other."""
    counting = CountingDh(random.Random(1))
    hub = IkeEngine(random.Random(2), counting)
    hub.configure(config(HUB), 0.0)
    hub.receive(from_peer(1, first_message(1)), 0.0)
    header, _ = packet.decode_header(hub.datagrams()[0].payload)
    for number in range(1000):
        payloads = KeyExchange(bytes(128)), Nonce(number.to_bytes(20, "big"))
        third = packet.encode(header.cookie_i, header.cookie_r, Exchange.MAIN, payloads)
        hub.receive(from_peer(1, third), number / 100)
        hub.wake(number / 100)
    assert 0 < counting.begun <= MAX_SPOILT


def test_log_lines_about_one_peer_are_few() -> None:
    hub = IkeEngine(random.Random(2))
    hub.configure(config(HUB), 0.0)
    hub.events()
    for number in range(1000):
        hub.receive(from_peer(1, b"\x01" * 40 + number.to_bytes(4, "big")), number / 1000)
    lines = [event for event in hub.events() if isinstance(event, LogEvent)]
    assert 0 < len(lines) <= 10
    assert sum(hub.state(1.0).counters.values()) == 1000


# --- numbers of any length ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*Phase1, 100])
def test_a_number_of_thousands_of_octets_is_debugged(kind: int) -> None:
    """Python does not print such a number."""
    hub = IkeEngine(random.Random(2), debug=frozenset({"crypto isakmp"}))
    hub.configure(config(HUB), 0.0)
    [proposal] = OFFER.proposals
    [transform] = proposal.transforms
    others = tuple(item for item in transform.attributes if item.type != kind)
    spoilt = replace(transform, attributes=(Attribute(kind, b"\xff" * 3000), *others))
    offer = replace(OFFER, proposals=(replace(proposal, transforms=(spoilt,)),))
    hub.receive(from_peer(1, first_message(1, (offer,))), 0.0)
    assert len(hub.state(0.0).isakmp) == (kind == Phase1.LIFE_TYPE)  # of a life that nobody knows is only debugged


@pytest.mark.parametrize("protocol", [Protocol.ISAKMP, Protocol.ESP])
def test_a_life_of_thousands_of_octets_is_no_shorter(protocol: Protocol) -> None:
    """Python does not make a time of it."""
    world = World()
    _, spoke = up(world)
    [sa] = spoke.engine._core.sas
    life = attributes.encode((Attribute(Phase1.LIFE_TYPE, SECONDS), Attribute(Phase1.LIFE_DURATION, b"\xff" * 3000)))
    notices.send(spoke.engine._core, sa, (Notification(protocol, b"", NotifyType.RESPONDER_LIFETIME, life),), world.now)
    world.run()
    assert usable(world, HUB, SPOKE)


# --- what is not of this engine -------------------------------------------------------------------------------------


def test_ikev2_is_refused_by_its_version_and_counted() -> None:
    world = World()
    hub = world.add(HUB)
    data = bytearray(first_message(1))
    data[17] = 0x20
    hub.engine.receive(from_peer(1, bytes(data)), world.now)
    hub.collect()
    assert hub.counters("IKEv2 messages") == 1
    assert hub.sent == [] and hub.states() == []


@pytest.mark.parametrize("exchange", [Exchange.MAIN, Exchange.QUICK, Exchange.INFORMATIONAL, Exchange.TRANSACTION])
def test_unknown_cookies_are_counted_and_never_answered(exchange: Exchange) -> None:
    world = World()
    hub = world.add(HUB)
    data = packet.encode(b"\x01" * 8, b"\x02" * 8, exchange, (Nonce(bytes(20)),), 7, 1)
    hub.engine.receive(from_peer(1, data), world.now)
    hub.collect()
    assert hub.counters("unknown cookies") == 1
    assert hub.sent == []


def test_off_it_answers_nothing() -> None:
    hub = IkeEngine(random.Random(2))
    hub.receive(from_peer(1, first_message(1)), 0.0)
    assert hub.datagrams() == [] and hub.state(0.0).counters == {"ISAKMP is off": 1}


# --- what does not change a working SA ------------------------------------------------------------------------------


def test_what_anybody_says_in_clear_ends_nothing() -> None:
    world = World()
    hub, spoke = up(world)
    [sa] = hub.engine._core.sas
    cookies = sa.cookie_i + sa.cookie_r
    spi = spoke.outbound(HUB).spi.to_bytes(4, "big")  # type: ignore[union-attr]
    for payload in (
        Notification(Protocol.ISAKMP, b"", NotifyType.NO_PROPOSAL_CHOSEN),
        Notification(Protocol.ISAKMP, cookies, NotifyType.INITIAL_CONTACT),
        Notification(Protocol.ESP, spi, NotifyType.INVALID_SPI),
        Delete(Protocol.ISAKMP, 16, (cookies,)),
        Delete(Protocol.ESP, 4, (spi,)),
    ):
        for cookie_r in (sa.cookie_r, bytes(8)):
            data = packet.encode(sa.cookie_i, cookie_r, Exchange.INFORMATIONAL, (payload,))
            for station, peer in ((hub, SPOKE), (spoke, HUB)):
                station.engine.receive(UdpDatagram(station.address, 500, peer, 500, data), world.now)
                station.collect()
    world.run(5)
    assert len(world.carried) == 9
    assert usable(world, HUB, SPOKE)


def test_cookies_from_another_address_are_refused() -> None:
    world = World()
    hub, _ = up(world)
    for message in list(world.carried):
        if message.peer == HUB and message is not world.carried[0]:
            hub.engine.receive(UdpDatagram(HUB, 500, OTHER, 500, message.payload), world.now)
    assert hub.counters("cookies of another peer") == 4
    assert usable(world, HUB, SPOKE)


def test_a_delete_of_another_peers_sas_is_not_obeyed() -> None:
    world = World()
    hub, _ = up(world)
    other = world.add(OTHER)
    other.request(HUB)
    world.run()
    victim = next(sa for sa in hub.engine._core.sas if sa.peer == SPOKE)
    own = next(iter(other.engine._core.sas))
    spi = hub.outbound(SPOKE).spi  # type: ignore[union-attr]
    cookies = victim.cookie_i + victim.cookie_r
    notices.delete_esp(other.engine._core, own, spi, world.now)
    notices.send(other.engine._core, own, (Delete(Protocol.ISAKMP, 16, (cookies,)),), world.now)
    world.run()
    assert hub.counters("deletes of unknown SAs") == 2
    assert usable(world, HUB, SPOKE)


def test_forgeries_before_each_message_of_phase_2_change_nothing() -> None:
    """Each message is preceded by forgeries of it; the forger sees the wire, but has no key."""
    for seed in range(30):
        world = World(seed)
        chance = random.Random(seed)

        def forge(message: UdpDatagram, world: World = world, chance: random.Random = chance) -> UdpDatagram:
            for _ in range(3):
                data = bytearray(message.payload)
                data[chance.randrange(16, len(data))] ^= 1 << chance.randrange(8)
                if any(message.payload[20:24]):  # phase 2; in phase 1 no hash covers all (RFC 2409 has that weakness)
                    world.deliver(
                        UdpDatagram(message.local, message.local_port, message.peer, message.peer_port, bytes(data))
                    )
            return message

        hub, spoke = world.add(HUB), world.add(SPOKE)
        spoke.request(HUB)
        world.rules.append(forge)
        world.run(60)
        spoke.engine.clear_sa(None, world.now)
        world.run(5)
        assert usable(world, HUB, SPOKE), seed
        assert len(hub.sas) == 2


def test_mutated_messages_never_raise_and_make_no_lasting_state() -> None:
    world = World()
    hub, spoke = up(world)
    chance = random.Random(5)
    messages = list(world.carried)
    for number in range(3000):
        message = chance.choice(messages)
        data = bytearray(message.payload)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = bytes(data[: chance.randrange(len(data))]) if chance.random() < 0.2 else bytes(data)
        station = world.stations[message.peer]
        station.engine.receive(UdpDatagram(message.peer, 500, message.local, 500, cut), world.now + number / 1000)
        station.engine.wake(world.now + number / 1000)
        station.collect()
    world.now += 3
    world.run(300)
    assert usable(world, HUB, SPOKE)
    assert len([state for state in hub.states() if "QM_IDLE" in state]) == 1
    assert spoke.flow_events == ["up 172.16.15.2"]


# --- many -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_thousand_peers_at_once_are_all_up() -> None:
    world = World()
    hub = world.add(HUB)
    peers = [IPv4Address(0x0A140000 + number) for number in range(1000)]
    for peer in peers:
        world.add(peer).request(HUB)
    world.run(20)
    assert all(hub.engine.flow_up(flow(HUB, peer)) for peer in peers)
    assert all(world.stations[peer].engine.flow_up(flow(peer, HUB)) for peer in peers)
    assert len(world.carried) == 9 * 1000
    assert not any(line for line in hub.log if "FAIL" in line or "BAD" in line)
