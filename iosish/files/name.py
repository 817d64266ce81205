"""Names of files as they are typed: `flash:x.cfg`, `nvram:startup-config`, `/tmp/x.cfg`, `./x.cfg`, `tftp://...`."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass

FLASH, NVRAM, SYSTEM, PATH = "flash", "nvram", "system", "path"
#: What `flash:` may be called on other models.
_FLASHES = {"flash", "flash0", "bootflash", "disk0"}
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)")
PART_MAX_BYTES, DEPTH_MAX, PATH_MAX_BYTES = 127, 8, 1024


class NameFault(OSError):
    """A name that can be no file's, or one that cannot be reached; `strerror` says why, as that of an OSError does."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(None, why)
        self.name = name


@dataclass(frozen=True, slots=True)
class FileName:
    """A file, or a folder. `system` is FLASH, NVRAM, SYSTEM or PATH; `path` is relative to it ("" its root),
    and absolute for PATH."""

    system: str
    path: str

    def __str__(self) -> str:
        return self.path if self.system == PATH else f"{self.system}:{'/' * (self.system == FLASH)}{self.path}"

    @property
    def leaf(self) -> str:
        return posixpath.basename(self.path)

    def below(self, leaf: str) -> FileName:
        """A file in this folder. Raises NameFault."""
        if self.system == FLASH:
            return _in_flash(f"{self.path}/{leaf}", f"{self}{leaf}")
        return FileName(self.system, posixpath.join(self.path, leaf))


def parse(text: str, folder: str | None = None) -> FileName:
    """A name as it was typed; one without prefix is in `flash:`. Raises NameFault.

    `folder` is where `./` begins: the folder of the one at the terminal, if it is known.
    """
    if text.startswith(("/", "./", "../")):
        return FileName(PATH, _absolute(text, folder))
    found = _PREFIX.fullmatch(text)
    system, path = (found[1].lower(), found[2]) if found else (FLASH, text)
    if system in _FLASHES:
        return _in_flash(path, text)
    if system in (NVRAM, SYSTEM):
        path = path.strip("/")
        only = "startup-config" if system == NVRAM else "running-config"
        if path not in ("", only):
            raise NameFault(text, "No such file or directory")
        return FileName(system, path)
    raise NameFault(text, f"there is no {system} client here: flash: and paths can be reached")


def _absolute(text: str, folder: str | None) -> str:
    if not text.isprintable() or len(os.fsencode(text)) > PATH_MAX_BYTES:
        raise NameFault(text, "Invalid file name")
    if text[0] != "/" and folder is None:
        raise NameFault(text, "this terminal is in no folder: give a path from / on")
    return posixpath.normpath(posixpath.join(folder or "/", text))


def _in_flash(path: str, text: str) -> FileName:
    parts = [part for part in path.split("/") if part]
    if len(parts) > DEPTH_MAX or not all(map(_is_part, parts)):
        raise NameFault(text, "Invalid file name")
    return FileName(FLASH, "/".join(parts))


def _is_part(part: str) -> bool:
    """A name that begins with a point is left for files that are being written; `..` leads nowhere."""
    return part[0] != "." and part.isprintable() and " " not in part and len(os.fsencode(part)) <= PART_MAX_BYTES
