"""`iosish check`: which lines of a configuration would be live, which are kept without effect, which are refused."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

from iosish import resources
from iosish.cli import grammar as grammar_
from iosish.cli.load import KEPT, LIVE, REFUSED, SKIPPED, Line, decode, load


def check(grammar: grammar_.Grammar, file: Path, out: TextIO) -> tuple[Counter[tuple[str, str]], int]:
    """Report one file line by line; gives its counts by (mode, verdict). Raises OSError."""
    loaded = load(grammar, decode(file.read_bytes()))
    counts: Counter[tuple[str, str]] = Counter()
    for line in loaded.lines:
        counts[line.mode if line.verdict != SKIPPED else "", line.verdict] += 1
        if line.verdict == REFUSED or line.warning:
            _print(file, line, out)
    return counts, len(loaded.refused())


def _print(file: Path, line: Line, out: TextIO) -> None:
    if line.verdict != REFUSED:
        print(f"{file}:{line.number}: kept: {line.warning}", file=out)
        return
    print(f"{file}:{line.number}: refused: {line.reason}", file=out)
    print(f"    {line.text}", file=out)
    if line.column is not None:
        print(f"    {' ' * min(line.column, len(line.text))}^", file=out)


def _files(paths: list[Path], recursive: bool) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files.extend(sorted(path.rglob("*.cfg") if recursive else path.glob("*.cfg")))
        else:
            files.append(path)
    return files


def main(paths: list[str], recursive: bool = False) -> int:
    """Check files (and the *.cfg of folders). 0: nothing refused, 1: some lines are, 2: a file could not be read."""
    grammar = grammar_.load(resources.folder("grammar"))
    total: Counter[tuple[str, str]] = Counter()
    status = 0
    files = _files([Path(path) for path in paths], recursive)
    if not files:
        print("iosish check: no *.cfg file there", file=sys.stderr)
        return 2
    for file in files:
        try:
            counts, refused = check(grammar, file, sys.stdout)
        except OSError as error:
            print(f"iosish check: {file}: {error.strerror}", file=sys.stderr)
            status = 2
            continue
        total.update(counts)
        if refused and status == 0:
            status = 1
    modes = sorted({mode for mode, verdict in total if verdict != SKIPPED}, key=lambda mode: (mode != "global", mode))
    for mode in modes:
        print(f"{mode}: {total[mode, LIVE]} live, {total[mode, KEPT]} kept, {total[mode, REFUSED]} refused")
    sums: Counter[str] = Counter()
    for (_, verdict), count in total.items():
        sums[verdict] += count
    print(f"{sums[LIVE]} live, {sums[KEPT]} kept, {sums[REFUSED]} refused, {sums[SKIPPED]} skipped")
    return status
