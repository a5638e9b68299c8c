"""Selective access: ranges and entries as they stand on the wire, and what selects nothing."""

import pytest
from dlms_strategies import encoded
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import CaptureObject, Data, DataError, DataType, Obis, capture_objects, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.selection import Entries, Range, read_selection

CLOCK = CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2)
ENERGY = CaptureObject(3, Obis.parse("1.8.0"), 2)
FIRST, LAST = (
    octet_string(bytes.fromhex("07e60b160210000000ffc400")),
    octet_string(bytes.fromhex("07e60b1702000000ff8000ff")),
)


def test_a_range_is_written_as_meters_read_it_and_read_back() -> None:
    selection = Range(CLOCK, FIRST, LAST).selection()
    assert selection == Selection(
        1,
        bytes.fromhex(
            "0204 0204 120008 09060000010000ff 0f02 120000"
            "090c07e60b160210000000ffc400 090c07e60b1702000000ff8000ff 0100"
        ),
    )
    assert read_selection(selection) == Range(CLOCK, FIRST, LAST)


def test_a_range_names_the_columns_wanted() -> None:
    chosen = Range(CLOCK, FIRST, LAST, (CLOCK, ENERGY))
    assert read_selection(chosen.selection()) == chosen


def test_entries_are_written_as_meters_read_them_and_read_back() -> None:
    selection = Entries(2, 3).selection()
    assert selection == Selection(2, bytes.fromhex("0204 0600000002 0600000003 120001 120000"))
    assert read_selection(selection) == Entries(2, 3, 1, 0)


def test_the_columns_of_a_profile_are_read_with_other_number_types_too() -> None:
    data = Data(DataType.ARRAY, (CLOCK.data(), ENERGY.data()))
    assert capture_objects(data) == (CLOCK, ENERGY)
    other = axdr.decode_all(bytes.fromhex("0101 0204 0600000008 09060000010000ff 1102 1100"))
    assert capture_objects(other) == (CLOCK,)


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        (Selection(3, b"\x00"), "selector 3"),
        (Selection(1, b"\x00"), "a range is NULL_DATA"),
        (Selection(2, b"\x02\x01\x11\x00"), "an entry selection is STRUCTURE"),
        (Selection(2, bytes.fromhex("0204 0900 1100 1100 1100")), "a bound of an entry selection is OCTET_STRING"),
        (Selection(1, b"\x08"), "no data type has the tag 08"),
        (Selection(1, bytes.fromhex("0204 0204 120008 0901ff 0f02 120000 00 00 0100")), "logical name of 6 octets"),
    ],
)
def test_what_selects_nothing_is_refused(selection: Selection, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_selection(selection)


@given(st.integers(0, 3), encoded | st.binary(max_size=60))
def test_any_parameters_are_a_selection_or_refused(selector: int, parameters: bytes) -> None:
    try:
        read_selection(Selection(selector, parameters))
    except DataError:
        return
