"""What IOS and strongSwan sent, sent again to the engine: it answers as its like answered there."""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from iosish.engine import UdpDatagram
from iosish.ike import packet
from iosish.ike.config import Cipher, IkeConfig, Policy
from iosish.ike.engine import IkeEngine
from iosish.ipsec.transforms import Mode
from tests.ike.link import AES_SHA, HUB, POLICY, SPOKE, TRANSPORT, config, flow, keyring
from tests.ike.pcap import ike_frames

VECTORS = Path(__file__).parent / "vectors"
IOS_12 = "epiecs__packetlife-backup/ISAKMP_sa_setup.cap"
IOS_15 = "OISF__suricata-verify/ikev1-isakmp-main-mode.pcap"
AGGRESSIVE = "corelight__zeek-spicy-ipsec/ipsec-ikev1-isakmp-aggressive-mode.pcap"


class Scripted(random.Random):
    """Gives what a recorded peer had drawn, then anything."""

    def __init__(self, octets: list[bytes] = (), numbers: list[int] = ()) -> None:  # type: ignore[assignment]
        super().__init__(1)
        self.octets, self.numbers = deque(octets), deque(numbers)

    def randbytes(self, n: int) -> bytes:
        if self.octets and (len(self.octets[0]) == n or n == 20):
            return self.octets.popleft()
        return super().randbytes(n)

    def getrandbits(self, k: int) -> int:
        return self.numbers.popleft() if self.numbers and k == 32 else super().getrandbits(k)


class RecordedDh:
    """The responder's half of a recorded exchange."""

    def __init__(self, public: bytes, shared: bytes) -> None:
        self.public, self._shared = public, shared

    def begin(self, group: int) -> RecordedDh:
        return self

    def shared(self, peer: bytes) -> bytes:
        return self._shared


def hand(engine: IkeEngine, local: IPv4Address, peer: IPv4Address, data: bytes, port: int = 500) -> list[bytes]:
    engine.receive(UdpDatagram(local, port, peer, port, data), 0.0)
    engine.wake(0.0)
    engine.changes()
    return [datagram.payload for datagram in engine.datagrams()]


def ends(name: str) -> tuple[IPv4Address, IPv4Address]:
    frame = ike_frames(name)[0]
    assert isinstance(frame.source, IPv4Address) and isinstance(frame.destination, IPv4Address)
    return frame.source, frame.destination


def group_1() -> Policy:
    return replace(POLICY, group=1)


@pytest.mark.parametrize(("name", "policy"), [(IOS_12, group_1()), (IOS_15, POLICY)])
def test_ios_gets_from_us_the_second_message_that_it_got_from_its_like(name: str, policy: Policy) -> None:
    first, second, third, fourth = (frame.message for frame in ike_frames(name)[:4])
    peer, local = ends(name)
    engine = IkeEngine(Scripted([second[8:16]]))
    engine.configure(config(local, policies=(policy,)), 0.0)
    assert hand(engine, local, peer, first) == [second]
    # The fourth has values of its own, but the same payloads, each of the same length.
    [reply] = hand(engine, local, peer, third)
    shapes = [
        [(payload.kind, len(body)) for payload, body in packet.split_payloads(data[16], data[28:])]
        for data in (reply, fourth)
    ]
    assert shapes[0] == shapes[1]
    assert engine.state(0.0).isakmp[0].state == "MM_KEY_EXCH"


def test_our_first_message_is_that_of_ios() -> None:
    first = ike_frames(IOS_15)[0].message
    _, responder = ends(IOS_15)
    initiator = ends(IOS_15)[0]
    engine = IkeEngine(Scripted([first[:8]]))
    engine.configure(config(initiator, policies=(POLICY,)), 0.0)
    engine.request(flow(initiator, responder), 0.0)
    assert [datagram.payload for datagram in engine.datagrams()] == [first]


def test_ios_in_aggressive_mode_gets_what_it_got_from_its_like() -> None:
    first, second = (frame.message for frame in ike_frames(AGGRESSIVE)[:2])
    peer, local = ends(AGGRESSIVE)
    policy = _policy_of(first)
    engine = IkeEngine(Scripted([second[8:16]]))
    engine.configure(config(local, policies=(policy,), keyrings={"default": keyring(b"MYPASSWORD")}), 0.0)
    [reply] = hand(engine, local, peer, first)
    shapes = [
        [(payload.kind, len(body)) for payload, body in packet.split_payloads(data[16], data[28:])]
        for data in (reply, second)
    ]
    assert shapes[0] == shapes[1]
    assert packet.decode(reply)[1][0] == packet.decode(second)[1][0]


def _policy_of(first: bytes) -> Policy:
    offered = packet.decode(first)[1][0]
    transform = offered.proposals[0].transforms[0]  # type: ignore[union-attr]
    values = {attribute.type: attribute.number for attribute in transform.attributes}
    return replace(POLICY, cipher=Cipher(values[1]), key_bits=values.get(14, 0), group=values[4])


def strongswan() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "ikev1-strongswan-vectors.json").read_text())
    return found


def test_strongswan_as_the_initiator_to_the_keys_of_esp() -> None:
    """Its main and quick mode; where our own message is another than the recorded one, the recorded IV is put back."""
    data = strongswan()
    value = {key: bytes.fromhex(item) for key, item in data.items() if isinstance(item, str) and key not in TEXTS}
    spi = int(data["esp_i_to_r"]["spi"], 16)
    source = Scripted([value["cky_r"], value["nonce_r"], value["qm_nonce_r"]], [spi])
    engine = IkeEngine(source, RecordedDh(value["gx_r"], value["dh_shared"]))
    policy = replace(POLICY, lifetime_s=100_000)  # longer than the peer's: nothing is said of it
    settings = config(HUB, policies=(policy,), sets=(TRANSPORT,), keyrings={"default": keyring(data["psk"].encode())})
    engine.configure(settings, 0.0)
    main, quick = ([bytes.fromhex(item) for item in data[name]] for name in ("main_mode", "quick_mode"))
    for message in main[0:6:2]:
        assert len(hand(engine, HUB, SPOKE, message)) == 1
    [sa] = engine._core.sas
    assert sa.word == "QM_IDLE" and sa.keys is not None
    assert (sa.keys.d, sa.keys.a, sa.keys.cipher_key) == (
        value["SKEYID_d"],
        value["SKEYID_a"],
        value["cipher_key"],
    )
    # Message 6: ours says port 500 in its identity, strongSwan's says 0.
    sa.last_block = value["iv_after_mm6"]
    engine.receive(UdpDatagram(HUB, 500, SPOKE, 500, quick[0]), 0.0)
    [inbound] = [sa for change in engine.changes() for sa in change.installed]
    assert inbound.mode is Mode.TRANSPORT and inbound.transform == AES_SHA.transform
    assert inbound.encryption_key + inbound.integrity_key == bytes.fromhex(data["esp_i_to_r"]["keymat"])
    [exchange] = sa.quick.values()
    exchange.iv = value["iv_after_qm2"]
    engine.receive(UdpDatagram(HUB, 500, SPOKE, 500, quick[2]), 0.0)
    assert engine.flow_up(flow(HUB, SPOKE))
    [outbound] = [sa for change in engine.changes() for sa in change.installed]
    assert outbound.spi == int(data["esp_r_to_i"]["spi"], 16)
    assert outbound.encryption_key + outbound.integrity_key == bytes.fromhex(data["esp_r_to_i"]["keymat"])


TEXTS = {"note", "source", "psk", "initiator", "responder"}


def test_strongswan_with_des_and_encapsulation_forced() -> None:
    data = json.loads((VECTORS / "ikev1-vectors.json").read_text())
    main = [bytes.fromhex(item) for item in data["main_mode"]]
    responder = packet.decode(main[3])[1]
    public = next(item.value for item in responder if item.kind == 4)  # type: ignore[union-attr]
    nonce = next(item.value for item in responder if item.kind == 10)  # type: ignore[union-attr]
    des = Policy(10, Cipher.DES, authentication=POLICY.authentication, group=1)
    source = Scripted([main[1][8:16], nonce])
    engine = IkeEngine(source, RecordedDh(public, bytes.fromhex(data["dh_shared"])))
    settings: IkeConfig = config(HUB, policies=(des,), keyrings={"default": keyring(data["psk"].encode())})
    engine.configure(settings, 0.0)
    for message, (_, port) in zip(main[0:6:2], data["ports"][0:6:2], strict=True):
        assert len(hand(engine, HUB, SPOKE, message, port)) == 1
    [sa] = engine.state(0.0).isakmp
    assert (sa.state, sa.cipher, sa.nat_peer, sa.peer_port) == ("QM_IDLE", Cipher.DES, True, 4500)
    assert sa.peer_identity == "172.16.25.2"
