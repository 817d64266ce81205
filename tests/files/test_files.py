"""Names of files, and what is done to files: nothing outside, nothing half, nothing but plain files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.files import MAX_FILE_BYTES, FileName, Files, NameFault, parse
from iosish.files.name import FLASH, PATH


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "state" / "flash")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("flash:x.cfg", "flash:/x.cfg"),
        ("flash:/x.cfg", "flash:/x.cfg"),
        ("FLASH0:x.cfg", "flash:/x.cfg"),
        ("bootflash:x", "flash:/x"),
        ("x.cfg", "flash:/x.cfg"),
        ("flash:", "flash:/"),
        ("flash:old/x.cfg", "flash:/old/x.cfg"),
        ("nvram:startup-config", "nvram:startup-config"),
        ("nvram:/startup-config", "nvram:startup-config"),
        ("system:running-config", "system:running-config"),
        ("/tmp/x", "/tmp/x"),
        ("/tmp/../x", "/x"),
        ("./x", "/home/me/x"),
        ("../x", "/home/x"),
    ],
)
def test_names(typed: str, shown: str) -> None:
    assert str(parse(typed, "/home/me")) == shown


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("flash:../x", "Invalid file name"),
        ("flash:a/../../x", "Invalid file name"),
        ("flash:.x", "Invalid file name"),
        ("..", "Invalid file name"),
        ("flash:" + "x" * 128, "Invalid file name"),
        ("flash:" + "x/" * 9, "Invalid file name"),
        ("flash:a\x00b", "Invalid file name"),
        ("/tmp/" + "x" * 2000, "Invalid file name"),
        ("nvram:other", "No such file or directory"),
        ("tftp://10.0.0.1/x", "there is no tftp client here: flash: and paths can be reached"),
        ("https://h/x", "there is no https client here: flash: and paths can be reached"),
    ],
)
def test_names_that_are_none(typed: str, why: str) -> None:
    with pytest.raises(NameFault) as fault:
        parse(typed, "/home/me")
    assert (fault.value.name, fault.value.strerror) == (typed, why)


def test_a_terminal_without_a_folder_has_no_relative_paths() -> None:
    with pytest.raises(NameFault, match="no folder"):
        parse("./x")


@given(st.text(alphabet=st.sampled_from("./:x~ \\\0\n-é"), max_size=20))
def test_no_name_leads_out_of_flash(text: str) -> None:
    try:
        name = parse(f"flash:{text}")
    except NameFault:
        return
    parts = name.path.split("/")
    assert not name.path.startswith("/") and ".." not in parts and "." not in parts


def test_written_read_listed_renamed_deleted(files: Files) -> None:
    one, two = parse("flash:one.cfg"), parse("flash:old/two.cfg")
    assert files.entries(parse("flash:")) == [] and files.size(one) is None
    files.write(one, b"first\n")
    files.write(one, b"second\n", append=True)
    assert files.read(one) == b"first\nsecond\n" and files.size(one) == 13
    files.make_folder(parse("flash:old"))
    files.rename(one, two)
    assert [(entry.name, entry.is_folder) for entry in files.entries(parse("flash:"))] == [("old", True)]
    assert [(entry.name, entry.size) for entry in files.entries(parse("flash:old"))] == [("two.cfg", 13)]
    with pytest.raises(OSError, match="not empty"):
        files.remove_folder(parse("flash:old"))
    files.write(one, b"other")
    with pytest.raises(NameFault, match="File exists"):
        files.rename(one, two)
    files.delete(two)
    files.remove_folder(parse("flash:old"))
    assert [entry.name for entry in files.entries(parse("flash:"))] == ["one.cfg"]
    total, free = files.space()
    assert total >= free > 0


def test_no_link_leads_out_of_flash(files: Files, tmp_path: Path) -> None:
    files.write(parse("flash:x"), b"")
    flash = tmp_path / "state" / "flash"
    (tmp_path / "secret").write_text("S3CRET")
    (flash / "file").symlink_to(tmp_path / "secret")
    (flash / "folder").symlink_to(tmp_path)
    for name in ("flash:file", "flash:folder/secret"):
        with pytest.raises(OSError):
            files.read(parse(name))
        with pytest.raises(OSError):
            files.write(parse(name), b"gone")
        with pytest.raises(OSError):
            files.write(parse(name), b"gone", append=True)
    with pytest.raises(OSError):
        files.entries(parse("flash:folder/state"))
    assert (tmp_path / "secret").read_text() == "S3CRET"


@pytest.mark.parametrize("system", [FLASH, PATH])
def test_what_is_no_plain_file_is_refused_at_once(files: Files, tmp_path: Path, system: str) -> None:
    files.write(parse("flash:x"), b"")
    folder = tmp_path / "state" / "flash"
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    for leaf in ("fifo", "folder"):
        name = FileName(system, leaf if system == FLASH else str(folder / leaf))
        with pytest.raises(OSError):
            files.read(name)
        with pytest.raises(OSError):
            files.write(name, b"x")
    with pytest.raises(NameFault, match="plain"):
        files.read(parse("/dev/zero"))
    with pytest.raises(NameFault, match="plain"):
        files.write(parse("/dev/null"), b"x")


def test_files_have_a_bound(files: Files, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(NameFault, match="larger than"):
        files.read(parse(str(tmp_path / "large")))
    with pytest.raises(NameFault, match="larger than"):
        files.write(parse("flash:x"), bytes(MAX_FILE_BYTES + 1))


def test_a_plain_path_is_written_through_its_link(files: Files, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    files.write(parse(str(tmp_path / "link")), b"text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"text"


def test_only_flash_is_taken_from(files: Files, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    for name in (parse(str(tmp_path / "x")), parse("nvram:startup-config")):
        for change in (files.delete, files.make_folder, files.remove_folder, files.entries):
            with pytest.raises(NameFault, match="only files in flash:"):
                change(name)
    assert (tmp_path / "x").read_text() == "mine"


def test_a_full_disk_leaves_the_old_file(files: Files, tmp_path: Path) -> None:
    name = parse("flash:x")
    files.write(name, b"old")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for step in ("write", "fsync", "rename"):
        with patch.object(os, step, full), pytest.raises(OSError, match="No space left"):
            files.write(name, b"new")
        assert files.read(name) == b"old"
        assert [path.name for path in (tmp_path / "state" / "flash").iterdir()] == ["x"]


def test_what_killed_writers_left_goes(files: Files, tmp_path: Path) -> None:
    files.write(parse("flash:x"), b"")
    files.make_folder(parse("flash:old"))
    flash = tmp_path / "state" / "flash"
    (flash / ".x.4711-1").write_text("half")
    (flash / "old" / ".y.4711-2").write_text("half")
    files.sweep()
    assert {path.name for path in flash.rglob("*")} == {"old", "x"}
