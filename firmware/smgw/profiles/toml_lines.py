"""Where the keys of a TOML text stand: tomllib gives values without lines, and an error needs both.

This scanner reads only texts that tomllib has accepted, so it looks for the ends of things, not for faults. It steps
from one token to the next, without recursion, and stops quietly where it does not know how to go on.
"""

import re
import tomllib

Path = tuple[str | int, ...]  # keys, and indexes of arrays and of arrays of tables

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")  # a date and time may hold a space
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every key, table and array element of a text that tomllib accepts."""
    return _Scanner(text).scan()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest element around it that has one, or 1."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _End(Exception):  # noqa: N818  (not an error: there is nothing more to read)
    pass


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0  # newlines before this offset are in _line
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}  # arrays of tables: elements so far

    def scan(self) -> dict[Path, int]:
        try:
            table: Path = ()
            while True:
                self._skip(_BLANK)
                if self._at >= len(self._text):
                    break
                if self._text[self._at] == "[":
                    table = self._header()
                else:
                    self._pair(table)
        except (_End, ValueError):  # ValueError: a quoted key that tomllib would not have accepted
            pass
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _End
        self._at = match.end()
        return match[0]

    def _note(self, path: Path) -> None:
        if path not in self._lines:
            self._line += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
            self._lines[path] = self._line

    def _header(self) -> Path:
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path: Path = ()
        keys = self._key()
        for place, key in enumerate(keys):
            path += (key,)
            self._note(path)
            last = place == len(keys) - 1
            if path in self._arrays or (many and last):
                if many and last:
                    self._arrays[path] = self._arrays.get(path, 0) + 1
                path += (self._arrays[path] - 1,)
                self._note(path)
        self._skip(_BLANK)
        self._at += 2 if many else 1
        return path

    def _key(self) -> list[str]:
        keys = []
        self._skip(_BLANK)
        while True:
            if self._text[self._at : self._at + 1] in ('"', "'"):
                quoted = self._skip(_STRING)
                keys.append(str(tomllib.loads(f"k = {quoted}")["k"]))
            else:
                keys.append(self._skip(_BARE_KEY))
            if not _DOT.match(self._text, self._at):
                return keys
            self._skip(_DOT)

    def _pair_start(self, table: Path) -> Path:
        path = table
        for key in self._key():
            path += (key,)
            self._note(path)
        self._skip(_EQUALS)
        return path

    def _pair(self, table: Path) -> None:
        """A key and its value, however deep: `open_` holds what is still open around the place that is read."""
        path = self._pair_start(table)
        open_: list[tuple[str, Path, int]] = []  # closing bracket, path, elements so far
        while True:
            opened = self._text[self._at : self._at + 1]
            if opened == "[":
                self._at += 1
                open_.append(("]", path, 0))
            elif opened == "{":
                self._at += 1
                open_.append(("}", path, 0))
            elif opened in ('"', "'"):
                self._skip(_STRING)
            else:
                self._skip(_SCALAR)
            following = self._next_value(open_)
            if following is None:
                return
            path = following

    def _next_value(self, open_: list[tuple[str, Path, int]]) -> Path | None:
        """Close what ends here and go to the next value inside what is open; None if all is closed."""
        while open_:
            self._skip(_BLANK)
            if self._text[self._at : self._at + 1] == ",":
                self._at += 1
                self._skip(_BLANK)
            closing, around, index = open_[-1]
            if self._text[self._at : self._at + 1] == closing:
                self._at += 1
                open_.pop()
                continue
            if closing == "}":
                return self._pair_start(around)
            open_[-1] = (closing, around, index + 1)
            path = (*around, index)
            self._note(path)
            return path
        return None
