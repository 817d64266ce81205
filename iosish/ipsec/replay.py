"""The anti-replay window of a receiver (RFC 4303 section 3.4.3)."""

from __future__ import annotations


class ReplayWindow:
    """The highest sequence number that was received, and which of the `size` numbers up to it were; `size` 0: off.

    A number is asked for with `fresh` before its packet is authenticated, and marked after: a forger moves nothing.
    0 is never fresh, as senders begin with 1.
    """

    __slots__ = ("_mask", "_seen", "_size", "highest")

    def __init__(self, size: int) -> None:
        self.highest = 0
        self._size = size
        self._mask = (1 << size) - 1
        self._seen = 0  # bit n: the number `highest - n` was received

    def fresh(self, sequence: int) -> bool:
        """Whether this number was not received yet and is not too old to tell."""
        behind = self.highest - sequence
        if behind < 0:
            return True
        if not sequence:
            return False
        return not self._size or (behind < self._size and not self._seen >> behind & 1)

    def mark(self, sequence: int) -> None:
        """This number, which was fresh, was received."""
        ahead = sequence - self.highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & self._mask if ahead < self._size else 1
            self.highest = sequence
        elif self._size:
            self._seen |= 1 << -ahead

    def mark_run(self, first: int, count: int) -> None:
        """`count` numbers from `first` on, which is above all before, were received."""
        ahead = first + count - 1 - self.highest
        run = (1 << min(count, self._size)) - 1
        self._seen = ((self._seen << ahead) & self._mask if ahead < self._size else 0) | run
        self.highest = first + count - 1
