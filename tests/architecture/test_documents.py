"""The documents are read in terminals and diffs, so that their lines keep to 120 octets."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CHANGELOG.md", "iosish/README.md", "grammar/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_line_is_longer_than_120_octets(name: str) -> None:
    lines = (ROOT / name).read_bytes().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []
