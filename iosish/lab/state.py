"""A lab's state folder: copies of the configuration files, run from there and saved there.

It is keyed by the lab's name and the real path of its folder of files, which is never written. A file that changed
since it was copied is copied again, unless the router saved something since: then what it saved stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from iosish import atomic
from iosish.config.store import Store
from iosish.lab.places import Trouble, lab_key, make_private, state_folder

#: A configuration file larger than this is no configuration.
CONFIG_MAX = 32_000_000
_COPIED = "copied.json"
_KEPT = ".kept"
#: So much of a file's name tells a person which it is.
_SHOWN_OF_NAME = 64


@dataclass(frozen=True, slots=True)
class Copies:
    """The files to run: in the order of their names. `kept` are those where a saved one stayed though DIR's changed."""

    files: tuple[Path, ...]
    kept: tuple[Path, ...] = ()


def folder_of(name: str | None, source: Path) -> Path:
    """The state folder of the lab `name` that runs the files in `source`."""
    digest = hashlib.sha256(str(source.resolve()).encode(errors="surrogateescape")).hexdigest()
    return state_folder() / f"{lab_key(name)}-{digest[:8]}"


def store_of(startup: Path) -> Store:
    """The startup-config of a single router, and its copy: both are known before the router's name is."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(startup))).hexdigest()
    return Store(startup, state_folder() / "kept" / f"{startup.name[:_SHOWN_OF_NAME]}-{digest[:16]}")


def read_startup(store: Store) -> bytes:
    """A startup-config as its router will load it. Raises Trouble, also when there is none."""
    try:
        data = store.read().data
    except OSError as error:
        raise Trouble(f"{store.file}: {error.strerror or error}") from None
    if data is None:
        raise Trouble(f"{store.file}: no such file")
    return data


def read_config(path: Path) -> bytes:
    """Raises Trouble for what is no readable file of a sensible size."""
    try:
        if not path.is_file():
            raise Trouble(f"{path}: no such file" if not path.exists() else f"{path} is no file")
        if path.stat().st_size > CONFIG_MAX:
            raise Trouble(f"{path} is too large for a configuration")
        return path.read_bytes()
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}") from None


@dataclass(slots=True)
class StateFolder:
    """`path` holds one *.cfg for each router, what was kept of them, and a folder of each router's own (flash)."""

    path: Path
    _copied: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, fresh: bool = False) -> StateFolder:
        """Open or make it; `fresh` begins with an empty one. Raises Trouble."""
        try:
            if fresh and path.exists():
                shutil.rmtree(path)
        except OSError as error:
            raise Trouble(f"cannot empty {path}: {error.strerror}") from None
        make_private(path)
        atomic.sweep(path / _COPIED)
        return cls(path, _read_copied(path / _COPIED))

    def copy_from(self, source: Path) -> Copies:
        """Bring the *.cfg of a folder here by the rule above. Raises Trouble."""
        try:
            names = sorted((file.name for file in source.glob("*.cfg")), key=_natural)
        except OSError as error:
            raise Trouble(f"{source}: {error.strerror}") from None
        if not names:
            raise Trouble(f"{source}: no such folder" if not source.is_dir() else f"no *.cfg in {source}")
        kept = [name for name in names if not self._copy(source / name)]
        self._remember()
        return Copies(tuple(self.path / name for name in names), tuple(self.path / name for name in kept))

    def add(self, file: Path) -> Path:
        """Bring one more file here, whatever is here under its name. Raises Trouble."""
        data = read_config(file)
        self._write(file.name, data)
        self._remember()
        return self.path / file.name

    def store(self, file: Path) -> Store:
        """The startup-config of the router that runs the copy of `file`."""
        return Store(self.path / file.name, self.path / _KEPT / file.name)

    def router_folder(self, router: str) -> Path:
        """Where a router keeps its flash. Raises Trouble."""
        return make_private(self.path / router)

    def _copy(self, file: Path) -> bool:
        """False when the copy here is a saved one that stays though the file changed."""
        data = read_config(file)
        copy, was = self.path / file.name, self._copied.get(file.name)
        if was is not None and copy.is_file():
            if _digest(data) == was:
                return True
            if _digest(read_startup(self.store(file))) not in (was, _digest(data)):
                return False
        self._write(file.name, data)
        return True

    def _write(self, name: str, data: bytes) -> None:
        try:
            self.store(Path(name)).write(data)
        except (OSError, ValueError) as error:
            raise Trouble(f"cannot write {self.path / name}: {getattr(error, 'strerror', None) or error}") from None
        self._copied[name] = _digest(data)

    def _remember(self) -> None:
        try:
            atomic.replace(self.path / _COPIED, json.dumps(self._copied, indent=1).encode())
        except OSError as error:
            raise Trouble(f"cannot write {self.path / _COPIED}: {error.strerror}") from None


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorts R2 before R10."""
    return [(text.lower(), int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d{0,9})", name)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_copied(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}
