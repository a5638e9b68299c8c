"""Floats and BCD as exact integers: the shortest decimal text, and no binary arithmetic on the way."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import Data, DataError, DataType, Obis, Reading, octet_string
from smgw.cosem.data import RANGE, decimal, plain
from smgw.cosem.exact import Exact, exact, exact_reading

VOLTS = Obis.parse("1-0:32.7.0")


def float32(number: float) -> Data:
    return Data(DataType.FLOAT32, struct.pack(">f", number))


def float64(number: float) -> Data:
    return Data(DataType.FLOAT64, struct.pack(">d", number))


def as_decimal(found: Exact | None) -> Decimal:
    assert found is not None
    assert isinstance(found.value.value, int)
    return Decimal(found.value.value).scaleb(found.scaler)


@pytest.mark.parametrize(
    ("data", "number", "scaler"),
    [
        (float32(230.5), 2305, -1),
        (float32(0.1), 1, -1),
        (float32(0.0), 0, 0),
        (float32(-0.0), 0, 0),
        (float32(-50.25), -5025, -2),
        (float32(100.0), 100, 0),
        (float32(1e12), 1_000_000_000_000, 0),
        (float32(16_777_216.0), 16_777_216, 0),
        (Data(DataType.FLOATING_POINT, struct.pack(">f", 49.98)), 4998, -2),
        (float64(230.5), 2305, -1),
        (float64(0.1), 1, -1),
        (float64(86038.387975), 86_038_387_975, -6),
        (float64(1e25), 1, 25),
        (Data(DataType.BCD, b"\x42"), 42, 0),
        (Data(DataType.DOUBLE_LONG, -7), -7, 0),
    ],
)
def test_a_number_has_the_digits_of_its_shortest_text(data: Data, number: int, scaler: int) -> None:
    found = exact(data)
    assert found is not None
    assert (found.value.value, found.scaler) == (number, scaler)
    assert found.raw == (None if data.type is DataType.DOUBLE_LONG else data)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float64_is_the_number_that_python_prints(number: float) -> None:
    """Python's text of a float is the shortest, too: an independent reader."""
    try:
        assert as_decimal(exact(float64(number))) == Decimal(repr(number))
    except DataError:
        assert not 1e-110 < abs(number) < 1e125


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_reads_back_to_the_same_bits_and_no_shorter_number_does(number: float) -> None:
    found = exact(float32(number))
    assert struct.pack(">f", float(as_decimal(found))) == struct.pack(">f", abs(number) if number == 0 else number)
    assert found is not None
    if found.value.value and found.scaler < 0:
        shorter = Decimal(int(found.value.value) // 10).scaleb(found.scaler + 1)  # type: ignore[call-overload]
        for near in (shorter, shorter + Decimal(1).scaleb(found.scaler + 1)):
            assert struct.pack(">f", float(near)) != struct.pack(">f", number)


@given(st.binary(min_size=4, max_size=4))
def test_any_four_octets_are_a_number_or_refused_in_words(octets: bytes) -> None:
    data = Data(DataType.FLOAT32, octets)
    if not math.isfinite(struct.unpack(">f", octets)[0]):
        with pytest.raises(DataError, match=r"NaN|infinite"):
            exact(data)
        return
    found = exact(data)
    assert found is not None
    low, high = RANGE[found.value.type]
    assert isinstance(found.value.value, int)
    assert low <= found.value.value <= high


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (float32(math.nan), r"the float is not a number \(NaN\)"),
        (float64(-math.inf), "the float is infinite"),
        (float64(5e-324), "too small for a scaler"),
        (float64(1e300), "too large for a scaler"),
        (Data(DataType.BCD, b"\xfa"), "the BCD octet holds no decimal digits"),
    ],
)
def test_what_has_no_value_is_refused_in_words(data: Data, said: str) -> None:
    with pytest.raises(DataError, match=said):
        exact(data)


def test_octets_and_texts_are_no_numbers() -> None:
    assert exact(octet_string(b"\x43\x66\x80\x00")) is None
    assert exact(Data(DataType.VISIBLE_STRING, "230.5")) is None


def test_a_reading_has_both_scalers_and_keeps_what_the_meter_sent() -> None:
    sent = float32(230.5)
    found = exact_reading(Reading(VOLTS, sent, 3, 35))
    assert (found.value, found.scaler, found.unit, found.raw) == (Data(DataType.DOUBLE_LONG, 2305), 2, 35, sent)


def test_a_bcd_reading_keeps_scaler_and_unit() -> None:
    found = exact_reading(Reading(VOLTS, Data(DataType.BCD, b"\x23"), 1, 35))
    assert (found.value.value, found.scaler, found.unit) == (23, 1, 35)


def test_a_text_has_neither_scaler_nor_unit() -> None:
    found = exact_reading(Reading(VOLTS, octet_string(b"x"), -1, 35))
    assert (found.scaler, found.unit) == (0, 255)


def test_scalers_that_are_out_of_range_together_are_refused() -> None:
    with pytest.raises(DataError, match="out of range together"):
        exact_reading(Reading(VOLTS, float32(0.5), -128, 35))


@given(st.integers(-(1 << 63), (1 << 64) - 1), st.none() | st.integers(-128, 127))
def test_a_plain_number_has_the_digits_of_its_decimal(value: int, scaler: int | None) -> None:
    assert plain(value, scaler) == format(decimal(value, scaler), "f")
