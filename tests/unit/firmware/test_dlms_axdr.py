"""A-XDR: every type both ways, and everything that is none refused in linear time."""

import contextlib

import pytest
from dlms_strategies import compact_arrays, data
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import NULL, Data, DataType, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.data import AxdrError
from smgw.errors import LocalProtocolError
from work import work

_U8 = Data(DataType.UNSIGNED, 1)


@given(data)
def test_data_written_and_read_are_the_same(value: Data) -> None:
    octets = axdr.encode(value)
    assert axdr.decode(octets) == (value, len(octets))
    assert axdr.decode_all(octets) == value


@given(compact_arrays)
def test_a_compact_array_written_and_read_is_the_same(value: Data) -> None:
    assert axdr.decode_all(axdr.encode(value)) == value


@given(data, st.binary(max_size=9), st.binary(max_size=9))
def test_data_are_read_and_measured_the_same_wherever_they_stand(value: Data, before: bytes, behind: bytes) -> None:
    octets = axdr.encode(value)
    assert axdr.decode(before + octets + behind, len(before)) == (value, len(before) + len(octets))
    assert axdr.end(before + octets + behind, len(before)) == len(before) + len(octets)


@given(data, st.data())
def test_data_cut_short_are_refused(value: Data, draw: st.DataObject) -> None:
    octets = axdr.encode(value)
    short = octets[: draw.draw(st.integers(0, len(octets) - 1))]
    with pytest.raises(AxdrError):
        axdr.decode(short)
    with pytest.raises(AxdrError):
        axdr.end(short)


@given(st.binary(max_size=400))
def test_random_octets_are_data_or_refused(octets: bytes) -> None:
    try:
        value, end = axdr.decode(octets)
    except AxdrError:
        return
    assert 0 < end <= len(octets)
    assert axdr.end(octets) == end
    if value.type is not DataType.COMPACT_ARRAY:  # an empty one does not say what it is empty of
        axdr.encode(value)


@given(data, st.data())
def test_octets_changed_anywhere_are_data_or_refused(value: Data, draw: st.DataObject) -> None:
    octets = bytearray(axdr.encode(value))
    octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    try:
        _, end = axdr.decode(bytes(octets))
    except AxdrError:
        return
    assert axdr.end(bytes(octets)) == end


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("00", NULL),
        ("ff", Data(DataType.DONT_CARE, None)),
        ("03 00", Data(DataType.BOOLEAN, 0)),
        ("03 ff", Data(DataType.BOOLEAN, 1)),
        ("04 0a ff 40", Data(DataType.BIT_STRING, "1111111101")),
        ("04 00", Data(DataType.BIT_STRING, "")),
        ("05 ff ff ff 2d", Data(DataType.DOUBLE_LONG, -211)),
        ("06 00 bc 61 4e", Data(DataType.DOUBLE_LONG_UNSIGNED, 12345678)),
        ("07 3f 80 00 00", Data(DataType.FLOATING_POINT, b"\x3f\x80\x00\x00")),
        ("09 02 ab cd", octet_string(b"\xab\xcd")),
        ("09 81 02 ab cd", octet_string(b"\xab\xcd")),
        ("0a 03 4b 46 4d", Data(DataType.VISIBLE_STRING, "KFM")),
        ("0a 01 b0", Data(DataType.VISIBLE_STRING, "°")),
        ("0c 02 c2 b0", Data(DataType.UTF8_STRING, "°")),
        ("0d 42", Data(DataType.BCD, b"\x42")),
        ("0f fe", Data(DataType.INTEGER, -2)),
        ("10 ff 38", Data(DataType.LONG, -200)),
        ("11 ff", Data(DataType.UNSIGNED, 255)),
        ("12 08 e4", Data(DataType.LONG_UNSIGNED, 2276)),
        ("14 ff ff ff ff ff ff ff fe", Data(DataType.LONG64, -2)),
        ("15 ff ff ff ff ff ff ff fe", Data(DataType.LONG64_UNSIGNED, (1 << 64) - 2)),
        ("16 1e", Data(DataType.ENUM, 30)),
        ("17 3f 80 00 00", Data(DataType.FLOAT32, b"\x3f\x80\x00\x00")),
        ("18 3f f0 00 00 00 00 00 00", Data(DataType.FLOAT64, bytes.fromhex("3ff0000000000000"))),
        ("19 07 e6 0b 16 02 10 25 1e ff 80 00 00", Data(DataType.DATE_TIME, bytes.fromhex("07e60b160210251eff800000"))),
        ("1a 07 e6 0b 16 02", Data(DataType.DATE, bytes.fromhex("07e60b1602"))),
        ("1b 10 25 1e ff", Data(DataType.TIME, bytes.fromhex("10251eff"))),
        ("02 02 0f ff 16 23", Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -1), Data(DataType.ENUM, 35)))),
        ("01 00", Data(DataType.ARRAY, ())),
        ("01 81 01 00", Data(DataType.ARRAY, (NULL,))),
    ],
)
def test_octets_as_meters_send_them_are_read(octets: str, value: Data) -> None:
    raw = bytes.fromhex(octets)
    assert axdr.decode(raw) == (value, len(raw))
    inside = b"\x02\x01" + raw
    assert axdr.decode(inside) == (Data(DataType.STRUCTURE, (value,)), len(inside))


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("13 11 04 01 02 03 04", tuple(Data(DataType.UNSIGNED, number) for number in (1, 2, 3, 4))),
        (
            "13 02 02 11 09 0c 03 02 61 62 03 02 61 62 03 02 61 62",
            (Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 3), octet_string(b"ab"))),) * 3,
        ),
        (
            "13 02 02 11 01 00 02 12 0a 01 00 01 00 02 02 00 03 00 04",
            tuple(
                Data(
                    DataType.STRUCTURE,
                    (
                        Data(DataType.UNSIGNED, number),
                        Data(DataType.ARRAY, tuple(Data(DataType.LONG_UNSIGNED, one) for one in pair)),
                    ),
                )
                for number, pair in ((1, (1, 2)), (2, (3, 4)))
            ),
        ),
        (
            "13 02 02 00 11 02 05 06",
            tuple(Data(DataType.STRUCTURE, (NULL, Data(DataType.UNSIGNED, n))) for n in (5, 6)),
        ),
        ("13 11 00", ()),
    ],
)
def test_a_compact_array_is_read(octets: str, value: tuple[Data, ...]) -> None:
    raw = bytes.fromhex(octets)
    assert axdr.decode_all(raw) == Data(DataType.COMPACT_ARRAY, value)
    assert axdr.end(raw) == len(raw)


@pytest.mark.parametrize(
    "octets",
    ["", "08", "0b 00", "0e", "1c", "fe", "03", "05 00 00 00", "09", "09 01", "09 80", "09 85 00 00 00 00 00",
     "09 82 01", "04 09 00", "01", "01 01", "01 82 ff ff 00", "02 02 00", "18 00", "19 07 e6", "13", "13 13 00 00",
     "13 08 00", "13 11 01", "13 12 03 00 01 00", "13 00 01 00", "13 02 00 01 00", "13 01 00", "13 01 00 02",
     "13 01 ff ff 01 ff ff 00 01 00", "13 02 05 11", "13 09 02 05 00"],
)  # fmt: skip
def test_octets_that_are_no_data_are_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    with pytest.raises(AxdrError):
        axdr.decode(raw)
    with pytest.raises(AxdrError):
        axdr.decode(b"\x02\x01" + raw)


def test_a_text_that_is_no_utf8_comes_as_the_octets_it_is() -> None:
    assert axdr.decode_all(b"\x0c\x02\xff\xfe") == octet_string(b"\xff\xfe")


def test_octets_behind_the_data_are_the_callers() -> None:
    """R15: some meters declare a row less than they send."""
    assert axdr.decode(b"\x11\x01\x11\x02") == (_U8, 2)
    with pytest.raises(AxdrError, match="octet 2: 2 octets behind the data"):
        axdr.decode_all(b"\x11\x01\x11\x02")


@pytest.mark.parametrize("kind", [b"\x01\x01", b"\x02\x01", b"\x02\x81\x01"])
def test_data_nested_deeper_than_anything_real_are_refused(kind: bytes) -> None:
    assert axdr.decode(kind * axdr.MAX_DEPTH + b"\x00")[1] == len(kind) * axdr.MAX_DEPTH + 1
    assert axdr.end(kind * axdr.MAX_DEPTH + b"\x00") == len(kind) * axdr.MAX_DEPTH + 1
    for read in (axdr.decode, axdr.end):
        with pytest.raises(AxdrError, match="nested too deep"):
            read(kind * (axdr.MAX_DEPTH + 1) + b"\x00")


def test_descriptions_nested_deeper_than_anything_real_are_refused() -> None:
    for read in (axdr.decode, axdr.end):
        with pytest.raises(AxdrError, match="nested too deep"):
            read(b"\x13" + b"\x02\x01" * 30 + b"\x11\x01\x00")


@pytest.mark.parametrize(
    "octets",
    [
        b"\x01\x01" * 100_000,
        b"\x02\xff" * 100_000,
        b"\x13\x01\xff\xff" * 50_000,
        b"\x13\x02\x82\x1f\xff" + b"\x00" * 0x1FFF + b"\x82\x20\x00" + b"\x00" * 0x2000,
        b"\x13\x02\x82\x1f\xff" + b"\x11" + b"\x00" * 0x1FFE + b"\x82\x20\x00" + b"\x00" * 0x2000,
        b"\x13" + b"\x01\xff\xff" * 20 + b"\x00\x01\x00",
        b"\x01\x82\x13\x88" + b"\x13\x01\xff\xff\x01\xff\xff\x11\x00" * 5_000,
        b"\x01\x82\xff\xff" + b"\x09\x84\xff\xff\xff\xff" * 60_000,
        b"\x04\x84\xff\xff\xff\xff" + bytes(100_000),
    ],
)
def test_hostile_octets_take_little_work(octets: bytes) -> None:
    def decode() -> None:
        for read in (axdr.decode, axdr.end):
            with contextlib.suppress(AxdrError):
                read(octets)

    assert work(decode, 20 * len(octets) + 1_000_000)


@pytest.mark.parametrize(
    "value",
    [
        Data(DataType.UNSIGNED, 256),
        Data(DataType.INTEGER, -129),
        Data(DataType.UNSIGNED, "1"),
        Data(DataType.OCTET_STRING, "ab"),
        Data(DataType.VISIBLE_STRING, "\u20ac"),
        Data(DataType.UTF8_STRING, "\ud800"),
        Data(DataType.BIT_STRING, "012"),
        Data(DataType.BCD, b"\x01\x02"),
        Data(DataType.DATE_TIME, bytes(11)),
        Data(DataType.FLOAT32, bytes(8)),
        Data(DataType.NULL_DATA, b""),
        Data(DataType.ARRAY, None),
        Data(DataType.STRUCTURE, 3),
        Data(DataType.COMPACT_ARRAY, b""),
        Data(DataType.COMPACT_ARRAY, (_U8, Data(DataType.INTEGER, 1))),
        Data(DataType.COMPACT_ARRAY, (NULL,)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.COMPACT_ARRAY, (_U8,)),)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.ARRAY, (_U8,)), Data(DataType.ARRAY, (_U8, _U8)))),
    ],
)
def test_a_value_that_is_none_of_its_type_is_our_callers_error(value: Data) -> None:
    with pytest.raises(LocalProtocolError):
        axdr.encode(value)
