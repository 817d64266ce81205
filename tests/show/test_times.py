"""IOS's forms of durations, and what its clock says."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.show.times import clock, duration, since, stamp, until, uptime, wall

MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK, YEAR = 7 * DAY, 365 * DAY


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "00:00:00"),
        (0.9, "00:00:00"),
        (57 * MINUTE + 47, "00:57:47"),
        (DAY - 1, "23:59:59"),
        (DAY, "1d00h"),
        (DAY + 2 * HOUR, "1d02h"),
        (WEEK - 1, "6d23h"),
        (WEEK, "1w0d"),
        (2 * WEEK + 3 * DAY, "2w3d"),
        (48 * WEEK, "48w0d"),
        (YEAR - 1, "52w0d"),
        (YEAR + 10 * WEEK, "1y10w"),
        (3 * YEAR, "3y0w"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_a_duration_is_one_word(seconds: float) -> None:
    assert " " not in duration(seconds)


def test_never() -> None:
    assert since(100.0, None) == "never"
    assert until(100.0, None) == "never"
    assert since(100.0, 40.0) == "00:01:00"
    assert until(100.0, 160.0) == "00:01:00"


def test_clock_has_hours_without_end() -> None:
    assert clock(23 * HOUR + 59 * MINUTE + 39) == "23:59:39"
    assert clock(100 * HOUR) == "100:00:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 minutes"),
        (59, "0 minutes"),
        (60, "1 minute"),
        (HOUR, "1 hour"),
        (DAY + 16 * HOUR + 42 * MINUTE, "1 day, 16 hours, 42 minutes"),
        (20 * WEEK + 5 * DAY + 12 * HOUR + 15 * MINUTE, "20 weeks, 5 days, 12 hours, 15 minutes"),
        (YEAR + WEEK, "1 year, 1 week"),
    ],
)
def test_uptime(seconds: float, text: str) -> None:
    assert uptime(seconds) == text


def test_wall_clock() -> None:
    at = datetime(2015, 10, 19, 18, 57, 38, 347_999)
    assert wall(at, "UTC") == "18:57:38.347 UTC Mon Oct 19 2015"
    assert wall(at, "CET", milliseconds=False) == "18:57:38 CET Mon Oct 19 2015"


def test_stamp_pads_the_day_and_marks_a_clock_that_nobody_set() -> None:
    assert stamp(datetime(1993, 3, 1), False) == "*Mar  1 00:00:00.000"
    assert stamp(datetime(2026, 9, 21, 7, 2, 15, 210_000), True) == "Sep 21 07:02:15.210"
