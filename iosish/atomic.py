"""Files that are replaced whole: a reader, and a crash at any moment, finds the old content or the new one.

Light on purpose, as `lab/places.py` is: the way to a console goes through here.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
from contextlib import suppress
from pathlib import Path

_numbers = itertools.count(1)


class Replacement:
    """New content for a file, on disk beside it and not yet in its place.

    It is locked while its writer lives: that tells it from what a killed one left.
    """

    __slots__ = ("_file", "_folder", "_name", "_temporary", "placed")

    def __init__(self, folder: int, name: str, data: bytes, mode: int = 0o600) -> None:
        """Write `data` beside `name` in an open folder, down to the disk. Raises OSError, and then nothing is left.

        A file that is there already keeps its mode and its owner.
        """
        self._folder, self._name = folder, name
        self._temporary = f".{name}.{os.getpid()}-{next(_numbers)}"
        self.placed = False
        with suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self._temporary, flags, mode, dir_fd=folder)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_after(mode)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except BaseException:
            self.discard()
            raise

    def _take_after(self, mode: int) -> None:
        try:
            old = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            os.fchmod(self._file, mode)
            return
        os.fchmod(self._file, old.st_mode & 0o777)
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(PermissionError):
                os.fchown(self._file, old.st_uid, old.st_gid)

    def place(self) -> None:
        """Put it in its place, for good. Raises OSError; `placed` then tells whether the new one is there already."""
        try:
            os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self.placed = True
        except OSError:
            self.discard()
            raise
        self._close()
        os.fsync(self._folder)

    def discard(self) -> None:
        """Take it away; nothing happens if it is in its place."""
        if not self.placed and self._file >= 0:
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def open_folder(path: Path) -> int:
    """A folder, for as long as files in it are worked on. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a plain file whole. Raises OSError, and then the old one still stands."""
    folder = open_folder(path.parent)
    try:
        Replacement(folder, path.name, data, mode).place()
    finally:
        os.close(folder)


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. Never raises: there is a next time."""
    _sweep(path.parent, re.compile(rf"\.{re.escape(path.name)}\.\d+(-\d+)?"))


def sweep_folders(top: Path) -> None:
    """Remove what killed writers left in a folder where no other file begins with a point, and below. Never raises."""
    for folder, _, _ in os.walk(top):
        _sweep(Path(folder), re.compile(r"\..+\.\d+-\d+"))


def _sweep(path: Path, ours: re.Pattern[str]) -> None:
    with suppress(OSError):
        folder = open_folder(path)
        try:
            for name in os.listdir(folder):  # noqa: PTH208 # of the folder that is open, wherever it is by now
                if ours.fullmatch(name):
                    _remove_if_left(folder, name)
        finally:
            os.close(folder)


def _remove_if_left(folder: int, name: str) -> None:
    with suppress(OSError):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(file)
