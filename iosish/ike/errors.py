"""What is wrong with a peer's packet."""

from __future__ import annotations


class PacketError(Exception):
    """A packet that is not obeyed; `reason` is a few words, the same for each packet of its kind, to be counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unwanted(PacketError):
    """A packet that is well made, and not obeyed all the same: a replay, or one too many. Counted, not logged."""
