"""What the log says when interfaces change: a tunnel's link is up while it is not shut, whatever its line protocol."""

from __future__ import annotations

from random import Random

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.desired import LinkState
from iosish.engine import LogEvent
from iosish.router import Router
from tests.terminal.shipped import shipped_grammar

CLASSIC = """\
interface FastEthernet0/0
 ip address 172.16.15.2 255.255.255.252
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 tunnel source 172.16.15.2
 tunnel mode gre multipoint
"""
LINK_UP = "%LINK-5-UPDOWN: Interface Tunnel0, changed state to up"
LINK_DOWN = "%LINK-5-CHANGED: Interface Tunnel0, changed state to administratively down"
LINE_UP, LINE_DOWN = (
    f"%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to {state}" for state in ("up", "down")
)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return shipped_grammar()


def test_a_tunnel_in_the_log(grammar: Grammar) -> None:
    router = Router(Random(1))

    def said(text: str) -> list[str]:
        router.configure(load(grammar, text).config, 1.0)
        router.link_changed(LinkState("FastEthernet0/0", present=True, carrier=True), 1.0)
        events = [event for event in router.events() if isinstance(event, LogEvent) and event.text.count("Tunnel0,")]
        return [f"%{event.facility}-{event.severity}-{event.mnemonic}: {event.text}" for event in events]

    assert said(CLASSIC) == [LINK_UP, LINE_UP]
    assert said(f"{CLASSIC} no tunnel source\n") == [LINE_DOWN]
    assert said(CLASSIC) == [LINE_UP]
    assert said(f"{CLASSIC} tunnel protection ipsec profile P\n") == [LINE_DOWN]
    assert said(f"{CLASSIC} shutdown\n") == [LINK_DOWN]
    assert said(f"{CLASSIC} no tunnel source\n") == [LINK_UP]
    assert said(CLASSIC) == [LINE_UP]
