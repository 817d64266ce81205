"""Refused packets in the log: told, but never a flood."""

from __future__ import annotations

from iosish.plane.user.refusals import AT_ONCE_MAX, EVERY_S, KNOWN_MAX, Refusals

MISMATCH = ("Tunnel0", "key mismatch", bytes((172, 16, 0, 2)))


def test_the_same_is_told_again_only_after_a_while() -> None:
    refusals = Refusals()
    assert refusals.worth_telling([MISMATCH], 0.0) == [MISMATCH]
    assert refusals.worth_telling([MISMATCH], EVERY_S - 1) == []
    assert refusals.worth_telling([MISMATCH], EVERY_S) == [MISMATCH]


def test_another_sender_is_told_at_once() -> None:
    refusals = Refusals()
    other = ("Tunnel0", "key mismatch", bytes((172, 16, 0, 3)))
    assert refusals.worth_telling([MISMATCH], 0.0) == [MISMATCH]
    assert refusals.worth_telling([MISMATCH, other], 0.5) == [other]


def test_forged_senders_fill_neither_log_nor_memory() -> None:
    refusals = Refusals()
    for report in range(1000):
        forged = [(None, "unknown tunnel", (report * 64 + sender).to_bytes(4, "big")) for sender in range(64)]
        assert len(refusals.worth_telling(forged, report * 0.5)) == AT_ONCE_MAX
    assert len(refusals._told) == KNOWN_MAX
