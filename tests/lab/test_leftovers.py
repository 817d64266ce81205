"""What is cleared up is only what is proved to be a dead lab's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iosish.lab import leftovers, namespaces, places


@pytest.fixture
def netns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /run/netns; its files stand for namespaces."""
    monkeypatch.setenv("IOSISH_STATE_DIR", str(tmp_path / "ios"))
    folder = tmp_path / "netns"
    folder.mkdir()
    monkeypatch.setattr(namespaces, "NETNS", folder)
    return folder


def dead_lab(name: str, **content: object) -> Path:
    """The record of a lab whose parent is gone: this process's number, but another start."""
    folder = places.make_private(places.run_folder() / f"lab-{name}")
    record = {"kind": "lab", "name": name, "pid": os.getpid(), "started": 1, **content}
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "R1.sock").touch()
    return folder


def test_a_dead_labs_namespaces_and_sockets_go(netns: Path) -> None:
    (netns / "iosish-x-R1").touch()
    folder = dead_lab("x", namespaces={"iosish-x-R1": (netns / "iosish-x-R1").stat().st_ino})
    assert leftovers.sweep() == ["removed what lab x left behind: it had been killed"]
    assert list(netns.iterdir()) == []
    assert not folder.exists() and not folder.parent.exists()
    assert leftovers.sweep() == []


def test_a_namespace_made_anew_by_someone_else_stays(netns: Path) -> None:
    (netns / "iosish-x-R1").touch()
    dead_lab("x", namespaces={"iosish-x-R1": (netns / "iosish-x-R1").stat().st_ino + 1})
    leftovers.sweep()
    assert (netns / "iosish-x-R1").exists()


@pytest.mark.parametrize("name", ["prod", "../escape", "iosish-/../../x"])
def test_a_name_that_no_lab_gives_is_not_touched(netns: Path, name: str) -> None:
    (netns / "prod").touch()
    (netns.parent / "escape").touch()
    inode = (netns / "prod").stat().st_ino
    dead_lab("x", namespaces={name: inode, "iosish-x": "inode"}, processes=[1])
    leftovers.sweep()
    assert (netns / "prod").exists() and (netns.parent / "escape").exists()


def test_a_process_with_a_dead_routers_number_lives_on(netns: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        dead_lab("x", processes={"R1": [other.pid, 1], "R2": [other.pid], "R3": "x", "R4": [-1, None]})
        leftovers.sweep()
        assert other.poll() is None
        dead_lab("x", processes={"R1": [other.pid, places.start_time(other.pid)]})
        leftovers.sweep()
        assert other.wait(10) == -9
    finally:
        other.communicate()


def test_a_lab_that_lives_is_left_alone(netns: Path) -> None:
    folder = dead_lab("x")
    record = {"kind": "lab", "name": "x", "pid": os.getpid(), "started": places.start_time(os.getpid())}
    (folder / "record.json").write_text(json.dumps(record))
    assert leftovers.sweep() == []
    assert folder.exists()
