"""Text over several lines: `banner motd ^C ... ^C`, from a delimiter to the same delimiter."""

from __future__ import annotations

from dataclasses import dataclass, field

from iosish.cli.matcher import Match

#: A banner longer than this is refused: what comes from a terminal may never end.
MAX_LINES = 500


@dataclass(slots=True)
class OpenBanner:
    """A banner whose closing delimiter has not come yet. `head` is the command with its delimiter."""

    head: str
    delimiter: str
    lines: list[str] = field(default_factory=list)

    def take(self, line: str) -> str | None:
        """Take one more line of text; gives the whole banner as one command when it closes."""
        text, closed, _ = line.partition(self.delimiter)
        if closed or len(self.lines) >= MAX_LINES:
            if text.strip():
                self.lines.append(text.rstrip())
            return "\n".join([self.head, *self.lines, self.delimiter])
        self.lines.append(line.rstrip())
        return None


def opens(found: Match) -> OpenBanner | None:
    """The banner that a matched line opens and does not close itself."""
    last = found.command.words[-1]
    if last.type is None or last.type.name != "banner" or found.negated or "\n" in found.text:
        return None
    text = str(found.values[last.argument])
    delimiter = text[:2] if text[:1] == "^" and len(text) > 1 else text[:1]
    body = text[len(delimiter) :]
    if delimiter in body:
        return None
    head = found.text[: len(found.text) - len(text)] + delimiter
    return OpenBanner(head, delimiter, [body.rstrip()] if body.strip() else [])
