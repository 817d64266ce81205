"""IOS's regular expressions, matched in linear time.

They come from whoever is at the terminal and run on the loop that keeps the router's timers, so the matcher is RE2
(the `google-re2` package, BSD licence, wheels for all Linux platforms), which has no back-tracking and a memory limit.
"""

from __future__ import annotations

from collections.abc import Callable

#: Memory of one compiled expression, and the longest that is tried.
MEMORY_BYTES = 1 << 20
LENGTH_LIMIT = 512

#: `_` is a delimiter: the start or end of the line, a blank, a comma, a brace or a parenthesis; and itself, so that
#: `show logging | include CONFIG_I` finds what it is typed for.
_DELIMITER = r"(?:^|$|[ ,{}()_])"
_LITERAL = "{}"


class RegexpError(Exception):
    """Not a regular expression."""


def translate(pattern: str) -> str:
    """An IOS regular expression in RE2's notation. Raises RegexpError for a bracket without its end."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "\\" and position < len(pattern):
            out.append(_quoted(pattern[position]))
            position += 1
        elif character == "[":
            bracket, position = _bracket(pattern, position)
            out.append(bracket)
        elif character == "_":
            out.append(_DELIMITER)
        elif character == "(" and pattern[position : position + 1] == "?":
            raise RegexpError("a ? that follows nothing")
        elif character in _LITERAL or character == "\\":
            out.append("\\" + character)
        else:
            out.append(character)
    return "".join(out)


def _quoted(character: str) -> str:
    return character if character.isalnum() or ord(character) > 127 else "\\" + character


def _bracket(pattern: str, start: int) -> tuple[str, int]:
    """`[...]` from after its opening; a `]` that comes first is one of the characters."""
    end = start + 1 if pattern[start : start + 1] == "^" else start
    first = end
    while end < len(pattern) and (pattern[end] != "]" or end == first):
        end += 1
    if end >= len(pattern):
        raise RegexpError("a [ without its ]")
    inside = "".join("\\" + c if c in "\\[]" else c for c in pattern[first:end])
    return f"[{pattern[start:first]}{inside}]", end + 1


def compile_regexp(pattern: str) -> Callable[[str], bool]:
    """Says of a line whether the expression occurs in it. Raises RegexpError."""
    if pattern and pattern.isascii() and not set(pattern) & set(".^$*+?()[]{}|\\_"):
        return lambda line: pattern in line  # a plain word, as most are
    if len(pattern) > LENGTH_LIMIT:
        raise RegexpError("too long")
    import re2  # 6 ms, and only for those who filter

    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    try:
        search = re2.compile(translate(pattern), options).search
    except re2.error as error:
        raise RegexpError(str(error)) from None
    return lambda line: search(line) is not None
