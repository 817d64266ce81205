"""What is done to files: always whole, bounded, and never to anything but plain files.

In `flash:` no symbolic link is followed, so that nothing outside of its folder is reached. A plain path is that of
whoever may open the console, who is the router's owner: links count there as they do for other programs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from iosish import atomic
from iosish.files.name import FLASH, PATH, FileName, NameFault

#: A larger file is refused.
MAX_FILE_BYTES = 64 * 1024 * 1024
#: A folder lists no more.
MAX_ENTRIES = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder lists. `changed_at` is in seconds of the wall clock."""

    name: str
    size: int
    changed_at: float
    is_folder: bool = False


class Files:
    """The files of one router; `flash` is the folder behind `flash:`. All methods raise OSError, and may wait for
    the disk."""

    def __init__(self, flash: Path) -> None:
        self._flash = flash

    def sweep(self) -> None:
        """Remove what killed writers left in `flash:`. Never raises."""
        atomic.sweep_folders(self._flash)

    def size(self, name: FileName) -> int | None:
        """In octets; None where there is no such file. Raises for what is there but is no plain file."""
        try:
            with self._parent(name) as (folder, leaf):
                found = os.stat(leaf, dir_fd=folder, follow_symlinks=name.system == PATH)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise NameFault(str(name), "Is a directory" if stat.S_ISDIR(found.st_mode) else "Not a plain file")
        return found.st_size

    def read(self, name: FileName, most: int = MAX_FILE_BYTES) -> bytes:
        with self._parent(name) as (folder, leaf):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            file = os.open(leaf, flags | (os.O_NOFOLLOW if name.system == FLASH else 0), dir_fd=folder)
            with os.fdopen(file, "rb") as stream:
                mode = os.fstat(file).st_mode
                if not stat.S_ISREG(mode):
                    raise NameFault(str(name), "Is a directory" if stat.S_ISDIR(mode) else "Not a plain file")
                data = stream.read(most + 1)
        if len(data) > most:
            raise NameFault(str(name), f"larger than {most} bytes")
        return data

    def write(self, name: FileName, data: bytes, *, append: bool = False) -> None:
        """Make or replace a file, whole, down to the disk; `append` keeps what it had before."""
        if self.size(name) is not None and append:
            data = self.read(name) + data
        if len(data) > MAX_FILE_BYTES:
            raise NameFault(str(name), f"larger than {MAX_FILE_BYTES} bytes")
        with self._parent(name, make=True) as (folder, leaf):
            atomic.Replacement(folder, leaf, data).place()

    def delete(self, name: FileName) -> None:
        with self._parent(_of_flash(name)) as (folder, leaf):
            os.unlink(leaf, dir_fd=folder)
            os.fsync(folder)

    def rename(self, old: FileName, new: FileName) -> None:
        """In `flash:`; what has the new name already stays, and the old one too."""
        if self.size(_of_flash(new)) is not None:
            raise NameFault(str(new), "File exists")
        with self._parent(_of_flash(old)) as (source, leaf), self._parent(new) as (target, other):
            os.rename(leaf, other, src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(source)

    def make_folder(self, name: FileName) -> None:
        with self._parent(_of_flash(name), make=True) as (folder, leaf):
            os.mkdir(leaf, 0o700, dir_fd=folder)
            os.fsync(folder)

    def remove_folder(self, name: FileName) -> None:
        with self._parent(_of_flash(name)) as (folder, leaf):
            os.rmdir(leaf, dir_fd=folder)
            os.fsync(folder)

    def entries(self, name: FileName) -> list[Entry]:
        """What a folder of `flash:` holds, by name; for a file, that file."""
        if not _of_flash(name).path and not self._flash.exists():
            return []
        with self._parent(name) as (folder, leaf):
            found = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                return [Entry(name.leaf, found.st_size, found.st_mtime)]
            inside = os.open(leaf, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            try:
                with os.scandir(inside) as scanned:
                    listed = [entry for entry in islice(scanned, MAX_ENTRIES) if entry.name[0] != "."]
                    return sorted(
                        (
                            Entry(entry.name, at.st_size, at.st_mtime, entry.is_dir(follow_symlinks=False))
                            for entry in listed
                            if (at := entry.stat(follow_symlinks=False))
                        ),
                        key=lambda entry: entry.name,
                    )
            finally:
                os.close(inside)

    def space(self) -> tuple[int, int]:
        """How many octets the disk below `flash:` has, and how many of them are free."""
        at = self._flash
        while not at.exists() and at != at.parent:
            at = at.parent
        found = os.statvfs(at)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize

    @contextmanager
    def _parent(self, name: FileName, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that a file is in, and the file's name there."""
        if name.system == PATH:
            whole = Path(os.path.realpath(name.path))
            folder, parts = os.open(whole.parent, _FOLDER), [whole.name or "."]
        elif name.system == FLASH:
            if make:
                self._flash.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder, parts = os.open(self._flash, _FOLDER), name.path.split("/") if name.path else ["."]
        else:
            raise NameFault(str(name), "Not a plain file")
        try:
            for part in parts[:-1]:
                inside = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inside
            yield folder, parts[-1]
        finally:
            os.close(folder)


def _of_flash(name: FileName) -> FileName:
    """Only there things are taken away or renamed."""
    if name.system != FLASH:
        raise NameFault(str(name), "only files in flash: can be changed like this")
    return name
