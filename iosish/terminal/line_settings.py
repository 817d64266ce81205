"""What the configuration says about terminal lines: banners, and how log lines break in.

These are kept lines: the model has no fields for them, so their text is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from iosish.config.model import Config
from iosish.config.severity import CRITICAL, DEBUGGING
from iosish.terminal.limits import HELD_LOG_LINES
from iosish.terminal.session import Line

#: In the order in which IOS shows them.
_BANNERS = ("banner motd ", "banner exec ")


def greeting(config: Config) -> str:
    """What a new session is shown before its first prompt; lines end LF."""
    texts = [kept.text for kept in config.kept.values()]
    shown = [_text(text.removeprefix(head)) for head in _BANNERS for text in texts if text.startswith(head)]
    return "".join(f"\n{text}\n" for text in shown if text)


def _text(delimited: str) -> str:
    """`^C text ^C` without its delimiters."""
    delimiter = delimited[:2] if delimited.startswith("^") else delimited[:1]
    return delimited[len(delimiter) :].partition(delimiter)[0].strip("\n") if delimiter else ""


@dataclass(frozen=True, slots=True)
class Synchronous:
    """`logging synchronous [level {N | all}] [limit N]`.

    Lines as grave as `level`, or graver, break into what is typed all the same. `limit` wait while a page is shown.
    """

    level: int = CRITICAL
    limit: int = HELD_LOG_LINES


def synchronous(config: Config, line: Line) -> Synchronous | None:
    """`logging synchronous` below the `line con 0` or `line vty 0 4` that `line` belongs to."""
    kind = f"line {line.name.split()[0]}"
    number = int(line.name.split()[1])
    for section in config.kept.values():
        if not section.text.startswith(kind):
            continue
        numbers = [int(word) for word in section.text.split()[2:] if word.isdecimal()]
        if numbers and numbers[0] <= number <= numbers[-1]:
            texts = [kept.text for kept in section.kept.values() if kept.text.startswith("logging synchronous")]
            return _synchronous(texts[0].split()) if texts else None
    return None


def _synchronous(words: list[str]) -> Synchronous:
    said = dict(pairwise(words))
    level = said.get("level", str(CRITICAL))
    limit = min(int(said.get("limit", HELD_LOG_LINES)), HELD_LOG_LINES)
    return Synchronous(DEBUGGING if level == "all" else int(level), limit)
