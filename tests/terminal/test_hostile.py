"""Any octets at a terminal: never an exception, never an endless wait, never an escape sequence back."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from iosish.terminal.limits import LINE_LIMIT
from iosish.terminal.session import CONSOLE
from iosish.terminal.typed import TypedSession
from tests.terminal.router import Collected, Router, screen, scripted, typed

#: What an IOS session may send besides text.
_CONTROLS = re.compile(rb"[^\x07\x08\x09\x0a\x0d\x20-\x7e\x80-\xff]")

_WORDS = st.sampled_from(
    b"enable|conf t|int tu0|ip|address|10.0.0.1|255.255.255.0|show|numbers|clock|running-config|terminal|length|width|"
    b"0|3|ping|repeat|do|no|end|exit|banner motd #|#|copy run start|reload|description|\x1b[A|\x1b[D|\x1b|\r|\n|?|\t| |"
    b"\x03|\x1a|\x1e|\x16|\x17|\x01|\x7f|q|y|| include (|section|\xff|\xc2\x9b|\x00|show numbers \x7c i 1".split(b"|")
)
_LINES = st.lists(_WORDS | st.just(b" ") | st.just(b"\r"), max_size=60).map(b"".join)


@given(_LINES | st.binary(max_size=400), st.integers(0, 100), st.integers(0, 30))
@settings(deadline=None)
def test_a_terminal_that_types_anything(data: bytes, columns: int, rows: int) -> None:
    async def run() -> bytes:
        async with asyncio.timeout(10):
            return await typed(data, columns=columns, rows=rows)

    sent = asyncio.run(run())
    assert not _CONTROLS.search(sent)
    assert b"\n" not in sent.replace(b"\r\n", b"")
    assert "The command failed" not in sent.decode("utf-8", "replace")


@given(_LINES | st.binary(max_size=400))
@settings(deadline=None)
def test_a_script_of_anything(data: bytes) -> None:
    output, _ = scripted(data)
    assert not _CONTROLS.search(output.encode())
    assert "\r" not in output
    assert "The command failed" not in output


@given(_LINES, st.lists(st.integers(0, 400), max_size=8))
@example(b"enableenable\x1b[Denable", [16])  # in the middle of a line, what stands behind is drawn once more a piece
@settings(deadline=None)
def test_the_screen_is_the_same_however_the_octets_are_cut(data: bytes, cuts: list[int]) -> None:
    async def run() -> bytes:
        outlet = Collected()
        session = TypedSession(Router(), CONSOLE, outlet)
        places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        for start, end in pairwise(places):
            session.feed(data[start:end])
        session.end()
        await session.run()
        return outlet.data

    assert screen(asyncio.run(run())) == screen(asyncio.run(typed(data)))


def test_a_line_of_64_kb() -> None:
    router = Router()
    output, refused = scripted(b"conf t\nhostname " + b"x" * 65536 + b"\nhostname R3\n", router)
    assert refused and output == f"% Line longer than {LINE_LIMIT} characters\n"
    assert router.config.hostname == "R3"
    sent = asyncio.run(typed(b"x" * 65536 + b"\renable\r"))
    assert sent.endswith(b"R1>enable\r\nR1#")


def test_a_session_lets_the_timers_of_the_router_run() -> None:
    async def run() -> tuple[int, int]:
        session = TypedSession(Router(), CONSOLE, Collected())
        session.feed(b"enable\rconf t\rint tu0\r" + b"ip mtu 1400\r" * 4000)
        session.end()
        running = asyncio.ensure_future(session.run())
        turns = 0
        while not running.done():
            await asyncio.sleep(0)
            turns += 1
        return turns, 4000

    turns, lines = asyncio.run(run())
    assert 2 < turns < lines / 4  # neither one long hold of the loop, nor a turn a line


def test_a_client_that_sends_faster_waits() -> None:
    async def run() -> bool:
        session = TypedSession(Router(), CONSOLE, Collected())
        session.feed(b"x" * 100_000)
        waiting = asyncio.ensure_future(session.room())
        await asyncio.sleep(0)
        held = not waiting.done()
        session.end()
        await session.run()
        await waiting
        return held

    assert asyncio.run(run())


def test_a_client_that_does_not_read_costs_no_log_lines() -> None:
    async def run() -> int:
        router, outlet = Router(), Collected()
        session = TypedSession(router, CONSOLE, outlet)
        running = asyncio.ensure_future(session.run())
        await asyncio.sleep(0)
        outlet.unread = 1 << 20
        before = len(outlet.data)
        for _ in range(1000):
            router.log("flood")
        session.end()
        await running
        return len(outlet.data) - before

    assert asyncio.run(run()) < 100
