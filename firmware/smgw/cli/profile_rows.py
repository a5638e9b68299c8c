"""Rows of a load profile as text for people, as CSV or as JSON. Numbers are exact: integers and their scalers."""

import csv
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from smgw.clock.text import utc_text
from smgw.cosem import Obis, Reading, plain
from smgw.cosem.csv_cell import guarded
from smgw.cosem.printable import printable
from smgw.cosem.units import symbol
from smgw.store.records import ProfileRow

_Printer = Callable[[list[str], list[str]], None]
_VALUE = 2  # the attribute that most columns are of


class _Column(NamedTuple):
    """An attribute that a profile captures: a column of its own for each scaler that the meter ever gave it."""

    obis: Obis
    class_id: int
    attribute: int
    scaler: int
    unit: int

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """The column of a reading."""
        return cls(reading.obis, reading.class_id, reading.attribute, reading.scaler, reading.unit)

    @property
    def name(self) -> str:
        """The text in the head of the table."""
        attribute = "" if self.attribute == _VALUE else f" attribute {self.attribute}"
        return f"{self.obis}{attribute}" + (f" [{symbol(self.unit)}]" if symbol(self.unit) else "")


def _text(names: list[str], cells: list[str]) -> None:
    widths = [max(20, len(names[0])), 10, *(max(14, len(name)) for name in names[2:])]
    print(printable("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))))


def _csv(_names: list[str], cells: list[str]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerow(map(guarded, cells))


FORMATS: dict[str, _Printer | None] = {"text": _text, "csv": _csv, "json": None}


class Table:
    """Prints rows as they come. Columns are those of the first row; where others come, a new head is printed."""

    def __init__(self, printer: _Printer | None) -> None:
        self._printer = printer  # None: JSON
        self._columns: list[_Column] = []
        self._names: list[str] = []
        self._rows = 0

    def take(self, row: ProfileRow) -> None:
        """Print one row."""
        self._rows += 1
        if self._printer is None:
            print(json.dumps(_object(row)))
            return
        found: dict[_Column, Reading] = {_Column.of(one): one for one in row.readings}
        if not set(found) <= set(self._columns):
            self._columns = list(found)
            self._names = ["time", "status", *(column.name for column in self._columns)]
            self._printer(self._names, self._names)
        cells = [value_of(found[column]) if column in found else "" for column in self._columns]
        self._printer(self._names, [utc_text(row.target_time_us), _status(row), *cells])

    def finish(self) -> None:
        """Report that there are no rows, on standard error."""
        if not self._rows and self._printer is _text:
            print("no rows")


def value_of(reading: Reading) -> str:
    """A value in its unit, exactly; octets as hex; the members of a structure one after the other."""
    value = reading.value.value
    if isinstance(value, tuple):
        return ", ".join(value_of(Reading(reading.obis, member)) for member in value)
    if value is None:
        return ""
    if isinstance(value, int):
        return plain(value, reading.scaler)
    return value.hex() if isinstance(value, bytes) else str(value)


def _status(row: ProfileRow) -> str:
    found = next((one.status.value for one in row.readings if one.status is not None), None)
    return f"{found:#x}" if isinstance(found, int) else ""


def _object(row: ProfileRow) -> dict[str, Any]:
    return {
        "time": utc_text(row.target_time_us),
        "status": _status(row) or None,
        "values": [_value_object(one) for one in row.readings],
    }


def _value_object(reading: Reading) -> dict[str, Any]:
    attribute = {} if reading.attribute == _VALUE else {"attribute": reading.attribute}
    unit = symbol(reading.unit) or None
    return {"obis": str(reading.obis), **attribute, "value": value_of(reading), "unit": unit}
