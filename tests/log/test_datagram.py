"""The lines of the log in the forms that others read: datagrams for syslog servers, JSON for collectors."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.config.model import Timestamps
from iosish.log.as_json import as_json
from iosish.log.datagram import FACILITIES, datagram, priority
from iosish.log.line import line
from iosish.snapshot import LogRecord

AT = datetime(1993, 3, 1, 0, 1, 2, 3_000, UTC)
CONFIGURED = LogRecord(12, AT, False, "SYS", 5, "CONFIG_I", "Configured from console by console")
DEBUGGED = LogRecord(13, AT, True, "", 7, "", "NHRP: Receive Registration Request", numbered=True)

#: As logstash's CISCOTIMESTAMP and rsyslog's templates for IOS take a message apart, written from their descriptions.
READER = re.compile(
    r"<(?P<pri>\d{1,3})>(?P<count>\d+): (?:(?!\d{6,}: )(?P<origin>[^:*.%]\S*): )?(?:(?P<seq>\d{6,}): )?"
    r"(?P<stamp>[*.]?[A-Z][a-z]{2} [ \d]\d(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{3,6})?(?: [A-Z]{1,7})?): "
    r"%(?P<facility>[A-Z0-9_]+)-(?P<severity>[0-7])-(?P<mnemonic>[A-Z0-9_]+): (?P<text>.*)",
    re.DOTALL,
)


def sent(record: LogRecord, facility: str = "local7", origin: str = "", session_number: int | None = None) -> str:
    return datagram(
        record, line(record), facility=facility, count=45, origin=origin, session_number=session_number
    ).decode()


def test_a_message_as_ios_sends_it() -> None:
    assert sent(CONFIGURED) == "<189>45: *Mar  1 00:01:02.003: %SYS-5-CONFIG_I: Configured from console by console"


def test_an_origin_and_sequence_numbers_stand_before_the_stamp() -> None:
    assert sent(DEBUGGED, "local0", "R1", 3) == (
        '<135>45: [syslog@9 s_sn="3"]: R1: 000013: Mar  1 00:01:02.003: NHRP: Receive Registration Request'
    )


@pytest.mark.parametrize(("facility", "severity", "value"), [("kern", 0, 0), ("cron", 3, 123), ("local7", 7, 191)])
def test_priorities_are_those_of_rfc_3164(facility: str, severity: int, value: int) -> None:
    assert priority(facility, severity) == value


RECORDS = st.builds(
    LogRecord,
    sequence=st.integers(1, 10**9),
    at=st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),
    authoritative=st.booleans(),
    facility=st.sampled_from(["SYS", "DMVPN", "CRYPTO"]),
    severity=st.integers(0, 7),
    mnemonic=st.sampled_from(["CONFIG_I", "NHRP_NHS_UP"]),
    text=st.text(max_size=300),
    timestamps=st.builds(
        Timestamps, datetime=st.just(True), msec=st.booleans(), year=st.booleans(), show_timezone=st.booleans()
    ),
    numbered=st.booleans(),
)


@given(RECORDS, st.sampled_from(sorted(FACILITIES)), st.sampled_from(["", "R1", "10.0.0.1"]))
def test_what_others_read_is_what_was_said(record: LogRecord, facility: str, origin: str) -> None:
    message = sent(record, facility, origin)
    assert "\n" not in message and "\r" not in message and "\0" not in message
    read = READER.fullmatch(message)
    assert read is not None
    code, severity = divmod(int(read["pri"]), 8)
    assert (code, severity, read["origin"] or "") == (FACILITIES[facility], record.severity, origin)
    assert (read["facility"], int(read["severity"]), read["mnemonic"]) == (
        record.facility,
        record.severity,
        record.mnemonic,
    )
    assert read["seq"] == (f"{record.sequence:06}" if record.numbered else None)


def test_a_line_is_one_object_with_its_time_in_utc() -> None:
    east = AT.astimezone(timezone(timedelta(hours=2), "EET"))
    record = LogRecord(12, east, False, "SYS", 5, "CONFIG_I", "Configured from console by console")
    assert as_json(record, "R1") == (
        '{"time": "1993-03-01T00:01:02.003Z", "host": "R1", "facility": "SYS", "severity": 5, '
        '"severity_name": "notifications", "mnemonic": "CONFIG_I", '
        '"message": "Configured from console by console", "seq": 12}'
    )
    debugged = json.loads(as_json(DEBUGGED, "R1"))
    assert (debugged["facility"], debugged["mnemonic"], debugged["severity_name"]) == (None, None, "debugging")


@given(RECORDS)
def test_any_line_is_an_object_of_its_own(record: LogRecord) -> None:
    written = as_json(record, "R1")
    assert "\n" not in written
    read = json.loads(written.encode())
    assert datetime.fromisoformat(read["time"]) == record.at.replace(microsecond=record.at.microsecond // 1000 * 1000)
    assert (read["seq"], read["severity"]) == (record.sequence, record.severity)
