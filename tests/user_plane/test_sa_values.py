"""What goes over the channel about SAs comes out as it went in."""

from __future__ import annotations

import marshal
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.desired import SaChange
from iosish.ipsec.sa import SaCounters, SaKey, SecurityAssociation
from iosish.ipsec.transforms import DfBit
from iosish.plane.user.sa_values import AT_ONCE, pack_change, pack_counters, unpack_change, unpack_counters
from tests.ipsec.associations import KINDS, kind_id, other_end

keys = st.builds(SaKey, st.integers(1, 2**32 - 1), st.booleans(), st.ip_addresses(v=4))
counters = st.builds(SaCounters, *[st.integers(0, 2**64)] * 3, st.one_of(st.none(), st.floats(0, 1e9)))


def through(change: SaChange) -> list[SaChange]:
    return [unpack_change(marshal.loads(marshal.dumps(step))) for step in pack_change(change)]


@pytest.mark.parametrize("sa", KINDS, ids=kind_id)
def test_an_sa_of_every_kind(sa: SecurityAssociation) -> None:
    several = (
        sa,
        other_end(sa),
        replace(sa, df=DfBit.SET, soft_octets=2**40, hard_octets=2**41, replay_window=1024),
        replace(sa, selector_local=IPv4Address("10.0.0.1"), selector_peer=IPv4Address("10.0.0.2")),
    )
    assert through(SaChange(several)) == [SaChange(several)]


@given(st.lists(keys, max_size=5))
def test_keys_of_what_is_taken_out(removed: list[SaKey]) -> None:
    steps = through(SaChange((KINDS[0],), tuple(removed)))
    assert steps[0] == SaChange((KINDS[0],))
    assert [key for step in steps[1:] for key in step.removed] == removed


def test_many_go_in_several_messages_and_in_order() -> None:
    many = tuple(replace(KINDS[0], spi=spi) for spi in range(1, 2 * AT_ONCE + 2))
    steps = through(SaChange(many))
    assert [len(step.installed) for step in steps] == [AT_ONCE, AT_ONCE, 1]
    assert tuple(sa for step in steps for sa in step.installed) == many


@given(st.dictionaries(keys, counters, max_size=5))
def test_counters(counted: dict[SaKey, SaCounters]) -> None:
    messages = [unpack_counters(marshal.loads(marshal.dumps(some))) for some in pack_counters(counted)]
    assert {key: value for some in messages for key, value in some.items()} == counted
