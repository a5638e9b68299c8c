"""The filters of a GET (TR-03109-1 Annex II, 7.7): the general ones, `q.*`, and selective access, `sa.*`.

All filters apply together. If a filter occurs twice, the first one counts.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl

from smgw.webservice import selection
from smgw.webservice.error import BadRequest
from smgw.webservice.selection import Selection

MAX_FILTERS = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GENERAL = "q."


class Query(NamedTuple):
    """The filters of a GET; None: not filtered."""

    fromidx: int | None = None  # first entry, counted from 1 like COSEM's entry descriptor (our reading)
    limit: int | None = None  # at most so many entries
    fromtime_us: int | None = None  # from this time on, microseconds UTC
    totime_us: int | None = None  # before this time
    depth: int | None = None  # levels below the resource; 0: itself alone, None: all
    selection: Selection | None = None  # of a load profile's buffer


def parse(query: str, *, listing: bool = False) -> Query:
    """Read the query of a request target. A trailing slash (`listing`) means depth 1 unless `q.depth` says otherwise.

    Other names are ignored. BadRequest for a malformed value, and for an unknown `q.*` or `sa.*`.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FILTERS)
    except ValueError:
        raise BadRequest(f"the query is not readable, or has more than {MAX_FILTERS} filters") from None
    given: dict[str, str] = {}
    selective: dict[str, str] = {}
    for name, value in pairs:
        if name.startswith(selection.PREFIX):
            selective.setdefault(name, value)
        if name.startswith(_GENERAL):
            if name not in _FILTERS:
                raise BadRequest(f"{name:.40} is no filter; {', '.join(_FILTERS)} are")
            given.setdefault(name, value)
    numbers = {_FILTERS[name]: _read(name, value) for name, value in given.items()}
    narrowed = Query()._replace(selection=selection.parse(selective), **numbers)
    return narrowed._replace(depth=1) if listing and narrowed.depth is None else narrowed


_FILTERS = {
    "q.fromidx": "fromidx",
    "q.count": "limit",
    "q.fromtime": "fromtime_us",
    "q.totime": "totime_us",
    "q.depth": "depth",
}


def _read(name: str, value: str) -> int:
    if name.endswith("time"):
        return _time(name, value)
    lowest = 1 if name == "q.fromidx" else 0
    if not (value.isascii() and value.isdigit() and len(value) <= 18) or int(value) < lowest:
        raise BadRequest(f"{name}={value!r:.40} is no number from {lowest} on")
    return int(value)


def _time(name: str, value: str) -> int:
    # A '+' of a zone offset that was not percent-encoded arrives as a blank.
    text = value.strip().replace(" ", "+") if "T" in value else value.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}={value!r:.40} is no ISO 8601 time; 2025-01-31T14:00:00Z is one") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
