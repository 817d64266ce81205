"""Properties of every command in the grammar, live or kept, in every mode."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.cli.grammar import Grammar, check_handlers
from iosish.cli.help import complete, help_lines
from iosish.cli.load import REFUSED, SKIPPED, Loaded, load
from iosish.cli.matcher import Failure, Match, match
from iosish.cli.render import render
from iosish.config.model import Config
from tests.cli import lines

SEEDS = range(3)


def loaded(grammar: Grammar, text: str, base: Config | None = None) -> Loaded:
    found = load(grammar, text, base)
    odd = [line for line in found.lines if line.verdict in (REFUSED, SKIPPED)]
    assert not odd, odd
    return found


def test_every_exec_command_has_its_function(grammar: Grammar) -> None:
    check_handlers(grammar)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_entered_is_shown_and_loads_to_the_same(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    for mode, command in lines.configuration_commands(grammar):
        text = "\n".join([*lines.entering(grammar, mode, source), lines.line(command, source)])
        config = loaded(grammar, text).config
        shown = "\n".join(render(grammar, config))
        again = loaded(grammar, shown).config
        assert again == config, (text, shown)
        assert "\n".join(render(grammar, again)) == shown


@pytest.mark.parametrize("seed", SEEDS)
def test_a_paste_that_is_there_already_changes_nothing(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    for mode, command in lines.configuration_commands(grammar):
        text = "\n".join([*lines.entering(grammar, mode, source), lines.line(command, source)])
        config = loaded(grammar, text).config
        assert loaded(grammar, text, config).config == config, text


@pytest.mark.parametrize("seed", SEEDS)
def test_no_takes_back_what_was_entered(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    for mode, command in lines.configuration_commands(grammar):
        before = lines.entering(grammar, mode, source)
        default = loaded(grammar, "\n".join(before)).config
        line = lines.line(command, source)
        verb = "default" if command.either or command.default_on else "no"
        after = loaded(grammar, "\n".join([*before, line, "end", *before, f"{verb} {line}"])).config
        assert after == default, (before, line)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_on_by_default_is_off_after_no_and_on_again(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    for mode, command in lines.configuration_commands(grammar):
        if command.default_on:
            before = lines.entering(grammar, mode, source)
            default = loaded(grammar, "\n".join(before)).config
            line = " ".join(node.word or lines.value(node, command, source) for node in command.words)
            off = loaded(grammar, "\n".join([*before, f"no {line}"])).config
            assert off != default
            assert loaded(grammar, "\n".join([*before, line]), off).config == default


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_is_matched_by_its_own_command_and_helped_on_every_step(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    for mode, command in lines.configuration_commands(grammar):
        line = lines.line(command, source)
        found = match(mode, line)
        assert isinstance(found, Match), (mode.name, line, found)
        words = line.split()
        for count in range(len(words)):
            shown = help_lines(mode, " ".join(words[:count]) + " ")
            assert shown, (mode.name, words[:count])


def test_help_texts_are_there(grammar: Grammar) -> None:
    for mode in grammar.modes.values():
        for command in mode.commands():
            for node in command.words:
                assert node.help.strip(), (mode.name, command.path)


@given(st.data())
def test_any_text_matches_or_fails_at_a_column_of_the_line(grammar: Grammar, data: st.DataObject) -> None:
    mode = grammar.modes[data.draw(st.sampled_from(sorted(grammar.modes)))]
    known = st.sampled_from(["ip", "nhrp", "no", "interface", "Tunnel0", "10.0.0.1", "255.255.255.0", "1", "sh", "a"])
    words = data.draw(st.lists(st.one_of(known, st.text(max_size=8)), max_size=8))
    line = " ".join(words).replace("\n", " ")
    found = match(mode, line)
    if isinstance(found, Failure):
        assert 0 <= found.column <= len(line)
    help_lines(mode, line)
    complete(mode, line)


@given(st.binary(max_size=400))
def test_any_bytes_load(grammar: Grammar, data: bytes) -> None:
    from iosish.cli.load import decode

    found = load(grammar, decode(data))
    assert load(grammar, "\n".join(render(grammar, found.config))).config == found.config
