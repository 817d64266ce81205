"""What a real kernel does to a plane: events that get lost, floods of others, devices that are made anew."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.user_plane.node import Namespace, Node, cabled, eventually
from tests.user_plane.test_live_devices import everything
from tests.user_plane.test_live_tunnels import Pair, pair

__all__ = ["pair"]

pytestmark = pytest.mark.live

#: Changes of routes that are none of ours: more than the event socket's buffer holds.
FLOOD = 20_000


@pytest.fixture
def space() -> Iterator[Namespace]:
    with ExitStack() as stack:
        here, there = (stack.enter_context(Namespace()) for _ in range(2))
        stack.enter_context(cabled((here, "Fa0-0"), (there, "far")))
        there.ip("link", "set", "far", "up")
        yield here


def flood(space: Namespace, file: Path) -> None:
    networks = [f"10.{100 + place // 256}.{place % 256}.0/24" for place in range(FLOOD // 2)]
    lines = [f"route {what} {network} via 172.16.0.2 dev Fa0-0\n" for what in ("add", "del") for network in networks]
    file.write_text("".join(lines))
    subprocess.run(["ip", "-n", space.name, "-batch", str(file)], check=True)


def dropped_events(space: Namespace) -> int:
    rows = [line.split() for line in space.run("cat", "/proc/net/netlink").stdout.splitlines()[1:]]
    return sum(int(row[-2]) for row in rows)


def test_lost_events_do_not_blind_a_plane(space: Namespace, tmp_path: Path) -> None:
    with Node(space) as node:
        node.apply(everything())
        os.kill(node.pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                flood(space, tmp_path / "batch")
            assert dropped_events(space) > 0
            space.ip("link", "del", "Tunnel0")
        finally:
            os.kill(node.pid, signal.SIGCONT)
        eventually(lambda: "UP" in space.run("ip", "-br", "link", "show", "Tunnel0").stdout, "the device")
        eventually(lambda: node.rest() == (), "all that goes with it")
        eventually(lambda: node.told().noticed, "the log line")  # it is said when all is done
        assert [event.text for event in node.told().noticed] == [
            "Changed from outside and put back: Tunnel0 (its device was gone)"
        ]


def test_a_flood_of_changes_that_are_none_of_ours_is_not_looked_at(space: Namespace, tmp_path: Path) -> None:
    with Node(space) as node:
        node.apply(everything())
        links = len(node.told().links)
        flood(space, tmp_path / "batch")
        assert node.rest() == ()
        assert len(node.told().links) == links and node.told().noticed == []


def test_a_device_made_anew_keeps_its_forwarder_and_its_counters(pair: Pair) -> None:
    pair.apply()
    assert pair.spoke.space.pings("192.168.0.1")
    before, forwarder = pair.spoke.counters().interfaces["Tunnel0"], pair.spoke.forwarder()
    pair.spoke.space.ip("link", "del", "Tunnel0")
    eventually(lambda: pair.spoke.space.pings("192.168.0.1", "-W", "1"), "a ping over the new device")
    after = pair.spoke.counters().interfaces["Tunnel0"]
    assert after.packets_out > before.packets_out and after.packets_in > before.packets_in
    assert pair.spoke.forwarder() == forwarder
