"""Matches a typed line against the command tree of a mode.

The tree is walked word by word; a state is every place of the tree that the words so far lead to, so that a word
opened in several places is one word, and the alternatives at any point are known (for `?`, Tab and the caret).
States are made when they are first needed and kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from iosish.cli.grammar import Command, Mode, Node
from iosish.cli.tokens import RANK_ABBREVIATED, Read, Stop, word_end


@dataclass(frozen=True, slots=True)
class Match:
    """A line that is understood. `values` by argument name, flags as True; `text` as the running-config spells it.

    `commands` has more than one command only after a `no` that takes back all that lies below a word. `abbreviated`
    counts the words that were cut short.
    """

    mode: Mode
    commands: tuple[Command, ...]
    values: dict[str, Any]
    text: str
    negated: bool = False
    defaulted: bool = False
    abbreviated: int = 0

    @property
    def command(self) -> Command:
        return self.commands[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that is not: "invalid" (at `column`), "incomplete" or "ambiguous"."""

    kind: str
    column: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that was reached: the command in effect there, and the members of an options group still to come."""

    node: Node
    command: Command | None
    rest: tuple[Node, ...]

    @property
    def ends(self) -> bool:
        if self.command is None:
            return False
        node = self.node
        if node.unfinished:
            return False
        return node.command is not None or node.name is not None or node.alone or not node.children


@dataclass(slots=True, eq=False, repr=False)
class State:
    """What may follow: words and values, each with the places it leads to; and the command that may end here."""

    places: tuple[_Place, ...]
    words: dict[str, list[_Place]] = field(default_factory=dict)
    sorted_words: list[str] = field(default_factory=list)
    values: list[tuple[Node, list[_Place]]] = field(default_factory=list)
    end: Command | None = None
    next_states: dict[Any, State] = field(default_factory=dict)

    def choices(self) -> Iterator[Node]:
        """One node for each alternative."""
        for places in self.words.values():
            yield places[0].node
        for node, _ in self.values:
            yield node


def _open(places: tuple[_Place, ...], privileged: bool) -> State:
    state = State(places)
    for place in places:
        if place.ends and state.end is None:
            state.end = place.command
        _add(state, place.node.children, place.command, (), privileged)
        if place.rest and (place.ends or place.node.is_group):
            _add_options(state, place.rest, place.command, privileged)
    state.sorted_words = sorted(state.words)
    return state


def _add(
    state: State, nodes: tuple[Node, ...], command: Command | None, rest: tuple[Node, ...], privileged: bool
) -> None:
    for node in nodes:
        if node.is_group:
            _add_options(state, (node,), command, privileged)
        elif privileged or _open_to_users(node):
            place = _Place(node, node.command or command, rest)
            if node.word is not None:
                state.words.setdefault(node.word.lower(), []).append(place)
            else:
                for known, places in state.values:
                    if known.type is node.type:
                        places.append(place)
                        break
                else:
                    state.values.append((node, [place]))


def _add_options(state: State, members: tuple[Node, ...], command: Command | None, privileged: bool) -> None:
    for member, rest in _members(members, False, ()):
        _add(state, (member,), command, rest, privileged)


def _members(
    nodes: tuple[Node, ...], choice: bool, beside: tuple[Node, ...]
) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Each word or value of a group and of the groups in it, and the members that may still stand beside it."""
    for node in nodes:
        rest = beside if choice else (*(other for other in nodes if other is not node), *beside)
        if node.is_group:
            yield from _members(node.children, node.choice, rest)
        else:
            yield node, rest


def _open_to_users(node: Node) -> bool:
    """Whether user EXEC may see the node: some command below it is not privileged."""
    if node.privileged:
        return False
    return node.command is not None or not node.children or any(_open_to_users(child) for child in node.children)


def _follow(state: State, key: Any, places: list[_Place], privileged: bool) -> State:
    found = state.next_states.get(key)
    if found is None:
        # Inside an options member, what is left of the group stays reachable behind its values.
        inherited = tuple(_Place(place.node, place.command, place.rest or _rest_of(state, place)) for place in places)
        found = state.next_states[key] = _open(inherited, privileged)
    return found


def _rest_of(state: State, place: _Place) -> tuple[Node, ...]:
    """The options that were open at the node above `place`, if `place` is one of its children."""
    for above in state.places:
        if place.node in above.node.children:
            return above.rest
    return ()


def root(mode: Mode) -> State:
    """Where a line of a mode begins."""
    state: State | None = mode.states.get("root")
    if state is None:
        state = mode.states["root"] = _open((_Place(mode.root, None, ()),), mode.privileged)
    return state


@dataclass(slots=True)
class Step:
    """One word of the line: the places it leads to, its value and spelling, and where it stood."""

    places: list[_Place]
    value: Any
    text: str
    column: int

    def node(self, command: Command | None = None) -> Node:
        """The node that was meant, if the line turned out to be `command`."""
        return next((place.node for place in self.places if place.command is command), self.places[0].node)


@dataclass(slots=True)
class Walk:
    """How far a line leads: the last state, the words taken, and the column after them; `failure` stopped it."""

    state: State
    steps: list[Step]
    column: int
    failure: Failure | None = None
    abbreviated: int = 0


def walk(mode: Mode, line: str, start: int = 0) -> Walk:
    """Walk the tree of `mode` along `line`, from column `start` on."""
    result = Walk(root(mode), [], start)
    privileged = mode.privileged
    length = len(line)
    while True:
        column = result.column
        while column < length and line[column] in " \t":
            column += 1
        if column >= length:
            return result
        if not _take(result, line, column, privileged):
            return result


def _take(result: Walk, line: str, column: int, privileged: bool) -> bool:
    state = result.state
    end = word_end(line, column)
    word = line[column:end].lower()
    exact = state.words.get(word)
    if exact is not None:
        return _step(result, None, exact[0].node.spelling or "", end, word, exact, privileged, column)
    matching = beginning(state.sorted_words, word)
    if len(matching) > 1:
        # Another spelling that `?` does not show takes no abbreviation away from the one that it shows.
        shown = [name for name in matching if not all(place.node.hidden for place in state.words[name])]
        matching = shown or matching
    best: tuple[int, Node, Read, list[_Place]] | None = None
    farthest, partial = -1, False
    for node, places in state.values:
        assert node.type is not None
        if best is not None and best[0] <= node.type.rank:
            continue
        read = node.type.read(line, column)
        if isinstance(read, Stop):
            farthest = max(farthest, read.column)
            partial = partial or read.partial
        else:
            best = (node.type.rank, node, read, places)
    if best is not None and (best[0] < RANK_ABBREVIATED or not matching):
        _, node, read, places = best
        return _step(result, read.value, read.text, read.end, node.type, places, privileged, column)
    if len(matching) == 1:
        places = state.words[matching[0]]
        result.abbreviated += 1
        return _step(result, None, places[0].node.spelling or "", end, matching[0], places, privileged, column)
    if matching:
        result.failure = Failure("ambiguous", column)
    elif partial:
        result.failure = Failure("incomplete", column)
    else:
        for known in state.sorted_words:
            farthest = max(farthest, column + _common(known, word))
        result.failure = Failure("invalid", max(farthest, column))
    return False


def _step(
    result: Walk, value: Any, text: str, end: int, key: Any, places: list[_Place], privileged: bool, column: int
) -> bool:
    result.steps.append(Step(places, value, text, column))
    result.state = _follow(result.state, key, places, privileged)
    result.column = end
    return True


def beginning(words: list[str], prefix: str) -> list[str]:
    index = bisect_left(words, prefix)
    found = []
    while index < len(words) and words[index].startswith(prefix):
        found.append(words[index])
        index += 1
    return found


def _common(known: str, word: str) -> int:
    length = 0
    for left, right in zip(known, word, strict=False):
        if left != right:
            break
        length += 1
    return length


def _is_word(line: str, start: int, end: int, *words: str, least: int) -> bool:
    text = line[start:end].lower()
    return len(text) >= least and any(word.startswith(text) for word in words)


def verb_of(mode: Mode, line: str) -> tuple[str, int]:
    """`no` and `default` before a configuration line: the word, and the column of what follows."""
    start = len(line) - len(line.lstrip(" \t"))
    end = word_end(line, start)
    if mode.section is None and mode.above is None:
        return "", start  # EXEC has no such verbs of its own
    if _is_word(line, start, end, "no", least=2):
        return "no", end
    if _is_word(line, start, end, "default", least=3) and root(mode).words.get(line[start:end].lower()) is None:
        return "default", end
    return "", start


def match(mode: Mode, line: str) -> Match | Failure:
    """Match a whole line. The column of a failure counts from the start of `line`."""
    verb, start = verb_of(mode, line)
    found = walk(mode, line, start)
    if found.failure:
        return found.failure
    if not found.steps:
        return Failure("incomplete", len(line))
    command = found.state.end
    commands: tuple[Command, ...] = (command,) if command else ()
    if verb and not command:
        commands = taken_back(found)
    if not commands:
        return Failure("incomplete", len(line))
    values, text = _values(found.steps, commands[0])
    if verb == "no":
        text = "no " + text
    return Match(mode, commands, values, text, verb == "no", verb == "default", found.abbreviated)


def taken_back(found: Walk) -> tuple[Command, ...]:
    """What a `no` takes back that stops early: one binding whose key was given, or all below a word that says so."""
    below = [command for place in found.state.places for command in place.node.commands()]
    if any(place.node.clears for place in found.state.places):
        return tuple(below)
    given = {node.argument for step in found.steps if (node := step.node()).name}
    if given and below and all(command.kept and command.each for command in below):
        return tuple(below)  # all lines of a list that begin so: `no access-list 1`
    targets: dict[Any, Command] = {}
    for command in below:
        if not set(command.keys) <= given:
            return ()
        target = (command.field.path if command.field else None, command.path if command.kept else None, command.keys)
        targets.setdefault(target, command)
    return tuple(targets.values()) if len(targets) == 1 else ()


def _values(steps: list[Step], command: Command) -> tuple[dict[str, Any], str]:
    """The arguments by name: values everywhere, and the last words of the tail as flags."""
    values: dict[str, Any] = {}
    for index, step in enumerate(steps):
        in_tail = index >= len(command.words)
        node = step.node(command) if in_tail else command.words[index]
        if node.name is not None:
            values[node.argument] = step.value
        elif in_tail and node.sets is not None:
            values[node.sets[0]] = node.sets[1]
        elif in_tail and (node.alone or not node.children):
            values[node.argument] = True
    return values, " ".join(step.text for step in steps)
