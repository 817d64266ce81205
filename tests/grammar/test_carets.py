"""Where a wrong line stops being right: the caret of IOS stands there."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Failure, match

#: A line, and below it the caret of `% Invalid input detected at '^' marker.`
INVALID = [
    (
        "config-if",
        "tunnel mode gre multipiont",
        "                      ^",
    ),
    (
        "config-if",
        "ip address 10.0.0.300 255.255.255.0",
        "                    ^",
    ),
    (
        "config-if",
        "ip address 10.0.0.1 255.0.255.0",
        "                    ^",
    ),
    (
        "config-if",
        "ip nhrp network-id 0",
        "                   ^",
    ),
    (
        "config-if",
        "ip mtu 67",
        "       ^",
    ),
    (
        "config",
        "interface Tunnnel0",
        "              ^",
    ),
    (
        "enable",
        "show ip route 91.77.245.176/32",
        "                           ^",
    ),
    (
        "exec",
        "configure",
        "^",
    ),
    (
        "exec",
        "show running-config",
        "     ^",
    ),
    (
        "enable",
        "show dmvpn detail extra",
        "                  ^",
    ),
]


@pytest.mark.parametrize(("mode", "typed", "caret"), INVALID)
def test_the_caret_stands_below_the_first_wrong_character(grammar: Grammar, mode: str, typed: str, caret: str) -> None:
    assert match(grammar.modes[mode], typed) == Failure("invalid", caret.index("^"))


@pytest.mark.parametrize(
    ("mode", "typed"),
    [
        ("config-if", "ip address 10.0.0.1"),
        ("config-if", "tunnel"),
        ("config-if", "tunnel mode gre"),
        ("config-if", "ip nhrp map 10.0.0.1"),
        ("config", "ip route 10.0.0.0 255.0.0.0"),
        ("config", "interface Tunnel"),
        ("enable", "show ip"),
        ("enable", "terminal length"),
    ],
)
def test_a_line_that_wants_more_is_incomplete(grammar: Grammar, mode: str, typed: str) -> None:
    found = match(grammar.modes[mode], typed)
    assert isinstance(found, Failure)
    assert found.kind == "incomplete"
