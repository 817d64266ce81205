"""Names, folders, and what is found to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iosish.lab import places
from iosish.lab.places import Trouble


@pytest.fixture(autouse=True)
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IOSISH_STATE_DIR", str(tmp_path / "ios"))
    return tmp_path / "ios"


def record(folder: str, pid: int | None = None, **content: object) -> None:
    """What a lab or a router writes down when it starts; by default as if this very process were it."""
    pid = os.getpid() if pid is None else pid
    path = places.make_private(places.run_folder() / folder)
    started = places.start_time(pid) if pid != 1 else 0
    (path / "record.json").write_text(json.dumps({"pid": pid, "started": started, **content}))


def test_one_variable_moves_everything(moved: Path) -> None:
    assert places.state_folder() == moved
    assert places.run_folder() == moved / "run"


def test_names_of_namespaces_and_folders() -> None:
    assert places.namespace(None, "R5") == "iosish-R5"
    assert places.namespace("two", "R5") == "iosish-two-R5"
    assert places.lab_key(None) == "lab"
    assert places.lab_key("two") == "lab-two"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a b", "x" * 33, "é", "a\0b"])
def test_names_that_do_not_fit_into_a_path_are_refused(name: str) -> None:
    with pytest.raises(Trouble, match="is no name for a lab"):
        places.lab_key(name)


def test_folders_are_private(moved: Path) -> None:
    folder = places.make_private(moved / "run" / "lab")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert places.make_private(folder).stat().st_mode & 0o777 == 0o700


def test_a_path_too_long_for_a_socket_is_said(moved: Path) -> None:
    with pytest.raises(Trouble, match="too long for a socket: set IOSISH_STATE_DIR"):
        places.router_socket(moved / ("x" * 100), "R1")


def test_a_process_is_known_by_its_start_time() -> None:
    assert places.is_running(os.getpid(), places.start_time(os.getpid()))
    assert not places.is_running(os.getpid(), 1)
    assert not places.is_running(os.getpid(), None)
    assert not places.is_running("1; rm", 0)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert places.start_time(child.pid) is None


def test_a_router_is_found_by_name_in_any_case() -> None:
    record("lab", kind="lab", name=None, routers=["R1", "R2"])
    name, path = places.find_router("r2")
    assert name == "R2"
    assert path.name == "R2.sock"


def test_one_router_alone_needs_no_name() -> None:
    record("run-Edge", kind="run", name="Edge", routers=["Edge"])
    assert places.find_router(None)[0] == "Edge"


def test_two_of_a_name_are_listed() -> None:
    record("lab", kind="lab", name=None, routers=["R1", "R2"])
    record("lab-two", kind="lab", name="two", routers=["R1"])
    with pytest.raises(Trouble, match=r"say which with --name: there are R1 \(the lab\), R1 \(lab two\)"):
        places.find_router("R1")
    assert places.find_router("R1", "two")[1].parent.name == "lab-two"


def test_what_runs_is_listed_when_the_name_is_none_of_it() -> None:
    record("lab", kind="lab", name=None, routers=["R1"])
    with pytest.raises(Trouble, match=r"no router R9 runs; there are R1 \(the lab\)"):
        places.find_router("R9")
    with pytest.raises(Trouble, match="nothing named none runs"):
        places.find_router("R1", "none")


def test_nothing_runs() -> None:
    with pytest.raises(Trouble, match="no router runs: `iosish lab up` starts"):
        places.find_router("R1")
    with pytest.raises(Trouble, match="no lab is up: `iosish lab up` starts one"):
        places.find_lab(None)
    with pytest.raises(Trouble, match="no lab two is up"):
        places.find_lab("two")


def test_the_dead_do_not_count() -> None:
    record("lab", pid=1, kind="lab", name=None, routers=["R1"])
    with pytest.raises(Trouble):
        places.find_lab(None)
    with pytest.raises(Trouble):
        places.find_router("R1")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b'{"pid": "x", "started": {}, "routers": 7}', b"null"])
def test_a_record_that_makes_no_sense_is_no_router(text: bytes) -> None:
    folder = places.make_private(places.run_folder() / "lab")
    (folder / "record.json").write_bytes(text)
    with pytest.raises(Trouble):
        places.find_router("R1")
    with pytest.raises(Trouble):
        places.find_lab(None)
