"""The replay window beside a model that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.ipsec.replay import ReplayWindow

SIZES = (64, 128, 256, 512, 1024)


class Model:
    """What RFC 4303 says, and no thought of speed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.received: set[int] = set()

    def fresh(self, sequence: int) -> bool:
        if sequence == 0 or sequence in self.received:
            return sequence != 0 and self.size == 0
        return self.size == 0 or sequence > max(self.received, default=0) - self.size


#: Steps from the highest number so far: mostly near it, at times far off.
STEPS = st.lists(st.integers(-1100, 70) | st.integers(-5, 5) | st.integers(-(2**32), 2**32), max_size=60)


@given(size=st.sampled_from((0, *SIZES)), steps=STEPS, forged=st.sets(st.integers(0, 59)))
def test_it_takes_what_the_model_takes(size: int, steps: list[int], forged: set[int]) -> None:
    window, model = ReplayWindow(size), Model(size)
    for number, step in enumerate(steps):
        sequence = min(max(window.highest + step, 0), 2**32 - 1)
        fresh = window.fresh(sequence)
        assert fresh == model.fresh(sequence)
        if fresh and number not in forged:  # a packet that is not authenticated marks nothing
            window.mark(sequence)
            model.received.add(sequence)
        assert window.highest == max(model.received, default=0)
        assert window._seen < 1 << max(size, 1)  # what is too old to tell is forgotten


@pytest.mark.parametrize("size", SIZES)
def test_its_edges(size: int) -> None:
    window = ReplayWindow(size)
    assert not window.fresh(0)
    window.mark(1)
    window.mark(size + 1)
    assert not window.fresh(1)  # just too old
    assert window.fresh(2)  # the oldest there is
    window.mark(2)
    assert not window.fresh(2)
    window.mark(2**32 - 1)
    assert not window.fresh(2**32 - 1)
    assert window.fresh(2**32 - 2)
    assert not window.fresh(2**32 - 1 - size)


def test_switched_off_it_takes_all_but_0() -> None:
    window = ReplayWindow(0)
    for sequence in (5, 5, 1, 2**32 - 1, 1):
        assert window.fresh(sequence)
        window.mark(sequence)
    assert window.highest == 2**32 - 1
    assert not window.fresh(0)
