"""The types of values on a command line: how far each can read, what it gives, how it is shown by `?`.

`read` gets the whole line and where a value would begin. It answers `Read(value, end, text)`, or
`Stop(column, partial)`: the first character that fits no value of the type. `partial` says that
all there is fits so far, and that more is needed.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from typing import Any

from iosish.config import interface_name, severity


@dataclass(frozen=True, slots=True)
class Read:
    """A value, the column after it, and its text as the running-config spells it."""

    value: Any
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    column: int
    partial: bool = False


Reader = Callable[[str, int], Read | Stop]

#: Ranks decide when several alternatives take one word: lower wins. An exact keyword is 0, an abbreviated one 2.
RANK_EXACT, RANK_TYPED, RANK_ABBREVIATED, RANK_WORD, RANK_LINE = range(5)


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type: its placeholder in `?`, its rank, how it reads, which values are its own, how they are spelt.

    `words` are values that `?` lists by themselves, each with its text. `many`: one more value may follow each.
    """

    name: str
    shown: str
    rank: int
    read: Reader
    owns: Callable[[Any], bool]
    spell: Callable[[Any], str] = str
    words: Mapping[str, str] = field(default_factory=dict, compare=False)
    many: bool = False


#: What the name of a file may begin with, beside a path (`/x`, `./x`).
FILE_SYSTEMS = {"flash:": "flash: file system", "nvram:": "nvram: file system"}
#: A list of names holds no more than this, as on IOS.
NAMES_MAX = 6
_BLANK = " \t"
_OCTETS = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?=[ \t]|$)")


def word_end(line: str, start: int) -> int:
    end = start
    while end < len(line) and line[end] not in _BLANK:
        end += 1
    return end


def _dotted(line: str, start: int) -> Read | Stop:
    found = _OCTETS.match(line, start)
    if found and all(len(octet) < 3 or octet <= "255" for octet in found.groups()):
        octets = bytes(int(octet) for octet in found.groups())
        address = IPv4Address(octets)
        return Read(address, found.end(), str(address))
    # Find the first character at which it stops being an address.
    column, octet, octets_read = start, "", 0
    end = word_end(line, start)
    while column < end:
        character = line[column]
        if character.isascii() and character.isdigit():
            octet += character
            if len(octet) > 3 or int(octet) > 255:
                return Stop(column)
        elif character == "." and octet and octets_read < 3:
            octet, octets_read = "", octets_read + 1
        else:
            return Stop(column)
        column += 1
    return Stop(start, partial=True)


def _mask(line: str, start: int) -> Read | Stop:
    read = _dotted(line, start)
    if isinstance(read, Read):
        inverted = int(read.value) ^ 0xFFFFFFFF
        if inverted & (inverted + 1):
            return Stop(start)
    return read


def _prefix(line: str, start: int) -> Read | Stop:
    end = word_end(line, start)
    text = line[start:end]
    address, slash, _length = text.partition("/")
    if not slash:
        read = _dotted(line, start)
        return read if isinstance(read, Stop) and not read.partial else Stop(start, partial=True)
    try:
        return Read(IPv4Network(text, strict=False), end, text)
    except (AddressValueError, NetmaskValueError, ValueError):
        return Stop(start + len(address) + 1)


def _ipv6(line: str, start: int) -> Read | Stop:
    end = word_end(line, start)
    try:
        return Read(IPv6Address(line[start:end]), end, line[start:end].upper())
    except ValueError:
        return Stop(_far(line, start, end, "0123456789abcdefABCDEF:."))


def _ipv6_prefix(line: str, start: int) -> Read | Stop:
    end = word_end(line, start)
    text = line[start:end]
    if "/" not in text:
        return Stop(_far(line, start, end, "0123456789abcdefABCDEF:./"))
    try:
        IPv6Network(text, strict=False)
        return Read(text.upper(), end, text.upper())
    except ValueError:
        return Stop(_far(line, start, end, "0123456789abcdefABCDEF:./"))


def _far(line: str, start: int, end: int, alphabet: str) -> int:
    column = start
    while column < end and line[column] in alphabet:
        column += 1
    return start if column == end else column


def _number(low: int, high: int) -> Reader:
    digits = len(str(high))

    def read(line: str, start: int) -> Read | Stop:
        end = word_end(line, start)
        text = line[start:end]
        body = text[1:] if low < 0 and text.startswith("-") else text
        if not (body.isascii() and body.isdigit()):
            return Stop(_far(line, start, end, "0123456789"))
        if len(body) > digits + 10 or not low <= int(text) <= high:
            return Stop(start)
        return Read(int(text), end, str(int(text)))

    return read


def _word(line: str, start: int) -> Read | Stop:
    """Anything without blanks, or anything between two quotation marks."""
    end = word_end(line, start)
    if line[start] == '"':
        closing = line.find('"', start + 1)
        if closing > 0 and word_end(line, closing) == closing + 1:
            end = closing + 1
    return Read(line[start:end], end, line[start:end])


def _names(line: str, start: int) -> Read | Stop:
    """One name or more, up to the end of the line."""
    names: list[str] = []
    column = start
    while column < len(line.rstrip()):
        if len(names) == NAMES_MAX:
            return Stop(column)
        end = word_end(line, column)
        names.append(line[column:end])
        column = end
        while column < len(line) and line[column] in _BLANK:
            column += 1
    return Read(tuple(names), len(line), " ".join(names))


def _line(line: str, start: int) -> Read | Stop:
    text = line[start:].rstrip()
    return Read(text, len(line), text)


def _interface(line: str, start: int) -> Read | Stop:
    """Kind and number, apart or together, abbreviated as far as one kind fits."""
    column = start
    while column < len(line) and (line[column].isalpha() or line[column] == "-"):
        column += 1
    kinds = interface_name.kinds_beginning(line[start:column]) if column > start else []
    if not kinds:
        length = column - start
        while length > 0 and not interface_name.kinds_beginning(line[start : start + length]):
            length -= 1
        return Stop(start + length)
    number = column
    while number < len(line) and line[number] in _BLANK:
        number += 1
    if number == len(line):
        return Stop(number, partial=True)
    found = interface_name.NUMBER.match(line, number)
    if not found:
        return Stop(number)
    if found.end() != word_end(line, number):
        return Stop(found.end())
    if len(kinds) > 1:
        return Stop(column)
    digits = re.sub(r"\d+", lambda digit: str(int(digit[0])), found[0])
    name = kinds[0] + digits
    return Read(name, found.end(), name)


def _main_interface(line: str, start: int) -> Read | Stop:
    read = _interface(line, start)
    if isinstance(read, Read) and interface_name.is_subinterface(read.value):
        return Stop(line.index(".", start))
    return read


def _subinterface(line: str, start: int) -> Read | Stop:
    read = _interface(line, start)
    return Stop(read.end) if isinstance(read, Read) and not interface_name.is_subinterface(read.value) else read


_RANGE_MEMBER = re.compile(r"\s*([A-Za-z-]+\s*[\d/]*?)(\d+)(?:\s*-\s*(\d+))?\s*(?:,|$)")
#: More interfaces in one range are refused.
_RANGE_LIMIT = 512


def _interface_range(line: str, start: int) -> Read | Stop:
    """`FastEthernet0/0 - 3 , Loopback1`: the names in full, as a tuple."""
    names: list[str] = []
    column = start
    while column < len(line.rstrip()):
        found = _RANGE_MEMBER.match(line, column)
        if not found:
            name = _interface(line, column)
            return name if isinstance(name, Stop) else Stop(name.end)
        first = _interface(found[1] + found[2], 0)
        if isinstance(first, Stop):
            return Stop(found.start(1) + first.column, first.partial)
        low, high = int(found[2]), int(found[3] or found[2])
        if high < low or len(names) + high - low >= _RANGE_LIMIT:
            return Stop(found.start(3))
        stem = first.value[: len(first.value) - len(str(low))]
        names.extend(f"{stem}{number}" for number in range(low, high + 1))
        column = found.end()
    if not names:
        return Stop(start, partial=True)
    return Read(tuple(dict.fromkeys(names)), len(line), line[start:].strip())


def _name_or_address(line: str, start: int) -> Read | Stop:
    read = _dotted(line, start)
    return read if isinstance(read, Read) else _word(line, start)


def _pattern(pattern: str) -> Reader:
    compiled = re.compile(pattern)

    def read(line: str, start: int) -> Read | Stop:
        end = word_end(line, start)
        if compiled.fullmatch(line, start, end):
            return Read(line[start:end], end, line[start:end])
        return Stop(start)

    return read


_MONTHS = [month.lower() for month in calendar.month_name if month]


def _month(line: str, start: int) -> Read | Stop:
    end = word_end(line, start)
    text = line[start:end].lower()
    fitting = [number for number, month in enumerate(_MONTHS, 1) if len(text) >= 3 and month.startswith(text)]
    if len(fitting) != 1:
        return Stop(start)
    return Read(fitting[0], end, _MONTHS[fitting[0] - 1][:3].capitalize())


def _severity(line: str, start: int) -> Read | Stop:
    """A number, or a name as far as only one begins so; always gives the name."""
    end = word_end(line, start)
    text = line[start:end].lower()
    names = list(severity.SEVERITIES)
    fitting = [name for name in names if name.startswith(text)]
    if len(text) == 1 and text.isascii() and text.isdecimal() and int(text) < len(names):
        fitting = [names[int(text)]]
    if len(fitting) == 1:
        return Read(fitting[0], end, fitting[0])
    column = start
    while column < end and any(name.startswith(line[start : column + 1].lower()) for name in names):
        column += 1
    return Stop(start if column == end else column)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool)


def _bare_secret(value: Any) -> bool:
    """A secret that needs no type of encryption before it, since it cannot be taken for one."""
    return isinstance(value, str) and value.split(" ")[0] not in ("0", "6")


_TYPES = {
    "A.B.C.D": ValueType("A.B.C.D", "A.B.C.D", RANK_TYPED, _dotted, _is(IPv4Address)),
    "mask": ValueType("mask", "A.B.C.D", RANK_TYPED, _mask, _is(IPv4Address)),
    "wildcard": ValueType("wildcard", "A.B.C.D", RANK_TYPED, _dotted, _is(IPv4Address)),
    "prefix": ValueType("prefix", "A.B.C.D/nn", RANK_TYPED, _prefix, _is(IPv4Network)),
    "X:X::X": ValueType("X:X::X", "X:X:X:X::X", RANK_TYPED, _ipv6, _is(IPv6Address)),
    "X:X::X/n": ValueType("X:X::X/n", "X:X:X:X::X/<0-128>", RANK_TYPED, _ipv6_prefix, _is(str)),
    "word": ValueType("word", "WORD", RANK_WORD, _word, _is(str)),
    **{
        name: ValueType(name, "LINE", RANK_LINE, _line, _is(str))
        for name in ("clear-6", "clear-7", "typed-6", "typed-7")
    },
    "secret": ValueType("secret", "WORD", RANK_WORD, _word, _bare_secret),
    "secret-line": ValueType("secret-line", "LINE", RANK_LINE, _line, _bare_secret),
    "type-7": ValueType("type-7", "WORD", RANK_TYPED, _pattern(r"(0\d|1[0-5])([0-9A-Fa-f]{2})+"), _is(str)),
    "names": ValueType("names", "WORD", RANK_WORD, _names, _is(tuple), " ".join, many=True),
    "line": ValueType("line", "LINE", RANK_LINE, _line, _is(str)),
    "file": ValueType(
        "file", "URL", RANK_TYPED, _pattern(r"[A-Za-z][A-Za-z0-9+.-]*:\S*|\.{0,2}/\S*"), _is(str), words=FILE_SYSTEMS
    ),
    "interface": ValueType("interface", "", RANK_TYPED, _interface, _is(str)),
    "main-interface": ValueType(
        "main-interface", "", RANK_TYPED, _main_interface, lambda value: isinstance(value, str) and "." not in value
    ),
    "subinterface": ValueType(
        "subinterface", "", RANK_TYPED, _subinterface, lambda value: isinstance(value, str) and "." in value
    ),
    "interface-range": ValueType("interface-range", "", RANK_TYPED, _interface_range, _is(tuple)),
    "name-or-address": ValueType("name-or-address", "WORD", RANK_WORD, _name_or_address, lambda value: True),
    "hh:mm:ss": ValueType(
        "hh:mm:ss", "hh:mm:ss", RANK_TYPED, _pattern(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"), _is(str)
    ),
    "hhh:mm": ValueType("hhh:mm", "WORD", RANK_TYPED, _pattern(r"(\d{1,3}:)?\d{1,3}"), _is(str)),
    "month": ValueType("month", "MONTH", RANK_TYPED, _month, _is(int)),
    "severity": ValueType(
        "severity", "<0-7>", RANK_TYPED, _severity, severity.SEVERITIES.__contains__, words=severity.SEVERITIES
    ),
    "mac": ValueType("mac", "H.H.H", RANK_TYPED, _pattern(r"[0-9a-fA-F]{1,4}(\.[0-9a-fA-F]{1,4}){2}"), _is(str)),
    "hex": ValueType("hex", "Hex-data", RANK_TYPED, _pattern(r"[0-9a-fA-F]+"), _is(str)),
    "rd": ValueType(
        "rd", "ASN:nn or IP-address:nn", RANK_TYPED, _pattern(r"\d{1,10}(\.\d{1,5}){0,3}:\d{1,10}"), _is(str)
    ),
    "banner": ValueType("banner", "LINE", RANK_LINE, _line, _is(str)),
}
#: Types whose values begin with a kind of interface.
INTERFACE_TYPES = ("interface", "main-interface", "subinterface", "interface-range")
_RANGE = re.compile(r"(-?\d+)-(\d+)")


@cache
def value_type(name: str) -> ValueType:
    """The type of that name. Raises ValueError for a name that is none."""
    if name in _TYPES:
        return _TYPES[name]
    found = _RANGE.fullmatch(name)
    if not found:
        raise ValueError(f"no such value type: {name}")
    low, high = int(found[1]), int(found[2])

    def owns(value: Any) -> bool:
        return _is(int)(value) and low <= value <= high

    return ValueType(name, f"<{name}>", RANK_TYPED, _number(low, high), owns)
