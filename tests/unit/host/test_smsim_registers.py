"""Registers: the exact integral of power, tariffs that add up, power with its sign."""

from datetime import datetime
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import Obis
from smsim.load.days import utc_of_local
from smsim.load.power import POWER_UNITS_PER_WATT, Load, ProfileName
from smsim.load.registers import USUAL_REGISTERS, Drive, Register, RegisterBank
from smsim.load.timelapse import TimeLapse

NEW_YEAR = utc_of_local(datetime.fromisoformat("2026-01-01T00:00:00"))


def bank_of(time: TimeLapse, kwh: int = 1000, seed: int = 0, scaler: int = -1) -> RegisterBank:
    registers = [register._replace(scaler=scaler) for register in USUAL_REGISTERS]
    return RegisterBank(registers, Load(ProfileName.H0, kwh, seed, b"m"), Load(ProfileName.PV0, kwh, seed, b"m"), time)


def shown(bank: RegisterBank) -> dict[str, int]:
    return {
        f"{register.obis[2]}.{register.obis[3]}.{register.obis[4]}": bank.value(register) for register in bank.registers
    }


times = st.builds(
    TimeLapse,
    start_utc_s=st.integers(820_454_400, 3_000_000_000),
    seconds_per_quarter_hour=st.integers(1, 900),
    resolution_ms=st.integers(1, 5_000),
)


@settings(max_examples=60, deadline=None)
@given(
    time=times,
    kwh=st.integers(0, 100_000),
    seed=st.integers(0, 3),
    scaler=st.integers(-6, 3),
    steps=st.lists(st.integers(0, 40_000), max_size=25),
)
def test_any_partition_of_time_gives_the_registers_of_the_whole(
    time: TimeLapse, kwh: int, seed: int, scaler: int, steps: list[int]
) -> None:
    parts, whole = bank_of(time, kwh, seed, scaler), bank_of(time, kwh, seed, scaler)
    for elapsed_ms in accumulate(steps, initial=0):
        parts.advance(time.ticks(elapsed_ms))
    whole.advance(time.ticks(sum(steps)))
    assert shown(parts) == shown(whole)


@settings(max_examples=60, deadline=None)
@given(time=times, kwh=st.integers(0, 100_000), scaler=st.integers(-6, 3), elapsed_ms=st.integers(0, 400_000))
def test_energy_is_the_integral_of_power_cut_to_whole_units(
    time: TimeLapse, kwh: int, scaler: int, elapsed_ms: int
) -> None:
    bank = bank_of(time, kwh, 0, scaler)
    bank.advance(time.ticks(elapsed_ms))
    for profile, name in ((ProfileName.H0, "1.8.0"), (ProfileName.PV0, "2.8.0")):
        load = Load(profile, kwh)
        watt_hours = Fraction(0)
        at, end = time.start, time.ticks(elapsed_ms)
        while at < end:
            quarter = at // time.ticks_per_quarter
            until = min(end, (quarter + 1) * time.ticks_per_quarter)
            hours = Fraction(until - at, time.ticks_per_second * 3600)
            watt_hours += Fraction(load.power(quarter), POWER_UNITS_PER_WATT) * hours
            at = until
        assert shown(bank)[name] == watt_hours / Fraction(10) ** scaler // 1


@settings(max_examples=60, deadline=None)
@given(time=times, seed=st.integers(0, 3), steps=st.lists(st.integers(0, 60_000), max_size=25))
def test_the_tariffs_add_up_to_the_total_at_every_moment(time: TimeLapse, seed: int, steps: list[int]) -> None:
    bank = bank_of(time, 3500, seed)
    for elapsed_ms in accumulate(steps):
        bank.advance(time.ticks(elapsed_ms))
        values = shown(bank)
        assert values["1.8.1"] + values["1.8.2"] == values["1.8.0"]


@pytest.mark.parametrize(
    ("start", "moving"),
    [
        ("05:45", "1.8.2"),
        ("06:00", "1.8.1"),
        ("21:45", "1.8.1"),
        ("22:00", "1.8.2"),
        ("00:00", "1.8.2"),
        ("12:00", "1.8.1"),
    ],
)
@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-15"])
def test_the_second_tariff_counts_from_22_to_6_legal_time(day: str, start: str, moving: str) -> None:
    time = TimeLapse(utc_of_local(datetime.fromisoformat(f"{day}T{start}:00")))
    bank = bank_of(time)
    bank.advance(time.ticks(4_000))
    values = shown(bank)
    assert values[moving] == values["1.8.0"] > 0


def test_a_year_of_the_default_meter_gives_about_1000_kwh_each_way() -> None:
    time = TimeLapse(NEW_YEAR)
    bank = bank_of(time)
    bank.advance(time.ticks(365 * 96 * 4_000))
    assert shown(bank)["1.8.0"] == pytest.approx(9_981_000, abs=2_000)  # dynamic, 2026, tenths of a Wh
    assert shown(bank)["2.8.0"] == pytest.approx(9_990_000, abs=10_000)


def test_registers_move_only_on_the_step_of_the_resolution() -> None:
    time = TimeLapse(NEW_YEAR, 4, 1000)
    bank = bank_of(time, 100_000)
    values = []
    for elapsed_ms in range(0, 3_000, 100):
        bank.advance(time.ticks(elapsed_ms))
        values.append(shown(bank)["1.8.0"])
    assert len(set(values)) == 3
    assert values == [values[0]] * 10 + [values[10]] * 10 + [values[20]] * 10


def test_registers_do_not_run_back() -> None:
    time = TimeLapse(NEW_YEAR)
    bank = bank_of(time)
    bank.advance(time.ticks(100_000))
    before = shown(bank)
    bank.advance(time.ticks(50_000))
    assert shown(bank) == before


def test_in_real_time_a_second_is_a_second() -> None:
    fast, real = TimeLapse(NEW_YEAR, 4), TimeLapse(NEW_YEAR, 900)
    one, other = bank_of(fast), bank_of(real)
    one.advance(fast.ticks(4_000))
    other.advance(real.ticks(900_000))
    assert shown(one) == shown(other)
    assert fast.utc_s(fast.ticks(4_000)) == real.utc_s(real.ticks(900_000)) == NEW_YEAR + 900


def test_power_is_import_minus_export_with_its_sign() -> None:
    time = TimeLapse(utc_of_local(datetime.fromisoformat("2026-06-15T12:00:00")))
    registers = [
        Register(Obis.parse("16.7.0"), Drive.POWER, 27, -1),
        Register(Obis.parse("1.7.0"), Drive.IMPORT_POWER, 27, -1),
        Register(Obis.parse("2.7.0"), Drive.EXPORT_POWER, 27, -1),
    ]
    bank = RegisterBank(registers, Load(ProfileName.H0, 1000), Load(ProfileName.PV0, 8000), time)
    power, imported, exported = map(bank.value, registers)
    assert power < 0 < imported < exported
    assert power == pytest.approx(imported - exported, abs=1)


def test_current_and_power_of_a_phase_make_230_volts() -> None:
    time = TimeLapse(NEW_YEAR + 12 * 3600)
    registers = [
        Register(Obis.parse("31.7.0"), Drive.CURRENT, Drive.CURRENT.unit, -3),
        Register(Obis.parse("36.7.0"), Drive.POWER_L1, Drive.POWER_L1.unit),
    ]
    load = Load(ProfileName.H0, 4000, 0, b"m"), Load(ProfileName.PV0, 9000, 0, b"m")
    bank = RegisterBank(registers, *load, time)
    bank.advance(time.ticks(1000))
    current, power = map(bank.value, registers)
    assert current > 0
    assert abs(current * 230 - 1000 * abs(power)) <= 1000


def test_a_positive_scaler_counts_whole_kilowatt_hours() -> None:
    time = TimeLapse(NEW_YEAR)
    fine, coarse = bank_of(time, 9_000, 0, -1), bank_of(time, 9_000, 0, 3)
    for bank in (fine, coarse):
        bank.advance(time.ticks(30 * 96 * 4_000))
    assert shown(coarse)["1.8.0"] == shown(fine)["1.8.0"] // 10_000 > 100
