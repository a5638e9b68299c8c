"""The query of a question (TR-03109-1, Detailspezifikationen 2.0, chapter 6), and refusals with their status."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from smgw.cosem.obis import Obis, ObisError
from smgw.errors import SmgwError
from smgw.store.file.log_book import Level
from smgw.store.ranges import Range

SIGNED = "CMS_ECDSA_SHA256_Detached"
#: Most entries that `q.count` may ask for, and most codes of `q.obis`.
MOST, _MOST_CODES = 1_000_000, 100
_LEVELS = {"I": Level.INFO, "W": Level.WARNING, "E": Level.ERROR, "F": Level.FATAL}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = 253_370_764_800_000_000  # the year 9999


class RefusedError(SmgwError):
    """A question that has no answer, with its status."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Asked(NamedTuple):
    """The filters that were given; None: not given."""

    from_us: int | None = None  # inclusive
    to_us: int | None = None  # exclusive
    type: str | None = None
    most: int | None = None
    objects: tuple[Obis, ...] = ()
    level: Level | None = None  # this one and worse ones
    signed: bool = False

    def range(self, from_us: int, to_us: int) -> Range:
        """The range asked for, both ends included; these ends where none is given. RefusedError if it is empty."""
        since = from_us if self.from_us is None else self.from_us
        until = to_us if self.to_us is None else self.to_us
        if self.from_us is not None and self.to_us is not None and until <= since:
            raise RefusedError(400, "q.totime must be later than q.fromtime")
        return Range(since, max(until - 1, since - 1))


def read(query: Mapping[str, str], known: Collection[str]) -> Asked:
    """The filters of a query. `known`: those that this resource has, without `q.`; RefusedError for any other `q.`."""
    found: dict[str, Any] = {}
    for name, value in query.items():
        if not name.startswith("q."):
            continue
        key = name.removeprefix("q.")
        if key not in (*known, "signed") or key not in _READERS:
            has = ", ".join(f"q.{one}" for one in (*known, "signed"))
            raise RefusedError(400, f"{name:.40} is no filter here; there are {has}")
        found[_FIELDS.get(key, key)] = _READERS[key](name, value)
    return Asked(**found)


def instant(name: str, value: str) -> int:
    """A time with its offset, in microseconds UTC. Without an offset it is refused: two clocks could be meant."""
    # A '+' that was not percent-encoded arrives as a blank.
    text = value.strip()
    text = text.replace(" ", "+") if "T" in text else text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RefusedError(400, f"{name} is no time with an offset; write such as 2026-03-01T00:00:00+01:00, or with Z")
    return min(max((moment - _EPOCH) // timedelta(microseconds=1), 0), _LAST_US)


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= MOST):
        raise RefusedError(400, f"{name} is no whole number from 1 to {MOST}")
    return int(value)


def _objects(name: str, value: str) -> tuple[Obis, ...]:
    try:
        codes = [Obis.parse(one) for one in value.split(",")[: _MOST_CODES + 1]]
    except ObisError as error:
        raise RefusedError(400, f"{name}: {error}") from None
    if len(codes) > _MOST_CODES:
        raise RefusedError(400, f"{name} has more than {_MOST_CODES} codes")
    return tuple(dict.fromkeys(codes))


def _level(name: str, value: str) -> Level:
    if value not in _LEVELS:
        raise RefusedError(400, f"{name} is none of {', '.join(_LEVELS)}")
    return _LEVELS[value]


def _signed(name: str, value: str) -> bool:
    if value != SIGNED:
        raise RefusedError(400, f"{name} can only be {SIGNED}")
    return True


def _type(name: str, value: str) -> str:
    if not (value.isascii() and value.isprintable() and 1 <= len(value) <= 40):
        raise RefusedError(400, f"{name} is no word")
    return value


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "fromtime": instant,
    "totime": instant,
    "type": _type,
    "count": _count,
    "obis": _objects,
    "level": _level,
    "signed": _signed,
}
_FIELDS = {"fromtime": "from_us", "totime": "to_us", "obis": "objects", "count": "most"}
