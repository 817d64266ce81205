"""A configuration that is being changed: frozen values are thawed where they are touched, then frozen again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from iosish.config.address_index import AddressIndex, vrf_of
from iosish.config.binding import default_of
from iosish.config.model import Config, IpAddress, Kept
from iosish.config.password_encryption import concealed, sealed, sealed_line

#: Steps from the root: names of fields, each mapping followed by the key of an entry.
Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Where the next line belongs: the mode, the places in the model (more than one in a range), the section above."""

    mode: str
    paths: tuple[Path, ...] = ((),)
    above: Section | None = None


class Record:
    """A dataclass value, thawed: changed fields stand beside the frozen base."""

    __slots__ = ("base", "changed")

    def __init__(self, base: Any) -> None:
        self.base = base
        self.changed: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        return self.changed[name] if name in self.changed else getattr(self.base, name)

    def open(self, name: str) -> Any:
        """The part `name`, thawed."""
        part = self.get(name)
        if not isinstance(part, (Record, dict)):
            part = self.changed[name] = thaw(part)
        return part

    def set(self, name: str, value: Any) -> None:
        self.changed[name] = value

    def freeze(self) -> Any:
        if not self.changed:
            return self.base
        return replace(self.base, **{name: freeze(value) for name, value in self.changed.items()})


def thaw(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else Record(value)


def freeze(value: Any) -> Any:
    if isinstance(value, Record):
        return value.freeze()
    if isinstance(value, dict):
        return MappingProxyType({key: freeze(entry) for key, entry in value.items()})
    return value


class Draft:
    """A draft of a Config. What is read through it includes all changes so far; `freeze` gives the new Config."""

    def __init__(self, base: Config) -> None:
        self._root = Record(base)
        self._addresses: AddressIndex | None = None

    def addresses(self) -> AddressIndex:
        """The networks of all interfaces, as they stand in the draft."""
        if self._addresses is None:
            self._addresses = AddressIndex(self.get(("interfaces",)))
        return self._addresses

    def _note_address(self, path: Path, value: Any = None) -> None:
        """Keep the index true: a new address is added, any other change of addresses makes it anew."""
        if self._addresses is None or path[0] != "interfaces":
            return
        if len(path) == 2:
            stays = value is not None
        elif path[2] == "ip_address" and isinstance(value, IpAddress) and self.get(path) is None:
            self._addresses.add(vrf_of(self.get(path[:2])), path[1], value, False)
            return
        else:
            stays = path[2] not in ("ip_address", "secondary", "vrf", "ip_vrf")
        if not stays:
            self._addresses = None

    def freeze(self) -> Config:
        config: Config = self._root.freeze()
        self._root = Record(config)
        return config

    def _open(self, path: Path) -> Any:
        part: Any = self._root
        for step in path:
            if isinstance(part, Record):
                part = part.open(step)
            else:
                entry = part[step]
                if not isinstance(entry, (Record, dict)):
                    entry = part[step] = thaw(entry)
                part = entry
        return part

    def get(self, path: Path) -> Any:
        """The value at `path`, possibly thawed (a Record or a dict). Raises KeyError for an entry that is not there."""
        part: Any = self._root
        for step in path:
            if isinstance(part, Record):
                part = part.get(step)
            elif isinstance(part, Mapping):
                part = part[step]
            else:
                part = getattr(part, step)
        return part

    def frozen(self, path: Path) -> Any:
        return freeze(self.get(path))

    def has(self, path: Path) -> bool:
        try:
            self.get(path)
        except KeyError:
            return False
        return True

    def set(self, path: Path, value: Any) -> None:
        """Put a value at `path`; under `service password-encryption` with its secret sealed."""
        if path == ("password_encryption",) and value is True:
            self._root = Record(concealed(self.freeze()))
        elif self._root.get("password_encryption"):
            value = sealed(value)
            if isinstance(value, Kept):
                key, value = sealed_line(path[-1], value)
                path = (*path[:-1], key)
        self._note_address(path, value)
        owner = self._open(path[:-1])
        if isinstance(owner, Record):
            owner.set(path[-1], value)
        else:
            owner[path[-1]] = value

    def delete(self, path: Path) -> None:
        """Back to the default, or the entry gone; nothing happens if it was not there."""
        self._note_address(path)
        try:
            owner = self._open(path[:-1])
        except KeyError:
            return
        if isinstance(owner, Record):
            owner.set(path[-1], default_of(type(owner.base), path[-1]))
        else:
            owner.pop(path[-1], None)
