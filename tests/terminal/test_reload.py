"""`reload` and its questions, and the reload that is planned: warnings, cancelling, and that it comes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from iosish.runtime.reloading import Reloading
from iosish.show.reload import lines, span
from iosish.snapshot import PlannedReload
from iosish.terminal.typed import TypedSession
from tests.terminal.router import Collected, Router, scripted, shown
from tests.terminal.router import screen as screen_of
from tests.terminal.shipped import VTY
from tests.terminal.test_screen import screen

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_in_some_minutes_with_a_reason_and_taken_back() -> None:
    router = Router()
    assert shown("reload in 1:05 new keys\r\rreload cancel\rreload cancel\r", router, line=VTY) == screen("""
        R1#reload in 1:05 new keys
        Reload scheduled for 13:05:00 UTC Sun Mar 1 2026 (in 1 hour and 5 minutes) by vty0
        Reload reason: new keys
        Proceed with reload? [confirm]
        R1#reload cancel
        R1#reload cancel
        %No reload is scheduled.
        R1#""")


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("reload in 5", NOON + timedelta(minutes=5)),
        ("reload in 100", NOON + timedelta(minutes=100)),
        ("reload at 12:30", NOON + timedelta(minutes=30)),
        ("reload at 11:00", NOON + timedelta(hours=23)),
        ("reload at 03:00 mar 10", datetime(2026, 3, 10, 3, 0, 0, tzinfo=UTC)),
        ("reload at 03:00 10 march why", datetime(2026, 3, 10, 3, 0, 0, tzinfo=UTC)),
    ],
)
def test_when(line: str, at: datetime) -> None:
    router = Router()
    scripted(f"{line}\n", router)
    assert router.planned is not None
    assert (router.planned.at, router.planned.by) == (at, "console")
    assert router.planned.reason == ("why" if line.endswith("why") else "Reload Command")


@pytest.mark.parametrize(
    "line", ["reload in 0", "reload in 1:99", "reload at 12:00 1 feb", "reload at 1:00 31 feb", "reload in x"]
)
def test_when_not(line: str) -> None:
    router = Router()
    output, refused = scripted(f"{line}\n", router)
    assert refused and output and router.planned is None


def test_nothing_is_planned_where_the_answer_is_no_or_saving_fails() -> None:
    router = Router()
    assert "Proceed with reload? [confirm]\nR1#" in shown("reload in 5\rn", router, line=VTY)
    assert router.planned is None
    router.modified = router.disk_full = True
    assert shown("reload\ryes\r", router, line=VTY).endswith("(No space left on device)\nR1#")
    assert router.reloads == 0


def test_terminals_are_warned_and_the_reload_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        due: list[tuple[float, object, tuple[object, ...]]] = []

        class Timer:
            def cancel(self) -> None:
                due.clear()

        def later(delay: float, function: object, *arguments: object) -> Timer:
            due.append((delay, function, arguments))
            return Timer()

        monkeypatch.setattr(loop, "call_later", later)
        reloading = Reloading(
            lambda: NOON,
            lambda mnemonic, text: heard.append(f"%SYS-5-{mnemonic}: {text}"),
            heard.append,
            lambda: heard.append("reloads"),
        )
        reloading.plan(PlannedReload(NOON + timedelta(minutes=10), "console", "why"))
        assert [delay for delay, _, _ in due] == [300, 540, 600]
        assert reloading.cancel() and not due and not reloading.cancel()
        reloading.plan(PlannedReload(NOON + timedelta(minutes=5), "console", "why"))
        for _, function, arguments in list(due):
            function(*arguments)  # type: ignore[operator] # what the loop would call

    asyncio.run(run())
    assert heard == [
        "%SYS-5-SCHEDULED_RELOAD: Reload requested for 12:10:00 UTC Sun Mar 1 2026 at 12:00:00 UTC Sun Mar 1 2026 "
        "by console. Reload Reason: why.",
        "***\n*** --- SHUTDOWN in 0:10:00 ---\n***",
        "***\n*** --- SHUTDOWN ABORTED ---\n***",
        "%SYS-5-SCHEDULED_RELOAD_CANCELLED: Scheduled reload cancelled at 12:00:00 UTC Sun Mar 1 2026",
        "%SYS-5-SCHEDULED_RELOAD: Reload requested for 12:05:00 UTC Sun Mar 1 2026 at 12:00:00 UTC Sun Mar 1 2026 "
        "by console. Reload Reason: why.",
        "***\n*** --- SHUTDOWN in 0:05:00 ---\n***",
        "***\n*** --- SHUTDOWN in 0:01:00 ---\n***",
        "***\n*** --- SHUTDOWN NOW ---\n***",
        "%SYS-5-RELOAD: Reload requested by console. Reload Reason: why.",
        "reloads",
    ]


def test_show_reload() -> None:
    assert scripted("show reload\n")[0] == "No reload is scheduled.\n"
    assert lines(PlannedReload(NOON, "console", "why"), 573) == [
        "Reload scheduled for 12:00:00 UTC Sun Mar 1 2026 (in 9 minutes and 33 seconds) by console",
        "Reload reason: why",
    ]
    assert [span(seconds) for seconds in (60, 61, 3600, 7260, 0)] == [
        "1 minute",
        "1 minute and 1 second",
        "1 hour",
        "2 hours and 1 minute",
        "0 seconds",
    ]


def test_a_warning_is_shown_on_lines_of_its_own() -> None:
    async def run() -> bytes:
        outlet = Collected()
        session = TypedSession(Router(), VTY, outlet)
        running = asyncio.ensure_future(session.run())
        session.feed(b"show cl")
        for _ in range(3):
            await asyncio.sleep(0)
        session.tell("***\n*** --- SHUTDOWN in 0:05:00 ---\n***")
        session.feed(b"ock\r")
        session.end()
        await running
        return outlet.data

    assert screen_of(asyncio.run(run())) == screen("""
        R1>show cl
        ***
        *** --- SHUTDOWN in 0:05:00 ---
        ***
        ock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1>""")
