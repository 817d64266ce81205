"""What `?` and Tab answer, from the same tree that matches."""

from __future__ import annotations

import textwrap

from iosish.cli.grammar import Mode, Node
from iosish.cli.matcher import State, beginning, walk
from iosish.cli.tokens import INTERFACE_TYPES
from iosish.config.interface_name import KINDS

#: Words that the session itself understands in every configuration mode.
_CONFIGURATION_WORDS = {
    "default": "Set a command to its defaults",
    "do": "To run exec commands in config mode",
    "end": "Exit from configure mode",
    "exit": "Exit from the current mode",
    "no": "Negate a command or set its defaults",
}
UNRECOGNIZED = "% Unrecognized command"
_CR = "<cr>"


def help_lines(mode: Mode, line: str, *, pipes: bool = False, width: int = 80) -> list[str]:
    """The answer to `?` typed after `line`: a table after a blank, else the words that begin so.

    `pipes`: the command's output can be filtered, so that `|` is offered where the line may end.
    """
    before, word = _split(line)
    verb = before.split()[:1] if mode.section is not None or mode.above is not None else []
    stripped = before
    if verb and verb[0].lower() in ("no", "default"):
        stripped = before.lstrip()[len(verb[0]) :]
    found = walk(mode, stripped)
    if found.failure is not None:
        return [UNRECOGNIZED]
    at_start = not found.steps and not verb
    extra = _CONFIGURATION_WORDS if at_start and (mode.above is not None or mode.name == "config") else {}
    if word:
        return _words(found.state, word, extra, width)
    table = _table(found.state)
    table.update((name, text) for name, text in extra.items())
    lines = _layout(dict(sorted(table.items(), key=lambda item: _sort_key(item[0]))), width)
    if found.steps and found.state.end is not None:
        if pipes:
            lines = _layout(dict(sorted(table.items(), key=lambda item: _sort_key(item[0]))) | _PIPE, width)
        lines.append("  " + _CR)
    return lines or [UNRECOGNIZED]


_PIPE = {"|": "Output modifiers"}


def complete(mode: Mode, line: str) -> str | None:
    """`line` with its last word completed and a blank, when exactly one keyword begins so; else None."""
    before, word = _split(line)
    if not word:
        return None
    verb = before.split()[:1]
    stripped = before.lstrip()[len(verb[0]) :] if verb and verb[0].lower() in ("no", "default") else before
    found = walk(mode, stripped)
    if found.failure is not None:
        return None
    extra = _CONFIGURATION_WORDS if not found.steps and (mode.above is not None or mode.name == "config") else {}
    words = beginning(sorted({*found.state.sorted_words, *extra}), word.lower())
    if word.lower() in words:
        words = [word.lower()]
    if len(words) != 1:
        return None
    places = found.state.words.get(words[0])
    return before + ((places[0].node.word or "") if places else words[0]) + " "


def _split(line: str) -> tuple[str, str]:
    """What stands before the word under the cursor, and that word."""
    end = len(line)
    while end > 0 and line[end - 1] not in " \t":
        end -= 1
    return line[:end], line[end:]


def _sort_key(shown: str) -> tuple[int, str]:
    return (0 if shown[:1].isupper() or shown.startswith("<") else 1, shown)


def _words(state: State, word: str, extra: dict[str, str], width: int) -> list[str]:
    hidden = {name for name, places in state.words.items() if all(place.node.hidden for place in places)}
    names = [name for name in beginning(sorted({*state.sorted_words, *extra}), word.lower()) if name not in hidden]
    shown = [state.words[name][0].node.word or name if name in state.words else name for name in names]
    if not shown and any(node.type is not None and node.type.name in INTERFACE_TYPES for node, _ in state.values):
        shown = [kind for kind in KINDS if kind.lower().startswith(word.lower())]
    if not shown:
        return [UNRECOGNIZED]
    column = max(len(name) for name in shown) + 2
    per_line = max(1, (width - 2) // column) if width else len(shown)
    rows = [shown[index : index + per_line] for index in range(0, len(shown), per_line)]
    return ["  " + "".join(name.ljust(column) for name in row).rstrip(" ") + "  " for row in rows]


def _table(state: State) -> dict[str, str]:
    table: dict[str, str] = {}
    for name in state.sorted_words:
        visible: list[Node] = [place.node for place in state.words[name] if not place.node.hidden]
        if visible:
            table[visible[0].word or name] = visible[0].help
    for node, _ in state.values:
        assert node.type is not None
        if node.type.name in INTERFACE_TYPES:
            table.update({kind: text for kind, (_, text) in KINDS.items()})
        else:
            table.setdefault(node.type.shown, node.help)
    return table


def _layout(table: dict[str, str], width: int) -> list[str]:
    if not table:
        return []
    column = max(len(name) for name in table)
    lines: list[str] = []
    for name, text in table.items():
        room = max(20, (width or 512) - column - 4)
        first, *others = textwrap.wrap(text, room) or [""]
        lines.append(f"  {name.ljust(column)}  {first}".rstrip())
        lines.extend(" " * (column + 4) + other for other in others)
    return lines
