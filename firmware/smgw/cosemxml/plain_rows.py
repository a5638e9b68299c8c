"""Rows of a document as our writer puts them, read as text: a fast path, which gives the same rows or none.

The text of the rows is cut out of the document. What remains goes the usual way, and must be a document without rows.
So all rules about a document hold. Each line is matched as a whole by a pattern of the kinds of its cells. Anything
else, such as a text that is not plain, a comment or another spelling of a number, is left to the usual reader.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from smgw.cosem import date_time
from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.columns import BUFFER, FIXED_COLUMNS, PROFILE, PROFILE_CLASS
from smgw.cosemxml.names import TYPE_NAME
from smgw.cosemxml.writer import DECLARATION, NAMESPACES

# A NamedTuple without its own __new__, in a third of the time.
_new = tuple.__new__

_ROOT = f"{DECLARATION}<ldev{NAMESPACES} ".encode()
_BEGIN = (
    f'    <object id="{PROFILE.hex()}" class-id="{PROFILE_CLASS}" version="1">\n      <attributes count="4">\n'
    f'        <attribute id="1"><cod:octet-string>{PROFILE.hex()}</cod:octet-string></attribute>\n'
    f'        <attribute id="{BUFFER}"><cod:array>\n'
).encode()
_END = b"        </cod:array></attribute>\n"
_INDENT, _OPEN, _CLOSE = b" " * 10, b"<cod:structure>", b"</cod:structure>"
#: Where one of these is, an element may not be what its text says: comments, CDATA, instructions, a second place.
_UNUSUAL = (b"<!", b"containers", b"method")

_NUMBER = "-?(?:0|[1-9][0-9]{0,19})"
_PATTERNS: dict[DataType, str] = {
    **{kind: _NUMBER for kind in RANGE if kind is not DataType.BOOLEAN},
    DataType.OCTET_STRING: "(?:[0-9a-f]{2})*",
    DataType.DATE_TIME: "[0-9a-f]{24}",
    DataType.VISIBLE_STRING: r"[ -%'-;?-~]*",
    DataType.UTF8_STRING: r"[ -%'-;?-~]*",
}
_KIND: dict[bytes, DataType] = {TYPE_NAME[kind].encode(): kind for kind in (*_PATTERNS, DataType.NULL_DATA)}
_CELL = re.compile(rb"<cod:([a-zA-Z0-9_-]+)(?:>[^<]*</cod:\1>|/>)")
_NUMBERS = (DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED)
#: Different shapes of rows in one document, and cells of a row: above them the usual way reads the document.
_MOST_SHAPES, _MOST_CELLS = 16, 256

#: The fields of `document.Row`.
Fields = tuple[int, int | None, int | None, bool, StatusWord, tuple[Data, ...]]


class Cut(NamedTuple):
    """A document without its rows, and the text of the rows."""

    frame: bytes
    lines: list[bytes]


def cut(octets: bytes) -> Cut | None:
    """Cut the rows out of a document; None if it does not have our writer's form."""
    begin = octets.find(_BEGIN)
    if begin < 0 or not octets.startswith(_ROOT) or octets.count(b"<?") > 1 or any(one in octets for one in _UNUSUAL):
        return None
    begin += len(_BEGIN)
    end = octets.find(_END, begin)
    if end <= begin:
        return None
    return Cut(octets[:begin] + octets[end:], octets[begin : end - 1].split(b"\n"))


def rows(lines: Sequence[bytes], width: int) -> list[Fields] | None:
    """The rows of these lines, which have so many cells; None if a line is not as plain as it must be."""
    found: list[Fields] = []
    shapes: set[tuple[DataType, ...]] = set()
    place = 0
    try:
        while place < len(lines):
            shape = _shape(lines[place])
            shapes.add(shape)
            if len(shape) != width or width > _MOST_CELLS or len(shapes) > _MOST_SHAPES:
                return None
            matches = list(_matches(_pattern(shape), lines, place))
            if not matches:
                return None
            place += len(matches)
            found += _rows(shape, matches)
    except ValueError:  # a number or a time out of range: the usual way says which
        return None
    return found


def _matches(pattern: "re.Pattern[bytes]", lines: Sequence[bytes], place: int) -> list[tuple[bytes, ...]]:
    """The cells of the lines from `place` on that have this pattern."""
    found = []
    match = pattern.fullmatch
    for at in range(place, len(lines)):
        one = match(lines[at])
        if one is None:
            break
        found.append(one.groups())
    return found


def _shape(line: bytes) -> tuple[DataType, ...]:
    """The kinds of the cells; ValueError for one that is not plain. The pattern then checks the line itself."""
    try:
        return tuple([_KIND[name] for name in _CELL.findall(line)])
    except KeyError:
        raise ValueError("another kind of data") from None


@lru_cache(maxsize=64)
def _pattern(shape: tuple[DataType, ...]) -> "re.Pattern[bytes]":
    cells = [
        f"<cod:{TYPE_NAME[kind]}>({_PATTERNS[kind]})</cod:{TYPE_NAME[kind]}>"
        if kind in _PATTERNS
        else f"<cod:{TYPE_NAME[kind]}/>()"
        for kind in shape
    ]
    return re.compile(f"{_INDENT.decode()}{_OPEN.decode()}{''.join(cells)}{_CLOSE.decode()}".encode())


def _rows(shape: tuple[DataType, ...], matches: Sequence[tuple[bytes, ...]]) -> list[Fields]:
    kinds, columns = shape[: len(FIXED_COLUMNS)], list(zip(*matches, strict=True))
    if kinds[0] not in _NUMBERS or kinds[3] is not DataType.OCTET_STRING:
        raise ValueError("not the fixed columns")
    numbers = _numbers(kinds[0], columns[0])
    captures = _times(kinds[1], columns[1])
    targets = _times(kinds[2], columns[2])
    statuses = map(_status, columns[3])
    values = zip(*map(_cells, shape[len(FIXED_COLUMNS) :], columns[len(FIXED_COLUMNS) :]), strict=True)
    if len(shape) == len(FIXED_COLUMNS):
        values = iter([()] * len(matches))  # type: ignore[assignment]
    return [
        (number, capture, target, valid, status, cells)
        for number, (capture, valid), (target, _), status, cells in zip(
            numbers, captures, targets, statuses, values, strict=True
        )
    ]


def _cells(kind: DataType, texts: Sequence[bytes]) -> list[Data]:
    """One column; ValueError for a number out of range."""
    if kind is DataType.NULL_DATA:
        return [NULL] * len(texts)
    values: Iterable[int | bytes | str]
    if kind in RANGE:
        values = _numbers(kind, texts)
    elif kind in (DataType.OCTET_STRING, DataType.DATE_TIME):
        values = map(_octets, texts)
    else:
        values = map(bytes.decode, texts)
    return [_new(Data, (kind, value)) for value in values]


def _numbers(kind: DataType, texts: Sequence[bytes]) -> list[int]:
    values = list(map(int, texts))
    low, high = RANGE[kind]
    if min(values) < low or max(values) > high:
        raise ValueError("out of range")
    return values


def _octets(text: bytes) -> bytes:
    return bytes.fromhex(text.decode())


def _times(kind: DataType, texts: Sequence[bytes]) -> list[tuple[int | None, bool]]:
    if kind is DataType.NULL_DATA:
        return [(None, False)] * len(texts)
    if kind is not DataType.DATE_TIME:
        raise ValueError("no date_time")
    return [_moment(text) for text in texts]


def _moment(text: bytes) -> tuple[int, bool]:
    """As `date_time.decode_utc`; rows of the same minute share most of the work."""
    second, hundredths, deviation, status = text[14:16], text[16:18], text[18:22], text[22:]
    begin = _minute(text[:14])
    seconds, parts = int(second, 16), int(hundredths, 16)
    if deviation != b"0000" or seconds > 59 or parts > 99:
        raise ValueError("no time of our form")
    return begin + seconds * 1_000_000 + parts * 10_000, not int(status, 16) & 1


@lru_cache(maxsize=1024)
def _minute(text: bytes) -> int:
    return date_time.decode_utc(_octets(text) + bytes(5)).utc_us


@lru_cache(maxsize=256)
def _status(text: bytes) -> StatusWord:
    if len(text) != 16:
        raise ValueError("a status word has 8 octets")
    return StatusWord.from_msb0(text.decode())
