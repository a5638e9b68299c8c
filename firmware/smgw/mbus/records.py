"""The records of a telegram (EN 13757-3, 6.3): what is measured, when, in which tariff, and the value.

A record is DIF [DIFE ..] VIF [VIFE ..] data. Its head says how long it is, so a record whose value is none costs no
other. Heads come again in each telegram, so each is read once and remembered.
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from smgw.cosem.data import RANGE, Data, DataType
from smgw.mbus import values
from smgw.mbus.meaning import EXTENDED, MAKER, MOST_EXTENSIONS, Meaning, meaning_of

_FILLER, _MAKER_DATA, _MORE_FOLLOW, _READ_ALL = 0x2F, 0x0F, 0x1F, 0x7F
_SPECIAL, _SELECTION = 0x0F, 0x08
_PLAIN_TEXT = 0x7C
_LONGEST_TEXT = 0x40
_HEADS, _DATES = 512, 128  # how many are remembered
#: A head without plain text: DIF and DIFE, then VIF and VIFE.
_HEAD = re.compile(rb"[\x80-\xff]*[\x00-\x7f](?![\x7c\xfc])[\x80-\xff]*[\x00-\x7f]", re.DOTALL)
_DECIMAL, _BINARY, _OTHER = 1, 2, 0  # how the number of a record is read
_NEGATIVE = 0x80  # of the highest octet
_plans: dict[bytes, tuple["Head", int, int]] = {}
_binary = int.from_bytes
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes
_UNSIGNED = DataType.DOUBLE_LONG_UNSIGNED  # looked up once
_HIGHEST = RANGE[_UNSIGNED][1]


class Function(IntEnum):
    """Which value of its time a value is."""

    NOW = 0
    MAXIMUM = 1
    MINIMUM = 2
    IN_ERROR = 3


class Head(NamedTuple):
    """What stands before the data of a record."""

    function: Function
    storage: int
    tariff: int
    subunit: int
    coding: int  # low nibble of the DIF
    length: int  # octets of data; -1: the first of them says it
    meaning: Meaning
    fault: str  # why there can be no value
    plain: bool  # a number as it stands: no date, no conversion
    key: bytes  # the head as sent, with the text of its unit; each head has its own


class Record(NamedTuple):
    """One record. `value` is None if it has none, and `fault` says why. `octets` are its data as sent."""

    head: Head
    value: Data | None
    octets: bytes
    fault: str = ""


class Records(NamedTuple):
    """All of a telegram."""

    records: tuple[Record, ...]
    makers: bytes = b""  # the maker's own data at the end
    more: bool = False  # more telegrams follow
    fault: str = ""  # octets at the end that are no record
    rest: bytes = b""  # those octets


def read_records(octets: bytes) -> Records:
    """Read records up to the end, or to where nobody can say any more where the next one begins."""
    found: list[Record] = []
    at, size, known = 0, len(octets), _plans.get
    while at < size:
        first = octets[at]
        if first & 0x0F == _SPECIAL:
            if first == _FILLER:
                at += 1
                continue
            return _ended(found, octets[at:])
        begin = at
        if first < EXTENDED and at + 1 < size and octets[at + 1] < _PLAIN_TEXT:  # most heads have two octets
            at += 2
        elif (shaped := _HEAD.match(octets, at)) is not None:
            at = shaped.end()
        key = octets[begin:at]
        if key:
            head, length, kind = known(key) or _plan(key)
        else:
            cut, at, text = _end_of_head(octets, at)
            if cut < 0:
                return Records(tuple(found), fault="the last record is cut off", rest=octets[begin:])
            head, kind = _head(octets[begin:cut], text), _OTHER
            length = head.length
        lvar = 0
        if length < 0:
            lvar, length, fault = _own_length(octets[at : at + 1])
            if fault:
                return Records(tuple(found), fault=fault, rest=octets[begin:])
            at += 1
        end = at + length
        if end > size:
            return Records(tuple(found), fault="the last record is cut off", rest=octets[begin:])
        data = octets[at:end]
        at = end
        if kind == _DECIMAL:
            digits = data[::-1].hex()
            if digits.isdigit() and (value := int(digits)) <= _HIGHEST:
                found.append(_new(Record, (head, _new(Data, (_UNSIGNED, value)), data, "")))
                continue
        elif kind == _BINARY and data[-1] < _NEGATIVE and (value := _binary(data, "little")) <= _HIGHEST:
            found.append(_new(Record, (head, _new(Data, (_UNSIGNED, value)), data, "")))
            continue
        found.append(_record(head, lvar, data))
    return Records(tuple(found))


def _ended(found: list[Record], rest: bytes) -> Records:
    """A DIF that ends the records."""
    if rest[0] in (_MAKER_DATA, _MORE_FOLLOW):
        return Records(tuple(found), rest[1:], rest[0] == _MORE_FOLLOW)
    return Records(tuple(found), fault=f"DIF {rest[0]:02x} is reserved", rest=rest)


def _own_length(octet: bytes) -> tuple[int, int, str]:
    """LVAR, the length that it says, and why there is none."""
    if not octet:
        return 0, 0, "the last record is cut off"
    length = values.variable_length(octet[0])
    return octet[0], length or 0, "" if length is not None else f"a length {octet[0]:02x} is reserved"


def _plan(octets: bytes) -> tuple[Head, int, int]:
    """The head in these octets, the length of its data, and how its number is read. It is remembered."""
    if len(_plans) >= _HEADS:
        _plans.clear()
    head = _head(octets, "")
    kind = _OTHER
    if head.plain:
        kind = _DECIMAL if head.coding >= values.FIRST_DECIMAL else _BINARY
    made = _plans[octets] = (head, head.length, kind)
    return made


def _end_of_head(octets: bytes, at: int) -> tuple[int, int, str]:
    """Ends of the head and of the plain text in or behind it, and that text; -1 if the octets end before.

    The text of a unit stands right behind the VIF in real meters. By the standard's wording it stands behind the VIFE;
    this is tried where the first cannot be.
    """
    size = len(octets)
    while at < size and octets[at] & EXTENDED:
        at += 1
    vif = at + 1
    if vif >= size:
        return -1, at, ""
    end = vif
    if octets[vif] & 0x7F != _PLAIN_TEXT:
        while end < size and octets[end] & EXTENDED:
            end += 1
        return (end + 1, end + 1, "") if end < size else (-1, at, "")
    return _with_text(octets, vif)


def _with_text(octets: bytes, vif: int) -> tuple[int, int, str]:
    size = len(octets)
    length = octets[vif + 1] if vif + 1 < size else size
    text = octets[vif + 2 : vif + 2 + length]
    end = vif
    if len(text) == length <= _LONGEST_TEXT and (length or not octets[vif] & EXTENDED):
        if not octets[vif] & EXTENDED:
            return vif + 1, vif + 2 + length, _text(text)
        end = vif + 2 + length
        while end < size and octets[end] & EXTENDED:
            end += 1
        # The head is remembered with its text, so that equal heads of other texts differ.
        return (end + 1, end + 1, _text(text)) if end < size else (-1, vif, "")
    while end < size and octets[end] & EXTENDED:
        end += 1
    length = octets[end + 1] if end + 1 < size else size
    text = octets[end + 2 : end + 2 + length]
    return (end + 1, end + 2 + length, _text(text)) if len(text) == length else (-1, vif, "")


def _text(octets: bytes) -> str:
    return octets[::-1].decode("latin-1")


@lru_cache(_HEADS)
def _head(octets: bytes, text: str) -> Head:
    """Read a whole head."""
    dif = octets[0]
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    at = extensions = 0
    while octets[at] & EXTENDED:
        at += 1
        octet = octets[at]
        if extensions < MOST_EXTENSIONS:
            storage |= (octet & 0x0F) << (1 + 4 * extensions)
            tariff |= (octet >> 4 & 3) << (2 * extensions)
            subunit |= (octet >> 6 & 1) << extensions
        extensions += 1
    block = octets[at + 1 :]
    if text and block[0] & EXTENDED and len(block) > 1 and block[2 : 2 + len(text)] == text[::-1].encode("latin-1"):
        block = block[:1] + block[2 + len(text) :]
    fault = "too many DIFE" if extensions > MOST_EXTENSIONS else ""
    if len(block) - 1 > MOST_EXTENSIONS + 1:
        fault = fault or "too many VIFE"
    coding = dif & 0x0F
    meaning = meaning_of(block, text)
    length = -1 if coding == values.VARIABLE else values.LENGTHS.get(coding, 0)
    fault = fault or meaning.error
    simple = not (fault or meaning.date) and meaning.factor == 1 and meaning.offset is None
    plain = simple and coding in values.NUMBERS
    key = octets + text.encode("latin-1")
    return Head(Function(dif >> 4 & 3), storage, tariff, subunit, coding, length, meaning, fault, plain, key)


def _record(head: Head, lvar: int, octets: bytes) -> Record:
    coding, meaning = head.coding, head.meaning
    if head.fault:
        return Record(head, None, octets, head.fault)
    if coding in (0, _SELECTION):
        return Record(head, None, octets, "it has no data")
    if meaning.date and coding != values.VARIABLE and coding in (2, 3, 4, 6):
        moment = _moment(octets)
        return _new(Record, (head, moment, octets, "" if moment else "no date"))
    value = values.variable(lvar, octets) if coding == values.VARIABLE else values.fixed(coding, octets)
    if isinstance(value, int):
        if meaning.factor != 1:
            value *= meaning.factor
        if meaning.offset is not None:
            return _with_offset(head, value, octets)
        data = values.number(value)
        fault = "" if data else "a number of more than 64 bits"
        return _new(Record, (head, data, octets, fault))
    if value is None:
        return Record(head, None, octets, "no valid number")
    if isinstance(value, str):
        return Record(head, Data(DataType.VISIBLE_STRING, value), octets)
    if coding == values.VARIABLE:
        return Record(head, Data(DataType.OCTET_STRING, value), octets)
    if meaning.factor != 1 or meaning.offset is not None:
        return Record(head, None, octets, "a float in a unit that must be converted")
    return Record(head, Data(DataType.FLOAT32, value), octets)


@lru_cache(_DATES)
def _moment(octets: bytes) -> Data | None:
    """A date or time; None if it is none. Those of history come again in each telegram."""
    moment = values.date_time(octets)
    return None if moment is None else Data(DataType.DATE_TIME, moment)


def _with_offset(head: Head, value: int, octets: bytes) -> Record:
    """A constant 10^offset is added: both at the smaller power."""
    offset, scaler = head.meaning.offset or 0, head.meaning.scaler
    least = min(offset, scaler)
    meaning = head.meaning._replace(scaler=least, offset=None)
    moved = head._replace(meaning=meaning, key=head.key + b"+")  # a head of its own
    data = values.number(value * 10 ** (scaler - least) + 10 ** (offset - least))
    return Record(moved, data, octets, "" if data else "a number of more than 64 bits")


def is_makers(record: Record) -> bool:
    """True if only the maker knows what the value means."""
    return MAKER in record.head.meaning.modifiers
