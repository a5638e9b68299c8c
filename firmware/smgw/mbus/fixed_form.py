"""The fixed form of an answer (CI 73, EN 1434-3): an id, a medium and two counters, each with a code of its unit."""

from typing import NamedTuple

from smgw.cosem.units import NO_UNIT
from smgw.errors import RemoteProtocolError
from smgw.mbus import values
from smgw.mbus.meaning import Meaning
from smgw.mbus.records import Function, Head, Record

_SIZE = 16
_BINARY, _STORED = 0x01, 0x02  # bits of the status octet
_HISTORIC, _NO_UNIT = 0x3E, 0x3F
_BCD, _INTEGER = 0x0C, 0x04
_NO_HEAD = 0x0F  # no head of the variable form begins with it
#: First code, number of codes, quantity, unit of COSEM, power of ten of the first code.
_RANGES = (
    (0x02, 9, "energy", 30, 0), (0x0B, 9, "energy", 25, 3), (0x14, 9, "power", 27, 0), (0x1D, 9, "power", 26, 3),
    (0x26, 9, "volume", 13, -6), (0x2F, 9, "volume flow", 15, -6), (0x38, 1, "temperature", 9, -3),
    (0x39, 1, "heat cost", NO_UNIT, 0),
)  # fmt: skip
_UNITS = {
    first + place: Meaning(quantity, unit, power + place)
    for first, count, quantity, unit, power in _RANGES
    for place in range(count)
}
#: Media of four bits -> those of the variable form.
_MEDIA = {
    0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 10: 3, 11: 4, 12: 6, 13: 7, 14: 8,
}  # fmt: skip


class FixedForm(NamedTuple):
    """The content."""

    id: str
    access: int
    status: int
    medium: int
    records: tuple[Record, ...]


def read(data: bytes) -> FixedForm:
    """Read the data behind CI 73; RemoteProtocolError if they are too few."""
    if len(data) < _SIZE:
        raise RemoteProtocolError(f"the fixed form is cut off: {len(data)} octets of {_SIZE}")
    status = data[5]
    units = data[6] & 0x3F, data[7] & 0x3F
    medium = data[6] >> 6 | (data[7] & 0xC0) >> 4
    records = tuple(_counter(units, place, status, data[8 + 4 * place : 12 + 4 * place]) for place in (0, 1))
    return FixedForm(data[3::-1].hex().upper(), data[4], status & ~3, _MEDIA.get(medium, 0), records)


def _counter(units: tuple[int, int], place: int, status: int, octets: bytes) -> Record:
    """ "Historic" means the unit of the other counter, and its value at the set date."""
    code = units[place]
    historic = code == _HISTORIC
    if historic:
        code = units[1 - place]
    storage = 1 if historic or status & _STORED else 0
    coding = _INTEGER if status & _BINARY else _BCD
    meaning = _UNITS.get(code) or Meaning("counter" if code == _NO_UNIT else f"counter, unit {code:02x}")
    head = Head(
        Function.NOW,
        storage,
        0,
        place if code == _NO_UNIT else 0,
        coding,
        len(octets),
        meaning,
        "",
        False,
        bytes((_NO_HEAD, code, coding, storage, place)),
    )
    value = values.fixed(coding, octets)
    data = values.number(value) if isinstance(value, int) else None
    return Record(head, data, octets, "" if data else "no valid number")
