"""`show users`: the open sessions; `*` marks one's own."""

from __future__ import annotations

from iosish.show.text import page
from iosish.show.times import clock
from iosish.snapshot import Snapshot

COLUMNS = "    Line       User       Host(s)              Idle       Location"
ROW = "{mine:1}{number:>3} {line:<10}{user:<10} {host:<20} {idle:<10} {location}"
END = ("", "  Interface    User               Mode         Idle     Peer Address")


def users(snapshot: Snapshot) -> str:
    rows = [
        ROW.format(
            mine="*" if session.mine else "",
            number=session.number,
            line=session.line,
            user=session.user,
            host="idle",
            idle=clock(session.idle_s),
            location=session.location,
        )
        for session in sorted(snapshot.sessions, key=lambda session: session.number)
    ]
    return page([COLUMNS, *rows, *END])
