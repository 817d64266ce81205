"""The clock: events in the order of time, then of their making."""

from __future__ import annotations

import pytest

from iosish.plane.memory.world import World


def test_events_run_in_the_order_of_time_then_of_making() -> None:
    world = World()
    seen: list[tuple[float, str]] = []
    for time, name in [(2.0, "c"), (1.0, "a"), (1.0, "b")]:
        world.call_at(time, lambda name=name: seen.append((world.now, name)))  # type: ignore[misc] # binds the loop's value
    assert world.run_until(1.5)
    assert seen == [(1.0, "a"), (1.0, "b")]
    assert world.now == 1.5
    world.run_until(5.0)
    assert seen[-1] == (2.0, "c")


def test_what_is_made_for_the_past_runs_next() -> None:
    world = World()
    world.run_until(10.0)
    seen: list[float] = []
    world.call_at(3.0, lambda: seen.append(world.now))
    world.run_until(10.0)
    assert seen == [10.0]


def test_a_cancelled_call_never_runs() -> None:
    world = World()
    seen: list[int] = []
    call = world.call_later(1.0, lambda: seen.append(1))
    assert call.pending
    call.cancel()
    world.run_until(2.0)
    assert not seen
    assert not call.pending


def test_cancelled_calls_do_not_pile_up_and_the_others_keep_their_order() -> None:
    world = World()
    seen: list[int] = []
    for number in range(10_000):
        world.call_at(1000.0, lambda: seen.append(-1)).cancel()
        if number % 1000 == 0:
            world.call_at(5.0, lambda number=number: seen.append(number))  # type: ignore[misc] # binds the loop's value
    assert len(world) < 2500
    world.run_until(2000.0)
    assert seen == list(range(0, 10_000, 1000))
    assert len(world) == 0


def test_waiting_for_a_condition_stops_where_it_holds_or_at_the_ceiling() -> None:
    world = World()
    seen: list[float] = []

    def tick() -> None:
        seen.append(world.now)
        world.call_later(1.0, tick)

    world.call_soon(tick)
    assert world.run_until(lambda: len(seen) == 3, ceiling=100.0)
    assert world.now == 2.0
    assert not world.run_until(lambda: False, ceiling=5.5)
    assert world.now == 5.5
    with pytest.raises(ValueError, match="ceiling"):
        world.run_until(lambda: False)


def test_each_name_has_randomness_of_its_own() -> None:
    assert World(7).random("wire a").random() == World(7).random("wire a").random()
    assert World(7).random("wire a").random() != World(7).random("wire b").random()
    assert World(7).random("wire a").random() != World(8).random("wire a").random()
