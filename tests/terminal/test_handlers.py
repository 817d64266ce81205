"""Every EXEC command of the grammar has a function in this package that takes what its line can give."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from iosish import resources
from iosish.cli.grammar import Command, Node, load, resolve_handler


def arguments(node: Node) -> Iterator[str]:
    """What the tail below a command can hand over: its values, its last words, and what words of it set."""
    for child in node.children:
        if child.command is None:
            if child.sets is not None:
                yield child.sets[0]
            elif child.name is not None or (child.word is not None and not child.children):
                yield child.argument
            yield from arguments(child)


def exec_commands() -> list[Command]:
    grammar = load(resources.folder("grammar"))
    commands = [command for mode in grammar.modes.values() for command in mode.commands()]
    return [command for command in commands if (command.handler or "").startswith("exec.")]


def test_every_command_has_its_function() -> None:
    for command in exec_commands():
        check(command)


def check(command: Command) -> None:
    assert command.handler
    function = resolve_handler(command.handler)
    assert inspect.iscoroutinefunction(function)
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    given = {node.argument for node in command.words if node.name is not None}
    optional = set(arguments(command.words[-1]))
    assert takes_all or (given | optional) <= set(parameters), command.path
    needed = {
        name
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    if command.words[-1].unfinished:
        given |= optional  # the line cannot end before
    assert needed - {"session"} <= given, command.path
