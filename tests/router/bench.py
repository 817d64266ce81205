"""A router without a plane whose uplink is there: lines in, log lines out, on a clock of the test's own."""

from __future__ import annotations

import random
from collections.abc import Callable

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.desired import LinkState
from iosish.engine import LogEvent
from iosish.router import Router


class Bench:
    """A router whose uplink is there, and a clock."""

    def __init__(self, grammar: Grammar, text: str) -> None:
        self.now = 100.0
        self.router = Router(random.Random(1))
        self._grammar = grammar
        self._config = Config()
        self.type(text)
        self.router.link_changed(LinkState("FastEthernet0/0", True, True), self.now)
        self.log()

    def type(self, text: str) -> list[str]:
        loaded = load(self._grammar, text, self._config)
        assert not loaded.refused()
        self._config = loaded.config
        self.router.configure(loaded.config, self.now)
        return self.log()

    def log(self) -> list[str]:
        said = [event for event in self.router.events() if isinstance(event, LogEvent)]
        return [
            f"%{line.facility}-{line.severity}-{line.mnemonic}: {line.text}"
            for line in said
            if line.facility in ("TUN", "LINEPROTO", "IOSISH")
        ]

    def at(self, seconds: float) -> list[str]:
        """What is said until then, at each time that the router asks to be woken."""
        end = self.now + seconds
        said: list[str] = []
        while (due := self.router.next_wake()) is not None and due[0] <= end:
            self.now = due[0]
            self.router.wake(self.now)
            said += self.log()
        self.now = end
        return said

    @property
    def up(self) -> bool:
        return self.router.statuses["Tunnel0"].line_up


Boot = Callable[[str], Bench]
