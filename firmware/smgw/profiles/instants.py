"""Instants in the configuration: dates and times of TOML, which are local time where they have no offset."""

from typing import Any

from smgw.cosem.zone import time_zone
from smgw.profiles.checks import Report, shown


def instant(value: object, report: Report) -> object:
    """The check of a date or time of TOML."""
    if hasattr(value, "isocalendar") and not getattr(value, "microsecond", 0):  # datetime.date, which is not loaded
        return value
    report(f"{shown(value)} is no time; write a date or time without quotes, such as 2026-01-01")
    return None


def seconds(value: Any, zone: str) -> int | None:
    """The instant of a checked date or time, in seconds UTC."""
    if value is None:
        return None
    from datetime import UTC, date, datetime, time, timedelta

    assert isinstance(value, date)
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=time_zone(zone))
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
