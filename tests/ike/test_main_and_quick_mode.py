"""Two engines, message by message: main mode with a pre-shared key, then quick mode."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iosish.ike import packet
from iosish.ike.config import Cipher, Hash, Policy
from iosish.ike.packet import Exchange
from iosish.ike.payloads import Kind
from iosish.ipsec import transforms
from iosish.ipsec.transforms import Integrity, Mode, Transform, TransformSet
from tests.ike.link import AES_SHA, HUB, POLICY, SPOKE, TRANSPORT, Station, World, config, flow, keyring, usable


def pair(world: World, **changes: object) -> tuple[Station, Station]:
    return world.add(HUB, config(HUB, **changes)), world.add(SPOKE, config(SPOKE, **changes))


def kinds(data: bytes) -> list[int]:
    return [payload.kind for payload in packet.decode(data)[1]]


def test_main_mode_then_quick_mode() -> None:
    world = World()
    hub, spoke = pair(world)
    spoke.request(HUB)
    spoke.collect()
    # MM1: SA, and the versions of NAT traversal; as long as IOS's.
    [first] = spoke.sent
    assert (first.local_port, first.peer_port) == (500, 500)
    assert kinds(first.payload) == [Kind.SA, *[Kind.VENDOR_ID] * 4]
    assert len(first.payload) == 168
    assert spoke.states() == ["172.16.15.2 MM_NO_STATE 0"]
    # MM2: the transform as it was offered, and one version.
    world.step(world.now + 1)
    assert kinds(hub.sent[0].payload) == [Kind.SA, Kind.VENDOR_ID]
    assert len(hub.sent[0].payload) == 108
    assert hub.states() == ["172.16.25.2 MM_SA_SETUP 0"]
    # MM3: key exchange, nonce, DPD, IOS, XAUTH, and two hashes.
    world.step(world.now + 1)
    assert spoke.engine.next_wake() == (world.now, "Diffie-Hellman")
    world.step(world.now + 1)
    assert kinds(spoke.sent[1].payload) == [Kind.KEY_EXCHANGE, Kind.NONCE, *[13] * 3, Kind.NAT_D, Kind.NAT_D]
    assert len(spoke.sent[1].payload) == 284
    assert spoke.states() == ["172.16.15.2 MM_SA_SETUP 0"]
    # MM4: the same, with Unity.
    world.step(world.now + 1)
    world.step(world.now + 1)
    assert kinds(hub.sent[1].payload) == [Kind.KEY_EXCHANGE, Kind.NONCE, *[13] * 4, Kind.NAT_D, Kind.NAT_D]
    assert len(hub.sent[1].payload) == 304
    assert hub.states() == ["172.16.25.2 MM_KEY_EXCH 1001"]
    # MM5: encrypted from here on.
    world.step(world.now + 1)
    world.step(world.now + 1)
    assert packet.decode_header(spoke.sent[2].payload)[0].encrypted
    assert spoke.states() == ["172.16.15.2 MM_KEY_EXCH 1001"]
    # MM6: the responder is done.
    world.step(world.now + 1)
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001"]
    # QM1: the initiator is done too, and goes on.
    world.step(world.now + 1)
    assert spoke.states() == ["172.16.15.2 QM_IDLE 1001"]
    header = packet.decode_header(spoke.sent[3].payload)[0]
    assert header.exchange == Exchange.QUICK and header.message_id
    # QM2: by now the responder can receive, but does not send yet.
    world.step(world.now + 1)
    assert [key.inbound for key in hub.order] == [True]
    assert hub.flow_events == []
    # QM3: the initiator has both SAs before it leaves.
    world.step(world.now + 1)
    assert [key.inbound for key in spoke.order] == [True, False]
    assert spoke.flow_events == ["up 172.16.15.2"]
    # And the responder sends too.
    world.step(world.now + 1)
    assert [key.inbound for key in hub.order] == [True, False]
    assert hub.flow_events == ["up 172.16.25.2"]
    assert usable(world, HUB, SPOKE)
    assert spoke.engine.flow_up(flow(SPOKE, HUB)) and hub.engine.flow_up(flow(HUB, SPOKE))
    world.run(60)
    assert len(world.carried) == 9


def test_what_is_agreed_is_the_same_on_both_ends() -> None:
    world = World()
    hub, spoke = pair(world)
    spoke.request(HUB)
    world.run()
    [out], [there] = [spoke.outbound(HUB)], hub.inbound(SPOKE)
    assert out is not None
    assert (out.spi, out.encryption_key, out.integrity_key) == (there.spi, there.encryption_key, there.integrity_key)
    assert (out.local, out.peer) == (there.peer, there.local) == (SPOKE, HUB)
    assert (out.selector_local, out.selector_peer) == (SPOKE, HUB)
    assert len(out.encryption_key) == 16 and len(out.integrity_key) == 20
    assert out.spi >= 256
    assert out.mode is Mode.TUNNEL and out.udp_ports is None
    assert out.hard_octets == 4608000 * 1024
    assert out.encryption_key != hub.outbound(SPOKE).encryption_key  # type: ignore[union-attr]


@pytest.mark.parametrize("group", [1, 2, 5, 14, 15, 16, 19, 20, 21, 24])
def test_every_group_with_perfect_forward_secrecy(group: int) -> None:
    world = World()
    policy = replace(POLICY, group=group)
    hub, spoke = pair(world, policies=(policy,), pfs=group)
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    assert [item.pfs for item in hub.engine.state(world.now).flows[0].inbound] == [group]


@pytest.mark.parametrize("kind", list(Hash))
@pytest.mark.parametrize(
    ("cipher", "bits"), [(Cipher.DES, 0), (Cipher.TRIPLE_DES, 0), *[(Cipher.AES, n) for n in (128, 192, 256)]]
)
def test_every_cipher_and_hash_of_phase_1(cipher: Cipher, bits: int, kind: Hash) -> None:
    world = World()
    policy = replace(POLICY, cipher=cipher, key_bits=bits, hash=kind)
    pair(world, policies=(policy,))
    world.stations[SPOKE].request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)


TRANSFORMS = [
    Transform(transforms.Cipher.NULL, 0, Integrity.SHA1),
    Transform(transforms.Cipher.DES, 0, Integrity.MD5),
    Transform(transforms.Cipher.TRIPLE_DES, 0, Integrity.SHA256),
    Transform(transforms.Cipher.AES_CBC, 192, Integrity.SHA384),
    Transform(transforms.Cipher.AES_CBC, 256, Integrity.SHA512),
    Transform(transforms.Cipher.AES_CBC, 128, None),
    Transform(transforms.Cipher.AES_GCM, 256, None),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_every_transform(transform: Transform) -> None:
    world = World()
    _, spoke = pair(world, sets=(TransformSet("T", transform),))
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    out = spoke.outbound(HUB)
    assert out is not None and out.transform == transform
    assert (len(out.encryption_key), len(out.integrity_key)) == (
        transform.encryption_octets,
        transform.integrity_octets,
    )


def test_the_responder_takes_its_own_first_policy_and_the_shorter_life() -> None:
    world = World()
    weak = Policy(5, Cipher.DES, authentication=POLICY.authentication, group=1, lifetime_s=1000)
    hub = world.add(HUB, config(HUB, policies=(weak, replace(POLICY, lifetime_s=3600))))
    spoke = world.add(SPOKE, config(SPOKE, policies=(POLICY, replace(weak, priority=20, lifetime_s=500))))
    spoke.request(HUB)
    world.run()
    for station in (hub, spoke):
        [sa] = station.engine.state(world.now).isakmp
        assert (sa.cipher, sa.lifetime_s) == (Cipher.DES, 500)


def test_methods_other_than_pre_shared_keys_are_neither_offered_nor_taken() -> None:
    world = World()
    hub = world.add(HUB)
    spoke = world.add(SPOKE, config(SPOKE, policies=(Policy(1), POLICY)))
    spoke.request(HUB)
    world.run()
    assert usable(world, HUB, SPOKE)
    _, payloads = packet.decode(spoke.sent[0].payload)
    assert len(payloads[0].proposals[0].transforms) == 1  # type: ignore[union-attr]
    assert hub.counters("no policy in common") == 0


def test_no_policy_in_common_is_said_on_both_ends_and_costs_no_state() -> None:
    world = World()
    hub = world.add(HUB, config(HUB, policies=(replace(POLICY, group=14),)))
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    world.run(5)
    assert hub.states() == []
    assert "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Main mode failed with peer at 172.16.25.2" in hub.log
    assert "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Informational mode failed with peer at 172.16.15.2" in spoke.log
    assert spoke.states() == ["172.16.15.2 MM_NO_STATE 0"]  # it goes on sending
    hub.engine.configure(config(HUB), world.now)
    world.run(10)
    assert usable(world, HUB, SPOKE)


@pytest.mark.parametrize(
    ("initiator", "responder", "result"),
    [
        ((Mode.TUNNEL, False), (Mode.TUNNEL, False), Mode.TUNNEL),
        ((Mode.TUNNEL, False), (Mode.TRANSPORT, False), Mode.TUNNEL),
        ((Mode.TUNNEL, False), (Mode.TRANSPORT, True), None),
        ((Mode.TRANSPORT, False), (Mode.TUNNEL, False), None),
        ((Mode.TRANSPORT, False), (Mode.TRANSPORT, False), Mode.TRANSPORT),
        ((Mode.TRANSPORT, True), (Mode.TRANSPORT, False), Mode.TRANSPORT),
    ],
)
def test_tunnel_and_transport(initiator: tuple[Mode, bool], responder: tuple[Mode, bool], result: Mode | None) -> None:
    world = World()
    mine, theirs = (replace(AES_SHA, mode=mode, require=require) for mode, require in (initiator, responder))
    hub = world.add(HUB, config(HUB, sets=(theirs,)))
    spoke = world.add(SPOKE, config(SPOKE, sets=(mine,)))
    spoke.request(HUB)
    world.run(1)
    out = spoke.outbound(HUB)
    assert (None if out is None else out.mode) is result
    assert usable(world, SPOKE, HUB) is (result is not None)
    if result is None:
        assert hub.log[-1] == "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at 172.16.25.2"
        assert spoke.flow_events == ["down 172.16.15.2: peer says no proposal chosen"]


def test_sets_are_numbered_proposals_and_the_second_may_be_taken() -> None:
    world = World()
    other = TransformSet("O", Transform(transforms.Cipher.AES_CBC, 256, Integrity.SHA256))
    world.add(HUB, config(HUB, sets=(AES_SHA,)))
    spoke = world.add(SPOKE, config(SPOKE, sets=(other, AES_SHA)))
    spoke.request(HUB)
    world.run()
    out = spoke.outbound(HUB)
    assert out is not None and out.transform == AES_SHA.transform


@pytest.mark.parametrize(
    ("initiator", "responder", "works"),
    [(None, None, True), (14, None, True), (None, 14, False), (5, 14, False), (14, 5, True)],
)
def test_perfect_forward_secrecy_rules(initiator: int | None, responder: int | None, works: bool) -> None:
    world = World()
    world.add(HUB, config(HUB, pfs=responder))
    world.add(SPOKE, config(SPOKE, pfs=initiator)).request(HUB)
    world.run()
    assert usable(world, SPOKE, HUB) is works


def test_the_shorter_life_of_phase_2_counts_on_both_ends() -> None:
    world = World()
    hub = world.add(HUB, config(HUB, lifetime_s=600, lifetime_kb=2560))
    spoke = world.add(SPOKE, config(SPOKE, lifetime_s=3600))
    spoke.request(HUB)
    world.run()
    for station in (hub, spoke):
        [sa] = station.engine.state(world.now).flows[0].outbound
        assert (sa.lifetime_s, sa.lifetime_kb) == (600, 2560)


def test_a_wrong_key_is_named_on_both_ends_and_heals() -> None:
    world = World()
    hub = world.add(HUB)
    spoke = world.add(SPOKE, config(SPOKE, keyrings={"default": keyring(b"wrong")}))
    spoke.request(HUB)
    world.run(15)
    assert "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from 172.16.25.2 failed its sanity check or is malformed" in hub.log
    for station, peer in ((hub, SPOKE), (spoke, HUB)):
        [line] = [line for line in station.log if "IKMP_SETUP_FAILURE" in line]
        assert f"remote:{peer} " in line and "Pre-Shared Key mismatch" in line
    assert hub.states() == ["172.16.25.2 MM_KEY_EXCH 1001"]
    assert spoke.states() == ["172.16.15.2 MM_KEY_EXCH 1001"]
    spoke.engine.configure(config(SPOKE), world.now)
    world.run(3)
    assert usable(world, HUB, SPOKE)


def test_a_key_put_right_on_the_responder_heals_with_the_next_message() -> None:
    world = World()
    hub = world.add(HUB, config(HUB, keyrings={"default": keyring(b"wrong")}))
    spoke = world.add(SPOKE)
    spoke.request(HUB)
    world.run(15)
    assert hub.states() == ["172.16.25.2 MM_KEY_EXCH 1001"]
    hub.engine.configure(config(HUB), world.now)
    world.run(6)
    assert usable(world, HUB, SPOKE)
    assert hub.states() == ["172.16.25.2 QM_IDLE 1001"]


def test_lines_pasted_into_a_responder_do_not_disturb_who_is_about_to_come() -> None:
    world = World()
    hub, spoke = pair(world)
    spoke.request(HUB)
    spoke.collect()
    number = 0
    while not hub.flow_events:
        number += 1
        hub.engine.configure(config(HUB, policies=(POLICY, replace(POLICY, priority=20 + number))), world.now)
        hub.collect()
        assert world.step(world.now + 5)
    assert len(world.carried) == 9


def test_no_key_at_all_is_said_at_once() -> None:
    world = World()
    world.add(HUB)
    spoke = world.add(SPOKE, config(SPOKE, keyrings={}))
    spoke.request(HUB)
    world.run(1)
    assert spoke.log[-1] == "%CRYPTO-6-IKMP_NO_PRESHARED_KEY: Pre-shared key for remote peer at 172.16.15.2 is missing"
    assert spoke.flow_events == ["down 172.16.15.2: no pre-shared key"]
    assert spoke.sent == []


def test_transport_set_alone() -> None:
    world = World()
    pair(world, sets=(TRANSPORT,))
    world.stations[HUB].request(SPOKE)
    world.run()
    assert usable(world, HUB, SPOKE)
