"""Aggressive mode: three messages, keys by name."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from iosish.engine import UdpDatagram
from iosish.ike import packet
from iosish.ike.config import IkeConfig, IsakmpProfile, Keyring, PresharedKey
from iosish.ike.packet import Exchange
from iosish.ike.payloads import Identification, IdType, Kind
from tests.ike.link import HUB, OTHER, POLICY, SPOKE, Station, World, config, keyring, usable

ANYBODY = (IPv4Network("0.0.0.0/0"),)
AGGRESSIVE = IsakmpProfile("A", networks=ANYBODY, aggressive=True)


def spoke_config(profile: IsakmpProfile = AGGRESSIVE, **changes: object) -> IkeConfig:
    return config(SPOKE, profiles={"A": profile}, isakmp_profile="A", **changes)


def begin(world: World, hub: IkeConfig, spoke: IkeConfig) -> tuple[Station, Station]:
    stations = world.add(HUB, hub), world.add(SPOKE, spoke)
    stations[1].request(HUB)
    world.run()
    return stations


def test_message_by_message() -> None:
    world = World()
    hub, spoke = world.add(HUB), world.add(SPOKE, spoke_config())
    spoke.request(HUB)
    spoke.collect()
    world.step(world.now)
    # AM1: everything of the initiator, and who it is; as long as IOS's.
    header, payloads = packet.decode(spoke.sent[0].payload)
    assert header.exchange == Exchange.AGGRESSIVE
    assert [item.kind for item in payloads] == [
        Kind.SA,
        *[Kind.VENDOR_ID] * 4,
        Kind.KEY_EXCHANGE,
        Kind.NONCE,
        Kind.IDENTIFICATION,
        *[Kind.VENDOR_ID] * 3,
    ]
    assert len(spoke.sent[0].payload) == 388
    assert spoke.states() == ["172.16.15.2 AG_INIT_EXCH 0"]
    # AM2: everything of the responder, with its hash.
    world.step(world.now + 1)
    assert hub.states() == ["172.16.25.2 AG_NO_STATE 0"]
    world.step(world.now + 1)
    kinds = [item.kind for item in packet.decode(hub.sent[0].payload)[1]]
    assert kinds == [Kind.SA, *[13] * 5, Kind.KEY_EXCHANGE, 5, Kind.NONCE, Kind.HASH, Kind.NAT_D, Kind.NAT_D]
    assert len(hub.sent[0].payload) == 420
    assert hub.states() == ["172.16.25.2 AG_INIT_EXCH 1001"]
    # AM3, encrypted, and quick mode behind it.
    world.run()
    assert [message.payload[18] for message in world.carried] == [4, 4, 4, 32, 32, 32]
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001"]
    assert usable(world, HUB, SPOKE)


@pytest.mark.parametrize("lost", range(6))
def test_each_message_may_be_lost_once(lost: int) -> None:
    world = World()
    seen: list[object] = []

    def lose(message: object) -> object:
        seen.append(message)
        return None if len(seen) == lost + 1 else message

    world.rules.append(lose)  # type: ignore[arg-type]
    begin(world, config(HUB), spoke_config())
    world.run(40)
    assert usable(world, HUB, SPOKE)


def test_a_key_by_name() -> None:
    world = World()
    ring = Keyring("default", (PresharedKey(b"by name", hostname="r2.example.com"),))
    hub, spoke = begin(
        world,
        config(HUB, keyrings={"default": ring}),
        spoke_config(keyrings={"default": keyring(b"by name")}, identity="hostname", fqdn="R2.example.com"),
    )
    assert usable(world, HUB, SPOKE)
    assert hub.engine.state(world.now).isakmp[0].peer_identity == "R2.example.com"
    identification = next(item for item in packet.decode(spoke.sent[0].payload)[1] if isinstance(item, Identification))
    assert (identification.type, identification.data) == (IdType.FQDN, b"R2.example.com")


def test_a_wrong_key_is_named_by_the_initiator_and_makes_no_sa() -> None:
    world = World()
    hub, spoke = begin(world, config(HUB), spoke_config(keyrings={"default": keyring(b"wrong")}))
    assert any("message 2 is malformed: Pre-Shared Key mismatch?" in line for line in spoke.log)
    assert spoke.states() == ["172.16.15.2 AG_INIT_EXCH 0"]
    assert hub.sas == spoke.sas == {}
    spoke.engine.configure(spoke_config(), world.now)
    world.run()
    assert usable(world, HUB, SPOKE)


def test_only_policies_of_one_group_are_offered() -> None:
    world = World()
    other = replace(POLICY, priority=20, group=14)
    _, spoke = begin(world, config(HUB, policies=(other, POLICY)), spoke_config(policies=(POLICY, other)))
    assert usable(world, HUB, SPOKE)
    [proposal] = packet.decode(spoke.sent[0].payload)[1][0].proposals  # type: ignore[union-attr]
    assert len(proposal.transforms) == 1


def test_disabled_on_the_responder() -> None:
    world = World()
    hub, _ = begin(world, config(HUB, aggressive_disabled=True), spoke_config())
    assert hub.states() == [] and hub.sent == []
    assert hub.counters("aggressive mode is disabled") == 1


def test_disabled_on_the_initiator_it_is_main_mode() -> None:
    world = World()
    begin(world, config(HUB), spoke_config(aggressive_disabled=True))
    assert usable(world, HUB, SPOKE)
    assert world.carried[0].payload[18] == Exchange.MAIN


def test_a_forged_third_message_is_refused_and_the_right_one_taken() -> None:
    world = World()

    def forge(message: UdpDatagram) -> UdpDatagram:
        if message.payload[18] == Exchange.AGGRESSIVE and message.payload[19] & 1:
            broken = message.payload[:-20] + bytes(20)
            for payload in (broken, broken):
                world.deliver(replace(message, payload=payload))
        return message

    world.rules.append(forge)
    hub, _ = begin(world, config(HUB), spoke_config())
    assert usable(world, HUB, SPOKE)
    assert any("message 3 is malformed: Pre-Shared Key mismatch?" in line for line in hub.log)
    assert hub.counters("unexpected message") == 1, "the second time it is not even looked at"


def test_no_key_for_a_name() -> None:
    world = World()
    hub, spoke = begin(
        world,
        config(HUB, keyrings={"default": Keyring("default", (PresharedKey(b"k", hostname="r9.example.com"),))}),
        spoke_config(identity="hostname", fqdn="r2.example.com"),
    )
    assert "%CRYPTO-6-IKMP_NO_PRESHARED_KEY: Pre-shared key for remote peer at 172.16.25.2 is missing" in hub.log
    assert hub.states() == []
    assert "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Informational mode failed with peer at 172.16.15.2" in spoke.log


def test_a_flood_of_first_messages_is_worked_off_within_a_limit() -> None:
    """Each costs Diffie-Hellman before anything is proved: so many in a second, whoever sends them."""
    world = World()
    spoke = world.add(SPOKE, spoke_config())
    spoke.request(HUB)
    world.run(0.1)
    hub = world.add(HUB)
    first = spoke.sent[0].payload
    for number in range(1000):
        data = number.to_bytes(8, "big").replace(b"\0" * 8, b"\1" * 8) + first[8:]
        hub.engine.receive(UdpDatagram(HUB, 500, OTHER + number, 500, data), world.now)
    assert hub.counters("too many aggressive modes") == 800
    world.run(22)  # refused once, and sent again
    assert usable(world, HUB, SPOKE)
