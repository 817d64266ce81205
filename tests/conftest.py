"""How all tests run: the fast ones first, fixed seeds in CI, in CI a skipped test is a failed one, and no test that is
not live changes a setting of this machine's kernel."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings

from iosish.plane.user import settings as kernel_settings

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# Examples that are the same each time: a fresh seed never fails a change that has nothing to do with it.
settings.register_profile("iosish", derandomize=IN_CI, deadline=None)
settings.load_profile("iosish")


@pytest.fixture(autouse=True)
def settings_of_the_machine_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    """A plane in the test's own process would change those of the machine; live tests have namespaces of their own."""
    if request.node.get_closest_marker("live"):
        yield
        return
    with mock.patch.object(kernel_settings, "put", return_value={}) as put:
        yield
    put.assert_not_called()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in memory, then lint and types, then live ones; each folder and file in its own order."""

    def rank(item: pytest.Item) -> int:
        if item.get_closest_marker("live"):
            return 2
        return int(item.get_closest_marker("slow") is not None)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """In CI the reason of a skip becomes the reason of a failure. An expected failure stays what it is."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The same for a whole module that skips itself."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{Path(collector.path).name} must run in CI: {report.longrepr}"
    return report
