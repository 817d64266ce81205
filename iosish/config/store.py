"""The startup-config on disk: read whole, replaced whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: A larger file is no configuration.
MAX_BYTES = 16 * 1024 * 1024


class Store:
    """One router's startup-config. What is on disk is at any moment the old text or the new one, never a part."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> bytes | None:
        """The startup-config; None when there is none. Raises OSError when it cannot be read."""
        try:
            with self.file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(data) > MAX_BYTES:
            raise OSError(f"{self.file} is larger than {MAX_BYTES} bytes")
        return data

    def write(self, text: str) -> None:
        """Replace the startup-config. Raises OSError, and then the old one still stands."""
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(text.encode("utf-8", "surrogateescape"))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.file)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        self._sync_folder()

    def erase(self) -> None:
        """Take the startup-config away; nothing happens if there is none. Raises OSError."""
        self.file.unlink(missing_ok=True)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
