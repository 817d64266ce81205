"""Reads the grammar files (`grammar/*.cli`; their notation stands in `grammar/README.md`).

A file becomes plain nested tuples, so that the compiled form can be cached with `marshal`:

- mode: `(name, prompt, below, like, path, items, heading)`
- item: `(word, value_name, value_type, help, binding, flags, items)`; a group has neither word nor value
- binding: `("field", path, keys, constant, record)`, `("exec", handler)`, `("kept", keys, each)`, or `None`
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyparsing as pp

Compiled = tuple[tuple[Any, ...], ...]


class NotationError(Exception):
    """A grammar file that cannot be read: file, line, column, and what was expected there."""


def _string() -> pp.ParserElement:
    return pp.QuotedString('"', esc_char="\\")


def _notation() -> pp.ParserElement:
    string = _string()
    lbrace, rbrace = pp.Suppress("{"), pp.Suppress("}")
    name = pp.Regex(r"[a-z][a-z0-9-]*")
    field_name = pp.Regex(r"[a-z][a-z0-9_]*")
    path = pp.Regex(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\[[a-z0-9 _-]+\])?")

    def modifier(word: str) -> pp.ParserElement:
        # A command word may be spelt like a modifier; then its help follows at once.
        return pp.Keyword(word, ident_chars=pp.alphanums + "-_.") + ~pp.FollowedBy('"')

    keys = pp.Suppress("[") + pp.OneOrMore(name) - pp.Suppress("]")
    field = (
        pp.Suppress(pp.Literal("=") + ~pp.FollowedBy("="))
        - path("path")
        + pp.Opt(pp.Suppress(":=") - string("constant"))
        + pp.Opt(pp.Suppress(":") + pp.Keyword("record")("record"))
    )
    handler = pp.Suppress("->") - pp.Regex(r"[a-z_]+(\.[a-z_]+)+")("handler")
    kept = modifier("kept")("kept") + pp.Opt(pp.Group(keys)("keys") | modifier("each")("each"))
    flag = (
        (pp.Suppress(pp.Keyword("enters")) + name("enters"))
        | (pp.Keyword("warn") + string("warn"))
        | (pp.Keyword("absent") + string("absent"))
        | (pp.Keyword("spelt") + string("spelt"))
        | (pp.Suppress(pp.Keyword("sets")) + pp.Group(field_name("name") + string("value"))("sets"))
        | (pp.Keyword("default") + pp.Keyword("on"))("default_on")
        | modifier("either")("either")
        | modifier("held")("held")
        | modifier("privileged")("privileged")
        | modifier("hidden")("hidden")
        | modifier("clears")("clears")
        | modifier("alone")("alone")
        | modifier("unfinished")("unfinished")
        | modifier("alias")("alias")
        | modifier("shown")("shown")
    )
    binding = field | handler | kept
    item = pp.Forward()
    block = lbrace - pp.Group(pp.ZeroOrMore(item))("items") - rbrace
    options = pp.Group(pp.Suppress(pp.Keyword("options") + pp.FollowedBy("{")) + block)("options")
    choice = pp.Group(pp.Suppress(pp.Keyword("choice") + pp.FollowedBy("{")) + block)("choice")
    value = pp.Regex(r"<(?P<value>[a-z0-9-]+):\s*(?P<type>[^>]+?)\s*>")
    word = pp.Regex(r"[A-Za-z0-9][A-Za-z0-9_.+/:-]*")("word") | string("word")
    node = pp.Group((value | word) + string("help") + pp.ZeroOrMore(binding | flag) + pp.Opt(block))("node")
    item <<= options | choice | node
    mode = pp.Group(
        pp.Suppress(pp.Keyword("mode"))
        - name("name")
        - pp.Opt(string("prompt"))
        - pp.Opt(pp.Suppress(pp.Keyword("below")) - name("below"))
        - pp.Opt(pp.Suppress(pp.Keyword("like")) - name("like"))
        - pp.Opt(pp.Suppress(pp.Keyword("below")) - name("below"))
        - pp.Opt(pp.Suppress(pp.Keyword("for")) - path("for_path"))
        - pp.Opt(pp.Suppress(pp.Keyword("heading")) - string("heading"))
        - block
    )
    return pp.ZeroOrMore(mode).ignore(pp.python_style_comment)


def _split_path(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fields, _, keys = text.partition("[")
    return tuple(fields.split(".")), tuple(keys.rstrip("]").split())


_FLAGS = ("default_on", "either", "held", "privileged", "hidden", "clears", "alone", "unfinished", "alias", "shown")


def _get(parsed: pp.ParseResults, name: str, default: Any = None) -> Any:
    return parsed[name] if name in parsed else default  # noqa: SIM401 (ParseResults.get is untyped)


def _item(parsed: pp.ParseResults) -> tuple[Any, ...]:
    if parsed.get_name() in ("options", "choice"):
        flags_ = (("choice", True),) if parsed.get_name() == "choice" else ()
        return (None, None, None, "", None, flags_, _items(parsed))
    binding: tuple[Any, ...] | None = None
    if "path" in parsed:
        path, keys = _split_path(parsed["path"])
        binding = ("field", path, keys, _get(parsed, "constant"), "record" in parsed)
    elif "handler" in parsed:
        binding = ("exec", parsed["handler"])
    elif "kept" in parsed:
        binding = ("kept", tuple(_get(parsed, "keys", ())), "each" in parsed)
    flags: tuple[tuple[str, Any], ...] = tuple((flag, True) for flag in _FLAGS if flag in parsed)
    flags += tuple((name, str(parsed[name])) for name in ("enters", "warn", "absent", "spelt") if name in parsed)
    if "sets" in parsed:
        flags += (("sets", (parsed["sets"]["name"], parsed["sets"]["value"])),)
    word, value, type_ = _get(parsed, "word"), _get(parsed, "value"), _get(parsed, "type")
    return (word, value, type_, parsed["help"], binding, flags, _items(parsed))


def _items(parsed: pp.ParseResults) -> tuple[Any, ...]:
    return tuple(_item(item) for item in _get(parsed, "items", ()))


def compile_files(files: Iterable[Path]) -> Compiled:
    """Read grammar files, in the given order. Raises NotationError, which names the broken line."""
    notation = _notation()
    modes: list[tuple[Any, ...]] = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        try:
            parsed = notation.parse_string(text, parse_all=True)
        except pp.ParseBaseException as error:
            place = f"{file.name}:{error.lineno}:{error.column}"
            raise NotationError(f"{place}: {error.msg}: {error.line.strip()}") from None
        for mode in parsed:
            path = _split_path(mode["for_path"]) if "for_path" in mode else None
            above = _get(mode, "below"), _get(mode, "like")
            modes.append((mode["name"], _get(mode, "prompt"), *above, path, _items(mode), _get(mode, "heading")))
    return tuple(modes)
