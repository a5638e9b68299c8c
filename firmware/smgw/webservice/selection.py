"""Selective access to the buffer of a load profile, `sa.*` (TR-03109-1 Annex II, 7.7; IEC 62056-62, profile generic).

sa.fromidx, sa.toidx, sa.count      entries, counted from 1; sa.toidx=0: to the last one
sa.fromcol, sa.tocol                columns, counted from 1; sa.tocol=0: to the last one
sa.retrievecolumns                  columns by name, an array of capture objects
sa.filtercolumn                     the column that is compared, a capture object
sa.fromtype, sa.totype              its smallest and largest value, both included, as typed literals
"""

from collections.abc import Mapping
from typing import NamedTuple

from smgw.cosem import CaptureObject
from smgw.cosem.data import Data
from smgw.webservice import literal
from smgw.webservice.error import BadRequest

PREFIX = "sa."
_NUMBERS = {"sa.fromidx": 1, "sa.toidx": 0, "sa.count": 0, "sa.fromcol": 1, "sa.tocol": 0}
NAMES = (*_NUMBERS, "sa.retrievecolumns", "sa.filtercolumn", "sa.fromtype", "sa.totype")


class Selection(NamedTuple):
    """The requested part of a buffer; None: not restricted."""

    first_index: int | None = None
    last_index: int | None = None
    at_most: int | None = None
    first_column: int | None = None
    last_column: int | None = None
    columns: tuple[CaptureObject, ...] | None = None
    filter_column: CaptureObject | None = None
    lowest: Data | None = None
    highest: Data | None = None

    @property
    def limit(self) -> int | None:
        """At most so many entries from the first one on."""
        if self.last_index is None:
            return self.at_most
        span = max(0, self.last_index - (self.first_index or 1) + 1)
        return span if self.at_most is None else min(span, self.at_most)


def parse(given: Mapping[str, str]) -> Selection | None:
    """Read the `sa.*` filters of a query, None if there are none; BadRequest for a wrong name, value or combination."""
    if not given:
        return None
    for name in given:
        if name not in NAMES:
            raise BadRequest(f"{name:.40} is no filter; {', '.join(NAMES)} are")
    numbers = {name: _number(name, given[name], lowest) for name, lowest in _NUMBERS.items() if name in given}
    retrieved = given.get("sa.retrievecolumns")
    if retrieved is not None and ("sa.fromcol" in given or "sa.tocol" in given):
        raise BadRequest("sa.retrievecolumns names columns, sa.fromcol and sa.tocol number them; give one of both")
    compared = given.get("sa.filtercolumn")
    if compared is None and ("sa.fromtype" in given or "sa.totype" in given):
        raise BadRequest("sa.fromtype and sa.totype compare a column; sa.filtercolumn names it")
    return Selection(
        numbers.get("sa.fromidx"),
        numbers.get("sa.toidx") or None,
        numbers.get("sa.count"),
        numbers.get("sa.fromcol"),
        numbers.get("sa.tocol") or None,
        None if retrieved is None else literal.capture_objects(literal.parse(retrieved)),
        None if compared is None else literal.capture_object(literal.parse(compared)),
        _bound(given, "sa.fromtype"),
        _bound(given, "sa.totype"),
    )


def _bound(given: Mapping[str, str], name: str) -> Data | None:
    return literal.parse(given[name]) if name in given else None


def _number(name: str, text: str, lowest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or int(text) < lowest:
        raise BadRequest(f"{name}={text!r:.40} is no number from {lowest} on")
    return int(text)
