"""Routers out of text, with the crypto lines of the classic lab."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iosish import resources
from iosish.cli.grammar import Grammar
from iosish.cli.grammar import load as load_grammar
from iosish.cli.load import load
from iosish.config.model import Config

Read = Callable[[str], Config]


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return load_grammar(resources.folder("grammar"))


@pytest.fixture(scope="session")
def read(grammar: Grammar) -> Read:
    """A configuration out of text that has no refused line; `no` lines take back from what stands before them."""

    def read(text: str) -> Config:
        loaded = load(grammar, text)
        assert not loaded.refused(), loaded.refused()
        return loaded.config

    return read
