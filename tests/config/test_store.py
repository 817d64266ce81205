"""The startup-config on disk: old or new, whole, and the router knows which, whatever happens at whatever moment."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.config.store import MAX_BYTES, Store

OLD = b"hostname R1\ninterface Loopback0\n ip address 10.0.0.1 255.255.255.255\n!\nend\n"
NEW = (
    b"hostname R1\ninterface Loopback0\n ip address 10.9.9.9 255.255.255.255\n shutdown\n!\nip route 0.0.0.0 ...\nend\n"
)

#: Every call by which a writer changes the disk, or makes sure of it.
STEPS = ("open", "write", "fsync", "rename", "replace", "unlink", "fchmod", "mkdir")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "R1.cfg", tmp_path / "state" / "kept")
    made.write(OLD)
    return made


def files(store: Store) -> list[str]:
    folders = (store.file.parent, store.kept.parent)
    return sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())


class Fault:
    """Lets `before` calls of the operating system pass, then does `then` instead of the next ones of that name."""

    def __init__(self, before: int, then: Callable[[], None], only: str | None = None, lasting: bool = False) -> None:
        self.left, self.then, self.only, self.lasting = before, then, only, lasting
        self.struck = ""

    def wrap(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if self.only in (None, name):
                if self.left == 0 and (self.lasting or not self.struck):
                    self.struck = name
                    self.then()
                self.left -= self.left > 0
            return real(*arguments, **options)

        return call

    def __enter__(self) -> Fault:
        self._patches = [patch.object(os, name, self.wrap(name)) for name in STEPS]
        for each in self._patches:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._patches:
            each.stop()


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# A person's file


def test_a_file_written_by_hand_counts_and_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "r2.cfg", tmp_path / "kept")
    store.file.write_bytes(b"hostname R2\n")
    startup, trouble = store.start()
    assert (startup.data, startup.told, startup.damage, trouble) == (b"hostname R2\n", "12 bytes", "", "")
    assert store.read().told == "12 bytes, as last saved or loaded"


@pytest.mark.parametrize(
    "edited",
    [
        NEW,
        OLD.replace(b" shutdown\n", b""),
        OLD[12:],
        OLD + b"! a comment below the end\n",
        OLD[:30] + b"end\n",
        b"hostname Other\n",
    ],
)
def test_a_file_edited_by_hand_counts(store: Store, edited: bytes) -> None:
    store.file.write_bytes(edited)
    startup, _ = store.start()
    assert startup.data == edited and not startup.damage
    assert store.file.read_bytes() == edited
    store.file.write_bytes(edited[: len(edited) // 2])  # and what happens to it from then on is mended
    assert store.start()[0].data in (edited, edited[: len(edited) // 2])


def test_the_last_lines_of_a_file_without_end_may_be_taken_out_by_hand(tmp_path: Path) -> None:
    store = Store(tmp_path / "r2.cfg", tmp_path / "kept")
    store.file.write_bytes(b"hostname R2\nip routing\nip cef\n")
    store.start()
    store.file.write_bytes(b"hostname R2\nip routing\n")
    assert store.start()[0].told == "23 bytes, changed by hand since last saved or loaded"
    store.file.write_bytes(b"hostname R2\nip rou")
    startup, _ = store.start()
    assert (startup.data, startup.damage) == (b"hostname R2\nip routing\n", "ends after 18 of 23 bytes")


def test_no_file_is_no_startup_config(store: Store) -> None:
    store.file.unlink()
    assert store.start()[0].data is None
    store.file.write_bytes(OLD[:20])  # what is written by hand later has nothing to do with what was there
    assert store.start()[0].data == OLD[:20]


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "real.cfg").write_bytes(OLD)
    (tmp_path / "real.cfg").chmod(0o640)
    (tmp_path / "link.cfg").symlink_to("real.cfg")
    store = Store(tmp_path / "link.cfg", tmp_path / "kept")
    store.write(NEW)
    assert (tmp_path / "link.cfg").is_symlink()
    assert (tmp_path / "real.cfg").read_bytes() == NEW
    assert (tmp_path / "real.cfg").stat().st_mode & 0o777 == 0o640
    assert store.kept.stat().st_mode & 0o777 == 0o600


# A torn file


@given(st.integers(0, len(OLD) - 1))
def test_a_file_cut_at_any_length_is_whole_again(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    store = Store(folder / "R1.cfg", folder / "kept")
    store.write(OLD)
    store.file.write_bytes(OLD[:length])
    startup, trouble = store.start()
    assert (startup.data, trouble) == (OLD, "")
    assert startup.damage == f"ends after {length} of {len(OLD)} bytes"
    assert startup.told == f"{len(OLD)} bytes, the kept copy"
    assert store.file.read_bytes() == OLD
    assert store.damaged.read_bytes() == OLD[:length]
    assert store.start()[0].told == f"{len(OLD)} bytes, as last saved or loaded"


@given(st.integers(0, len(OLD) - 1), st.integers(1, len(OLD)))
def test_a_file_with_a_hole_is_whole_again(tmp_path_factory: pytest.TempPathFactory, start: int, length: int) -> None:
    folder = tmp_path_factory.mktemp("hole")
    store = Store(folder / "R1.cfg", folder / "kept")
    store.write(OLD)
    length = min(length, len(OLD) - start)
    store.file.write_bytes(OLD[:start] + bytes(length) + OLD[start + length :])
    startup, _ = store.start()
    assert (startup.data, startup.damage) == (OLD, "has a hole")


@given(st.binary(max_size=200))
def test_a_copy_that_is_torn_itself_counts_for_nothing(tmp_path_factory: pytest.TempPathFactory, torn: bytes) -> None:
    folder = tmp_path_factory.mktemp("kept")
    store = Store(folder / "R1.cfg", folder / "kept")
    store.write(OLD)
    whole = store.kept.read_bytes()
    for damaged in (torn, whole[: len(torn)], torn + whole[len(torn) :]):
        store.kept.write_bytes(damaged)
        startup, _ = store.start()
        assert startup.data == OLD and not startup.damage
        assert store.kept.read_bytes() == whole


def test_a_copy_of_another_file_counts_for_nothing(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.cfg", store.kept)
    other.file.write_bytes(OLD[:20])
    assert other.read().data == OLD[:20]


@pytest.mark.parametrize("make", ["fifo", "folder", "large"])
def test_what_is_no_file_does_not_hang_and_the_copy_counts(store: Store, make: str) -> None:
    store.file.unlink()
    if make == "fifo":
        os.mkfifo(store.file)
    elif make == "folder":
        store.file.mkdir()
    else:
        with store.file.open("wb") as file:
            file.truncate(MAX_BYTES + 1)
    startup = store.read()
    assert startup.data == OLD and startup.damage.startswith("cannot be read (")


def test_a_damaged_file_on_a_full_disk_is_no_reason_not_to_start(store: Store) -> None:
    store.file.write_bytes(OLD[:10])
    with Fault(0, full, only="write", lasting=True):
        startup, trouble = store.start()
    assert (startup.data, trouble) == (OLD, "No space left on device")


def test_octets_nul_are_not_saved(store: Store) -> None:
    with pytest.raises(ValueError, match="text"):
        store.write(b"hostname R1\0\n")
    with pytest.raises(OSError, match="larger"):
        store.write(b"!" * (MAX_BYTES + 1))
    assert store.file.read_bytes() == OLD


# A write that fails


def faults(kind: Callable[[], None]) -> Iterator[tuple[int, Fault]]:
    """One fault for each step of a write, until a write has no more."""
    for step in range(200):
        fault = Fault(step, kind)
        yield step, fault
        if not fault.struck:
            return
    raise AssertionError("a write has no end")


def test_a_disk_that_is_full_at_any_step_loses_nothing(store: Store) -> None:
    struck = []
    for step, fault in faults(full):
        store.write(OLD)
        before = files(store)
        with fault:
            try:
                store.write(NEW)
                failed = False
            except OSError as error:
                assert error.errno == errno.ENOSPC
                failed = True
        struck.append(fault.struck)
        found = store.file.read_bytes()
        assert found in (OLD, NEW)
        if not failed:
            assert found == NEW
        elif fault.struck in ("open", "write", "rename", "fchmod", "mkdir"):
            assert found == OLD, f"step {step}: {fault.struck}"
        startup, _ = store.start()
        assert (startup.data, startup.damage) == (found, "")
        assert startup.told.endswith("as last saved or loaded"), f"step {step}: {fault.struck}"
        assert files(store) == before
    assert {"open", "write", "fsync", "rename"} <= set(struck)


def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_one(store: Store) -> None:
    found = []
    for step, fault in faults(killed):
        store.write(OLD)
        before = files(store)
        process = os.fork()
        if process == 0:
            with fault:
                store.write(NEW)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        fault.struck = "killed" if status == -signal.SIGKILL else ""
        data = store.file.read_bytes()
        found.append(data)
        startup, _ = store.start()
        assert (startup.data, startup.damage) == (data, "")
        assert startup.told.endswith("as last saved or loaded"), f"step {step}"
        assert files(store) == before
    assert found == sorted(found, key=[OLD, NEW].index)  # old up to one step, new from there on
    assert set(found) == {OLD, NEW}


def test_a_killed_writer_and_a_torn_file_together(store: Store) -> None:
    for step in range(60):
        store.write(OLD)
        process = os.fork()
        if process == 0:
            with Fault(step, killed):
                store.write(NEW)
            os._exit(0)
        os.waitpid(process, 0)
        data = store.file.read_bytes()
        store.file.write_bytes(data[: len(data) - 3])
        startup, _ = store.start()
        assert startup.data == data and startup.damage


WRITER = """
import sys
from pathlib import Path
from iosish.config.store import Store
store = Store(Path(sys.argv[1]), Path(sys.argv[2]))
print("ready", flush=True)
for number in range(1_000_000):
    store.write(b"! %d\\n" % number * 2000 + b"end\\n")
"""


def test_a_writer_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(5)
    store = Store(tmp_path / "R1.cfg", tmp_path / "kept")
    store.write(b"! 0\n" * 2000 + b"end\n")
    for _ in range(12):
        arguments = [sys.executable, "-c", WRITER, str(store.file), str(store.kept)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.random() / 50)  # the moment is what is drawn here: nothing is waited for
            writer.kill()
        startup, _ = store.start()
        assert startup.data is not None and not startup.damage
        lines = startup.data.splitlines()
        assert len(lines) == 2001 and len(set(lines[:-1])) == 1 and lines[-1] == b"end"
        assert files(store) == ["R1.cfg", "R1.cfg", "kept", "kept"]  # one folder holds both


def test_what_a_living_writer_has_beside_the_file_stays(store: Store) -> None:
    left = store.file.with_name(".R1.cfg.4711-1")
    left.write_bytes(b"half")
    other = store.file.with_name(".R1.cfg.bak")
    other.write_bytes(b"a person's")
    ready, go = os.pipe()
    process = os.fork()
    if process == 0:
        held = os.open(store.file.with_name(".R1.cfg.4712-1"), os.O_CREAT | os.O_WRONLY)
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        os.write(go, b"!")
        signal.pause()
    os.read(ready, 1)
    try:
        store.start()
        assert not left.exists() and other.exists()
        assert store.file.with_name(".R1.cfg.4712-1").exists()
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    store.start()
    assert not store.file.with_name(".R1.cfg.4712-1").exists()


def test_erased_is_erased(store: Store) -> None:
    store.erase()
    store.erase()
    assert store.read().data is None
    assert files(store) == []
