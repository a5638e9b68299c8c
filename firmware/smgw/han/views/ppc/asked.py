"""The parameters of an action, read strictly."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from smgw.cosem.zone import DEFAULT_ZONE, time_zone
from smgw.errors import SmgwError
from smgw.store.ranges import Range

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORMAT = "YYYY-MM-DD HH:MM:SS"


class WrongError(SmgwError):
    """A question that cannot be answered as it stands."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def wanted(fields: Mapping[str, str]) -> Range:
    """`from` and `to` in local time; both ends are included, the whole second too."""
    begin, end = (_local(fields.get(name, ""), name, late=name == "to") for name in ("from", "to"))
    if end < begin:
        raise WrongError("`to` is before `from`.")
    return Range(begin, end)


def needed(fields: Mapping[str, str], name: str) -> str:
    """A parameter that must be there."""
    if not (found := fields.get(name, "")):
        raise WrongError(f"The parameter {name} is missing.")
    return found


def _local(text: str, name: str, *, late: bool) -> int:
    """A day alone means its begin, and in `to` its end. Of an hour that comes twice `to` means the second."""
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        year, month, day, *clock = (int(one) if one else None for one in match.groups())
        hour, minute, second = (part or 0 for part in clock)
        if late and clock[0] is None:
            hour, minute, second = 23, 59, 59
        assert year is not None
        assert month is not None
        assert day is not None
        found = datetime(year, month, day, hour, minute, second, tzinfo=time_zone(DEFAULT_ZONE), fold=int(late))
        return (found.astimezone(UTC) - _EPOCH) // _MICROSECOND + (999_999 if late else 0)
    except (ValueError, OverflowError):
        raise WrongError(f"The parameter {name} is no time; write {_FORMAT}.") from None


@lru_cache(maxsize=4096)
def local_text(utc_s: int) -> str:
    """A time as the pages show it."""
    try:
        found = (_EPOCH + timedelta(seconds=utc_s)).astimezone(time_zone(DEFAULT_ZONE))
    except OverflowError:
        return str(utc_s)
    return f"{found:%Y-%m-%d %H:%M:%S}"
