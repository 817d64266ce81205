"""Keys at a line, and what the terminal shows after each: never an escape sequence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.terminal.editor import BEL, LineEditor
from iosish.terminal.history import History
from iosish.terminal.keys import Key, KeyReader
from iosish.terminal.limits import LINE_LIMIT
from tests.terminal.router import screen

LEFT, RIGHT = "\x1b[D", "\x1b[C"


def typing(keys: str, width: int = 80, history: History | None = None) -> tuple[str, str]:
    """The line, and the screen, after keys."""
    editor = LineEditor(width)
    sent = editor.begin("R1#", history)
    for key in KeyReader().read(keys.encode()):
        sent += editor.press(key)
    assert "\x1b" not in sent
    return editor.text, screen(sent.encode())


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("show\x01x", "xshow"),
        ("show\x01x\x05y", "xshowy"),
        ("show\x02\x02x\x06y", "shxoyw"),
        (f"show{LEFT}{LEFT}x{RIGHT}y", "shxoyw"),
        ("show ip route\x17x", "show ip x"),
        ("show ip route \x17\x17x", "show x"),
        ("show ip\x02\x02\x15", "ip"),
        ("show ip\x02\x02\x18", "ip"),
        ("show ip\x01\x06\x06\x0b", "sh"),
        ("show\x01\x04\x04", "ow"),
        ("show\x7f\x08", "sh"),
        ("show ip route\x1bb\x1bbX", "show Xip route"),
        ("show ip route\x01\x1bf\x1bfX", "show ipX route"),
        ("show ip route\x01\x1bd", " ip route"),
        ("show ip\x17\x19\x19", "show ipip"),
        ("sohw\x02\x02\x14", "show"),
        ("show\x1b[3~\x1b[1;5D\x1b[1;5C", "show"),
        ("sh\x1b[99;88;77zow", "show"),
        ("sh\x00\x1c\x1dow", "show"),
        ("caf\u00e9\u00a0x", "caf\u00e9\u00a0x"),
    ],
)
def test_editing_keys(keys: str, line: str) -> None:
    text, shown = typing(keys)
    assert text == line
    assert shown == ("R1#" + line).rstrip()


def test_history_comes_back_and_so_does_what_was_being_typed() -> None:
    history = History(2)
    for line in ("one", "two", "three"):
        history.add(line)
    assert typing("new\x10\x10", history=history)[0] == "two"
    assert typing("new\x10\x10\x10\x10", history=history)[0] == "two"
    assert typing("new\x1b[A\x1b[A\x1b[B\x1b[B", history=history)[0] == "new"
    assert typing("new\x0e", history=history)[1] == "R1#new"


def test_nothing_to_do_rings_the_bell() -> None:
    editor = LineEditor()
    editor.begin("R1#")
    for name in ("erase", "c-d", "left", "right", "up", "down", "c-w", "c-y", "escape-b"):
        assert editor.press(Key(name)) == BEL


def test_a_line_longer_than_the_terminal_is_scrolled_sideways() -> None:
    # 40 columns, 3 of them the prompt: 36 for the line, the last stays free.
    digits = "".join(str(number % 10) for number in range(50))
    assert typing(digits[:36], 40) == (digits[:36], "R1#" + digits[:36])
    text, shown = typing(digits[:37], 40)
    assert (text, shown) == (digits[:37], "R1#$" + digits[11:37])
    assert typing(digits + "\x01", 40)[1] == "R1#" + digits[:35] + "$"
    assert typing(digits, 0)[1] == "R1#" + digits


def test_a_line_has_an_end() -> None:
    editor = LineEditor(0)
    editor.begin("R1#")
    sent = editor.insert("x" * (LINE_LIMIT + 5))
    assert sent == "x" * LINE_LIMIT + BEL
    assert editor.press(Key("text", "y")) == BEL


def test_a_secret_is_not_echoed() -> None:
    editor = LineEditor()
    sent = editor.begin("Password: ", secret=True)
    for key in KeyReader().read(b"cisco\x02\x7f!"):
        sent += editor.press(key)
    assert (sent, editor.text) == ("Password: ", "cis!o")


def test_return_is_cr_lf_or_crlf_also_when_cut_in_two() -> None:
    reader = KeyReader()
    keys = [key.name for data in (b"a\r", b"\nb\n", b"c\r\r\n") for key in reader.read(data)]
    assert keys == ["text", "return", "text", "return", "text", "return", "return"]


def test_a_sequence_and_a_letter_may_be_cut_in_two() -> None:
    reader = KeyReader()
    keys = [key for data in (b"\x1b", b"[", b"A\xc3", b"\xa9") for key in reader.read(data)]
    assert keys == [Key("up"), Key("text", "\u00e9")]


def test_no_sequence_is_collected_without_bound() -> None:
    reader = KeyReader()
    assert [key.text for key in reader.read(b"\x1b[200~pasted\x1b[201~")] == ["", "pasted"]
    keys = list(reader.read(b"\x1b[" + b"1;" * 5000 + b"x"))
    assert len(keys) <= 2


@given(st.binary(max_size=300), st.integers(0, 120))
@settings(deadline=None)
def test_the_screen_shows_the_line_whatever_is_typed(data: bytes, width: int) -> None:
    editor, history = LineEditor(width), History()
    history.add("show ip nhrp")
    sent = editor.begin("R1#", history)
    for key in KeyReader().read(data):
        sent += editor.press(key)
        assert len(editor.text) <= LINE_LIMIT
    assert "\x1b" not in sent and "\n" not in sent
    if width == 0 or len(editor.text) <= max(20, width - 4):
        assert screen(sent.encode()) == ("R1#" + editor.text).rstrip()
