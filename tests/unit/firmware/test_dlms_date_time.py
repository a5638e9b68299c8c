"""COSEM date-time: wildcards, deviation with either sign, status, and what is no moment."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem.date_time import GOOD, ClockStatus, DateTime, DateTimeError, utc_us_in_order

BERLIN = ZoneInfo("Europe/Berlin")


def us(*fields: int) -> int:
    return int(datetime(*fields, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type, misc]


@given(st.binary(min_size=12, max_size=12))
def test_twelve_octets_read_and_written_are_the_same_and_a_moment_or_none(octets: bytes) -> None:
    found = DateTime.read(octets)
    assert found.encode() == octets
    assert isinstance(found.utc_us(), int | None)
    assert isinstance(found.utc_us(BERLIN, opposite_sign=True), int | None)
    assert str(found)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  the zone comes from the next one
    st.integers(-720, 720),
)
def test_a_moment_written_and_read_is_the_same_to_the_hundredth(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    moment = moment.replace(tzinfo=zone, microsecond=moment.microsecond // 10_000 * 10_000)
    found = DateTime.read(DateTime.of(moment).encode())
    assert found.utc_us() == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("octets", [b"", bytes(11), bytes(13)])
def test_octets_that_are_not_twelve_are_refused(octets: bytes) -> None:
    with pytest.raises(DateTimeError, match="it has 12"):
        DateTime.read(octets)


@pytest.mark.parametrize(
    ("octets", "utc", "text"),
    [
        ("07e4080f0606132d00ff8880", us(2020, 8, 15, 4, 19, 45), "2020-08-15 06:19:45 +02:00 daylight-saving"),
        ("07e5010f05061300 00 ffc4 00", us(2021, 1, 15, 5, 19, 0), "2021-01-15 06:19:00 +01:00"),
        ("07e5010f05061300 32 003c 03", us(2021, 1, 15, 7, 19, 0) + 500_000,
         "2021-01-15 06:19:00.50 -01:00 invalid doubtful"),
        ("07e5010f050613ff ff 0000 ff", us(2021, 1, 15, 6, 19, 0), "2021-01-15 06:19:?? +00:00"),
    ],
)  # fmt: skip
def test_utc_is_local_time_plus_deviation(octets: str, utc: int, text: str) -> None:
    found = DateTime.read(bytes.fromhex(octets))
    assert found.utc_us() == utc
    assert str(found) == text


def test_a_meter_that_sends_the_opposite_sign_is_read_as_it_means() -> None:
    """R13: two hours off otherwise."""
    found = DateTime.read(bytes.fromhex("07e4080f0606132d0000 7880"))
    assert found.utc_us(opposite_sign=True) == us(2020, 8, 15, 4, 19, 45)
    assert found.utc_us() == us(2020, 8, 15, 8, 19, 45)


@pytest.mark.parametrize(
    ("octets", "zone", "utc"),
    [
        ("07e60b160210251eff800000", None, None),
        ("07e60b160210251eff800000", BERLIN, us(2022, 11, 22, 15, 37, 30)),
        ("07e6071602 10251eff800080", BERLIN, us(2022, 7, 22, 14, 37, 30)),
        ("07e60a1e07 020000ff800080", BERLIN, us(2022, 10, 30, 0, 0, 0)),
        ("07e60a1e07 020000ff800000", BERLIN, us(2022, 10, 30, 1, 0, 0)),
        ("07e60b160210251eff ffc400", BERLIN, us(2022, 11, 22, 15, 37, 30)),
    ],
)
def test_a_time_without_deviation_is_one_of_the_meters_zone_or_none(
    octets: str, zone: tzinfo | None, utc: int | None
) -> None:
    """R13: never of the zone of this process; in the hour that is there twice, the status tells which."""
    assert DateTime.read(bytes.fromhex(octets)).utc_us(zone) == utc


@pytest.mark.parametrize(
    "octets",
    [
        "ffff0b160210251eff000000",
        "07e6ff160210251eff000000",
        "07e6fd160210251eff000000",
        "07e60bfe0210251eff000000",
        "07e6021e0210251eff000000",
        "07e60b1602ff251eff000000",
        "07e60b160218251eff000000",
        "00000101ff000000ff000000",
        "0001010107000000ff800100",
    ],
)
def test_wildcards_and_impossible_days_are_no_moment(octets: str) -> None:
    assert DateTime.read(bytes.fromhex(octets)).utc_us() is None


def test_a_later_time_keeps_deviation_and_status() -> None:
    found = DateTime.read(bytes.fromhex("07e60c1f06173700ff8000 01"))
    later = found.plus(900)
    assert later is not None
    assert later.encode() == bytes.fromhex("07e7010107000a00ff800001")
    assert later.status == ClockStatus.INVALID
    assert DateTime.read(bytes.fromhex("ffff0c1f06173700ff800001")).plus(900) is None
    assert DateTime.read(bytes.fromhex("270f0c1f05173700ff800001")).plus(900) is None


def test_a_moment_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="which zone"):
        DateTime.of(datetime(2022, 1, 1))  # noqa: DTZ001
    assert DateTime.of(datetime(2022, 7, 1, tzinfo=BERLIN)).encode() == bytes.fromhex("07e6070105000000 00 ff88 80")


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_of_a_meter_that_tells_nothing_of_daylight_saving_have_each_their_own_moment(newest_first: bool) -> None:
    """In October, two hours have the same local times; their order tells them apart."""
    begin = datetime(2024, 10, 26, 22, 0, tzinfo=UTC)
    moments = [begin + timedelta(minutes=15 * number) for number in range(24)]
    if newest_first:
        moments.reverse()
    told = [DateTime.of(one.astimezone(BERLIN))._replace(deviation=None, status=GOOD) for one in moments]
    assert utc_us_in_order(told, BERLIN) == [int(one.timestamp()) * 1_000_000 for one in moments]


def test_where_the_status_tells_of_daylight_saving_the_order_decides_nothing() -> None:
    """The first of the two hours may be missing."""
    begin = datetime(2024, 10, 26, 23, 0, tzinfo=UTC)
    moments = [begin + timedelta(hours=hours) for hours in (0, 2, 3)]
    told = [DateTime.of(one.astimezone(BERLIN))._replace(deviation=None) for one in moments]
    assert utc_us_in_order(told, BERLIN) == [int(one.timestamp()) * 1_000_000 for one in moments]
