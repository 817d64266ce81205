"""Output modifiers and IOS's regular expressions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.terminal import pipes
from iosish.terminal.pipes import Pipe
from iosish.terminal.regexp import RegexpError, compile_regexp

CONFIG = [
    "version 15.9",
    "!",
    "interface Tunnel0",
    " ip address 172.16.0.1 255.255.255.0",
    " ip nhrp network-id 1",
    "!",
    "interface FastEthernet0/0",
    " ip address 203.0.113.1 255.255.255.0",
    "!",
    "router eigrp 100",
    " address-family ipv4",
    "  network 172.16.0.0",
    " exit",
    "!",
    "end",
]


def filtered(modifier: str) -> list[str]:
    pipe = pipes.parse(modifier, 0)
    assert isinstance(pipe, Pipe)
    return list(pipe.apply(CONFIG))


def test_section_gives_what_matches_and_what_is_indented_below() -> None:
    assert filtered("section Tunnel") == CONFIG[2:5]
    assert filtered("section address-family") == CONFIG[10:12]
    assert filtered("section interface|eigrp") == CONFIG[2:5] + CONFIG[6:8] + CONFIG[9:13]
    assert filtered("section include ^router") == CONFIG[9:13]
    assert filtered("section exclude interface|^!") == [CONFIG[0], *CONFIG[9:13], "end"]


def test_include_exclude_begin_count() -> None:
    assert filtered("include nhrp|end") == [CONFIG[4], "end"]
    assert filtered("inc ip address 1") == [CONFIG[3]]
    assert filtered("exclude [a-z]") == ["!"] * 4
    assert filtered("begin ^end") == ["", "end"]
    assert filtered("begin nothing") == []
    assert filtered("count ^!") == ["Number of lines which match regexp = 4"]


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("UP", "Status: UP", True),
        ("UP", "up", False),
        ("_65000_", "65000", True),
        ("_65000_", "100 65000,200", True),
        ("_65000_", "165000", False),
        ("_100_", "path (100)", True),
        ("CONFIG_I", "%SYS-5-CONFIG_I: Configured from console by console", True),
        ("10.1", "10x1", True),
        (r"10\.1", "10x1", False),
        ("[0-9]+$", "line 7", True),
        ("^[^0-9]*$", "line 7", False),
        ("a{2}", "aa", False),
        ("a{2}", "a{2}", True),
        (r"\d", "5", False),
        (r"\d", "d", True),
        ("[]]", "]", True),
        ("[\\]", "\\", True),
        ("(ab|cd)+e", "abcde", True),
        ("a?b", "b", True),
        ("é", "café", True),
    ],
)
def test_regular_expressions(pattern: str, line: str, matches: bool) -> None:
    assert compile_regexp(pattern)(line) is matches


@pytest.mark.parametrize("pattern", ["(", "[a", "*a", "a**", "(?:a)", "(?i)a", "[z-a]", "x" * 513 + "."])
def test_what_is_no_regular_expression(pattern: str) -> None:
    with pytest.raises(RegexpError):
        compile_regexp(pattern)


def test_hostile_expressions_cost_no_more_than_others() -> None:
    # Each of these takes a matcher that tries one way after the other longer than the world has been there.
    line = "a" * 4000
    for pattern in ("(a+)+b", "(a|aa)+b", "(a|a)*b", "(.*)*(.*)*(.*)*b", "((a?)*)*b" + "a?" * 100):
        assert compile_regexp(pattern)(line) is False


@given(st.text(max_size=40), st.text(max_size=40))
@settings(deadline=None)
def test_any_text_is_an_expression_or_refused(pattern: str, line: str) -> None:
    try:
        matches = compile_regexp(pattern)
    except RegexpError:
        return
    assert matches(line) in (True, False)


@given(st.text(alphabet="showmre |incldsetu x?()[", max_size=40))
@settings(deadline=None)
def test_any_line_splits_and_parses(line: str) -> None:
    command, bar = pipes.split(line)
    assert line.startswith(command)
    if bar is not None:
        pipes.help_lines(line, bar)
        try:
            parsed = pipes.parse(line, bar)
        except RegexpError:
            return
        if isinstance(parsed, Pipe):
            list(parsed.apply(CONFIG))
        else:
            assert 0 <= parsed.column <= len(line)
