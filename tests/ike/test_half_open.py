"""Negotiations that peers began: bounded, and who has proved its address is not pushed out by who has not."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.ike.constants import MAX_HALF_OPEN_PER_PEER
from iosish.ike.half_open import HalfOpen


@dataclass(eq=False)
class Begun:
    peer: IPv4Address


def begun(number: int) -> Begun:
    return Begun(IPv4Address(number))


def test_the_oldest_makes_room() -> None:
    table: HalfOpen[Begun] = HalfOpen(3)
    first, *others = (begun(number) for number in range(1, 4))
    assert [table.add(sa) for sa in (first, *others)] == [None] * 3
    assert table.add(begun(9)) is first
    assert len(table) == 3


def test_who_has_answered_stays_while_a_flood_comes() -> None:
    table: HalfOpen[Begun] = HalfOpen(10)
    honest = begun(1)
    table.add(honest)
    assert table.answered(honest) is None
    victims = [table.add(begun(number)) for number in range(2, 2000)]
    assert honest not in victims
    assert len(table) == 11
    table.discard(honest)
    assert len(table) == 10


def test_one_address_cannot_take_all() -> None:
    table: HalfOpen[Begun] = HalfOpen(1000)
    honest = begun(1)
    table.add(honest)
    flood = [begun(2) for _ in range(500)]
    for sa in flood:
        assert table.add(sa) is not honest
        table.answered(sa)
    assert len(table) == 1 + MAX_HALF_OPEN_PER_PEER


def test_who_has_answered_stays_while_others_use_its_address() -> None:
    table: HalfOpen[Begun] = HalfOpen(1000)
    honest = begun(1)
    table.add(honest)
    table.answered(honest)
    victims = [table.add(begun(1)) for _ in range(500)]
    assert honest not in victims
    assert len(table) == MAX_HALF_OPEN_PER_PEER


def test_nothing_stays_behind() -> None:
    table: HalfOpen[Begun] = HalfOpen(5)
    all_of_them = [begun(number % 7) for number in range(100)]
    for sa in all_of_them:
        table.add(sa)
    for sa in all_of_them:
        table.discard(sa)
    assert len(table) == 0
    assert table._of_peer == {}


def test_first_messages_in_a_peers_name_do_not_push_out_what_it_has_answered() -> None:
    table: HalfOpen[Begun] = HalfOpen(1000)
    honest = begun(1)
    table.add(honest)
    table.answered(honest)
    assert honest not in [table.add(begun(1)) for _ in range(500)]
    assert len(table) == MAX_HALF_OPEN_PER_PEER
