"""Bursts of packets, well-meant and not: taken in many at once, and one by one, they have to come to the same.

`python -m tests.bursts [--frames N] [--seed N]` makes as many as one likes; `test_bursts.py` is a smaller part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def assert_same(left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    """Say in few words where two ends differ: bursts are long."""
    for what, value in left.items():
        other = right[what]
        if value == other:
            continue
        if isinstance(value, list) and isinstance(other, list):
            at = next((at for at, pair in enumerate(zip(value, other, strict=False)) if pair[0] != pair[1]), None)
            what = f"{what}, {len(value)} and {len(other)}, from {at} on"
            value, other = ("" if at is None else some[at] for some in (value, other))
        raise AssertionError(f"{what}: {str(value)[:600]}, but {str(other)[:600]}")
