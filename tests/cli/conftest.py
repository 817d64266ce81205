"""The shipped grammar, read once for all tests of the command line."""

from __future__ import annotations

import pytest

from iosish import resources
from iosish.cli.grammar import Grammar, load


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return load(resources.folder("grammar"))
