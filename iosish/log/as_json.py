"""A line of the log as one JSON object, for whoever collects the output of a service."""

from __future__ import annotations

import json
from datetime import UTC

from iosish.config.severity import SEVERITIES
from iosish.show.text import printable
from iosish.snapshot import LogRecord

_NAMES = tuple(SEVERITIES)


def as_json(record: LogRecord, host: str) -> str:
    """`{"time": "2026-03-01T00:01:02.003Z", "host": "R1", "facility": "SYS", "severity": 5, ...}` on one line.

    A line of `debug` has null for facility and mnemonic. The time is the router's, in UTC.
    """
    at = record.at.astimezone(UTC) if record.at.tzinfo is not None else record.at
    return json.dumps(
        {
            "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
            "host": host,
            "facility": record.facility or None,
            "severity": record.severity,
            "severity_name": _NAMES[record.severity],
            "mnemonic": record.mnemonic or None,
            "message": printable(record.text).strip(),
            "seq": record.sequence,
        },
        ensure_ascii=False,
    )
