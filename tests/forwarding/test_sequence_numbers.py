"""No number of an SA is ever used twice, whatever fails between the number and the wire: under GCM it is the nonce."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.forwarding import ipv4
from iosish.forwarding.large_out import LargeOut
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.esp import HEADER, LAST_SEQUENCE, OutboundSa
from iosish.ipsec.sa import SaKey
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from tests.bursts.stretches import FAR, NEAR, Segment
from tests.bursts.taps import superpacket
from tests.ipsec.associations import AES_SHA, DES_MD5, GCM, HUB, SPOKE, outbound, receiver, words

NULL_SHA = Transform(Cipher.NULL, 0, Integrity.SHA1)
MSS = 300


class _Fails:
    """A part of a cipher that does so many more operations, and raises instead of the next one."""

    def __init__(self, part: Any, operation: str) -> None:
        self._part = part
        self._operation = operation
        self.left: int | None = None
        self.asked: list[bytes] = []
        """The first argument of each operation, also of those that failed: with GCM the nonce."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if name != self._operation:
            return found

        def operation(*arguments: Any) -> Any:
            self.asked += [bytes(argument) for argument in arguments[:1]]
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    self.left = None
                    raise MemoryError("in the middle of a batch")
            return found(*arguments)

        return operation


class Sender:
    """A tunnel that leaves by one SA, whose cipher may be told to fail; what leaves goes to `sent`."""

    def __init__(self, transform: Transform, part: str, operation: str, mode: Mode = Mode.TRANSPORT) -> None:
        self.sa = outbound(transform, mode=mode, udp_ports=(4500, 4500), replay_window=1024)
        tunnel = Tunnel(
            "Tunnel0",
            HUB,
            multipoint=True,
            address=IPv4Address(FAR),
            adjacencies={1: SPOKE},
            mtu=1400,
            crypto_map=self.sa.crypto_map,
        )
        self.rules = Forwarder()
        self.rules.configure({"Tunnel0": tunnel}, 0.0)
        self.rules.install(self.sa, 0.0)
        self.large = LargeOut(self.rules)
        self.fails = _Fails(getattr(self.sealing.parts, part), operation)
        failing: Any = {part: self.fails}
        self.sealing.parts = self.sealing.parts._replace(**failing)
        self.sent: list[bytes] = []

    @property
    def sealing(self) -> OutboundSa:
        return self.rules.protection._outbound[SaKey(self.sa.spi, False, self.sa.peer)]

    def send_large(self, segments: int, fail_after: int | None = None) -> None:
        """A large packet; or the cipher fails after so many operations, and nothing of it leaves."""
        packet = Segment(1, bytes(segments * MSS), 1, source=FAR, destination=NEAR).octets()
        frame = bytearray(superpacket(bytes(14), packet, MSS, False))
        self.fails.left = fail_after
        try:
            runs = self.large.transmit("Tunnel0", 1, [memoryview(frame)[24:]], MSS, 1.0)
        except MemoryError:
            return
        finally:
            self.fails.left = None
        assert runs
        self.sent += [bytes(sealed) for run in runs for sealed in run.frames()]

    def send_one(self) -> None:
        packet = ipv4.build(FAR, NEAR, ipv4.UDP, bytes(MSS))
        self.sent += [outer[4] for outer in self.rules.transmit("Tunnel0", 1, packet, 1.0)]

    def numbers(self) -> list[int]:
        return [HEADER.unpack_from(sealed)[1] for sealed in self.sent]


def opened(sender: Sender) -> list[bytes | None]:
    """What the peer takes of all that was sent; it refuses what it has seen before."""
    receiving = receiver(sender.sa)
    return [receiving.open(sealed, HEADER.unpack_from(sealed)[1], 2.0) for sealed in sender.sent]


#: For each kind of cipher what of it fails.
PARTS = [
    (GCM, "aead", "encrypt_into"),
    (AES_SHA, "keyed", "copy"),
    (AES_SHA, "context", "update_into"),
    (DES_MD5, "keyed", "copy"),
    (NULL_SHA, "keyed", "copy"),
    (Transform(Cipher.AES_CBC, 128), "context", "update_into"),
]


@pytest.mark.parametrize(
    ("transform", "part", "operation"), PARTS, ids=[f"{words(kind[0])}, {kind[1]}" for kind in PARTS]
)
@pytest.mark.parametrize("mode", Mode)
def test_numbers_of_a_batch_that_failed_are_never_used_again(
    transform: Transform, part: str, operation: str, mode: Mode
) -> None:
    sender = Sender(transform, part, operation, mode)
    sender.send_large(10)
    sender.send_large(20, fail_after=0 if operation == "update_into" else 7)
    sender.send_one()
    sender.send_large(5)
    # 11 to 30 were handed out: the peer finds a gap, and can read all that follows it.
    assert sender.numbers() == [*range(1, 11), *range(31, 37)]
    assert None not in opened(sender)
    assert sender.sealing.counters.sequence == 36


@given(
    steps=st.lists(
        st.one_of(st.just((0, None)), st.tuples(st.integers(2, 40), st.one_of(st.none(), st.integers(0, 39)))),
        max_size=12,
    )
)
def test_no_nonce_comes_twice_whenever_the_cipher_fails(steps: list[tuple[int, int | None]]) -> None:
    sender = Sender(GCM, "aead", "encrypt_into")
    for segments, fail_after in steps:
        if segments:
            sender.send_large(segments, fail_after)
        else:
            sender.send_one()
    numbers = sender.numbers()
    assert numbers == sorted(set(numbers))
    asked = sender.fails.asked
    assert len(asked) == len(set(asked))
    alone = {sealed[8:16] for sealed in sender.sent} - {nonce[4:] for nonce in asked}
    assert len(alone) == sum(not segments for segments, _ in steps)
    assert None not in opened(sender)


def test_numbers_that_ran_out_in_the_middle_of_a_large_packet_are_not_begun_anew() -> None:
    """What does not fit goes one by one: the last numbers are used once each, and the rest waits for another SA."""
    sender = Sender(GCM, "aead", "encrypt_into")
    sender.sealing._sequence = LAST_SEQUENCE - 3
    packet = Segment(1, bytes(10 * MSS), 1, source=FAR, destination=NEAR).octets()
    frame = memoryview(bytearray(superpacket(bytes(14), packet, MSS, False)))[24:]
    assert sender.large.transmit("Tunnel0", 1, [frame], MSS, 1.0) == []
    assert sender.fails.asked == []
    for _ in range(10):
        sender.send_one()
    assert sender.numbers() == [LAST_SEQUENCE - 2, LAST_SEQUENCE - 1, LAST_SEQUENCE]


def test_an_sa_that_comes_back_with_its_keys_is_not_begun_anew() -> None:
    sender = Sender(GCM, "aead", "encrypt_into")
    sender.send_large(10, fail_after=3)
    sender.rules.install(sender.sa, 1.0)  # it is there: its numbers go on
    sender.send_one()
    assert sender.numbers() == [11]
    sender.rules.remove(SaKey(sender.sa.spi, False, sender.sa.peer), 2.0)
    for sa in (sender.sa, replace(sender.sa, spi=0x2002)):
        sender.rules.install(sa, 3.0)
        sender.send_one()
    assert sender.numbers() == [11]
    assert sender.rules.drops.reasons["unusable SA"] == 2
