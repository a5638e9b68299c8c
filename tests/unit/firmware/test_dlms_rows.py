"""Rows of a load profile: the fast way gives what the full decoder gives, or refuses as it does."""

import pytest
from dlms_strategies import data, row_values
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import NULL, Data, DataType, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.data import AxdrError
from smgw.dlms.data.rows import Row, Rows, fill_nulls
from work import is_linear

TIME = bytes.fromhex("07e60b160210000000ffc400")
LATER = bytes.fromhex("07e60b1602100f0000ffc400")
LATEST = bytes.fromhex("07e60b1602101e0000ffc400")


def row(time: bytes | None, value: int | None, status: int | None = 8) -> Row:
    return (
        NULL if time is None else octet_string(time),
        NULL if value is None else Data(DataType.DOUBLE_LONG_UNSIGNED, value),
        NULL if status is None else Data(DataType.UNSIGNED, status),
    )


def buffer(rows: list[Row]) -> bytes:
    return axdr.encode(Data(DataType.ARRAY, tuple(Data(DataType.STRUCTURE, one) for one in rows)))


def full(octets: bytes) -> tuple[list[Row], int]:
    value, end = axdr.decode(octets)
    rows = []
    assert isinstance(value.value, tuple)
    for one in value.value:
        assert isinstance(one.value, tuple)
        rows.append(one.value)
    return rows, end


def repeated(runs: list[tuple[Row, int]]) -> list[Row]:
    return [one for one, times in runs for _ in range(times)]


rows_of_a_profile = st.lists(
    st.tuples(st.lists(row_values, max_size=5).map(tuple), st.integers(1, 40)), max_size=6
).map(repeated)


@given(rows_of_a_profile)
def test_rows_are_those_of_the_full_decoder(rows: list[Row]) -> None:
    octets = buffer(rows)
    reader = Rows(octets)
    assert list(reader) == rows
    assert reader.position == len(octets)


@given(rows_of_a_profile, st.data())
def test_damaged_rows_are_those_of_the_full_decoder_or_refused_as_it_refuses(
    rows: list[Row], draw: st.DataObject
) -> None:
    octets = bytearray(buffer(rows))
    octets[draw.draw(st.integers(0, len(octets) - 1))] ^= draw.draw(st.integers(1, 255))
    reader = Rows(bytes(octets))
    try:
        expected = axdr.decode(bytes(octets))
    except AxdrError:
        with pytest.raises(AxdrError):
            list(reader)
        return
    try:
        found = list(reader)
    except AxdrError as error:
        assert "stand" in str(error)  # data, but no rows  # noqa: PT017
        return
    assert (found, reader.position) == full(bytes(octets)) == (found, expected[1])


@given(data)
def test_data_that_are_no_rows_are_refused(value: Data) -> None:
    octets = axdr.encode(value)
    try:
        found = list(Rows(octets))
    except AxdrError:
        return
    assert found == full(octets)[0]


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=40))
def test_rows_in_a_compact_array_are_rows(numbers: list[int]) -> None:
    rows = [row(TIME, number) for number in numbers]
    octets = axdr.encode(Data(DataType.COMPACT_ARRAY, tuple(Data(DataType.STRUCTURE, one) for one in rows)))
    assert list(Rows(octets)) == rows


def test_rows_of_several_layouts_are_read() -> None:
    """R15: nulls for what repeats, rows shorter than the columns."""
    rows = [row(TIME, 1), row(None, 2), row(None, 3), row(LATEST, 4, None), row(TIME, 5)[:2], row(TIME, 6)] * 50
    assert list(Rows(buffer(rows))) == rows


def test_rows_of_more_layouts_than_are_kept_are_read() -> None:
    rows = [(octet_string(bytes(size % 60)), Data(DataType.UNSIGNED, size % 256)) for size in range(500)]
    assert list(Rows(buffer(rows))) == rows


def test_octets_behind_the_rows_are_left_to_the_caller() -> None:
    """R15: the stray row of a meter that declares one less than it sends."""
    rows = [row(TIME, number) for number in range(30)]
    octets = buffer(rows)
    reader = Rows(octets + buffer(rows[:1])[2:])
    assert list(reader) == rows
    assert reader.position == len(octets)


def test_rows_before_a_cut_are_given_and_the_cut_is_refused() -> None:
    octets = buffer([row(TIME, number) for number in range(30)])
    reader = iter(Rows(octets[:-1]))
    assert [next(reader) for _ in range(29)] == [row(TIME, number) for number in range(29)]
    with pytest.raises(AxdrError):
        next(reader)


def test_alternating_layouts_take_linear_work() -> None:
    buffers = {count: buffer([row(TIME, 1), row(None, 2)] * count) for count in (300, 600, 1200)}

    def read(count: int) -> None:
        assert sum(1 for _ in Rows(buffers[count])) == 2 * count

    assert is_linear(read, 300)


def test_a_null_for_the_clock_is_the_time_before_plus_the_period() -> None:
    """R15."""
    rows = [row(TIME, 1), row(None, 2), row(None, None), row(TIME, 3, None)]
    assert fill_nulls(rows, 0, 900) == [row(TIME, 1), row(LATER, 2), row(LATEST, 2), row(TIME, 3)]


def test_a_null_with_nothing_before_it_stays() -> None:
    assert fill_nulls([row(None, None), row(None, 2)], 0, 900) == [row(None, None), row(None, 2)]


def test_a_time_of_the_type_date_time_goes_on_as_one() -> None:
    rows: list[Row] = [(Data(DataType.DATE_TIME, TIME),), (NULL,)]
    assert fill_nulls(rows, 0, 900) == [(Data(DataType.DATE_TIME, TIME),), (Data(DataType.DATE_TIME, LATER),)]


def test_a_time_that_is_no_moment_is_followed_by_none() -> None:
    unknown = bytes.fromhex("ffffffffffffffffff800000")
    assert fill_nulls([row(unknown, 1), row(None, 2)], 0, 900) == [row(unknown, 1), row(None, 2)]
