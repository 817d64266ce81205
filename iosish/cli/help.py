"""What `?` and Tab answer, from the same tree that matches."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from iosish.cli.grammar import Mode, Node
from iosish.cli.matcher import State, Walk, beginning, taken_back, verb_of, walk
from iosish.cli.tokens import INTERFACE_TYPES, NAMES_MAX, Read, Stop, ValueType
from iosish.config.interface_name import KINDS, kind

#: Words that the session itself understands in every configuration mode; the first two are only listed at the top.
_TOP_WORDS = {
    "do": "To run exec commands in config mode",
    "end": "Exit from configure mode",
}
_CONFIGURATION_WORDS = {
    "default": "Set a command to its defaults",
    "exit": "Exit from the current mode",
    "no": "Negate a command or set its defaults",
}
UNRECOGNIZED = "% Unrecognized command"
_CR = "<cr>"
_PIPE = ("|", "Output modifiers")
Row = tuple[str, str]


def help_lines(mode: Mode, line: str, *, pipes: bool = False, width: int = 80) -> list[str]:
    """The answer to `?` typed after `line`: a table after a blank, else the words that begin so.

    `pipes`: the command's output can be filtered, so that `|` is offered where the line may end.
    """
    before, word = _split(line)
    verb, found = _walked(mode, before)
    if found.failure is not None:
        return _unread(found, before, word)
    at_start = not found.steps and not verb
    extra = _own_words(mode) if at_start else {}
    if word:
        extra = {**extra, **_TOP_WORDS} if extra else {}
        return _words(found.state, word, extra, width)
    rows = sorted([*_rows(found.state), *_more(found), *extra.items()], key=_sort_key)
    ends = bool(found.steps) and (found.state.end is not None or (bool(verb) and bool(taken_back(found))))
    if ends and pipes:
        rows.append(_PIPE)
    lines = _layout(rows, width)
    if at_start and mode.heading:
        lines.insert(0, f"{mode.heading}:")
    if ends:
        lines.append("  " + _CR)
    return lines or [UNRECOGNIZED]


def complete(mode: Mode, line: str) -> str | None:
    """`line` with its last word completed and a blank, when exactly one keyword begins so; else None."""
    before, word = _split(line)
    if not word:
        return None
    verb, found = _walked(mode, before)
    if found.failure is not None:
        return None
    extra = {**_TOP_WORDS, **_own_words(mode)} if not found.steps and not verb and _configures(mode) else {}
    words = beginning(sorted({*found.state.sorted_words, *extra, *_listed(found.state, word)}), word.lower())
    if word.lower() in words:
        words = [word.lower()]
    if not words:
        kinds = _kinds(found.state, word)
        return f"{before}{kinds[0]} " if len(kinds) == 1 else None
    if len(words) != 1:
        return None
    places = found.state.words.get(words[0])
    return before + ((places[0].node.word or "") if places else words[0]) + " "


def _walked(mode: Mode, before: str) -> tuple[str, Walk]:
    """The `no` or `default` of a configuration line, and how far the words behind it lead."""
    verb, start = verb_of(mode, before)
    return verb, walk(mode, before, start)


def _configures(mode: Mode) -> bool:
    return mode.above is not None or mode.name == "config"


def _own_words(mode: Mode) -> dict[str, str]:
    """What the session understands at the start of a line, beside the commands of its mode."""
    if not _configures(mode):
        return {}
    if mode.above is None:
        return {**_TOP_WORDS, **_CONFIGURATION_WORDS, "exit": "Exit from configure mode"}
    name = (mode.heading or "").removesuffix(" commands")
    if name.endswith("configuration"):
        return {**_CONFIGURATION_WORDS, "exit": f"Exit from {name[0].lower()}{name[1:]} mode"}
    return _CONFIGURATION_WORDS


def _unread(found: Walk, before: str, word: str) -> list[str]:
    """The answer behind words that lead nowhere: a kind of interface alone still asks for its number."""
    assert found.failure is not None
    if found.failure.kind == "ambiguous":
        return [f'% Ambiguous command:  "{before}{word}"']
    rest = before[found.column :].strip().split()
    kinds = _kinds(found.state, rest[0]) if len(rest) == 1 else []
    if len(kinds) != 1 or found.failure.kind != "incomplete":
        return [UNRECOGNIZED]
    low, high = _NUMBERS.get(kinds[0], (0, 255))
    text = f"  <{low}-{high}>"
    return [text if word else f"{text}  {kinds[0]} interface number"]


#: The numbers of the kinds of interface that have no slots.
_NUMBERS = {
    **dict.fromkeys(("Loopback", "Tunnel"), (0, 2147483647)),
    "Null": (0, 0),
    "Port-channel": (1, 64),
    "Virtual-Template": (1, 4096),
    "Vlan": (1, 4094),
}


def _kinds(state: State, word: str) -> list[str]:
    """The kinds of interface that a word begins, where an interface may stand."""
    if not any(node.type is not None and node.type.name in INTERFACE_TYPES for node, _ in state.values):
        return []
    return sorted(kind for kind in KINDS if kind.lower().startswith(word.lower()))


def _split(line: str) -> tuple[str, str]:
    """What stands before the word under the cursor, and that word."""
    end = len(line)
    while end > 0 and line[end - 1] not in " \t":
        end -= 1
    return line[:end], line[end:]


def _sort_key(row: Row) -> tuple[int, str]:
    shown = row[0]
    return (0 if shown[:1].isupper() or shown[:1] in "<0123456789" else 1, shown)


def _words(state: State, word: str, extra: dict[str, str], width: int) -> list[str]:
    hidden = {name for name, places in state.words.items() if all(place.node.hidden for place in places)}
    names = [name for name in beginning(sorted({*state.sorted_words, *extra}), word.lower()) if name not in hidden]
    shown = [state.words[name][0].node.word or name if name in state.words else name for name in names]
    shown = sorted({*shown, *_kinds(state, word), *_begun(state, word)}, key=lambda name: _sort_key((name, "")))
    if not shown:
        return [UNRECOGNIZED]
    column = max(len(name) for name in shown) + 2
    per_line = max(1, (width - 2) // column) if width else len(shown)
    rows = [shown[index : index + per_line] for index in range(0, len(shown), per_line)]
    return ["  " + "".join(name.ljust(column) for name in row).rstrip(" ") + "  " for row in rows]


def _begun(state: State, word: str) -> Iterator[str]:
    """The placeholders of the values that `word` is, or is the beginning of."""
    listed = _listed(state, word)
    yield from listed
    for node, _ in state.values:
        assert node.type is not None
        read = node.type.read(word, 0)
        if node.hidden or (isinstance(read, Stop) and not read.partial and not _may_grow(node.type, word)):
            continue
        if isinstance(read, Read) and read.value in listed:
            continue  # there by itself
        if node.type.name not in INTERFACE_TYPES:
            yield node.type.shown
        elif isinstance(read, Read) and isinstance(read.value, str):
            low, high = _NUMBERS.get(kind(read.value), (0, 255))
            yield f"<{low}-{high}>"


def _more(found: Walk) -> list[Row]:
    """The row of one more value, where the last one was one of many."""
    if not found.steps or not isinstance(names := found.steps[-1].value, tuple) or len(names) >= NAMES_MAX:
        return []
    node = found.steps[-1].node()
    return [(node.type.shown, node.help)] if node.type is not None and node.type.many else []


def _listed(state: State, word: str) -> list[str]:
    """The values that `?` lists by themselves and that `word` begins."""
    types = [node.type for node, _ in state.values if node.type is not None and not node.hidden]
    return sorted({value for type_ in types for value in type_.words if value.startswith(word.lower())})


def _may_grow(type_: ValueType, word: str) -> bool:
    """Whether more digits can make a number of the type out of `word`, which is too small for it."""
    low, _, high = type_.name.rpartition("-")
    return low.isdecimal() and high.isdecimal() and word.isascii() and word.isdecimal() and int(word[:20]) < int(low)


def _rows(state: State) -> list[Row]:
    """The alternatives; two values may look alike (an address or a mask) and mean different things."""
    rows: dict[Row, None] = {}
    for name in state.sorted_words:
        visible: list[Node] = [place.node for place in state.words[name] if not place.node.hidden]
        if visible:
            rows[visible[0].word or name, visible[0].help] = None
    for node, _ in state.values:
        assert node.type is not None
        if node.hidden:
            continue
        if node.type.name in INTERFACE_TYPES:
            rows.update(((kind, text), None) for kind, (_, text) in KINDS.items())
        else:
            rows[node.type.shown, node.help] = None
            rows.update((row, None) for row in node.type.words.items())
    return list(rows)


def _layout(rows: list[Row], width: int) -> list[str]:
    column = max((len(name) for name, _ in rows), default=0)
    lines: list[str] = []
    for name, text in rows:
        room = max(20, (width or 512) - column - 4)
        first, *others = textwrap.wrap(text, room) or [""]
        lines.append(f"  {name.ljust(column)}  {first}".rstrip())
        lines.extend(" " * (column + 4) + other for other in others)
    return lines
