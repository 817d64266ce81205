"""What `lab capture` writes, read by another's reader."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader

from iosish.capture import pcapng
from iosish.lab.capture import full_name
from iosish.lab.places import Trouble


@given(
    st.lists(
        st.tuples(
            st.binary(min_size=14, max_size=200),
            st.integers(0, 2**62),
            st.sampled_from([pcapng.INBOUND, pcapng.OUTBOUND]),
        )
    )
)
def test_frames_come_back_with_their_times(frames: list[tuple[bytes, int, int]]) -> None:
    file = pcapng.header([pcapng.Interface("R5 Fa0/1")]) + b"".join(pcapng.packet(*frame) for frame in frames)
    found: list[tuple[bytes, Any]] = list(RawPcapNgReader(io.BytesIO(file)))  # type: ignore[arg-type] # takes files too
    assert [data for data, _ in found] == [data for data, _, _ in frames]
    for (_, metadata), (_, at_ns, _) in zip(found, frames, strict=True):
        assert metadata.linktype == pcapng.LINKTYPE_ETHERNET
        assert metadata.tshigh << 32 | metadata.tslow == at_ns
        assert metadata.tsresol == 1_000_000_000


def test_interfaces_are_named_as_on_ios() -> None:
    known = ["FastEthernet0/0", "FastEthernet0/1", "Tunnel0", "TenGigabitEthernet0/1"]
    assert full_name("Fa0/1", known) == "FastEthernet0/1"
    assert full_name("f0/0", known) == "FastEthernet0/0"
    assert full_name("TUNNEL0", known) == "Tunnel0"
    for wrong in ("Fa0/7", "x0", "", "Fa", "Fa0/1/"):
        with pytest.raises(Trouble, match="FastEthernet0/0, FastEthernet0/1, Tunnel0"):
            full_name(wrong, known)
    with pytest.raises(Trouble, match=r"T0/1: TenGigabitEthernet0/1 or TwoGigabitEthernet0/1\?"):
        full_name("T0/1", [*known, "TwoGigabitEthernet0/1"])
