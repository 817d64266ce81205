"""Deadlines: each key once, in order, and a heap that does not grow with what is set again."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from iosish.nhrp.timers import Key, Timers


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.one_of(st.none(), st.floats(0, 100))), max_size=40))
def test_each_deadline_comes_once_and_in_order(steps: list[tuple[str, float | None]]) -> None:
    timers = Timers()
    wanted: dict[Key, float] = {}
    for name, at in steps:
        key = Key("Tunnel0", name, IPv4Address(1))
        if at is None:
            timers.cancel(key)
            wanted.pop(key, None)
        else:
            timers.set(key, at)
            wanted[key] = at
    came: list[tuple[float, Key]] = []
    while (first := timers.first()) is not None:
        assert timers.pop_due(first[0] - 0.001) is None
        assert timers.pop_due(first[0]) == first[1]
        came.append(first)
    assert [at for at, _ in came] == sorted(wanted.values())
    assert {key: at for at, key in came} == wanted


def test_setting_one_key_again_and_again_keeps_the_heap_small() -> None:
    timers = Timers()
    key = Key("Tunnel0", "expiry", IPv4Address(1))
    for number in range(10_000):
        timers.set(key, 20_000 - number if number % 2 else 20_000 + number)
    assert len(timers._heap) < 100
    assert timers.first() == (20_000 - 9999, key)
