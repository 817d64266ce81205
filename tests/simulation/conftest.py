"""The classic lab in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iosish import resources
from iosish.cli.grammar import Grammar
from iosish.cli.grammar import load as load_grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return load_grammar(resources.folder("grammar"))


@pytest.fixture(scope="session")
def classic(grammar: Grammar) -> dict[str, str]:
    """The five configurations as text, by router."""
    folder = resources.folder("running-configs") / "dmvpn"
    return {file.stem: file.read_text() for file in sorted(folder.glob("*.cfg"))}


@pytest.fixture
def read(grammar: Grammar) -> Callable[[str], Config]:
    """A configuration out of text that has no refused line."""

    def read(text: str) -> Config:
        loaded = load(grammar, text)
        assert not loaded.refused()
        return loaded.config

    return read


@pytest.fixture
def lab(classic: dict[str, str], read: Callable[[str], Config]) -> SimLab:
    """The classic lab, 15 s after power-on: everybody has registered twice."""
    lab = SimLab(World(1), [read(text) for text in classic.values()])
    lab.world.run_until(15.0)
    return lab
