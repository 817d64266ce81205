"""Words that are no line yet: their value must follow."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.help import help_lines
from iosish.cli.matcher import Failure, Match, match


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("config-isakmp", "hash"),
        ("config-isakmp", "encryption"),
        ("config-isakmp", "authentication"),
        ("config-isakmp", "group"),
        ("config-ikev2-proposal", "integrity"),
        ("config-ikev2-profile", "identity local"),
        ("config-ikev2-profile", "match fvrf"),
        ("cfg-crypto-trans", "mode"),
        ("ipsec-profile", "set security-association dfbit"),
        ("config-if", "switchport access"),
        ("config-if", "switchport mode"),
        ("config-if", "tunnel mode gre"),
        ("config-route-map", "match ip address"),
        ("config-router-ospf", "auto-cost"),
    ],
)
def test_a_word_without_its_value_is_incomplete(grammar: Grammar, mode: str, line: str) -> None:
    assert match(grammar.modes[mode], line) == Failure("incomplete", len(line))
    assert help_lines(grammar.modes[mode], line + " ")[-1].strip() != "<cr>"


@pytest.mark.parametrize(
    ("mode", "line"), [("config-isakmp", "no hash"), ("config-isakmp", "no group"), ("cfg-crypto-trans", "no mode")]
)
def test_no_needs_no_value(grammar: Grammar, mode: str, line: str) -> None:
    assert isinstance(match(grammar.modes[mode], line), Match)
    assert help_lines(grammar.modes[mode], line + " ")[-1].strip() == "<cr>"


def test_a_word_with_its_value_is_a_line(grammar: Grammar) -> None:
    found = match(grammar.modes["config-isakmp"], "hash md5")
    assert isinstance(found, Match) and found.text == "hash md5"
