"""Lines made from the grammar itself: for any command a line that it takes, and the lines that lead to its mode."""

from __future__ import annotations

import random
from collections.abc import Iterator

from iosish.cli.grammar import Command, Grammar, Mode, Node

_EXAMPLES = {
    "A.B.C.D": ["10.1.2.3", "172.16.15.2", "192.0.2.77"],
    "mask": ["255.255.255.0", "255.255.255.252"],
    "wildcard": ["0.0.0.255"],
    "prefix": ["10.0.0.0/8"],
    "X:X::X": ["2001:DB8::1"],
    "X:X::X/n": ["2001:DB8::/64"],
    "word": ["alpha", "Beta-7", "x_1"],
    "line": ["some words here", "one"],
    "secret": ["P4ssw0rd"],
    "clear-6": ["P4ssw0rd", "pass word"],
    "clear-7": ["P4ssw0rd", "pass word"],
    "typed-6": ["P4ssw0rd", "0 P4ssw0rd"],
    "typed-7": ["P4ssw0rd", "0 P4ssw0rd"],
    "secret-line": ["a pass phrase"],
    "type-7": ["0822455D0A16"],
    "names": ["alpha", "alpha Beta-7"],
    "interface": ["FastEthernet0/0", "Loopback7", "Tunnel12", "GigabitEthernet0/0/1"],
    "main-interface": ["FastEthernet0/0", "Loopback7", "Tunnel12", "GigabitEthernet0/0/1"],
    "subinterface": ["FastEthernet0/0.10"],
    "interface-range": ["FastEthernet0/3 - 3"],
    "hex": ["30820122"],
    "name-or-address": ["10.1.2.3"],
    "hh:mm:ss": ["12:34:56"],
    "month": ["Mar"],
    "severity": ["3", "errors", "warnings", "debugging"],
    "mac": ["0011.2233.4455"],
    "rd": ["65000:1"],
    "banner": ["^C hello ^C"],
}
#: Where an example must fit more than its type: a route's prefix has no host bits.
_FITTING = {
    ("routes", "prefix"): "10.1.2.0",
    ("ip_address", "address"): "10.1.2.5",
    ("ip_address", "mask"): "255.255.255.0",
    ("secondary", "address"): "10.1.3.5",
    ("secondary", "mask"): "255.255.255.0",
}


def value(node: Node, command: Command, source: random.Random) -> str:
    """A value that the node takes."""
    assert node.type is not None
    if command.field is not None and (fitting := _FITTING.get((command.field.path[0], node.argument))):
        return fitting
    if node.type.name in _EXAMPLES:
        return source.choice(_EXAMPLES[node.type.name])
    low, _, high = node.type.name.rpartition("-")
    return str(source.choice([int(low), int(high), (int(low) + int(high)) // 2]))


def line(command: Command, source: random.Random) -> str:
    """A line of the command, with a tail at times; always where it is no line without one."""
    words = [node.word if node.word is not None else value(node, command, source) for node in command.words]
    tail = _tail(command.words[-1], command, source, set())
    while command.words[-1].unfinished and not tail:
        tail = _tail(command.words[-1], command, source, set())
    return " ".join([*words, *tail])


def _tail(node: Node, command: Command, source: random.Random, used: set[str]) -> list[str]:
    """Some of the tail below a node; an option that stands in two groups is used once."""
    words: list[str] = []
    for child in node.children:
        if child.is_group:
            members = [source.choice(child.children)] if child.choice else child.children
            for member in members:
                if member.is_group:
                    words += _tail(_group(member), command, source, used)
                elif member.command is None and member.argument not in used and source.random() < 0.5:
                    used.add(member.argument)
                    words += _member(member, command, source, used)
        elif child.command is None and not words and source.random() < 0.3:
            words += _member(child, command, source, used)
    return words


def _group(group: Node) -> Node:
    """A node that has nothing but this group below it."""
    return Node(None, None, None, "", children=(group,))


def _member(node: Node, command: Command, source: random.Random, used: set[str]) -> list[str]:
    words = [node.word if node.word is not None else value(node, command, source)]
    if node.word is not None and node.children and not node.alone:
        first = next((child for child in node.children if child.command is None), None)
        below = _member(first, command, source, used) if first is not None else []
        return words + below if below else []
    return words + _tail(node, command, source, used)


def entering(grammar: Grammar, mode: Mode, source: random.Random) -> list[str]:
    """The lines that lead from global configuration into `mode`; empty for global configuration itself."""
    if mode is grammar.config:
        return []
    for other in grammar.modes.values():
        for command in other.commands():
            if command.enters == mode.name and other is not mode and other.section is not mode.section:
                return [*entering(grammar, other, source), line(command, source)]
    for other in grammar.modes.values():
        for command in other.commands():
            if command.enters == mode.name and other is not mode:
                return [*entering(grammar, other, source), line(command, source)]
    raise AssertionError(f"nothing enters mode {mode.name}")


def configuration_commands(grammar: Grammar) -> Iterator[tuple[Mode, Command]]:
    for mode in grammar.modes.values():
        if mode.name not in ("exec", "enable"):
            for command in mode.commands():
                if not command.handler:
                    yield mode, command
