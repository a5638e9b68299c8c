"""Data, decimals, units, times and the status word."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import (
    NULL,
    Data,
    DataType,
    FnnStatus,
    GatewayStatus,
    MeterTime,
    MeterTimeKind,
    Obis,
    Reading,
    StatusWord,
    decimal,
    integer,
    meter_status,
    octet_string,
    plain,
)
from smgw.cosem.data import RANGE
from smgw.cosem.units import NO_UNIT, SYMBOLS, symbol
from smgw.errors import LocalProtocolError

U32 = st.integers(0, 2**32 - 1)
HEX = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(U32, U32)
def test_a_status_word_is_the_same_in_both_bit_orders(gateway: int, meter: int) -> None:
    word = StatusWord(gateway, meter)
    assert StatusWord.from_lsb0(word.lsb0) == StatusWord.from_msb0(word.msb0) == word


@given(HEX)
def test_sixteen_hex_digits_are_a_status_word_in_either_order(digits: str) -> None:
    assert StatusWord.from_lsb0(digits).lsb0 == digits
    assert StatusWord.from_msb0(digits).msb0 == digits
    assert StatusWord.from_lsb0(digits.upper()) == StatusWord.from_lsb0(digits)


@given(st.integers(0, 31))
def test_a_bit_stands_at_mirrored_places_of_the_two_orders(bit: int) -> None:
    word = StatusWord(1 << bit, 0)
    assert int(word.lsb0[:8], 16) == 1 << bit
    assert int(word.msb0[:8], 16) == 1 << 31 - bit


def test_the_word_of_a_gateways_xml_has_bit_0_first() -> None:
    word = StatusWord.from_msb0("a0000000208c3800")
    assert GatewayStatus(word.gateway) == GatewayStatus.FIXED
    assert FnnStatus(word.meter) == (
        FnnStatus.BASIC_METER | FnnStatus.ACTIVE_POWER_PRESENT | FnnStatus.EXPORT_L1 | FnnStatus.EXPORT_L2
        | FnnStatus.VOLTAGE_L1 | FnnStatus.VOLTAGE_L2 | FnnStatus.VOLTAGE_L3
    )  # fmt: skip
    assert word.msb0 == "a0000000208c3800"


def test_the_word_of_ar_2418_6_has_bit_0_last() -> None:
    word = StatusWord.from_lsb0("0000010500100504")
    assert GatewayStatus(word.gateway) == GatewayStatus.FIXED | GatewayStatus.FATAL_ERROR
    assert FnnStatus(word.meter) == (
        FnnStatus.BASIC_METER | FnnStatus.ACTIVE_POWER_PRESENT | FnnStatus.MECHANICAL_TAMPER | FnnStatus.VOLTAGE_L3
    )
    assert word.lsb0 == "0000010500100504"


@pytest.mark.parametrize(
    "digits", ["", "0", "0" * 15, "0" * 17, "g" * 16, "0x00000000000000", "-000000000000001", "+00000100000005",
               "0000_00000000_00", " 000010500100504", "٠" * 16],
)  # fmt: skip
def test_what_is_no_sixteen_hex_digits_is_no_status_word(digits: str) -> None:
    for read in (StatusWord.from_lsb0, StatusWord.from_msb0):
        with pytest.raises(ValueError, match="16 hex digits"):
            read(digits)


def reading(status: Data | None) -> Reading:
    return Reading(Obis.parse("1.8.0"), integer(1, 8, signed=False), status=status)


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([], 0),
        ([None], 0),
        ([integer(0x1C0104, 3, signed=False)], 0x1C0104),
        ([None, integer(0x1C0104, 4, signed=False)], 0x1C0104),
        ([integer(0x182, 4, signed=False)], 0),  # an EDL word says something else with the same bits
        ([integer(0x1_001C_0104, 8, signed=False)], 0x1C0104),
        ([octet_string(b"x")], 0),
    ],
)
def test_the_meters_half_is_what_an_fnn_meter_sent(statuses: list[Data | None], word: int) -> None:
    assert meter_status(map(reading, statuses)) == word


@given(st.integers(1, 8), st.data(), st.booleans())
def test_an_integer_of_any_size_fits_the_next_width(size: int, data: st.DataObject, signed: bool) -> None:
    bits = 8 * size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    value = data.draw(st.integers(low, high))
    made = integer(value, size, signed=signed)
    assert made.value == value
    assert RANGE[made.type][0] <= value <= RANGE[made.type][1]


@pytest.mark.parametrize(
    ("size", "signed", "kind"),
    [
        (1, True, DataType.INTEGER), (2, True, DataType.LONG), (3, True, DataType.DOUBLE_LONG),
        (4, True, DataType.DOUBLE_LONG), (5, True, DataType.LONG64), (8, True, DataType.LONG64),
        (1, False, DataType.UNSIGNED), (2, False, DataType.LONG_UNSIGNED), (3, False, DataType.DOUBLE_LONG_UNSIGNED),
        (4, False, DataType.DOUBLE_LONG_UNSIGNED), (6, False, DataType.LONG64_UNSIGNED),
        (7, False, DataType.LONG64_UNSIGNED), (8, False, DataType.LONG64_UNSIGNED),
    ],
)  # fmt: skip
def test_sizes_become_types(size: int, signed: bool, kind: DataType) -> None:
    assert integer(1, size, signed=signed).type is kind


@pytest.mark.parametrize(
    ("value", "size", "signed"), [(256, 1, False), (-1, 4, False), (128, 1, True), (2**64, 8, False)]
)
def test_an_integer_that_does_not_fit_is_our_callers_error(value: int, size: int, signed: bool) -> None:
    with pytest.raises(LocalProtocolError, match="does not fit"):
        integer(value, size, signed=signed)


@pytest.mark.parametrize(
    ("value", "scaler", "text"),
    [
        (86038387975, -4, "8603838.7975"),
        (0, -1, "0.0"),
        (-5, -2, "-0.05"),
        (12, 3, "12000"),
        (7, None, "7"),
        (7, 0, "7"),
        (2**64 - 1, -5, "184467440737095.51615"),
        (-(2**63), 0, "-9223372036854775808"),
        (1, -128, "0." + "0" * 127 + "1"),
        (1, 127, "1" + "0" * 127),
    ],
)
def test_a_value_is_written_with_the_meters_digits_and_no_exponent(value: int, scaler: int | None, text: str) -> None:
    assert plain(value, scaler) == text


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127))
def test_a_decimal_is_exact(value: int, scaler: int) -> None:
    exact = decimal(value, scaler)
    assert exact.as_tuple().exponent == scaler
    assert Decimal(plain(value, scaler)) == exact
    sign, digits, _ = exact.as_tuple()
    assert (-1 if sign else 1) * int("".join(map(str, digits))) == value


def test_null_is_one_value() -> None:
    assert Data(DataType.NULL_DATA, None) == NULL


@pytest.mark.parametrize(
    ("unit", "text"),
    [(30, "Wh"), (27, "W"), (32, "varh"), (13, "m³"), (35, "V"), (None, ""), (0, ""), (254, ""), (NO_UNIT, ""),
     (99, "unit 99"), (200, "unit 200")],
)  # fmt: skip
def test_units_have_their_symbol_and_unknown_ones_their_number(unit: int | None, text: str) -> None:
    assert symbol(unit) == text


def test_every_unit_of_the_table_is_an_octet_with_a_symbol() -> None:
    assert all(0 < unit < 253 and text for unit, text in SYMBOLS.items())


@pytest.mark.parametrize(
    ("kind", "octets", "seconds"),
    [
        (MeterTimeKind.SEC_INDEX, "0000002a", 42),
        (MeterTimeKind.TIMESTAMP, "ffffffff", 2**32 - 1),
        (MeterTimeKind.LOCAL_TIMESTAMP, "5f000000ffc4003c", 0x5F000000),
        (MeterTimeKind.DLMS_DATE_TIME, "07e4010103000000ff800000", None),
    ],
)
def test_a_meters_time_tells_its_seconds_where_it_has_them(
    kind: MeterTimeKind, octets: str, seconds: int | None
) -> None:
    assert MeterTime(kind, bytes.fromhex(octets)).seconds == seconds
