"""Runs of packets of one size, however they stand in blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iosish.forwarding.runs import Run

PEER = bytes((172, 16, 25, 2))


@given(
    size=st.integers(1, 9),
    blocks=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    last=st.integers(0, 8),
    at_most=st.integers(1, 10),
)
def test_parts_of_a_run_are_the_same_packets_in_fewer(size: int, blocks: list[int], last: int, at_most: int) -> None:
    octets = memoryview(bytes(range(256)) * 3)
    held, at = list[memoryview](), 0
    for packets in blocks:
        held.append(octets[at : at + packets * size])
        at += packets * size
    if last % size:
        held.append(octets[at : at + last % size])
    run = Run(PEER, 0, 255, True, held, size, 17, (4500, 4500))
    frames = [bytes(frame) for frame in run.frames()]
    assert b"".join(frames) == b"".join(run.blocks)
    assert {len(frame) for frame in frames[:-1]} <= {size}
    assert len(frames) == sum(blocks) + bool(last % size)
    parts = [[bytes(frame) for frame in part.frames()] for part in run.parts(at_most)]
    assert [frame for part in parts for frame in part] == frames
    assert [len(part) for part in parts[:-1]] == [at_most] * (len(parts) - 1) and 0 < len(parts[-1]) <= at_most
    assert all(len(block) for part in run.parts(at_most) for block in part.blocks)
