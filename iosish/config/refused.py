"""Lines of a startup-config that were refused: nothing of a file is lost, and nothing of it is guessed.

Such a line, with the deeper-indented ones below it, stays in its section and is shown back at the section's end, as a
comment: `! refused: LINE`. Saved like this it is tried again at the next start, when all else has been read: taken, it
is an ordinary line again; refused, it stays what it was. It goes when it is entered and taken, when a line is taken
that begins with all that was right of it (another mask for the same address), and by `no` with its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

from iosish.config.draft import Draft, Path
from iosish.config.kept import Kept

#: How such a line begins in the running-config, and in a file.
MARK = "! refused: "
LEAF = "! refused"
_ALL = (LEAF,)


def put(draft: Draft, path: Path, block: str, right: str) -> None:
    """Keep a refused line (`block`, with those below it) in a section; `right` is the beginning that was understood."""
    place = (*path, "kept", _ALL)
    if not draft.has(place):
        draft.set(place, Kept(""))
    draft.set((*place, "kept", (LEAF, right, block)), Kept(block))


def taken(draft: Draft, paths: Iterable[Path], text: str, negated: bool) -> bool:
    """A line was taken in sections: drop the refused ones that it stands for. Tells whether there were any."""
    dropped = False
    for path in paths:
        place = (*path, "kept", _ALL)
        if not draft.has(place):
            continue
        blocks = draft.get((*place, "kept"))
        for key in [key for key in blocks if _stands_for(text, negated, key[1], key[2])]:
            draft.delete((*place, "kept", key))
            dropped = True
        if not draft.get((*place, "kept")):
            draft.delete(place)
    return dropped


def blocks_of(section: object) -> list[str]:
    """The refused lines of a frozen section, each with those below it."""
    found = getattr(section, "kept", {}).get(_ALL)
    return [block.text for block in found.kept.values()] if found else []


def asks_for_protection(section: object) -> bool:
    """Whether a refused line of an interface was to protect its tunnel: nothing may pass in clear instead."""
    return any(
        len(words) >= 2 and "tunnel".startswith(words[0]) and "protection".startswith(words[1])
        for block in blocks_of(section)
        if (words := block.lower().split()[:2])
    )


def _stands_for(text: str, negated: bool, right: str, block: str) -> bool:
    line, refused = _words(text), _words(block.partition("\n")[0])
    if negated:
        return bool(line) and refused[: len(line)] == line
    beginning = _words(right)
    return line == refused or (bool(beginning) and line[: len(beginning)] == beginning)


def _words(text: str) -> list[str]:
    return text.lower().split()
