"""Load profiles: the published yearly sums, the dynamisation, PV0 and the script that made it, variation by seed."""

from datetime import date

import pytest
from smsim.load import make_pv0, pv0
from smsim.load.days import DayType, Season, day_type, season
from smsim.load.h0 import H0
from smsim.load.power import POWER_UNITS_PER_WATT, Load, ProfileName, dynamisation

WEEKEND = {6: DayType.SATURDAY, 7: DayType.SUNDAY}


def yearly_kwh(year: int, *, dynamic: bool, with_holidays: bool) -> float:
    """H0 at 1,000 kWh a year, summed over the local days of a year."""
    sum_e5 = 0  # 0.1 W x quarter hours x 10^-4
    for ordinal in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        factor = dynamisation(day.timetuple().tm_yday) if dynamic else 10_000
        kind = day_type(day) if with_holidays else WEEKEND.get(day.isoweekday(), DayType.WORKDAY)
        sum_e5 += sum(H0[season(day)][kind]) * factor
    return sum_e5 / 10 / 10_000 / 4 / 1000


@pytest.mark.parametrize(
    ("year", "dynamic", "kwh"), [(2024, False, 1000.9), (2024, True, 1000.4), (2025, False, 998.3), (2025, True, 997.2)]
)
def test_the_years_sum_by_weekdays_is_the_reference(year: int, dynamic: bool, kwh: float) -> None:
    assert yearly_kwh(year, dynamic=dynamic, with_holidays=False) == pytest.approx(kwh, abs=0.08)


@pytest.mark.parametrize(
    ("year", "dynamic", "kwh"), [(2024, False, 1002.4), (2024, True, 1002.1), (2025, False, 999.7), (2025, True, 998.8)]
)
def test_holidays_as_sundays_add_a_kilowatt_hour_and_a_half(year: int, dynamic: bool, kwh: float) -> None:
    assert yearly_kwh(year, dynamic=dynamic, with_holidays=True) == pytest.approx(kwh, abs=0.08)


def test_h0_has_96_values_for_each_season_and_day() -> None:
    assert {(season, kind, len(row)) for season, rows in H0.items() for kind, row in rows.items()} == {
        (season, kind, 96) for season in Season for kind in DayType
    }


def test_a_winter_saturday_begins_as_published() -> None:
    assert H0[Season.WINTER][DayType.SATURDAY][:4] == (708, 682, 659, 632)


@pytest.mark.parametrize(("day", "factor"), [(1, 12420), (100, 10288), (182, 7959), (365, 12572)])
def test_the_dynamisation_is_the_polynomial_rounded_to_four_digits(day: int, factor: int) -> None:
    assert dynamisation(day) == factor
    polynomial = -3.92e-10 * day**4 + 3.2e-7 * day**3 - 7.02e-5 * day**2 + 2.1e-3 * day + 1.24
    assert dynamisation(day) / 10_000 == pytest.approx(polynomial, abs=0.6e-4)


def test_pv0_is_what_its_script_makes() -> None:
    assert make_pv0.table() == [list(month) for month in pv0.PV0]


def test_the_file_pv0_is_what_its_script_writes() -> None:
    assert pv0.__file__ is not None
    with open(pv0.__file__, encoding="utf-8") as file:  # noqa: PTH123
        assert file.read() == make_pv0.module_text(pv0.PV0)


def test_pv0_gives_each_month_its_share_of_1000_kwh() -> None:
    shares = [
        sum(month) * length / 100 / 10 / 4 / 1000 for month, length in zip(pv0.PV0, make_pv0.MONTH_LENGTHS, strict=True)
    ]
    assert shares == pytest.approx(make_pv0.MONTH_SHARES, abs=0.05)
    assert sum(shares) == pytest.approx(1000, abs=0.1)


def test_the_sun_shines_longer_in_june_than_in_december_and_never_at_midnight() -> None:
    june, december = pv0.PV0[5], pv0.PV0[11]
    assert sum(value > 0 for value in june) > 60 > 36 > sum(value > 0 for value in december)
    assert all(month[0] == 0 for month in pv0.PV0)


def test_power_grows_with_the_yearly_energy() -> None:
    quarter = 1_767_222_000 // 900
    assert Load(ProfileName.H0, 3000).power(quarter) == 3 * Load(ProfileName.H0, 1000).power(quarter)


def test_power_at_new_year_is_the_sunday_row_times_the_dynamisation() -> None:
    power = Load(ProfileName.H0, 1000).power(1_767_222_000 // 900)  # 2026-01-01 00:00 legal time
    assert power == 874 * 12_420 * POWER_UNITS_PER_WATT // 100_000


@pytest.mark.parametrize("profile", list(ProfileName))
def test_a_seed_varies_the_profile_by_a_tenth_at_most_and_keeps_its_sum(profile: ProfileName) -> None:
    quarters = range(1_767_222_000 // 900, 1_767_222_000 // 900 + 96 * 365)
    plain = sum(map(Load(profile, 1000).power, quarters))
    seeded = Load(profile, 1000, 5, b"meter")
    assert sum(map(seeded.power, quarters)) == pytest.approx(plain, rel=0.005)
    assert sum(map(seeded.power, quarters)) != plain


def test_the_same_seed_gives_the_same_meter_the_same_load_and_another_meter_another() -> None:
    quarters = range(1_767_222_000 // 900, 1_767_222_000 // 900 + 96)
    one, again, other = (
        [Load(ProfileName.H0, 1000, 5, meter).power(quarter) for quarter in quarters] for meter in (b"a", b"a", b"b")
    )
    assert one == again
    assert one != other
