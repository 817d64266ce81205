"""Configuration lines into a draft: which mode a line belongs to, and what it changes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iosish.cli.grammar import Command, Grammar
from iosish.cli.matcher import Failure, Match, match
from iosish.config.draft import Draft, Path, Section
from iosish.config.model import Kept
from iosish.config.refusals import refusal

TOP = Section("config")
#: Another session took the section away that this one was in.
GONE = "What was being configured here has been removed"


def find(grammar: Grammar, section: Section, line: str) -> Match | Failure:
    """Match a line in the mode of `section`, then in the modes above it.

    When no mode knows it, the failure is that of the mode that could read farthest.
    """
    first: Failure | None = None
    seen: Section | None = section
    while seen is not None:
        found = match(grammar.modes[seen.mode], line)
        if isinstance(found, Match):
            return found
        if first is None or (found.column > first.column and first.kind == "invalid"):
            first = found
        seen = seen.above
    assert first is not None
    return first


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
        return here, messages
    command = found.command
    targets: list[Path] = []
    for path in here.paths:
        target, message = _put(draft, path, command, found)
        if message and message not in messages:
            messages.append(message)
        if target is not None:
            targets.append(target)
    if command.enters and targets:
        return Section(command.enters, tuple(targets), here), messages
    if command.words[-1].word and command.words[-1].word.startswith("exit-") and here.above is not None:
        return here.above, messages  # `exit-address-family` is a line of its section, and the last one
    return here, messages


def kept_key(command: Command, values: dict[str, Any], text: str) -> tuple[str, ...]:
    """What tells a kept line from the others: its leaf, and its key values or (`each`) its whole text."""
    leaf = command.path
    if command.each:
        return (leaf, text.removeprefix("no "))
    return (leaf, *(str(values.get(key.replace("-", "_"), "")) for key in command.keys))


def entry_key(command: Command, values: dict[str, Any]) -> Any:
    if len(command.keys) == 1:
        return values.get(command.keys[0])
    return tuple(values.get(key) for key in command.keys)


def _value(command: Command, values: dict[str, Any], current: Any) -> Any:
    """The value that the line gives to its field or entry."""
    assert command.field is not None
    if command.constant is not None:
        return command.constant
    if command.record:
        entry = command.field.entry
        assert entry is not None
        return entry(**{name: values[name] for name in command.field.entry_fields if name in values})
    if command.enters:
        assert command.field.entry is not None
        return current if current is not None else command.field.entry(values[command.keys[-1]])
    names = [node.argument for node in command.words if node.name and node.argument not in command.keys]
    return values[names[-1]] if names else True


def _put(draft: Draft, path: Path, command: Command, found: Match) -> tuple[Path | None, str | None]:
    if command.field is None:
        key = kept_key(command, found.values, found.text)
        target = (*path, "kept", key)
        old = draft.frozen(target) if draft.has(target) else None
        draft.set(target, replace(old, text=found.text) if old else Kept(found.text))
        return target, None
    target = (*path, *command.field.path)
    current = None
    if command.field.keyed:
        target = (*target, entry_key(command, found.values))
        if command.enters and draft.has(target):
            return target, None
    value = _value(command, found.values, current)
    if message := refusal(draft, target, value):
        return None, message
    draft.set(target, value)
    return target, None


def _take_back(draft: Draft, path: Path, command: Command, found: Match) -> None:
    if command.field is None:
        key = kept_key(command, found.values, found.text)
        target = (*path, "kept", key)
        if command.either and not found.defaulted:
            draft.set(target, Kept(found.text))
        elif draft.has(target):
            draft.delete(target)
        return
    target = (*path, *command.field.path)
    if not command.field.keyed:
        if command.default_on and not found.defaulted:
            draft.set(target, False)
        elif not _other_constant(draft, target, command, found):
            draft.delete(target)
        return
    if all(node.argument in found.values for node in command.values):
        draft.delete((*target, entry_key(command, found.values)))
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
