"""`show history`: what was typed at this terminal, oldest first."""

from __future__ import annotations

from iosish.show.text import page
from iosish.snapshot import Snapshot


def history(snapshot: Snapshot) -> str:
    return page(f"  {command}" for command in snapshot.history)
