"""What `?` and Tab answer on the shipped grammar, list by list."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.help import complete, help_lines


@pytest.mark.parametrize(
    ("mode", "heading"),
    [
        ("exec", "Exec commands:"),
        ("enable", "Exec commands:"),
        ("config", "Configure commands:"),
        ("config-if", "Interface configuration commands:"),
        ("config-subif", "Interface configuration commands:"),
        ("config-router-ospf", "Router configuration commands:"),
        ("config-isakmp", "ISAKMP commands:"),
        ("config-line", "Line configuration commands:"),
    ],
)
def test_a_heading_stands_above_the_commands_of_a_mode(grammar: Grammar, mode: str, heading: str) -> None:
    shown = help_lines(grammar.modes[mode], "")
    assert shown[0] == heading
    assert all(line.startswith("  ") for line in shown[1:])
    assert not any(line.startswith(heading) for line in help_lines(grammar.modes[mode], "no "))


def test_the_words_that_every_configuration_mode_has(grammar: Grammar) -> None:
    top = [line.split(maxsplit=1) for line in help_lines(grammar.config, "", width=0)[1:]]
    assert ["exit", "Exit from configure mode"] in top
    assert ["do", "To run exec commands in config mode"] in top
    interface = [line.split(maxsplit=1) for line in help_lines(grammar.modes["config-if"], "", width=0)[1:]]
    assert ["exit", "Exit from interface configuration mode"] in interface
    assert ["no", "Negate a command or set its defaults"] in interface


@pytest.mark.parametrize(
    ("mode", "line", "lines"),
    [
        ("config", "interface Tunnel ", ["  <0-2147483647>  Tunnel interface number"]),
        ("config", "interface vl ", ["  <1-4094>  Vlan interface number"]),
        ("config", "interface Tunnel0", ["  <0-2147483647>  "]),
        ("config", "int tu", ["  Tunnel  "]),
        ("config", "interface tunnel0 ", ["  <cr>"]),
        ("config-if", "ip address 10.0", ["  A.B.C.D  "]),
        ("config-if", "ip mtu 14", ["  <68-10000>  "]),
        ("config-if", "ip mtu 99999", ["% Unrecognized command"]),
        ("config-if", "no shutdown ", ["  <cr>"]),
        ("config-if", "i ", ['% Ambiguous command:  "i "']),
        ("config-if", "banana ", ["% Unrecognized command"]),
        ("config-if", "tunnel mode gre mul", ["  multipoint  "]),
        ("enable", "erase s", ["  startup-config  "]),
    ],
)
def test_one_list(grammar: Grammar, mode: str, line: str, lines: list[str]) -> None:
    assert help_lines(grammar.modes[mode], line) == lines


def test_two_values_that_look_alike_are_both_listed(grammar: Grammar) -> None:
    shown = help_lines(grammar.modes["config-if"], "ip nhrp map 10.0.0.1 ")
    assert [line for line in shown if "A.B.C.D" in line] == [
        "  A.B.C.D  Destination network mask",
        "  A.B.C.D  IP NBMA address",
    ]


def test_where_a_no_may_stop_stands_cr(grammar: Grammar) -> None:
    assert help_lines(grammar.modes["config-if"], "no ip address ")[-1] == "  <cr>"
    assert help_lines(grammar.modes["config-if"], "ip address ")[-1] != "  <cr>"


@pytest.mark.parametrize(
    ("mode", "line", "completed"),
    [
        ("enable", "sh", "show "),
        ("enable", "show cl", "show clock "),
        ("config", "int", "interface "),
        ("config", "interface tu", "interface Tunnel "),
        ("config", "interface t", None),
        ("config", "en", None),
        ("config", "no hostn", "no hostname "),
        ("config-if", "enc", "encapsulation "),
        ("config-if", "i", None),
        ("config-if", "ip", "ip "),
        ("config-if", "ip address 10.0.0.1", None),
    ],
)
def test_tab_completes_the_only_word(grammar: Grammar, mode: str, line: str, completed: str | None) -> None:
    assert complete(grammar.modes[mode], line) == completed
