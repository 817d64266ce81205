"""A fixed part of the fuzzing, the same in every run."""

from __future__ import annotations

import pytest

from tests.fuzz import run
from tests.fuzz.decoders import DECODERS

#: Those not named here get 10,000: a packet of these is answered, and takes longer.
ROUNDS = {"ike-insider": 2500}
#: What Python itself may take while 9,000 packets pass.
GROWTH_KB = 8192


@pytest.mark.parametrize("name", DECODERS)
def test_spoilt_packets_are_refused_and_forgotten(name: str) -> None:
    outcome = run(DECODERS[name](), ROUNDS.get(name, 10_000), seed=1)
    assert outcome.refused > outcome.rounds // 10  # they were spoilt indeed
    assert outcome.taken > 0  # and not beyond all recognition
    assert outcome.grown_kb < GROWTH_KB
