"""IKE, ESP and keepalives on one port, told apart; and what is told of SAs, held to a rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iosish.forwarding.rules import Forwarder
from iosish.plane.sa_notices import REFUSED_AGAIN_S, REFUSED_BURST, SaNotices
from iosish.plane.udp_4500 import KEEPALIVE, MESSAGE_MAX, MESSAGE_MIN, ike_message, is_esp, wrap

LOCAL = bytes((172, 16, 0, 1))


@given(st.binary(min_size=MESSAGE_MIN, max_size=200), st.sampled_from([500, 4500]))
def test_a_message_comes_out_as_it_went_in(message: bytes, port: int) -> None:
    data = wrap(port, message)
    assert data is not None and ike_message(port, data) == message
    assert port == 500 or not is_esp(data)


@given(st.binary(max_size=60))
def test_nothing_on_4500_is_two_things(data: bytes) -> None:
    kinds = [ike_message(4500, data) is not None, is_esp(data), data == KEEPALIVE]
    assert sum(kinds) <= 1


def test_what_is_too_long_or_too_short_is_refused() -> None:
    assert wrap(500, bytes(MESSAGE_MAX + 1)) is wrap(4500, bytes(MESSAGE_MAX + 1)) is None
    assert ike_message(500, bytes(MESSAGE_MAX + 1)) is ike_message(500, bytes(MESSAGE_MIN - 1)) is None
    assert wrap(4500, b"") == KEEPALIVE


class Rules(Forwarder):
    """ESP from nobody we know, as much as wanted."""

    def flood(self, sender: bytes, spi: int, count: int) -> None:
        for sequence in range(count):
            packet = spi.to_bytes(4, "big") + sequence.to_bytes(4, "big") + bytes(32)
            self.receive_esp(sender, LOCAL, packet, 0.0, None)


def test_a_refusal_is_told_at_once_and_again_after_a_while() -> None:
    rules = Rules()
    notices = SaNotices(rules)
    sender = bytes((10, 0, 0, 1))
    told = []
    for tenth in range(int(REFUSED_AGAIN_S) * 10 + 2):
        rules.flood(sender, 7, 5)
        told += [(tenth, refused[:3]) for refused in notices.refused(tenth / 10)]
    assert told == [(at, ("invalid SPI", LOCAL, sender)) for at in (0, int(REFUSED_AGAIN_S) * 10)]


def test_forged_senders_are_told_up_to_a_bound() -> None:
    rules = Rules()
    notices = SaNotices(rules)
    told = 0
    for report in range(100):
        for host in range(50):
            rules.flood(bytes((10, 0, report, host)), 7, 1)
        told += len(notices.refused(0.0))
    assert told == REFUSED_BURST
