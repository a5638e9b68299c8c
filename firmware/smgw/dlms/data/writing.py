"""Writing A-XDR: values to octets. `dlms.data` draws the layout."""

from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.dlms.data.tags import EMPTY, NUMBER_CODE, SIZE, length
from smgw.errors import LocalProtocolError

_ARRAY, _STRUCTURE, _COMPACT = DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY
_BIT_STRING = DataType.BIT_STRING
_TEXTS = frozenset({DataType.VISIBLE_STRING, DataType.UTF8_STRING})


def encode(data: Data) -> bytes:
    """The octets of a value; LocalProtocolError if the value does not fit its type.

    The elements of a compact-array must have the same types, and arrays in them the same length.
    """
    kind, value = data
    if kind is not _COMPACT:
        if kind in (_ARRAY, _STRUCTURE) and isinstance(value, tuple):
            return bytes((kind,)) + length(len(value)) + b"".join(map(encode, value))
        return bytes((kind,)) + _content(data)
    if not isinstance(value, tuple):
        raise _unfit(data)
    description = _describe(value[0] if value else NULL)
    if any(_describe(element) != description for element in value):
        raise LocalProtocolError("a compact-array of elements of several makes; send an array")
    content = b"".join(map(_content, value))
    if value and not content:
        raise LocalProtocolError("a compact-array of empty elements; send an array")
    return bytes((kind,)) + description + length(len(content)) + content


def _describe(data: Data) -> bytes:
    kind, value = data
    if kind is _COMPACT:
        raise LocalProtocolError("a compact-array inside a compact-array")
    if kind not in (_ARRAY, _STRUCTURE) or not isinstance(value, tuple):
        return bytes((kind,))
    if kind is _STRUCTURE:
        return bytes((kind,)) + length(len(value)) + b"".join(map(_describe, value))
    descriptions = {_describe(element) for element in value} or {bytes((DataType.NULL_DATA,))}
    if len(descriptions) > 1 or len(value) > 0xFFFF:
        raise LocalProtocolError("an array of elements of several makes in a compact-array")
    return bytes((kind,)) + len(value).to_bytes(2, "big") + descriptions.pop()


def _content(data: Data) -> bytes:
    """The octets of a value without its tag, and of the elements without theirs."""
    kind, value = data
    if isinstance(value, tuple):
        if kind in (_ARRAY, _STRUCTURE):
            return b"".join(map(_content, value))
    elif isinstance(value, bytes):
        if kind is DataType.OCTET_STRING:
            return length(len(value)) + value
        if kind not in NUMBER_CODE and SIZE.get(kind) == len(value) > 0:
            return value
    elif isinstance(value, str):
        if kind is _BIT_STRING and not value.strip("01"):
            return length(len(value)) + int(value.ljust((len(value) + 7) // 8 * 8, "0") or "0", 2).to_bytes(
                (len(value) + 7) // 8, "big"
            )
        if kind in _TEXTS:
            return _text(data, value)
    elif value is None:
        if kind in EMPTY:
            return b""
    elif kind in RANGE and RANGE[kind][0] <= value <= RANGE[kind][1]:
        return value.to_bytes(SIZE[kind], "big", signed=RANGE[kind][0] < 0)
    raise _unfit(data)


def _text(data: Data, value: str) -> bytes:
    try:
        raw = value.encode("latin-1" if data.type is DataType.VISIBLE_STRING else "utf-8")
    except UnicodeEncodeError:
        raise _unfit(data) from None
    return length(len(raw)) + raw


def _unfit(data: Data) -> LocalProtocolError:
    return LocalProtocolError(f"{data.value!r:.60} is no value of the type {data.type.name}")
