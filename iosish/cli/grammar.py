"""The command tree: modes, nodes, and what each command is bound to.

`load` reads `grammar/*.cli` (or their compiled form from the cache), builds the tree, and checks every binding
against the model, every model field for a binding, and every exec handler for its function.
"""

from __future__ import annotations

import hashlib
import importlib
import marshal
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iosish import __version__
from iosish.cli.tokens import ValueType, value_type
from iosish.config.binding import FieldError, FieldInfo, field_info, fields_without
from iosish.config.model import Config

if TYPE_CHECKING:
    from iosish.cli.notation import Compiled  # pyparsing is not needed at a start


class GrammarError(Exception):
    """The grammar does not fit the model or the program: which command, and why."""


@dataclass(slots=True, eq=False, repr=False)
class Command:
    """What a complete line means. `words` are the nodes down to the binding; the tail stands below the last.

    `tail` are the fields that the tail fills: those of a record, or of the section that the line opens.
    `leaf` is the path with the types of its values: what tells the command from all others of its mode.
    One of `field` (the model field it sets), `handler` (an exec command) and `kept` is what it is bound to.
    """

    mode: str
    words: tuple[Node, ...]
    field: FieldInfo | None = None
    keys: tuple[str, ...] = ()
    constant: str | int | None = None
    record: bool = False
    handler: str | None = None
    kept: bool = False
    each: bool = False
    either: bool = False
    alias: bool = False
    shown: bool = False
    default_on: bool = False
    held: bool = False
    enters: str | None = None
    warn: str | None = None
    absent: str | None = None
    tail: frozenset[str] = frozenset()
    leaf: str = ""

    def __post_init__(self) -> None:
        self.leaf = " ".join(
            node.word if node.type is None else f"<{node.name}:{node.type.name}>"  # type: ignore[misc] # a word or a value
            for node in self.words
        )

    def __repr__(self) -> str:
        return f"<{self.mode}: {self.path}>"

    @property
    def path(self) -> str:
        """The words of the command, values in brackets: `ip nhrp map <protocol> <nbma>`."""
        return " ".join(node.word or f"<{node.name}>" for node in self.words)

    @property
    def live(self) -> bool:
        """Whether the line drives something."""
        return not self.kept and not self.held

    @property
    def values(self) -> tuple[Node, ...]:
        return tuple(node for node in self.words if node.word is None)


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """A word (`word`) or a value (`name`, `type`) of the tree; a group is a node with neither.

    Of a `choice` one member may stand; of any other group (`options`) each may. `sets`: the field of a record that the
    word gives a value to, and the value. `spelling` is the word as the running-config has it.
    """

    word: str | None
    name: str | None
    type: ValueType | None
    help: str
    children: tuple[Node, ...] = ()
    command: Command | None = None
    privileged: bool = False
    hidden: bool = False
    clears: bool = False
    alone: bool = False
    unfinished: bool = False
    choice: bool = False
    spelling: str | None = None
    sets: tuple[str, str] | None = None

    @property
    def is_group(self) -> bool:
        return self.word is None and self.name is None

    @property
    def argument(self) -> str:
        """The name under which a value or a flag is handed over."""
        return (self.name or self.word or "").replace("-", "_")

    def commands(self) -> Iterator[Command]:
        """The commands bound here and below, in the order of the file."""
        if self.command:
            yield self.command
        for child in self.children:
            yield from child.commands()


@dataclass(slots=True, eq=False, repr=False)
class Mode:
    """A mode: its prompt (what follows the host name), the mode above it, its nodes in the order of the files.

    `heading` stands above the list of its commands that `?` gives at the start of a line.
    """

    name: str
    prompt: str
    above: Mode | None
    privileged: bool
    root: Node
    section: type | None
    heading: str | None = None
    states: dict[Any, Any] = field(default_factory=dict)
    _commands: tuple[Command, ...] = ()

    def commands(self) -> tuple[Command, ...]:
        """All of the mode, in the order of the files; to be asked when the whole tree is there."""
        self._commands = self._commands or tuple(self.root.commands())
        return self._commands


class Grammar:
    """All modes by name; `exec` is user EXEC, `enable` privileged EXEC, `config` global configuration."""

    def __init__(self, modes: dict[str, Mode]) -> None:
        self.modes = modes
        self.user_exec = modes["exec"]
        self.privileged_exec = modes["enable"]
        self.config = modes["config"]


class _Builder:
    """Makes the tree out of the compiled form."""

    def __init__(self, compiled: Compiled) -> None:
        self.opened: dict[str, list[tuple[Any, ...]]] = {}
        for entry in compiled:
            self.opened.setdefault(entry[0], []).append(entry)
        self.bound: set[tuple[type, str]] = set()
        self.modes: dict[str, Mode] = {}

    def build(self) -> Grammar:
        for needed in ("exec", "enable", "config"):
            if needed not in self.opened:
                raise GrammarError(f"the grammar has no mode {needed}")
        for name in self.opened:
            self._mode(name)
        for mode in self.modes.values():
            _check_leaves(mode)
        entered = {command.enters for mode in self.modes.values() for command in mode.commands() if command.enters}
        if missing := entered - set(self.modes):
            raise GrammarError(f"a command enters a mode that is not there: {', '.join(sorted(missing))}")
        if unbound := fields_without(self.bound, Config):
            raise GrammarError(f"no command for the model's {', '.join(unbound)}")
        return Grammar(self.modes)

    def _attribute(self, name: str, index: int) -> Any:
        return next((entry[index] for entry in self.opened[name] if entry[index] is not None), None)

    def _mode(self, name: str) -> Mode:
        if name in self.modes:
            return self.modes[name]
        if name not in self.opened:
            raise GrammarError(f"there is no mode {name}")
        prompt = self._attribute(name, 1)
        below = self._attribute(name, 2)
        like = self._attribute(name, 3)
        section = self._section(name, like)
        above = self._mode(below) if below else None
        if prompt is None:
            raise GrammarError(f"mode {name} has no prompt")
        mode = Mode(name, prompt, above, name != "exec", Node(None, "", None, ""), section, self._heading(name))
        self.modes[name] = mode
        mode.root.children = tuple(self._node(item, mode, (), None) for item in self._items(name))
        return mode

    def _items(self, name: str) -> list[Any]:
        """The nodes of a mode: those of the mode that it is like, then its own, in the order of the files."""
        like = self._attribute(name, 3)
        own = [item for entry in self.opened[name] for item in entry[5]]
        return (self._items(like) if like else []) + own

    def _heading(self, name: str) -> str | None:
        heading: str | None = self._attribute(name, 6)
        like = self._attribute(name, 3)
        return self._heading(like) if heading is None and like else heading

    def _section(self, name: str, like: str | None) -> type | None:
        path = self._attribute(name, 4)
        if path is None and like:
            path = self._attribute(like, 4)
        if name == "config":
            return Config
        if path is None:
            return None
        info = self._info(Config, path[0], name)
        return info.entry

    def _info(self, section: type, path: tuple[str, ...], where: str) -> FieldInfo:
        try:
            return field_info(section, path)
        except FieldError as error:
            raise GrammarError(f"{where}: {error}") from None

    def _node(self, item: Any, mode: Mode, above: tuple[Node, ...], tail_of: Command | None) -> Node:
        word, name, type_name, help_text, binding, flags, items = item
        if word is None and name is None:
            group = Node(None, None, None, "", choice="choice" in dict(flags))
            group.children = tuple(self._node(child, mode, above, tail_of) for child in items)
            return group
        where = f"mode {mode.name}: {' '.join(node.word or f'<{node.name}>' for node in above)} {word or name}"
        try:
            node = Node(word, name, value_type(type_name) if type_name else None, help_text)
        except ValueError as error:
            raise GrammarError(f"{where}: {error}") from None
        options = dict(flags)
        node.privileged = "privileged" in options
        node.hidden = "hidden" in options
        node.clears = "clears" in options
        node.alone = "alone" in options
        node.unfinished = "unfinished" in options
        node.spelling = options.get("spelt", word)
        node.sets = options.get("sets")
        if node.unfinished and not items:
            raise GrammarError(f"{where}: unfinished, but nothing stands below")
        words = (*above, node)
        if binding:
            node.command = tail_of = self._command(binding, options, mode, words, where)
        node.children = tuple(self._node(child, mode, words, tail_of) for child in items)
        if node.command:
            self._check_fields(node.command, where)
        return node

    def _command(
        self, binding: tuple[Any, ...], options: dict[str, Any], mode: Mode, words: tuple[Node, ...], where: str
    ) -> Command:
        command = Command(
            mode.name,
            words,
            either="either" in options,
            alias="alias" in options or "hidden" in options,
            shown="shown" in options,
            default_on="default_on" in options,
            held="held" in options,
            enters=options.get("enters"),
            warn=options.get("warn"),
            absent=options.get("absent"),
        )
        if binding[0] == "exec":
            command.handler = binding[1]
            return command
        if binding[0] == "kept":
            command.kept, command.keys, command.each = True, binding[1], binding[2]
            return command
        if mode.section is None:
            raise GrammarError(f"{where}: bound to a field in a mode that has no place in the model")
        _, path, keys, constant, record = binding
        command.field = self._info(mode.section, path, where)
        command.keys = tuple(key.replace("-", "_") for key in keys)
        command.constant = int(constant) if constant is not None and constant.isdigit() else constant
        command.record = record or (command.field.keyed and command.field.entry is not None and not command.enters)
        if bool(keys) != command.field.keyed:
            raise GrammarError(f"{where}: {'.'.join(path)} {'needs' if command.field.keyed else 'takes no'} key")
        self.bound.add((mode.section, ".".join(path)))
        return command

    def _check_fields(self, command: Command, where: str) -> None:
        """What a record or a section is filled with has its fields there."""
        info = command.field
        if info is None or info.entry is None or not (command.record or command.enters):
            return
        tail = _tail_arguments(command.words[-1], flags=command.record)
        named = {*command.keys, *(node.argument for node in command.values)} if command.record else set()
        if unknown := (named | tail) - set(info.entry_fields):
            raise GrammarError(f"{where}: {'.'.join(info.path)} has no field {', '.join(sorted(unknown))}")
        command.tail = frozenset(tail)
        self.bound.update((info.entry, name) for name in command.tail)


def _check_leaves(mode: Mode) -> None:
    """Each leaf stands once: a second one would never be reached, and two definitions of one command may differ."""
    seen: set[tuple[bool, str]] = set()
    for command in mode.commands():
        key = (command.kept, command.leaf)
        if key in seen:
            raise GrammarError(f"mode {mode.name}: {command.path} is defined twice")
        seen.add(key)


def _tail_arguments(node: Node, flags: bool) -> set[str]:
    """The fields that a tail names: by its values, by what its words set, and with `flags` by the words themselves."""
    arguments: set[str] = set()
    for child in node.children:
        if child.command is None:
            if child.sets:
                arguments.add(child.sets[0])
            elif child.name or (flags and (child.alone or (child.word and not child.children))):
                arguments.add(child.argument)
            arguments |= _tail_arguments(child, flags)
    return arguments


def check_handlers(grammar: Grammar) -> None:
    """Every exec command has its function. Raises GrammarError; a test runs it, not every start."""
    for mode in grammar.modes.values():
        for command in mode.commands():
            if command.handler:
                resolve_handler(command.handler)


def resolve_handler(handler: str) -> Any:
    """`show.dmvpn.dmvpn` is `dmvpn` of iosish/show/dmvpn.py; `exec.ping.ping` of iosish/terminal/exec/ping.py."""
    package, *modules, function = handler.split(".")
    folder = {"show": "iosish.show", "exec": "iosish.terminal.exec"}.get(package)
    try:
        return getattr(importlib.import_module(".".join([folder or "", *modules])), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise GrammarError(f"no function for {handler}: {error}") from None


def _cache_file(digest: str) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(folder) / "iosish" / f"grammar-{digest[:32]}.marshal"


def _read_cache(file: Path) -> Compiled | None:
    """The compiled form, unless somebody else may have written it (marshal is only safe from ourselves)."""
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                return None
            compiled: Compiled = marshal.loads(stream.read())
            return compiled
    except (OSError, ValueError, EOFError, TypeError):
        return None


def _write_cache(file: Path, compiled: Compiled) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(marshal.dumps(compiled))
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)  # a start without a cache is only slower


def load(folder: Path) -> Grammar:
    """The grammar in `folder`. Raises GrammarError or NotationError when it is not sound."""
    files = sorted(folder.glob("*.cli"))
    # Another reader of the files makes another compiled form.
    digest = hashlib.sha256(__version__.encode() + Path(__file__).with_name("notation.py").read_bytes())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    cache = _cache_file(digest.hexdigest())
    compiled = _read_cache(cache)
    if compiled is None:
        from iosish.cli.notation import compile_files  # pyparsing is only needed when there is no compiled form

        compiled = compile_files(files)
        _write_cache(cache, compiled)
    return _Builder(compiled).build()
