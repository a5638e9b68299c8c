"""Send times: local times of day and ends of billing periods, through both changes of the clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from smgw.profiles.send_times import SendTimes

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = SendTimes("Europe/Berlin", (390, 1080))
MONTHLY = SendTimes("Europe/Berlin", months=1)
QUARTERS = SendTimes("Europe/Berlin", months=3)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


@pytest.mark.parametrize(
    ("times", "now", "last", "following"),
    [
        (DAILY, "2026-01-10 12:00", "2026-01-10 06:30", "2026-01-10 18:00"),
        (DAILY, "2026-01-10 06:30", "2026-01-10 06:30", "2026-01-10 18:00"),
        (DAILY, "2026-01-10 00:10", "2026-01-09 18:00", "2026-01-10 06:30"),
        (DAILY, "2026-03-29 04:00", "2026-03-28 18:00", "2026-03-29 06:30"),
        (DAILY, "2026-10-25 23:00", "2026-10-25 18:00", "2026-10-26 06:30"),
        (MONTHLY, "2026-01-10 12:00", "2026-01-01 00:00", "2026-02-01 00:00"),
        (MONTHLY, "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        (MONTHLY, "2026-04-01 00:00", "2026-04-01 00:00", "2026-05-01 00:00"),
        (QUARTERS, "2026-03-31 23:59", "2026-01-01 00:00", "2026-04-01 00:00"),
        (QUARTERS, "2026-11-30 10:00", "2026-10-01 00:00", "2027-01-01 00:00"),
    ],
)
def test_the_times_around_an_instant(times: SendTimes, now: str, last: str, following: str) -> None:
    assert (times.last(at(now)), times.next(at(now))) == (at(last), at(following))


def test_a_time_that_does_not_exist_in_spring_is_after_the_jump() -> None:
    times = SendTimes("Europe/Berlin", (150,))
    assert times.last(at("2026-03-29 12:00")) == at("2026-03-29 03:30")


def test_a_time_that_comes_twice_in_autumn_is_the_first_one() -> None:
    times = SendTimes("Europe/Berlin", (150,))
    assert times.last(at("2026-10-25 12:00")) == at("2026-10-25 02:30")


@pytest.mark.parametrize("now_s", [0, 1, 3600, 4_000_000_000])
@pytest.mark.parametrize("times", [DAILY, MONTHLY, QUARTERS, SendTimes("Pacific/Kiritimati", (0,))])
def test_there_is_one_before_and_one_after_each_instant(times: SendTimes, now_s: int) -> None:
    assert times.last(now_s) <= now_s < times.next(now_s)


def test_a_row_goes_at_the_first_send_time_that_is_not_before_it() -> None:
    row = at("2026-01-10 06:30") * 1_000_000
    assert DAILY.allows(row, row)
    assert not DAILY.allows(row + 1, row + 2)
    assert DAILY.allows(row + 1, at("2026-01-10 18:00") * 1_000_000)


def test_a_row_of_a_clock_that_was_wrong_goes_at_once() -> None:
    now = at("2026-01-10 12:00") * 1_000_000
    assert not DAILY.allows(now + 1_000_000, now)
    assert DAILY.allows(now + 86_400_000_000, now)


def test_they_are_written_for_people() -> None:
    assert str(DAILY) == "at 06:30, 18:00"
    assert str(MONTHLY) == "at the end of each billing period"
