"""Scalers, units and factors that a profile sets against its meter."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import Data, DataType, Obis, Reading, octet_string
from smgw.cosem.corrections import NO_CORRECTIONS, Corrections, corrected
from smgw.cosem.exact import exact_reading

ENERGY, POWER, NAME = (Obis.parse(text) for text in ("1-0:1.8.0", "1-0:16.7.0", "0-0:96.1.0"))
READINGS = (
    Reading(ENERGY, Data(DataType.DOUBLE_LONG_UNSIGNED, 4_000_000_000), -1, 30),
    Reading(POWER, Data(DataType.LONG, -1234), 0, 30),
    Reading(NAME, octet_string(b"4711"), class_id=1),
)


def test_without_corrections_the_readings_are_the_same() -> None:
    assert corrected(READINGS, NO_CORRECTIONS) == (READINGS, ())
    assert corrected(READINGS, Corrections.of([(Obis.parse("1-0:2.8.0"), 1)])) == (READINGS, ())


def test_scaler_and_unit_replace_what_the_meter_says() -> None:
    (energy, power, name), left_out = corrected(READINGS, Corrections.of([(POWER, -1)], [(POWER, 27), (NAME, 27)]))
    assert (power.scaler, power.unit, power.value, power.raw) == (-1, 27, READINGS[1].value, None)
    assert (energy, name, left_out) == (READINGS[0], READINGS[2], ())


def test_a_factor_multiplies_exactly_and_what_the_meter_sent_stays_beside() -> None:
    (energy, power, _), _ = corrected(READINGS, Corrections.of(factors=[(ENERGY, 40), (POWER, 40)]))
    assert energy.value == Data(DataType.LONG64_UNSIGNED, 160_000_000_000)
    assert energy.raw == READINGS[0].value
    assert power.value == Data(DataType.DOUBLE_LONG, -49_360)
    assert (energy.scaler, energy.unit) == (-1, 30)


def test_the_sign_that_was_corrected_before_keeps_its_raw_value() -> None:
    wire = Data(DataType.LONG, 5)
    reading = Reading(POWER, Data(DataType.LONG, -5), 0, 27, raw=wire)
    ((found,), _) = corrected((reading,), Corrections.of(factors=[(POWER, 3)]))
    assert (found.value.value, found.raw) == (-15, wire)


def test_a_product_beyond_64_bits_is_left_out_in_words() -> None:
    reading = Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 2**64 - 1), 0, 30)
    found, left_out = corrected((reading, READINGS[1]), Corrections.of(factors=[(ENERGY, 2)]))
    assert found == (READINGS[1],)
    assert left_out == ("1-0:1.8.0*255: 18446744073709551615 times 2 does not fit 64 bits; check factors",)


def test_the_scaler_of_a_float_counts_beside_its_own_decimals() -> None:
    """230.5 of a register whose scaler should be -1 is 23.05."""
    volts = Obis.parse("1-0:32.7.0")
    reading = exact_reading(Reading(volts, Data(DataType.FLOAT32, struct.pack(">f", 230.5)), 0, 35))
    ((found,), _) = corrected((reading,), Corrections.of([(volts, -1)]))
    assert (found.value.value, found.scaler) == (2305, -2)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 1_000_000))
def test_any_product_is_exact_or_left_out(value: int, factor: int) -> None:
    reading = Reading(ENERGY, Data(DataType.LONG64, value))
    found, left_out = corrected((reading,), Corrections.of(factors=[(ENERGY, factor)]))
    assert len(found) + len(left_out) == 1
    for one in found:
        assert one.value.value == value * factor
