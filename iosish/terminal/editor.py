"""The line editor: keys in, and out what IOS sends for them: text, blanks, BS and BEL, never an escape sequence.

The line lives in a prompt_toolkit Buffer; what the screen shows of it is kept here, and each key sends the difference.
"""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.buffer import Buffer

from iosish.terminal.history import History
from iosish.terminal.keys import Key
from iosish.terminal.limits import LINE_LIMIT

BEL, BS = "\a", "\b"
#: A line that does not fit is scrolled sideways by this many columns.
SCROLL_COLUMNS = 10
_MIN_COLUMNS = 2 * SCROLL_COLUMNS


class LineEditor:
    """One line after a prompt. `width` is the terminal's, 0 for no limit.

    `begin`, `press` and `redraw` give what is to be sent; the keys that end a line or ask for help are the session's.
    """

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self._buffer = Buffer(multiline=False)
        self._prompt = ""
        self._secret = False
        self._history: History | None = None
        self._cut = ""
        self._quoting = False
        self._offset = 0
        self._shown = ""
        self._column = 0

    @property
    def text(self) -> str:
        return self._buffer.text

    @property
    def before_cursor(self) -> str:
        return self._buffer.document.text_before_cursor

    @property
    def quoting(self) -> bool:
        """Whether Ctrl-V was just pressed: the next character is taken as it is."""
        return self._quoting

    def begin(self, prompt: str, history: History | None = None, *, secret: bool = False) -> str:
        """A new, empty line. A secret one is not echoed."""
        self._buffer.reset()
        self._prompt, self._history, self._secret = prompt, history, secret
        self._quoting = False
        if history:
            history.rewind()
        return self.redraw()

    def redraw(self) -> str:
        """The prompt and the line once more, at the start of a screen line."""
        self._offset, self._shown, self._column = 0, "", 0
        return self._prompt + self._difference()

    def replace(self, text: str) -> None:
        """Another text in place of the line, not yet on the screen: a `redraw` follows."""
        self._buffer.reset()
        self._buffer.insert_text(text[:LINE_LIMIT], fire_event=False)

    def place_cursor(self, position: int) -> None:
        """Move the cursor within a line that is not yet on the screen."""
        self._buffer.cursor_position = min(position, len(self._buffer.text))

    def insert(self, text: str) -> str:
        room = LINE_LIMIT - len(self._buffer.text)
        self._buffer.insert_text(text[:room], fire_event=False)
        bell = BEL if len(text) > room else ""
        if not self._buffer.document.text_after_cursor and not self._secret and self._fits(len(self._buffer.text)):
            # The usual case, typing at the end, without looking at the whole line.
            self._shown += text[:room]
            self._column += len(text[:room])
            return text[:room] + bell
        return self._difference() + bell

    def press(self, key: Key) -> str:
        """A key of the line; what it does not know it passes over."""
        if key.name == "text" or (key.name == "?" and self._quoting):
            self._quoting = False
            return self.insert(key.text or "?")
        self._quoting = key.name in ("c-v", "escape-q")
        action = _ACTIONS.get(key.name)
        if action is None:
            return ""
        done = action(self)
        return self._difference() if done else BEL

    # Keys: each answers whether it could do anything.

    def _move(self, columns: int | None) -> bool:
        if not columns:
            return False
        position = self._buffer.cursor_position + columns
        if not 0 <= position <= len(self._buffer.text):
            return False
        self._buffer.cursor_position = position
        return True

    def _left(self) -> bool:
        return self._move(-1)

    def _right(self) -> bool:
        return self._move(1)

    def _start(self) -> bool:
        self._buffer.cursor_position = 0
        return True

    def _end(self) -> bool:
        self._buffer.cursor_position = len(self._buffer.text)
        return True

    def _word_left(self) -> bool:
        return self._move(self._buffer.document.find_previous_word_beginning(WORD=True))

    def _word_end(self) -> int:
        """Columns to the end of this word, or of the next."""
        after = self._buffer.document.text_after_cursor
        blanks = len(after) - len(after.lstrip(" "))
        length = after.find(" ", blanks)
        return len(after) if length < 0 else length

    def _word_right(self) -> bool:
        return self._move(self._word_end())

    def _erase(self) -> bool:
        return bool(self._buffer.delete_before_cursor(1))

    def _delete(self) -> bool:
        return bool(self._buffer.delete(1))

    def _delete_word(self) -> bool:
        return self._cut_off(self._buffer.delete(self._word_end()))

    def _erase_word(self) -> bool:
        start = self._buffer.document.find_previous_word_beginning(WORD=True)
        return self._cut_off(self._buffer.delete_before_cursor(-start) if start else "")

    def _erase_to_start(self) -> bool:
        self._cut_off(self._buffer.delete_before_cursor(self._buffer.cursor_position))
        return True

    def _delete_to_end(self) -> bool:
        self._cut_off(self._buffer.delete(len(self._buffer.document.text_after_cursor)))
        return True

    def _cut_off(self, text: str) -> bool:
        if text:
            self._cut = text
        return bool(text)

    def _yank(self) -> bool:
        if not self._cut or len(self._buffer.text) + len(self._cut) > LINE_LIMIT:
            return False
        self._buffer.insert_text(self._cut, fire_event=False)
        return True

    def _transpose(self) -> bool:
        position, text = self._buffer.cursor_position, self._buffer.text
        if position == 0 or len(text) < 2:
            return False
        right = min(position, len(text) - 1)
        self.replace(text[: right - 1] + text[right] + text[right - 1] + text[right + 1 :])
        self._buffer.cursor_position = right + 1
        return True

    def _earlier(self) -> bool:
        return self._recall(self._history.earlier(self._buffer.text) if self._history else None)

    def _later(self) -> bool:
        return self._recall(self._history.later() if self._history else None)

    def _recall(self, line: str | None) -> bool:
        if line is None:
            return False
        self.replace(line)
        return True

    def _nothing(self) -> bool:
        return True

    # The screen.

    def _columns(self) -> int:
        return max(_MIN_COLUMNS, self.width - len(self._prompt) - 1)

    def _fits(self, length: int) -> bool:
        return self.width == 0 or (length <= self._columns() and self._offset == 0)

    def _view(self) -> tuple[str, int]:
        """What the screen is to show after the prompt, and the cursor's column in it."""
        if self._secret:
            return "", 0
        text, cursor = self._buffer.text, self._buffer.cursor_position
        columns = self._columns()
        if self.width == 0 or len(text) <= columns:
            self._offset = 0
            return text, cursor
        if cursor <= self._offset:
            self._offset = max(0, cursor - SCROLL_COLUMNS)
        elif cursor > self._offset + columns:
            steps = -(-(cursor - self._offset - columns) // SCROLL_COLUMNS)
            self._offset += steps * SCROLL_COLUMNS
        visible = text[self._offset : self._offset + columns]
        if self._offset:
            visible = "$" + visible[1:]
        if self._offset + columns < len(text):
            visible = visible[:-1] + "$"
        return visible, cursor - self._offset

    def _difference(self) -> str:
        """What turns the shown line into the wanted one."""
        wanted, column = self._view()
        sent = ""
        if wanted != self._shown:
            same = next((i for i, (old, new) in enumerate(zip(self._shown, wanted, strict=False)) if old != new), None)
            if same is None:
                same = min(len(self._shown), len(wanted))
            blanks = max(0, len(self._shown) - len(wanted))
            sent = self._travel(self._column, same) + wanted[same:] + " " * blanks
            self._column = len(wanted) + blanks
            self._shown = wanted
        sent += self._travel(self._column, column)
        self._column = column
        return sent

    def _travel(self, start: int, end: int) -> str:
        return BS * (start - end) if end < start else self._shown[start:end]


_ACTIONS: dict[str, Callable[[LineEditor], bool]] = {
    "c-a": LineEditor._start,
    "home": LineEditor._start,
    "c-e": LineEditor._end,
    "end": LineEditor._end,
    "c-b": LineEditor._left,
    "left": LineEditor._left,
    "c-f": LineEditor._right,
    "right": LineEditor._right,
    "escape-b": LineEditor._word_left,
    "c-left": LineEditor._word_left,
    "escape-f": LineEditor._word_right,
    "c-right": LineEditor._word_right,
    "erase": LineEditor._erase,
    "c-d": LineEditor._delete,
    "delete": LineEditor._delete,
    "escape-d": LineEditor._delete_word,
    "c-w": LineEditor._erase_word,
    "c-u": LineEditor._erase_to_start,
    "c-x": LineEditor._erase_to_start,
    "c-k": LineEditor._delete_to_end,
    "c-y": LineEditor._yank,
    "c-t": LineEditor._transpose,
    "c-p": LineEditor._earlier,
    "up": LineEditor._earlier,
    "c-n": LineEditor._later,
    "down": LineEditor._later,
    "c-v": LineEditor._nothing,
    "escape-q": LineEditor._nothing,
}
