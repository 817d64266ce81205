"""The startup-config on disk: replaced whole, and whole again after whatever happened to it.

Beside the startup-config, in the router's state, a copy is kept of what was last saved, or loaded, with its length and
digest. **What counts at a start:**

1. A file that equals the copy is what was saved.
2. A file that holds octets NUL, that cannot be read, or that is no more than a beginning of the copy, is damaged: the
   copy counts, and is put back. A beginning is a proper prefix. Where the copy does not close with `end`, since a
   person wrote it, one that closes with a line break is the work of a person, who took the last lines out.
3. Any other file was written by a person, who is right.
4. No file: no startup-config. A person took it away, or `write erase` did.

A new one is written like this: the file's new content beside it; the copy's new content, as `*.new`; the file in its
place; the copy in its place. Everything reaches the disk before the next step. A crash leaves the old file before the
third step and the new one after it, and each finds its own copy: `*.new` counts as one where the file agrees with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from iosish import atomic

#: A larger file is no configuration.
MAX_BYTES = 16 * 1024 * 1024
_HEAD_MAX_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Startup:
    """What a router starts with. `data` is None where there is no startup-config.

    `told` says in words which it is; `damage` what is wrong with the file, so that the kept copy counts.
    """

    data: bytes | None
    told: str
    damage: str = ""


class Store:
    """One router's startup-config. What is on disk is at any moment the old text or the new one, never a part."""

    def __init__(self, file: Path, kept: Path) -> None:
        """`kept` is where the copy goes; what becomes of a damaged file stays beside it as `*.damaged`."""
        self.file = file
        self.kept = kept
        self._new = kept.with_name(f"{kept.name}.new")

    @property
    def damaged(self) -> Path:
        """Where the last damaged file was put when its copy took its place."""
        return self.kept.with_name(f"{self.kept.name}.damaged")

    def read(self) -> Startup:
        """The startup-config by the rule above; changes nothing. Raises OSError when neither can be read."""
        copies = [copy for path in (self.kept, self._new) if (copy := self._copy(path)) is not None]
        try:
            data = _read(self.file)
        except FileNotFoundError:
            return Startup(None, "there is none")
        except OSError as error:
            if not copies:
                raise
            return self._restored(copies[0], f"cannot be read ({error.strerror or error})")
        if data in copies:
            return Startup(data, f"{len(data)} bytes, as last saved or loaded")
        for copy in copies:
            if _is_beginning(data, copy):
                return self._restored(copy, f"ends after {len(data)} of {len(copy)} bytes")
        if copies and b"\0" in data:
            return self._restored(copies[0], "has a hole")
        if copies:
            return Startup(data, f"{len(data)} bytes, changed by hand since last saved or loaded")
        return Startup(data, f"{len(data)} bytes")

    def _restored(self, copy: bytes, damage: str) -> Startup:
        return Startup(copy, f"{len(copy)} bytes, the kept copy", damage)

    def start(self) -> tuple[Startup, str]:
        """As `read`; and put the disk in order: mend a damaged file, keep a new one, remove what killed writers left.

        Gives what could not be mended in words, which is no reason not to start. Raises OSError as `read` does.
        """
        for path in (self.file, self.kept, self._new, self.damaged):
            atomic.sweep(path)
        startup = self.read()
        trouble = ""
        try:
            self._keep_folder()
            if startup.damage and startup.data is not None:
                with suppress(OSError):
                    atomic.replace(self.damaged, _read(self.file))
                atomic.replace(self._place(), startup.data)
            if startup.data is not None and self._copy(self.kept) != startup.data:
                atomic.replace(self.kept, self._with_head(startup.data))
        except OSError as error:
            trouble = error.strerror or str(error)
        for path in (self._new,) if startup.data is not None else (self._new, self.kept):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return startup, trouble

    def write(self, data: bytes) -> None:
        """Replace the startup-config. Raises OSError, and then the old one still stands.

        Raises ValueError for what would be taken for damaged: octets NUL.
        """
        if b"\0" in data:
            raise ValueError("a startup-config is text")
        if len(data) > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES} bytes")
        self._keep_folder()
        place = self._place()
        folder = atomic.open_folder(place.parent)
        try:
            replacement = atomic.Replacement(folder, place.name, data)
            try:
                atomic.replace(self._new, self._with_head(data))
                replacement.place()
            finally:
                replacement.discard()
                if not replacement.placed:
                    with suppress(OSError):
                        self._new.unlink(missing_ok=True)
        finally:
            os.close(folder)
        with suppress(OSError):  # the next start sees that it is the copy
            self._new.replace(self.kept)
            _sync(self.kept.parent)

    def erase(self) -> None:
        """Take the startup-config away; nothing happens if there is none. Raises OSError."""
        self.file.unlink(missing_ok=True)
        _sync(self.file.parent)
        for path in (self._new, self.kept, self.damaged):
            path.unlink(missing_ok=True)

    def _place(self) -> Path:
        """Where the file is: a symbolic link stays one."""
        return Path(os.path.realpath(self.file))

    def _keep_folder(self) -> None:
        self.kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _with_head(self, data: bytes) -> bytes:
        head = {"of": os.fspath(self.file), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return json.dumps(head).encode() + b"\n" + data

    def _copy(self, path: Path) -> bytes | None:
        """A kept copy; None when there is none of this file that is whole."""
        try:
            head, _, data = _read(path, MAX_BYTES + _HEAD_MAX_BYTES).partition(b"\n")
            return data if self._with_head(data).partition(b"\n")[0] == head else None
        except OSError:
            return None


def _is_beginning(data: bytes, copy: bytes) -> bool:
    """Whether `data` is what is left of `copy`, rather than what a person made of it."""
    if len(data) >= len(copy) or not copy.startswith(data):
        return False
    closed = copy.rstrip().rpartition(b"\n")[2].strip() == b"end"
    return closed or not data.endswith(b"\n")


def _read(path: Path, most: int = MAX_BYTES) -> bytes:
    """A plain file of a sensible size. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no file")
        data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(f"it is larger than {most} bytes")
    return data


def _sync(folder: Path) -> None:
    descriptor = atomic.open_folder(folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
