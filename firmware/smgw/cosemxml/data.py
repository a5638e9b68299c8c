"""COSEM data as XML elements, both ways (TR-03109-1 Annex II, 8.2.2: cod:Data).

Numbers travel as decimal digits, octets (floats, bcd, dates and times among them) as hex, bit strings as 0 and 1.
A compact-array is written like an array. The annex's form for it is not public, so this one is our own.
A text that XML cannot carry is sent as an octet-string: see `carried`.
"""

import re
from collections.abc import Callable

from lxml import etree

from smgw.cosem.data import RANGE, Data, DataType, octet_string
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.names import TYPE_NAME, local_name, type_of
from smgw.cosemxml.source import refusal

#: Length in octets of the types that have a fixed length.
OCTETS: dict[DataType, int] = {
    DataType.FLOATING_POINT: 4,
    DataType.FLOAT32: 4,
    DataType.FLOAT64: 8,
    DataType.DATE_TIME: 12,
    DataType.DATE: 5,
    DataType.TIME: 4,
}
#: Deepest nesting of data.
DEPTH = 32

_NESTED = frozenset({DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY})
_TEXT = frozenset({DataType.VISIBLE_STRING, DataType.UTF8_STRING})
_EMPTY = frozenset({DataType.NULL_DATA, DataType.DONT_CARE})
_OCTETS = frozenset({DataType.OCTET_STRING, DataType.BCD, *OCTETS})

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A carriage return would come back as a line feed; an equals sign would count as an attribute (see source.Limits).
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "=": "&#61;"})

_OPEN = {kind: f"<cod:{name}>" for kind, name in TYPE_NAME.items()}
_CLOSE = {kind: f"</cod:{name}>" for kind, name in TYPE_NAME.items()}
_BARE = {kind: f"<cod:{name}/>" for kind, name in TYPE_NAME.items()}


def xml_text(value: str) -> str:
    """Character data of an element; CosemXmlError for a character that XML 1.0 cannot carry."""
    if found := _NOT_XML.search(value):
        raise CosemXmlError(f"the character U+{ord(found[0]):04X} cannot travel in XML; send an octet-string")
    return value.translate(_ESCAPES)


def carried(data: Data) -> Data:
    """The value as XML can carry it: a text with a control character, also in a structure, becomes an octet-string.

    The octets are the meter's: Latin-1 of a visible-string, else UTF-8.
    """
    kind, value = data
    if kind in _TEXT and isinstance(value, str) and _NOT_XML.search(value):
        return octet_string(_octets_of(kind, value))
    if kind in _NESTED and isinstance(value, tuple):
        return Data(kind, tuple(map(carried, value)))
    return data


def _octets_of(kind: DataType, text: str) -> bytes:
    if kind is DataType.VISIBLE_STRING:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:  # not from the wire
            pass
    return text.encode("utf-8", "surrogatepass")


def data_text(data: Data, depth: int = DEPTH) -> str:
    """The element of one value, without white space; CosemXmlError if the value does not fit its type."""
    kind, value = data
    limits = RANGE.get(kind)
    if limits is not None:
        if not isinstance(value, int) or not limits[0] <= value <= limits[1]:
            raise _unfit(data)
        text = ("true" if value else "false") if kind is DataType.BOOLEAN else str(int(value))
        return f"{_OPEN[kind]}{text}{_CLOSE[kind]}"
    if kind in _OCTETS:
        if not isinstance(value, bytes) or len(value) != OCTETS.get(kind, len(value)):
            raise _unfit(data)
        return f"{_OPEN[kind]}{value.hex()}{_CLOSE[kind]}"
    if kind in _EMPTY:
        if value is not None:
            raise _unfit(data)
        return _BARE[kind]
    if kind in _NESTED:
        if not isinstance(value, tuple):
            raise _unfit(data)
        if depth <= 1:
            raise CosemXmlError("data nested too deeply")
        return f"{_OPEN[kind]}{''.join([data_text(member, depth - 1) for member in value])}{_CLOSE[kind]}"
    if not isinstance(value, str) or (kind is DataType.BIT_STRING and value.strip("01")):
        raise _unfit(data)
    return f"{_OPEN[kind]}{xml_text(value)}{_CLOSE[kind]}"


def _unfit(data: Data) -> CosemXmlError:
    return CosemXmlError(f"{data.value!r:.60} is no value of the type {TYPE_NAME[data.type]}")


def read_data(element: etree._Element, depth: int = DEPTH) -> Data:
    """The value of a data element; CosemXmlError with path and line if it has none."""
    tag = str(element.tag)
    kind = type_of(tag)
    if kind is None:
        raise refusal(element, f"{local_name(tag)!r:.60} is no COSEM data type")
    text = element.text or ""
    read = _READERS.get(kind)
    if read is None:
        return Data(kind, _read_members(element, depth))
    if len(element):
        raise refusal(element, f"{TYPE_NAME[kind]} holds no other elements")
    try:
        return Data(kind, read(text))
    except ValueError:
        raise refusal(element, f"{text!r:.60} is no {TYPE_NAME[kind]}; {_right(kind)}") from None


def _read_members(element: etree._Element, depth: int) -> tuple[Data, ...]:
    if depth <= 1:
        raise refusal(element, "data nested too deeply")
    refuse_text(element)
    return tuple([read_data(child, depth - 1) for child in element])


def refuse_text(element: etree._Element) -> None:
    """CosemXmlError if an element that has child elements also holds text."""
    for text in (element.text, *[child.tail for child in element]):
        if text and not text.isspace():
            raise refusal(element, f"text {text.strip()!r:.40} where only elements belong")


def whole_number(text: str) -> int:
    """A decimal number in the form of XML Schema; ValueError for other forms that Python reads (`1_000`, `٣`)."""
    if "_" in text or not text.isascii():
        raise ValueError("no decimal number")
    return int(text)


def _number(kind: DataType) -> Callable[[str], int]:
    low, high = RANGE[kind]

    def read(text: str) -> int:
        value = whole_number(text)
        if not low <= value <= high:
            raise ValueError("out of range")
        return value

    return read


def _boolean(text: str) -> int:
    word = text.strip().lower()
    if word not in ("true", "false", "1", "0"):
        raise ValueError("no boolean")
    return int(word in ("true", "1"))


def _octets(size: int) -> Callable[[str], bytes]:
    def read(text: str) -> bytes:
        octets = bytes.fromhex(text)
        if len(octets) != size:
            raise ValueError("wrong length")
        return octets

    return read


def _bits(text: str) -> str:
    bits = "".join(text.split())
    if bits.strip("01"):
        raise ValueError("no bits")
    return bits


def _nothing(text: str) -> None:
    if text and not text.isspace():
        raise ValueError("not empty")


_READERS: dict[DataType, Callable[[str], int | str | bytes | None]] = {
    **{kind: _number(kind) for kind in RANGE},
    **{kind: _octets(size) for kind, size in OCTETS.items()},
    **dict.fromkeys(_TEXT, str),
    **dict.fromkeys(_EMPTY, _nothing),
    DataType.OCTET_STRING: bytes.fromhex,
    DataType.BCD: bytes.fromhex,
    DataType.BOOLEAN: _boolean,
    DataType.BIT_STRING: _bits,
}


def _right(kind: DataType) -> str:
    if kind in OCTETS:
        return f"write {2 * OCTETS[kind]} hex digits"
    if kind in _OCTETS:
        return "write pairs of hex digits"
    if kind in _EMPTY:
        return "it is an empty element"
    if kind is DataType.BOOLEAN:
        return "write true or false"
    if kind is DataType.BIT_STRING:
        return "write the digits 0 and 1"
    low, high = RANGE[kind]
    return f"write a number from {low} to {high}"


def attribute_value(element: etree._Element, depth: int = 3) -> Data | None:
    """The one data element inside an `attribute` (or a method's parameter); None if it is empty.

    The printed schema nests another `attribute` around the value; both forms are read.
    """
    refuse_text(element)
    children = list(element)
    if not children:
        return None
    if len(children) > 1:
        raise refusal(element, f"{len(children)} values; one belongs here")
    if depth > 1 and local_name(str(children[0].tag)) == local_name(str(element.tag)):
        return attribute_value(children[0], depth - 1)
    return read_data(children[0])
