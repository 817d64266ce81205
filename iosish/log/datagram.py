"""A line of the log as a syslog server gets it from IOS (RFC 3164 in IOS's dress)."""

from __future__ import annotations

from collections.abc import Mapping

from iosish.snapshot import LogRecord

#: `logging facility`: the codes of RFC 3164 4.1.1; IOS numbers the unnamed ones `sys9` to `sys14`.
FACILITIES: Mapping[str, int] = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    **{f"sys{code}": code for code in range(9, 15)},
    "cron": 15,
    **{f"local{number}": 16 + number for number in range(8)},
}


def priority(facility: str, severity: int) -> int:
    """`<189>` is a notification (5) of local7."""
    return FACILITIES[facility] * 8 + severity


def datagram(
    record: LogRecord, written: str, *, facility: str, count: int, origin: str = "", session_number: int | None = None
) -> bytes:
    """`<189>45: R1: *Mar  1 00:01:02.003: %SYS-5-CONFIG_I: Configured from console by console`, without a line end.

    `count` numbers what is sent to servers. `origin` is what `logging origin-id` names. `session_number` numbers the
    lines to one server (`sequence-num-session`).
    """
    head = f"<{priority(facility, record.severity)}>{count}: "
    if session_number is not None:
        head += f'[syslog@9 s_sn="{session_number}"]: '
    if origin:
        head += f"{origin}: "
    return (head + written).encode("utf-8", "replace")
