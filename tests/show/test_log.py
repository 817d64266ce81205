"""The log buffer: bounded in bytes, numbered, and safe to print."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from iosish.log import TEXT_LENGTH, LogBuffer, line

AT = datetime(1993, 3, 1, 0, 0, 9, 7_000)


def test_a_line_as_ios_writes_it() -> None:
    record = LogBuffer().append(AT, False, "SYS", 5, "CONFIG_I", "Configured from console by console")
    assert line(record) == "*Mar  1 00:00:09.007: %SYS-5-CONFIG_I: Configured from console by console"


def test_the_oldest_lines_go_and_are_counted() -> None:
    buffer = LogBuffer(size_bytes=200)
    for number in range(10):
        buffer.append(AT, True, "IOSISH", 4, "TEST", f"line {number} {'x' * 40}")
    held = [record.sequence for record in buffer.records()]
    assert held == [9, 10]
    assert buffer.dropped == 8


def test_a_line_larger_than_the_buffer_is_kept_alone() -> None:
    buffer = LogBuffer(size_bytes=10)
    buffer.append(AT, True, "A", 1, "B", "first")
    buffer.append(AT, True, "A", 1, "B", "second")
    assert [record.text for record in buffer.records()] == ["second"]


def test_clear_keeps_counting() -> None:
    buffer = LogBuffer()
    buffer.append(AT, True, "A", 1, "B", "first")
    buffer.clear()
    assert (buffer.records(), buffer.dropped) == ((), 1)
    assert buffer.append(AT, True, "A", 1, "B", "second").sequence == 2


def test_resize() -> None:
    buffer = LogBuffer()
    for number in range(20):
        buffer.append(AT, True, "A", 1, "B", f"{number:02}")
    buffer.resize(100)
    assert [record.text for record in buffer.records()] == ["17", "18", "19"]


@given(st.lists(st.text(max_size=2000)), st.integers(0, 5000))
def test_any_text_fits_and_stays_on_its_line(texts: list[str], size_bytes: int) -> None:
    buffer = LogBuffer(size_bytes)
    for text in texts:
        record = buffer.append(AT, False, "A", 1, "B", text)
        assert "\n" not in line(record) and "\x1b" not in line(record)
        assert len(record.text) <= TEXT_LENGTH
        held = sum(len(line(kept).encode()) + 1 for kept in buffer.records())
        assert held <= size_bytes or len(buffer.records()) == 1
    assert len(buffer.records()) + buffer.dropped == len(texts)
