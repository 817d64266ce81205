"""The grammar as it is shipped."""

from __future__ import annotations

import pytest

from iosish import resources
from iosish.cli import grammar as grammar_
from iosish.cli.grammar import Grammar


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return grammar_.load(resources.folder("grammar"))
