"""German days: legal time, holidays, day types, seasons."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from smsim.load.days import (
    DayType,
    Season,
    day_type,
    easter,
    holidays,
    local_quarter,
    season,
    standard_quarter,
    utc_of_local,
    utc_offset_s,
)

QUARTERS_OF_2026 = range(
    int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // 900, int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) // 900
)


@pytest.mark.parametrize(
    "sunday",
    ["1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2025-04-20", "2026-04-05", "2038-04-25"],
)
def test_easter_falls_on_its_sunday(sunday: str) -> None:
    assert easter(int(sunday[:4])).isoformat() == sunday


def test_the_nine_holidays_of_2026() -> None:
    assert sorted(day.isoformat() for day in holidays(2026)) == [
        "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-05-14", "2026-05-25", "2026-10-03", "2026-12-25",
        "2026-12-26",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2026-04-06", DayType.SUNDAY),  # Easter Monday
        ("2026-05-14", DayType.SUNDAY),  # Ascension, a Thursday
        ("2026-10-03", DayType.SUNDAY),  # a holiday on a Saturday
        ("2026-12-24", DayType.SATURDAY),
        ("2026-12-31", DayType.SATURDAY),
        ("2028-12-24", DayType.SUNDAY),  # Christmas Eve on a Sunday
        ("2026-11-21", DayType.SATURDAY),
        ("2026-11-22", DayType.SUNDAY),
        ("2026-11-23", DayType.WORKDAY),
    ],
)
def test_a_day_takes_the_row_that_vdew_says(day: str, kind: DayType) -> None:
    assert day_type(date.fromisoformat(day)) is kind


def test_the_seasons_of_a_year_change_on_their_days() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    runs = [(kind, next(iter(run)).strftime("%d.%m.")) for kind, run in groupby(days, season)]
    assert runs == [
        (Season.WINTER, "01.01."),
        (Season.TRANSITION, "21.03."),
        (Season.SUMMER, "15.05."),
        (Season.TRANSITION, "15.09."),
        (Season.WINTER, "01.11."),
    ]


@pytest.mark.parametrize(("day", "quarters"), [("2026-03-29", 92), ("2026-06-01", 96), ("2026-10-25", 100)])
def test_a_local_day_has_as_many_quarter_hours_as_the_clock_change_leaves(day: str, quarters: int) -> None:
    number = (date.fromisoformat(day) - date(1970, 1, 1)).days
    assert sum(local_quarter(quarter).day == number for quarter in QUARTERS_OF_2026) == quarters


def test_in_october_the_positions_from_two_to_three_come_twice() -> None:
    number = (date(2026, 10, 25) - date(1970, 1, 1)).days
    positions = [
        local_quarter(quarter).position for quarter in QUARTERS_OF_2026 if local_quarter(quarter).day == number
    ]
    assert positions == [*range(12), *range(8, 96)]


def test_standard_time_has_96_quarter_hours_on_every_day() -> None:
    number = (date(2026, 10, 25) - date(1970, 1, 1)).days
    positions = [one.position for one in map(standard_quarter, QUARTERS_OF_2026) if one.day == number]
    assert positions == list(range(96))


def test_legal_time_agrees_with_the_time_zone_database() -> None:
    try:
        berlin = ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        pytest.skip("no time-zone database on this machine")
    for utc_s in range(int(datetime(1996, 1, 1, tzinfo=UTC).timestamp()), 2_145_916_800, 86_400 // 2):
        for moment in (utc_s, utc_s + 3_599):
            offset = datetime.fromtimestamp(moment, berlin).utcoffset()
            assert offset is not None
            assert utc_offset_s(moment) == offset.total_seconds(), moment


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-01-01T00:00:00", "2025-12-31T23:00:00"),
        ("2026-06-01T00:00:00", "2026-05-31T22:00:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # doubled: the first
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00"),
    ],
)
def test_a_legal_time_becomes_its_moment(local: str, utc: str) -> None:
    wanted = int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp())
    assert utc_of_local(datetime.fromisoformat(local)) == wanted


def test_a_time_that_march_leaves_out_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        utc_of_local(datetime.fromisoformat("2026-03-29T02:30:00"))
