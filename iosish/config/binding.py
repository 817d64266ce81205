"""Binding paths against the model: which field a path names, its type, its default, the type of its entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from iosish.config.model import Kept


class FieldError(Exception):
    """A path that names no field."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of the model. `entry` is the dataclass of its value or, in a mapping (`keyed`), of its entries."""

    path: tuple[str, ...]
    default: Any
    keyed: bool
    entry: type | None

    @property
    def entry_fields(self) -> tuple[str, ...]:
        return tuple(item.name for item in fields(self.entry)) if self.entry else ()


@cache
def _hints(section: type) -> dict[str, Any]:
    return get_type_hints(section)


def default_of(section: type, name: str) -> Any:
    """The default of a field; MISSING when it has none (the key of an entry)."""
    for item in fields(section):
        if item.name == name:
            if item.default is not MISSING:
                return item.default
            return item.default_factory() if item.default_factory is not MISSING else MISSING
    raise FieldError(f"{section.__name__} has no field {name}")


def _dataclass_in(hint: Any) -> type | None:
    if isinstance(hint, type):
        return hint if is_dataclass(hint) else None
    return next((found for part in get_args(hint) if (found := _dataclass_in(part))), None)


@cache
def field_info(section: type, path: tuple[str, ...]) -> FieldInfo:
    """The field that `path` names below `section`. Raises FieldError."""
    owner = section
    for name in path[:-1]:
        hint = _hints(owner).get(name)
        if not (isinstance(hint, type) and is_dataclass(hint)):
            raise FieldError(f"{owner.__name__} has no part {name}")
        owner = hint
    name = path[-1]
    hint = _hints(owner).get(name)
    if hint is None:
        raise FieldError(f"{owner.__name__} has no field {name}")
    keyed = get_origin(hint) is Mapping
    entry = _dataclass_in(get_args(hint)[1] if keyed else hint)
    return FieldInfo(path, default_of(owner, name), keyed, entry)


def fields_without(bound: Iterable[tuple[type, str]], section: type) -> list[str]:
    """The fields of `section` and of the sections below it that no binding names."""
    names = set(bound)
    return sorted(_unbound(names, section, section, ""))


def _unbound(bound: set[tuple[type, str]], root: type, section: type, prefix: str) -> Iterable[str]:
    for item in fields(section):
        path = prefix + item.name
        if item.name == "kept" or default_of(section, item.name) is MISSING:
            continue
        hint = _hints(section)[item.name]
        entry = _dataclass_in(hint)
        if (root, path) in bound:
            # An entry that has a `kept` mapping is a section of its own, with a mode.
            if entry and "kept" in {part.name for part in fields(entry)} and entry is not Kept:
                yield from _unbound(bound, entry, entry, "")
        elif isinstance(hint, type) and is_dataclass(hint):
            yield from _unbound(bound, root, hint, path + ".")
        else:
            yield f"{root.__name__}.{path}"
