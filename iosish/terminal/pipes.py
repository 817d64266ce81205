"""Output modifiers: `show ... | include REGEX` and its kin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from iosish.cli.tokens import FILE_SYSTEMS
from iosish.terminal.regexp import compile_regexp

#: The modifiers with the help that `?` shows.
MODIFIERS = {
    "append": "Append redirected output to URL (URLs supporting append operation only)",
    "begin": "Begin with the line that matches",
    "count": "Count number of lines which match regexp",
    "exclude": "Exclude lines that match",
    "include": "Include lines that match",
    "redirect": "Redirect output to URL",
    "section": "Filter a section of output",
    "tee": "Copy output to URL",
}
#: Those that write to a file.
TO_A_FILE = frozenset({"append", "redirect", "tee"})
_SECTION_HELP = {
    "exclude": "Exclude entire section(s) that match",
    "include": "Include entire section(s) that match",
}

Lines = Iterable[str]


@dataclass(frozen=True, slots=True)
class PipeFailure:
    """A modifier that is refused: "invalid" (at `column`), "incomplete", "ambiguous"."""

    kind: str
    column: int


@dataclass(frozen=True, slots=True)
class Pipe:
    """A modifier with its expression compiled, or with the name of the `file` that it writes."""

    modifier: str
    matches: Callable[[str], bool]
    file: str | None = None

    def apply(self, lines: Lines) -> Iterable[str]:
        """The lines that are shown."""
        if self.file is not None:
            return lines if self.modifier.startswith("tee") else ()
        return _FILTERS[self.modifier](lines, self.matches)


def split(line: str) -> tuple[str, int | None]:
    """A `show` or `more` command and the column of what follows its `|`; None if it has none."""
    words = line.split(None, 1)
    first = words[0].lower() if words else ""
    if not (len(first) >= 2 and ("show".startswith(first) or "more".startswith(first))):
        return line, None
    command, bar, _ = line.partition("|")
    return (command, len(command) + 1) if bar else (line, None)


def parse(line: str, start: int) -> Pipe | PipeFailure:
    """The modifier that stands in `line` from column `start` on."""
    word, column, end = _word(line, start)
    if not word:
        return PipeFailure("incomplete", len(line))
    found = _beginning(MODIFIERS, word)
    if len(found) != 1:
        return PipeFailure("ambiguous" if found else "invalid", column + (0 if found else _common(MODIFIERS, word)))
    modifier = found[0]
    if modifier in TO_A_FILE:
        return _to_a_file(line, end, modifier)
    if modifier == "section":
        word, column, after = _word(line, end)
        kinds = [kind for kind in _SECTION_HELP if len(word) >= 2 and kind.startswith(word.lower())]
        if kinds and line[after:].strip():
            end, modifier = after, f"section {kinds[0]}"
    # The expression is the rest of the line after one blank, with its blanks.
    pattern = line[end + 1 :].lstrip(" ")
    if not pattern:
        return PipeFailure("incomplete", len(line))
    return Pipe(modifier, compile_regexp(pattern))


def _to_a_file(line: str, start: int, modifier: str) -> Pipe | PipeFailure:
    """`redirect FILE`, `append FILE`, `tee [/append] FILE`."""
    name, _, end = _word(line, start)
    if modifier == "tee" and name == "/append":
        modifier = "tee /append"
        name, _, end = _word(line, end)
    if not name:
        return PipeFailure("incomplete", len(line))
    if rest := line[end:].strip():
        return PipeFailure("invalid", line.index(rest, end))
    return Pipe(modifier, bool, name)


def help_lines(line: str, start: int) -> list[tuple[str, str]] | None:
    """What `?` shows in `line` behind the `|`: words with their help; None when nothing fits."""
    word, _, end = _word(line, start)
    if end == len(line) and not (word and line[-1] in " \t"):
        found = _beginning(MODIFIERS, word) if word else list(MODIFIERS)
        return [(name, MODIFIERS[name]) for name in found] or None
    found = _beginning(MODIFIERS, word)
    if len(found) != 1:
        return None
    if found[0] in TO_A_FILE:
        choices = [("URL", "File to write to"), *FILE_SYSTEMS.items()]
        return choices if not line[end:].strip() else None
    choices = [("LINE", "Regular Expression")]
    if found[0] == "section" and not line[end:].strip():
        choices += _SECTION_HELP.items()
    return choices


def _word(line: str, start: int) -> tuple[str, int, int]:
    """The next word, the column where it begins and the one after it."""
    column = start
    while column < len(line) and line[column] in " \t":
        column += 1
    end = column
    while end < len(line) and line[end] not in " \t":
        end += 1
    return line[column:end], column, end


def _beginning(names: Iterable[str], word: str) -> list[str]:
    return [name for name in names if name.startswith(word.lower())]


def _common(names: Iterable[str], word: str) -> int:
    """How many characters of `word` begin one of the names."""
    length = len(word)
    while length and not _beginning(names, word[:length]):
        length -= 1
    return length


def _include(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    return (line for line in lines if matches(line))


def _exclude(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    return (line for line in lines if not matches(line))


def _begin(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    begun = False
    for line in lines:
        if not begun and matches(line):
            begun = True
            yield ""
        if begun:
            yield line


def _count(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    yield f"Number of lines which match regexp = {sum(1 for line in lines if matches(line))}"


def _sections(lines: Lines, matches: Callable[[str], bool], wanted: bool) -> Iterator[str]:
    """A line that matches, and the deeper-indented lines below it, are one section."""
    inside: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if inside is None or indent <= inside:
            inside = indent if matches(line) else None
        if (inside is not None) == wanted:
            yield line


def _section(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    return _sections(lines, matches, True)


def _section_exclude(lines: Lines, matches: Callable[[str], bool]) -> Iterator[str]:
    return _sections(lines, matches, False)


_FILTERS: dict[str, Callable[[Lines, Callable[[str], bool]], Iterator[str]]] = {
    "include": _include,
    "exclude": _exclude,
    "begin": _begin,
    "count": _count,
    "section": _section,
    "section include": _section,
    "section exclude": _section_exclude,
}
