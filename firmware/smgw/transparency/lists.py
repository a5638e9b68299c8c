"""Makes the lists of values of a file from rows: those of the gateway's database, or those of a head-end's.

Of several rows for one registration time the first one that counts is taken, or else the first one. A first value that
does not count is left out: TRuDI would count it whole.
"""

from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.transparency.document import Value, ValueList

SECOND_US = 1_000_000
_LAST_COUNTING = 2  # PTB status


class Cell(NamedTuple):
    """A whole number of a row, in 10^scaler of the unit."""

    obis: Obis
    scaler: int
    unit: int
    value: int
    signature: bytes = b""


class Row(NamedTuple):
    """The values of a registration time. `cells` is read at most once, and only of a row that is taken."""

    target_us: int
    capture_us: int
    status: StatusWord
    ptb: int
    cells: Iterable[Cell]


class Span(NamedTuple):
    """Registration times: the multiples of a period from begin to end, both included, in seconds UTC."""

    begin_s: int
    end_s: int
    period_s: int = 1

    def has(self, target_us: int) -> bool:
        """Whether it is one of these times."""
        inside = self.begin_s * SECOND_US <= target_us <= self.end_s * SECOND_US
        return inside and target_us % (self.period_s * SECOND_US) == 0


class _Register(NamedTuple):
    obis: Obis
    scaler: int
    unit: int


def taken(rows: Iterable[Row], span: Span) -> list[Row]:
    """One row for each registration time of the span that has one, ascending."""
    found: dict[int, Row] = {}
    for row in rows:
        if span.has(row.target_us):
            known = found.get(row.target_us)
            if known is None or known.ptb > _LAST_COUNTING >= row.ptb:
                found[row.target_us] = row
    return [found[target_us] for target_us in sorted(found)]


def lists_of(rows: Iterable[Row], meter: str, owner: str, span: Span, period_s: int = 0) -> Iterator[ValueList]:
    """A list for each register of the rows, which are ascending. One whose scaler changed has one for each scaler.

    `meter`, `owner` and `period_s` are those of the lists.
    """
    values: dict[_Register, list[Value]] = {}
    for row in rows:
        for cell in row.cells:
            register = _Register(cell.obis, cell.scaler, cell.unit)
            value = Value(
                cell.value, row.capture_us, row.target_us, signature=cell.signature, status=row.status, ptb=row.ptb
            )
            values.setdefault(register, []).append(value)
    for register, several in values.items():
        counted = tuple(dropwhile(lambda value: (value.ptb or 0) > _LAST_COUNTING, several))
        obis = bytes(register.obis).hex()
        yield ValueList(meter, owner, obis, register.unit, register.scaler, span.begin_s, span.end_s, counted, period_s)
