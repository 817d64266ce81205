"""Configuration lines into a draft: which mode a line belongs to, and what it changes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iosish.cli.grammar import Command, Grammar
from iosish.cli.matcher import Failure, Match, match
from iosish.config import refused
from iosish.config.binding import default_of
from iosish.config.draft import Draft, Path, Section
from iosish.config.model import Kept
from iosish.config.password_encryption import other_spelling
from iosish.config.refusals import refusal

TOP = Section("config")
#: Another session took the section away that this one was in.
GONE = "What was being configured here has been removed"


def find(grammar: Grammar, section: Section, line: str) -> Match | Failure:
    """Match a line in the mode of `section` and in the modes above it.

    The innermost mode has it, unless a mode above knows it with fewer abbreviations (`key chain X` inside a key is
    no `key-string`). When no mode knows it, the failure is that of the mode that could read farthest.
    """
    best: Match | None = None
    failure: Failure | None = None
    seen: Section | None = section
    while seen is not None:
        found = match(grammar.modes[seen.mode], line)
        if isinstance(found, Match):
            if best is None or found.abbreviated < best.abbreviated:
                best = found
            if not best.abbreviated:
                return best
        elif failure is None or (found.column > failure.column and failure.kind != "incomplete"):
            failure = found
        seen = seen.above
    found_or_not = best or failure
    assert found_or_not is not None
    return found_or_not


def enter(grammar: Grammar, draft: Draft, section: Section, found: Match) -> tuple[Section, list[str]]:
    """Apply a matched line to the draft.

    Gives the section that the next line belongs to, and what IOS says (refusals; empty if all is well).
    """
    here: Section = section
    while here.mode != found.mode.name and here.above is not None:
        here = here.above
    if not all(draft.has(path) for path in here.paths):
        return TOP, [f"% {GONE}"]
    messages: list[str] = []
    if found.negated or found.defaulted:
        for command in found.commands:
            for path in here.paths:
                _take_back(draft, path, command, found)
        refused.taken(draft, here.paths, found.text.removeprefix("no "), True)
        return here, messages
    command = found.command
    targets: list[Path] = []
    for path in here.paths:
        put, message = _put(draft, path, command, found)
        if message and message not in messages:
            messages.append(message)
        targets.extend(put)
    if not messages:
        refused.taken(draft, here.paths, found.text, False)
    if command.enters and targets:
        return Section(command.enters, tuple(targets), here), messages
    last = command.words[-1].word or ""
    if (last == "quit" or last.startswith("exit-")) and here.above is not None:
        return here.above, messages  # `exit-address-family` is a line of its section, and the last one
    return here, messages


def kept_key(command: Command, values: dict[str, Any], text: str) -> tuple[str, ...]:
    """What tells a kept line from the others: its leaf, and its key values or (`each`) its whole text."""
    leaf = command.leaf
    if command.each:
        return (leaf, text.removeprefix("no "))
    return (leaf, *(str(values.get(key.replace("-", "_"), "")) for key in command.keys))


def entry_key(command: Command, values: dict[str, Any]) -> Any:
    """The key of an entry; a record may have brought the parts of its own into their one form."""
    if command.record:
        entry = _value(command, values)
        values = {key: getattr(entry, key) for key in command.keys}
    if len(command.keys) == 1:
        return values.get(command.keys[0])
    return tuple(values.get(key) for key in command.keys)


def _value(command: Command, values: dict[str, Any]) -> Any:
    """The value that the line gives to its field or entry."""
    assert command.field is not None
    if command.constant is not None:
        return command.constant
    if command.record:
        entry = command.field.entry
        assert entry is not None
        return entry(**{name: values[name] for name in command.field.entry_fields if name in values})
    names = [node.argument for node in command.words if node.name and node.argument not in command.keys]
    return values[names[-1]] if names else True


def _put(draft: Draft, path: Path, command: Command, found: Match) -> tuple[list[Path], str | None]:
    """Change the draft; gives the places that were changed, or what IOS says against it."""
    if command.field is None:
        key = kept_key(command, found.values, found.text)
        target = (*path, "kept", key)
        old = draft.frozen(target) if draft.has(target) else None
        if other := other_spelling(key):
            draft.delete((*path, "kept", other))
        draft.set(target, replace(old, text=found.text) if old else Kept(found.text))
        return [target], None
    target = (*path, *command.field.path)
    if command.enters:
        return _open(draft, target, command, found), None
    if command.field.keyed:
        target = (*target, entry_key(command, found.values))
    value = _value(command, found.values)
    if message := refusal(draft, target, value):
        return [], message
    draft.set(target, value)
    return [target], None


def _open(draft: Draft, entries: Path, command: Command, found: Match) -> list[Path]:
    """The entries that a line opens, made where they are not there yet; several for a range."""
    assert command.field is not None and command.field.entry is not None
    key = entry_key(command, found.values)
    targets = [(*entries, name) for name in (key if isinstance(key, tuple) else (key,))]
    for target in targets:
        if not draft.has(target):
            draft.set(target, command.field.entry(target[-1]))
        for name in command.tail:  # the tail is typed as a whole: what it does not say is not so any more
            draft.set((*target, name), found.values.get(name, default_of(command.field.entry, name)))
    return targets


def _take_back(draft: Draft, path: Path, command: Command, found: Match) -> None:
    if command.field is None:
        key = kept_key(command, found.values, found.text)
        target = (*path, "kept", key)
        if command.each:
            for leaf, text in [other for other in draft.get((*path, "kept")) if other[0] == command.leaf]:
                if f"{text} ".startswith(f"{key[1]} "):
                    draft.delete((*path, "kept", (leaf, text)))
            return
        if command.either and not found.defaulted:
            draft.set(target, Kept(found.text))
        elif draft.has(target):
            draft.delete(target)
        elif other := other_spelling(key):
            draft.delete((*path, "kept", other))
        return
    target = (*path, *command.field.path)
    if not command.field.keyed:
        if (command.default_on or command.either) and not found.defaulted:
            draft.set(target, False)
        elif not _other_constant(draft, target, command, found):
            draft.delete(target)
        return
    if all(node.argument in found.values for node in command.values):
        key = entry_key(command, found.values)
        for entry in key if command.enters and isinstance(key, tuple) else (key,):
            if not (command.enters and found.defaulted):
                draft.delete((*target, entry))
            elif command.field.entry is not None and draft.has((*target, entry)):
                draft.set((*target, entry), command.field.entry(entry))  # `default interface X` leaves X there
        return
    given = {name: found.values[name] for name in command.keys if name in found.values}
    for key in list(draft.get(target)):
        parts = key if isinstance(key, tuple) else (key,)
        if all(parts[command.keys.index(name)] == value for name, value in given.items()):
            draft.delete((*target, key))


def _other_constant(draft: Draft, target: Path, command: Command, found: Match) -> bool:
    """`no tunnel mode gre multipoint` does not take back another mode."""
    whole = found.text.split()[1:] == command.path.split()
    return command.constant is not None and whole and bool(draft.get(target) != command.constant)
