"""A router with the shipped grammar for sessions to talk to; its network is a handful of values."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from iosish import resources
from iosish.cli.grammar import Grammar, load
from iosish.cli.render import render
from iosish.config.draft import Draft
from iosish.config.model import Config
from iosish.snapshot import InterfaceState, Snapshot
from iosish.terminal.session import Line
from tests.terminal.router import Router, shown

#: No log lines of the console between what is typed.
VTY = Line(2, "vty 0")


@cache
def shipped_grammar() -> Grammar:
    return load(resources.folder("grammar"))


class ShippedRouter(Router):
    def __init__(self) -> None:
        super().__init__()
        self.grammar = shipped_grammar()
        self._draft = Draft(Config(hostname="R1"))

    def running_config(self) -> str:
        return "\n".join([f"version {self.config.version}", "!", *render(self.grammar, self.config), "end", ""])

    async def snapshot(self, session: Any = None) -> Snapshot:
        states = {
            name: InterfaceState(name, admin_up=not settings.shutdown, line_up=not settings.shutdown)
            for name, settings in self.config.interfaces.items()
        }
        return replace(await super().snapshot(session), interfaces=states)


def console(text: str | bytes, router: Router | None = None, **options: Any) -> str:
    """The screen of a privileged session on the shipped grammar after `text` was typed."""
    return shown(text, router or ShippedRouter(), **{"line": VTY, **options})
