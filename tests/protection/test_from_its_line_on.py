"""`tunnel protection` holds from its own line on, however much of a paste still comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from iosish.cli.enter import TOP, find
from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Match
from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions

STARTUP = """\
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 tunnel source 172.16.15.2
 tunnel mode gre multipoint
"""
PASTE = ["interface Tunnel0", "tunnel protection ipsec profile P", "ip mtu 1400", "no tunnel protection"]


def test_the_line_is_at_work_before_the_next_one_is_read(grammar: Grammar, tmp_path: Path) -> None:
    protected: list[bool] = []

    async def run() -> None:
        file = tmp_path / "startup.cfg"
        file.write_text(STARTUP)
        host = RouterHost(grammar, RouterOptions("R1", file, tmp_path / "socket", tmp_path))
        host.boot()
        section = TOP
        for line in PASTE:
            found = find(grammar, section, line)
            assert isinstance(found, Match)
            section, said = host.enter(section, found)
            assert not said
            protected.append(host.driver.router.config.interfaces["Tunnel0"].tunnel.protection is not None)
        host.reconcile()
        protected.append(host.driver.router.config.interfaces["Tunnel0"].tunnel.protection is not None)

    asyncio.run(run())
    assert protected == [False, True, True, True, False]
