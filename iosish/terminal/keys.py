"""Bytes from a terminal to keys.

The table of escape sequences is prompt_toolkit's. The walk over it is our own: a client is hostile here, and
prompt_toolkit's parser collects a bracketed paste without bound and remembers every sequence it ever saw.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES

#: A longer escape sequence than this is no key; what there is of it is dropped.
SEQUENCE_LIMIT = 32

_RUN = re.compile(r"[^\x00-\x1f\x7f?\x80-\x9f]+")
_CONTROL = {
    "\r": "return",
    "\n": "return",
    "\t": "tab",
    "\x08": "erase",
    "\x7f": "erase",
    "\x1c": "c-\\",
    "\x1d": "c-]",
    "\x1e": "abort",
    "\x1f": "c-_",
    "?": "?",
} | {chr(code): f"c-{chr(code + 96)}" for code in range(1, 27) if code not in (8, 9, 10, 13)}


class Key(NamedTuple):
    """A key by name ("text", "return", "c-a", "up", "escape-b", ...); `text` is what a "text" key types."""

    name: str
    text: str = ""


@cache
def _sequences() -> tuple[dict[str, str], frozenset[str]]:
    """Escape sequences to names of keys, and all their beginnings."""
    names: dict[str, str] = {}
    for sequence, keys in ANSI_SEQUENCES.items():
        if len(sequence) > 1 and sequence[0] == "\x1b":
            key = keys[-1] if isinstance(keys, tuple) else keys
            names[sequence] = key.value
    beginnings = frozenset(sequence[:length] for sequence in names for length in range(1, len(sequence)))
    return names, beginnings


class KeyReader:
    """Turns what a terminal sends into keys; a sequence or a character cut in two by the line is put together again."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._sequence = ""
        self._after_return = False

    def read(self, data: bytes) -> Iterator[Key]:
        """The keys that `data` completes. Any bytes will do: what is no key is passed over."""
        text = self._decode(data)
        position = 0
        while position < len(text):
            if self._sequence:
                used, key = self._escape(text[position])
                position += used
                if key:
                    yield key
                continue
            run = _RUN.match(text, position)
            if run:
                self._after_return = False
                position = run.end()
                yield Key("text", run[0])
                continue
            character = text[position]
            position += 1
            if character == "\x1b":
                self._sequence = character
                continue
            after_return, self._after_return = self._after_return, character == "\r"
            if character == "\n" and after_return:
                continue
            name = _CONTROL.get(character)
            if name:
                yield Key(name)

    def _escape(self, character: str) -> tuple[int, Key | None]:
        """One more character of an escape sequence: how many were used (0: it is a key of its own), and the key."""
        names, beginnings = _sequences()
        before, self._sequence = self._sequence, ""
        sequence = before + character
        if sequence in beginnings:
            self._sequence = sequence
            return 1, None
        if sequence in names:
            return 1, Key(names[sequence])
        if character < " " or character == "\x7f":
            return 0, None
        if before == "\x1b":
            return 1, Key(f"escape-{character.lower()}")
        if before.startswith("\x1b[") and " " <= character <= "?" and len(sequence) < SEQUENCE_LIMIT:
            self._sequence = sequence  # parameters of a sequence that no key sends: passed over to its last character
        return 1, None
