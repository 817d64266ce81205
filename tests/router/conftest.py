"""Routers with nothing around them."""

from __future__ import annotations

import pytest

from iosish import resources
from iosish.cli.grammar import Grammar
from iosish.cli.grammar import load as load_grammar
from tests.router.bench import Bench, Boot


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return load_grammar(resources.folder("grammar"))


@pytest.fixture
def bench(grammar: Grammar) -> Boot:
    return lambda text: Bench(grammar, text)
