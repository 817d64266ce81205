"""The state folder: what is copied, what stays, what is never touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from iosish.lab.places import Trouble
from iosish.lab.state import StateFolder, folder_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "R1.cfg").write_text("hostname R1\n")
    (folder / "R2.cfg").write_text("hostname R2\n")
    (folder / "notes.txt").write_text("no router\n")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_first_all_files_are_copied(source: Path, state: Path) -> None:
    copies = StateFolder.open(state).copy_from(source)
    assert [file.name for file in copies.files] == ["R1.cfg", "R2.cfg"]
    assert (state / "R1.cfg").read_text() == "hostname R1\n"
    assert copies.kept == ()
    assert state.stat().st_mode & 0o777 == 0o700


def test_what_a_router_saved_is_there_again(source: Path, state: Path) -> None:
    StateFolder.open(state).copy_from(source)
    (state / "R1.cfg").write_text("hostname R1\n! saved\n")
    copies = StateFolder.open(state).copy_from(source)
    assert (state / "R1.cfg").read_text() == "hostname R1\n! saved\n"
    assert copies.kept == ()


def test_a_file_changed_since_is_copied_again(source: Path, state: Path) -> None:
    StateFolder.open(state).copy_from(source)
    (source / "R1.cfg").write_text("hostname R1\n! edited\n")
    copies = StateFolder.open(state).copy_from(source)
    assert (state / "R1.cfg").read_text() == "hostname R1\n! edited\n"
    assert copies.kept == ()


def test_a_saved_one_stays_though_the_file_changed_and_it_is_said(source: Path, state: Path) -> None:
    StateFolder.open(state).copy_from(source)
    (state / "R1.cfg").write_text("hostname R1\n! saved\n")
    (source / "R1.cfg").write_text("hostname R1\n! edited\n")
    copies = StateFolder.open(state).copy_from(source)
    assert (state / "R1.cfg").read_text() == "hostname R1\n! saved\n"
    assert copies.kept == (state / "R1.cfg",)
    again = StateFolder.open(state).copy_from(source)
    assert again.kept == (state / "R1.cfg",)


def test_fresh_begins_anew(source: Path, state: Path) -> None:
    StateFolder.open(state).copy_from(source)
    (state / "R1.cfg").write_text("! saved\n")
    (state / "R1" / "flash").mkdir(parents=True)
    StateFolder.open(state, fresh=True).copy_from(source)
    assert (state / "R1.cfg").read_text() == "hostname R1\n"
    assert not (state / "R1").exists()


def test_the_files_themselves_are_never_written(source: Path, state: Path) -> None:
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in source.iterdir()}
    StateFolder.open(state).copy_from(source)
    (state / "R1.cfg").write_text("! saved\n")
    StateFolder.open(state).copy_from(source)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in source.iterdir()} == before


def test_a_damaged_record_counts_as_none(source: Path, state: Path) -> None:
    StateFolder.open(state).copy_from(source)
    for damage in (b"", b"[1]", b"{", b"\xff\xfe", b'{"R1.cfg": 7}'):
        (state / "copied.json").write_bytes(damage)
        StateFolder.open(state).copy_from(source)
        assert (state / "R1.cfg").read_text() == "hostname R1\n"


def test_no_files_is_said(tmp_path: Path, state: Path) -> None:
    with pytest.raises(Trouble, match="no such folder"):
        StateFolder.open(state).copy_from(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Trouble, match=r"no \*\.cfg in"):
        StateFolder.open(state).copy_from(tmp_path / "empty")


def test_the_folder_is_keyed_by_name_and_real_path(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IOSISH_STATE_DIR", str(tmp_path / "moved"))
    (tmp_path / "alias").symlink_to(source)
    assert folder_of(None, source) == folder_of(None, tmp_path / "alias")
    assert folder_of(None, source) != folder_of("two", source)
    assert folder_of(None, source) != folder_of(None, tmp_path)
    assert folder_of(None, source).parent == tmp_path / "moved"
