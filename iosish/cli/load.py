"""Configuration text, as files and pastes have it, into a Config; with what became of every line.

Passed over: comments, the headings of `show running-config`, prompts, log lines, a leading `enable` or
`configure terminal`, and EXEC commands. Lines indented below a refused line are refused with it, since they belong to a
section that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from iosish.cli import banner
from iosish.cli.enter import TOP, enter, find
from iosish.cli.grammar import Grammar
from iosish.cli.matcher import Failure, Match, match, walk
from iosish.config import refused as refused_lines
from iosish.config.draft import Draft, Section
from iosish.config.interface_name import kind
from iosish.config.model import Config
from iosish.config.secrets import up_to_secret

#: A longer line is refused; IOS itself takes 254 characters.
MAX_LINE = 2000

LIVE, KEPT, REFUSED, SKIPPED = "live", "kept", "refused", "skipped"

_HEADING = re.compile(
    r"(Building configuration\.\.\.|Current configuration ?:|Using \d+ out of \d+|Load for five secs|Time source is|"
    r"Enter configuration commands|\[OK\]|\[confirm\]|--More--|Startup configuration)",
    re.IGNORECASE,
)
#: What `--More--` leaves in a captured session: the mark, and the backspaces and blanks that wiped it.
_PAGE = re.compile(" ?--More-- ?(?:\b+ +\b+)?")
_LOG = re.compile(r"(\d+: )?([*.]?[A-Z][a-z]{2} +\d+ [\d:. ]+.*?: )?%[A-Z0-9_]+(-[A-Z0-9_]+)?-\d-[A-Z0-9_]+:")
_PROMPT = re.compile(r"[A-Za-z0-9][\w.-]{0,62}(\([\w.-]+\))?[#>](?=\s|$|[a-z!])")
_CONFIGURE = re.compile(r"(conf|confi|config|configu|configur|configure)\s+t\w{0,7}$|conf\w{0,6}$", re.IGNORECASE)
_ENABLE = re.compile(r"en(a|ab|abl|able)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a line: `verdict`, the mode it belongs to, and for a refused one the column and the reason.

    `warning` names the command by its words alone: it goes to the log, where no secret belongs.
    """

    number: int
    text: str
    verdict: str
    mode: str
    reason: str = ""
    column: int | None = None
    warning: str | None = None

    @property
    def told(self) -> str:
        """The line for where others may read it (a journal, the state of a lab): up to where a secret may follow."""
        return up_to_secret(self.text, mistyped=self.verdict == REFUSED)

    @property
    def unquoted(self) -> str:
        """The reason for the same places: IOS quotes an ambiguous line in its answer."""
        return self.reason if not self.reason.startswith("% Ambiguous") else "% Ambiguous command"


@dataclass(slots=True)
class Loaded:
    config: Config
    lines: list[Line] = field(default_factory=list)

    def refused(self) -> list[Line]:
        return refused(self.lines)


def _keep(draft: Draft, section: Section, block: str, right: str) -> None:
    for path in section.paths:
        if draft.has(path):
            refused_lines.put(draft, path, block, right)


def refused(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.verdict == REFUSED]


def decode(data: bytes) -> str:
    """File or terminal bytes as text: no NUL, no control characters but line ends and tabs, bad UTF-8 replaced.

    The character 3, which often delimits a banner, is spelt `^C`, as IOS shows it.
    """
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    text = _PAGE.sub("", text).replace("\x03", "^C")
    return "".join(character for character in text if character in "\n\t" or character >= " ")


def load(grammar: Grammar, text: str, base: Config | None = None) -> Loaded:
    """Read a whole configuration text on top of `base` (the defaults). Never raises for what is in it."""
    draft = Draft(base or Config())
    loader = Loader(grammar, partial(enter, grammar, draft), partial(_keep, draft))
    for number, line in enumerate(text.split("\n"), 1):
        loader.take(number, line)
    loader.finish()
    return Loaded(draft.freeze(), loader.report)


@dataclass(slots=True)
class _Block:
    """A refused line and those below it, without the indent that it stood at."""

    section: Section
    indent: int
    lines: list[str]
    right: str = ""


@dataclass(slots=True)
class Loader:
    """Reads a configuration text line by line: `take` each, then `finish`. `report` says what became of each.

    `enter` takes what is understood, and gives the next section and IOS's messages against it; `keep` what is refused
    (a line with those below it, and the beginning of it that was right), where that is to be kept: lines that were kept
    before are then tried again, at the end. `ended`: behind `end`.
    """

    grammar: Grammar
    enter: Callable[[Section, Match], tuple[Section, list[str]]]
    keep: Callable[[Section, str, str], None] | None = None
    section: Section = TOP
    report: list[Line] = field(default_factory=list)
    begun: bool = False
    ended: bool = False
    open_banner: banner.OpenBanner | None = None
    banner_lines: list[tuple[int, str]] = field(default_factory=list)
    refused_indent: int | None = None
    indented: bool = False
    blocks: list[_Block] = field(default_factory=list)
    again: list[tuple[Section, list[tuple[int, str]]]] = field(default_factory=list)

    def take(self, number: int, raw: str) -> None:
        if self.open_banner is not None:
            self.banner_lines.append((number, raw))
            whole = self.open_banner.take(raw)
            if whole is not None:
                self.open_banner = None
                self._enter(number, whole, 0)
            return
        text = raw.expandtabs().rstrip()
        indent = len(text) - len(text.lstrip())
        bare = text.strip()
        if not bare or bare.startswith("!"):
            if bare.startswith(refused_lines.MARK) and self.keep is not None:
                self._later(number, indent, text.partition(refused_lines.MARK)[2])
            return
        if self._is_too_long(number, text):
            return
        for line in self._passed_over(number, text, bare):
            self._take(number, line, indent)

    def _is_too_long(self, number: int, text: str) -> bool:
        bare = text.strip()
        if len(bare) <= MAX_LINE:
            return False
        self._note(number, text[:80] + "...", REFUSED, f"longer than {MAX_LINE} characters", MAX_LINE)
        self.blocks.append(_Block(self.section, len(text) - len(bare), [bare]))
        return True

    def _later(self, number: int, indent: int, text: str) -> None:
        """A line that was refused before, in the section that its comment is indented for."""
        if text[:1] == " " and self.again:
            self.again[-1][1].append((number, text))
            return
        sections = [self.section]
        while sections[0].above is not None:
            sections.insert(0, sections[0].above)
        self.again.append((sections[min(indent, len(sections) - 1)], [(number, text.lstrip())]))

    def finish(self) -> None:
        """The text has ended: what was refused before is tried again, and what is refused is kept."""
        self._close_banners()
        for section, lines in self.again:
            self.section, self.refused_indent, self.indented = section, None, False
            for number, text in lines:
                if self.open_banner is not None:
                    self.take(number, text)
                elif not self._is_too_long(number, text):
                    self._take(number, text, len(text) - len(text.lstrip()))
            self._close_banners()
        if self.keep is not None:
            for block in self.blocks:
                self.keep(block.section, "\n".join(block.lines), block.right)

    def _close_banners(self) -> None:
        """A banner that is still open is refused, and what it swallowed is read after all."""
        while self.open_banner is not None:
            (number, raw), *swallowed = self.banner_lines
            self.open_banner = None
            self._note(number, raw.strip(), REFUSED, "the banner has no end")
            self.blocks.append(_Block(TOP, 0, [raw.strip()]))
            for place, line in swallowed:
                self.take(place, line)

    def _passed_over(self, number: int, text: str, bare: str) -> Iterator[str]:
        """The configuration in a line: nothing for text that is none, the rest behind a prompt."""
        prompt = _PROMPT.match(bare)
        if prompt and "(" in prompt[0]:
            yield bare[prompt.end() :].strip()
        elif prompt or bare.startswith("#") or _HEADING.match(bare) or _LOG.match(bare):
            self._note(number, text, SKIPPED)
        elif (not self.begun or self.ended) and (_CONFIGURE.match(bare) or _ENABLE.match(bare)):
            self.ended = False
            self._note(number, text, SKIPPED)
        else:
            yield text

    def _take(self, number: int, text: str, indent: int) -> None:
        bare = text.strip()
        if not bare or bare.startswith("!"):
            return
        self.indented = self.indented or indent > 0
        if self.refused_indent is not None:
            if indent > self.refused_indent:
                self._note(number, text, REFUSED, "belongs to a line that was refused", indent)
                block = self.blocks[-1]
                block.lines.append(" " * max(indent - block.indent, 1) + bare)
                return
            self.refused_indent = None
        word = bare.lower()
        if word == "end":
            self.section, self.begun, self.ended = TOP, True, True
            return
        if word in ("exit", "exi", "ex", "quit") and find_nothing(self.grammar, self.section, word):
            self.section = self.section.above or TOP
            return
        if word.startswith("do "):
            self._note(number, text, SKIPPED)
            return
        self._enter(number, text, indent)

    def _enter(self, number: int, text: str, indent: int) -> None:
        head, newline, rest = text.partition("\n")
        found = find(self.grammar, self.section, head)
        if isinstance(found, Match) and newline:
            found = Match(
                found.mode, found.commands, found.values, found.text + newline + rest, found.negated, found.defaulted
            )
        if isinstance(found, Failure):
            self._refuse(number, text, indent, found)
            return
        self.begun = True
        if found.command.words[0].type is not None and found.command.words[0].type.name == "hex":
            self.section, _ = self.enter(self.section, found)
            return  # the body of a certificate is no line of its own
        opened = banner.opens(found)
        if opened is not None:
            self.open_banner, self.banner_lines = opened, [(number, text)]
            return
        self.section, messages = self.enter(self.section, found)
        command = found.command
        self.indented = indent > 0 or (self.indented and not command.enters)
        mode = self._mode(found)
        if messages:
            self.report.append(Line(number, text, REFUSED, mode, messages[0], indent))
            words = takewhile(lambda node: node.word is not None, command.words)
            right = "" if command.field is None or command.field.keyed else " ".join(str(node.word) for node in words)
            self.blocks.append(_Block(self._section_of(found), indent, text.strip().split("\n"), right))
            return
        verdict = LIVE if command.live else KEPT
        warning = f"{command.path}: {command.warn}" if command.warn and not found.negated else None
        self.report.append(Line(number, head, verdict, mode, warning=warning))

    def _refuse(self, number: int, text: str, indent: int, failure: Failure) -> None:
        if isinstance(match(self.grammar.privileged_exec, text.strip()), Match):
            self._note(number, text, SKIPPED)
            return
        reason = {
            "invalid": "% Invalid input detected at '^' marker.",
            "incomplete": "% Incomplete command.",
            "ambiguous": f'% Ambiguous command:  "{text.strip()}"',
        }[failure.kind]
        self.refused_indent = indent
        self._note(number, text, REFUSED, reason, failure.column)
        # Below a section whose lines are indented, one that is not was never meant for it.
        section = TOP if self.indented and not indent else self.section
        self.blocks.append(_Block(section, indent, [text.strip()], self._right(text, failure)))

    def _right(self, text: str, failure: Failure) -> str:
        """The beginning of a line that was right: where a value is wrong or missing, what stands before it."""
        walked = walk(self.grammar.modes[self.section.mode], text)
        if failure.kind == "incomplete":
            return text.strip()
        if walked.failure is None or walked.state.sorted_words or not walked.state.values:
            return ""
        return text[: walked.column].strip()

    def _section_of(self, found: Match) -> Section:
        section: Section | None = self.section
        if found.command.enters and section is not None and section.mode == found.command.enters:
            section = section.above
        while section is not None and section.mode != found.mode.name:
            section = section.above
        return section or TOP

    def _mode(self, found: Match) -> str:
        section: Section | None = self.section
        if found.command.enters:
            section = self.section.above
        while section is not None and section.mode != found.mode.name:
            section = section.above
        return mode_name(section or TOP)

    def _note(self, number: int, text: str, verdict: str, reason: str = "", column: int | None = None) -> None:
        self.report.append(Line(number, text, verdict, mode_name(self.section), reason, column))


def find_nothing(grammar: Grammar, section: Section, word: str) -> bool:
    """Whether no command of the mode is exactly `word` (so that `exit` means the session's own)."""
    return not isinstance(match(grammar.modes[section.mode], word), Match)


def mode_name(section: Section) -> str:
    """A mode as `iosish check` lists it: `global`, `interface Tunnel`, `router eigrp`."""
    path = section.paths[0] if section.paths else ()
    if section.mode == "config":
        return "global"
    if path and path[0] == "interfaces":
        return f"interface {kind(path[1])}"
    if path and path[-2:-1] == ("kept",):
        parts = [key[0] for key in path if isinstance(key, tuple)]
        return " / ".join(" ".join(word for word in part.split() if not word.startswith("<")) for part in parts)
    return section.mode
