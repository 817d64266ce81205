"""A configuration as text: the lines of `show running-config`, from the same leaves that the lines came in by.

The order of the leaves in the grammar files is the order of the lines; a field at its default has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iosish.cli.grammar import Command, Grammar, Mode, Node
from iosish.cli.tokens import INTERFACE_TYPES
from iosish.config import refused
from iosish.config.binding import default_of
from iosish.config.interface_name import order
from iosish.config.model import Config, Kept


def render(grammar: Grammar, config: Config) -> list[str]:
    """All lines of the configuration, without headings; sub-modes indented by one blank and parted by `!`."""
    lines: list[str] = []
    previous = ""
    for text, command, body in _section(grammar, grammar.config, config):
        first = text.split(" ", 2)[: 1 + text.startswith("no ")][-1]
        if lines and lines[-1] != "!" and (body is not None or first != previous or previous == ""):
            lines.append("!")
        lines.append(text)
        if body is not None:
            lines.extend(body)
            lines.append("!")
        previous = first if command is not None else ""
    if lines and lines[-1] != "!":
        lines.append("!")
    return lines


def _body(grammar: Grammar, mode: Mode, section: Any, depth: int) -> list[str]:
    lines: list[str] = []
    for text, _, body in _section(grammar, mode, section, depth):
        if text.startswith("address-family"):
            lines.append(" " * depth + "!")
        lines.append(" " * depth + text)
        lines.extend(body or ())
    return lines


def _section(
    grammar: Grammar, mode: Mode, section: Any, depth: int = 0
) -> Iterator[tuple[str, Command | None, list[str] | None]]:
    """Each line of a section, the command it came in by, and the lines of the sub-mode that it opens."""
    kept: dict[str, list[Kept]] = {}
    runs = _runs(mode)
    opened: set[tuple[str, ...]] = set()
    for key, line in section.kept.items():
        kept.setdefault(runs.get(key[0], key[0]), []).append(line)
    for command in mode.commands():
        if command.kept:
            for line in kept.pop(command.leaf, ()):
                opens = command.enters is not None and not line.text.startswith("no ")
                yield line.text, command, _kept_body(grammar, command, line, depth) if opens else None
        elif command.alias:
            continue  # another spelling of a line that is shown elsewhere
        elif command.field is not None and command.field.path in opened:
            continue  # shown with the first of the commands that fill this field
        elif command.field is not None and command.field.keyed and command.record:
            opened.add(command.field.path)
            if _value_at(command, section)[1]:
                alternatives = [other for other in mode.commands() if other.field == command.field and not other.alias]
                yield from ((text, command, None) for text in _listed(alternatives, section))
        elif command.field is not None and command.enters is None:
            for text in _field_lines(command, section):
                yield text, command, None
            if command.absent is not None and _denied(mode, command, section):
                yield command.absent, command, None
        elif command.field is not None:
            opened.add(command.field.path)
            alternatives = [other for other in mode.commands() if other.enters and other.field == command.field]
            yield from _entries(grammar, alternatives, section, depth)
    for block in refused.blocks_of(section):
        yield f"\n{' ' * depth}".join(refused.MARK + line for line in block.split("\n")), None, None


def _runs(mode: Mode) -> dict[str, str]:
    """Lists whose leaves stand side by side (`permit`, `deny`) are one list, in the order of entry.

    Maps each such leaf to the first of its run.
    """
    runs: dict[str, str] | None = mode.states.get("runs")
    if runs is None:
        runs, first = {}, None
        for command in mode.commands():
            if not (command.kept and command.each and command.enters is None):
                first = None
            elif first is None:
                first = command.leaf
            else:
                runs[command.leaf] = first
        mode.states["runs"] = runs
    return runs


def _entries(
    grammar: Grammar, commands: list[Command], section: Any, depth: int
) -> Iterator[tuple[str, Command | None, list[str] | None]]:
    """The sections of a keyed field, each opened by the one of its commands that can spell its key."""
    entries: Any = _value_at(commands[0], section)[1].items()
    last = commands[0].words[-1].type
    if last is not None and last.name in INTERFACE_TYPES:
        entries = sorted(entries, key=lambda item: order(item[0]))
    elif all(isinstance(key, int) for key, _ in entries):
        entries = sorted(entries)
    for key, entry in entries:
        for command in commands:
            keys = dict(zip(command.keys, key if isinstance(key, tuple) else (key,), strict=True))
            if command.enters and _owns(command, keys):
                tail: list[str] = []
                if command.tail:
                    _tail(command.words[-1].children, entry, tail, set())
                yield (
                    " ".join([_spell(command, keys), *tail]),
                    command,
                    _body(grammar, grammar.modes[command.enters], entry, depth + 1),
                )
                break


def _listed(commands: list[Command], section: Any) -> Iterator[str]:
    """The lines of a list whose entries may have several spellings; those of a prefix (`ip route`) are sorted by it."""
    entries = _value_at(commands[0], section)[1]
    routes = commands[0].keys[:2] == ("prefix", "mask")
    for key in sorted(entries, key=lambda parts: parts[:2]) if routes else entries:
        for command in commands:
            keys = dict(zip(command.keys, key if isinstance(key, tuple) else (key,), strict=True))
            if text := next(_record_line(command, entries[key], keys), None):
                yield text
                break


def _kept_body(grammar: Grammar, command: Command, line: Kept, depth: int) -> list[str]:
    assert command.enters is not None
    return _body(grammar, grammar.modes[command.enters], line, depth + 1)


def _value_at(command: Command, section: Any) -> tuple[Any, Any]:
    """The value of a command's field, and the part of the model that it stands in."""
    assert command.field is not None
    owner = section
    for name in command.field.path[:-1]:
        owner = getattr(owner, name)
    return owner, getattr(owner, command.field.path[-1])


def _field_lines(command: Command, section: Any) -> Iterator[str]:
    """The lines of one binding."""
    info = command.field
    assert info is not None
    owner, value = _value_at(command, section)
    if info.keyed:
        for key, entry in value.items():
            keys = dict(zip(command.keys, key if isinstance(key, tuple) else (key,), strict=True))
            yield from _record_line(command, entry, keys) if command.record else _value_line(command, entry, keys)
        return
    if value is None or (value == default_of(type(owner), info.path[-1]) and not command.shown):
        return
    if value is False:
        if (command.default_on or command.either) and not command.values:
            yield "no " + _spell(command, {})
    elif command.constant is not None:
        if value == command.constant:
            yield _spell(command, {})
    elif command.record:
        yield from _record_line(command, value, {})
    elif isinstance(value, bool):
        yield _spell(command, {})
    else:
        yield from _value_line(command, value, {})


def _denied(mode: Mode, command: Command, section: Any) -> bool:
    """Whether the line that says that there is none (`no ip address`) is in its place: nothing begins as it does."""
    assert command.absent is not None
    words = command.absent.removeprefix("no ") + " "
    if any(key[0].startswith(words) for key in section.kept):
        return False
    alike = (other for other in mode.commands() if other.field is not None and other.leaf.startswith(words))
    return not any(True for other in alike for _ in _field_lines(other, section))


def _value_line(command: Command, value: Any, keys: Mapping[str, Any]) -> Iterator[str]:
    names = [node for node in command.values if node.argument not in keys]
    if names:
        node = names[-1]
        if node.type is None or not node.type.owns(value):
            return
        keys = {**keys, node.argument: value}
    if _owns(command, keys):
        yield _spell(command, keys)


def _record_line(command: Command, entry: Any, keys: Mapping[str, Any]) -> Iterator[str]:
    assert command.field is not None
    values = {name: getattr(entry, name) for name in command.field.entry_fields}
    if not _owns(command, values):
        return
    in_path = {node.argument for node in command.values}
    tail: list[str] = []
    used: set[str] = set()
    _tail(command.words[-1].children, entry, tail, used)
    # An entry that has a key part which this leaf cannot spell belongs to another leaf.
    if any(values[name] not in (None, default_of(type(entry), name)) for name in set(keys) - in_path - used):
        return
    yield " ".join([_spell(command, values), *tail])


def _tail(nodes: tuple[Node, ...], entry: Any, words: list[str], used: set[str]) -> bool:
    """Spell the optional tail of a line from a record or a section, each part once; tells whether any was spelt."""
    before = len(words)
    for node in nodes:
        if node.is_group:
            _tail(node.children, entry, words, used)
        elif node.command is not None or (node.sets[0] if node.sets else node.argument) in used:
            continue
        elif node.sets is not None and getattr(entry, node.sets[0]) == node.sets[1]:
            if node.sets[1] != default_of(type(entry), node.sets[0]):
                used.add(node.sets[0])
                words.append(node.spelling or "")
                _tail(node.children, entry, words, used)
        elif node.name is not None:
            value = getattr(entry, node.argument)
            if value is None or value == default_of(type(entry), node.argument):
                continue
            assert node.type is not None
            if node.type.owns(value):
                used.add(node.argument)
                words.append(node.type.spell(value))
                _tail(node.children, entry, words, used)
        elif node.children:
            mark = len(words)
            words.append(node.spelling or "")
            # Below another value of the field stand those that begin with the same word (`esp-aes`, `esp-aes 256`).
            below = tuple(child for child in node.children if node.sets is None or child.sets is not None)
            stands = node.alone and node.sets is None and getattr(entry, node.argument) is True
            if not _tail(below, entry, words, used) and not stands:
                del words[mark:]
        elif node.sets is None and getattr(entry, node.argument) is True:
            used.add(node.argument)
            words.append(node.spelling or "")
    return len(words) > before


def _owns(command: Command, values: Mapping[str, Any]) -> bool:
    """Whether every value of the command's path is there and of its type."""
    return all(
        (value := values.get(node.argument)) is not None and node.type is not None and node.type.owns(value)
        for node in command.values
    )


def _spell(command: Command, values: Mapping[str, Any]) -> str:
    return " ".join(
        node.spelling if node.spelling is not None else node.type.spell(values[node.argument])  # type: ignore[union-attr] # a node without a word is a value and has a type
        for node in command.words
    )
