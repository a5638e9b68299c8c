"""Typed literals, the values of `sa.*` filters in a URI (TR-03109-1 Annex II, 7.7).

type:value          double-long:-12345   octet-string:98aa   date_time:07e9031e0701000000000000
[literal,...]       an array
{literal,...}       a structure, such as the capture object {long:3,octet-string:0100010800ff,integer:2,long:0}
"""

import contextlib
import re

from smgw.cosem.data import RANGE, Data, DataError, DataType
from smgw.cosem.names import CaptureObject
from smgw.cosemxml.names import TYPE_NAME, type_of
from smgw.webservice.error import BadRequest

MAX_DEPTH = 4  # the filters need no deeper nesting than an array of structures
MAX_MEMBERS = 256

_OCTETS = {DataType.DATE_TIME: 12, DataType.DATE: 5, DataType.TIME: 4}
_HEX = frozenset({DataType.OCTET_STRING, DataType.BCD, *_OCTETS})
_TEXT = frozenset({DataType.VISIBLE_STRING, DataType.UTF8_STRING})
_CLOSING = {"[": ("]", DataType.ARRAY), "{": ("}", DataType.STRUCTURE)}
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")


def parse(text: str) -> Data:
    """Read one literal; BadRequest if it is malformed."""
    value, rest = _literal(text, MAX_DEPTH)
    if rest:
        raise BadRequest(f"{rest!r:.40} follows a literal that is complete")
    return value


def capture_object(data: Data) -> CaptureObject:
    """Read a structure {class, logical name, attribute, data index 0}; BadRequest for anything else."""
    with contextlib.suppress(DataError):
        found = CaptureObject.of(data)
        if not found.data_index:
            return found
    raise BadRequest("a column is named {long:CLASS,octet-string:LOGICALNAME,integer:ATTRIBUTE,long:0}")


def capture_objects(data: Data) -> tuple[CaptureObject, ...]:
    """Read an array of them."""
    if data.type is not DataType.ARRAY or not isinstance(data.value, tuple):
        raise BadRequest("columns are named by an array: [{long:CLASS,octet-string:LOGICALNAME,...},...]")
    return tuple([capture_object(member) for member in data.value])


def _literal(text: str, depth: int) -> tuple[Data, str]:
    if text[:1] in _CLOSING:
        if depth == 0:
            raise BadRequest("a literal is nested too deeply")
        closing, kind = _CLOSING[text[0]]
        members, rest = _members(text[1:], closing, depth - 1)
        return Data(kind, members), rest
    end = min((at for at in map(text.find, ",]}") if at >= 0), default=len(text))
    name, colon, value = text[:end].partition(":")
    found = type_of(name.strip())
    if not colon or found is None:
        raise BadRequest(f"{text[:end]!r:.60} is no literal; double-long:-12345 is one")
    return Data(found, _value(found, value.strip())), text[end:]


def _members(text: str, closing: str, depth: int) -> tuple[tuple[Data, ...], str]:
    members: list[Data] = []
    if text.startswith(closing):
        return (), text[1:]
    while len(members) < MAX_MEMBERS:
        member, text = _literal(text, depth)
        members.append(member)
        if text.startswith(closing):
            return tuple(members), text[1:]
        if not text.startswith(","):
            raise BadRequest(f"a literal lacks its {closing}")
        text = text[1:]
    raise BadRequest(f"a literal has more than {MAX_MEMBERS} members")


def _value(kind: DataType, text: str) -> int | str | bytes | None:
    limits = RANGE.get(kind)
    if limits is not None:
        if not _NUMBER.fullmatch(text) or not limits[0] <= int(text) <= limits[1]:
            raise BadRequest(f"{text!r:.40} is no {TYPE_NAME[kind]}; it goes from {limits[0]} to {limits[1]}")
        return int(text)
    if kind in _HEX:
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            raise BadRequest(f"{text!r:.40} is no {TYPE_NAME[kind]}; write pairs of hex digits") from None
        if len(octets) != _OCTETS.get(kind, len(octets)):
            raise BadRequest(f"{text!r:.40} is no {TYPE_NAME[kind]}; it has {_OCTETS[kind]} octets")
        return octets
    if kind in _TEXT:
        return text
    raise BadRequest(f"{TYPE_NAME[kind]} cannot be written as a literal here; numbers, octets, times and texts can")
