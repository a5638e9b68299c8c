"""SML's typed values: written and read back, and everything that is none refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.errors import LocalProtocolError
from smgw.sml import tlv
from smgw.sml.tlv import Kind, TlvError, Value
from sml_strategies import values
from work import work


@given(values)
def test_a_value_written_and_read_is_the_same(value: Value) -> None:
    octets = tlv.encode(value)
    assert tlv.decode(octets, 0) == (value, len(octets))


@given(values, st.binary(max_size=9), st.binary(max_size=9))
def test_a_value_is_read_the_same_wherever_it_stands(value: Value, before: bytes, behind: bytes) -> None:
    octets = tlv.encode(value)
    assert tlv.decode(before + octets + behind, len(before)) == (value, len(before) + len(octets))


@given(values, st.data())
def test_a_value_cut_short_is_refused(value: Value, data: st.DataObject) -> None:
    octets = tlv.encode(value)
    with pytest.raises(TlvError):
        tlv.decode(octets[: data.draw(st.integers(0, len(octets) - 1))], 0)


@given(st.binary(max_size=400))
def test_random_octets_are_a_value_or_refused(octets: bytes) -> None:
    try:
        value, end = tlv.decode(octets, 0)
    except TlvError:
        return
    assert 0 < end <= len(octets)
    tlv.encode(value)


@pytest.mark.parametrize("kind", [Kind.SIGNED, Kind.UNSIGNED])
@pytest.mark.parametrize("size", range(1, 9))
def test_integers_of_one_to_eight_octets_keep_value_and_size(kind: Kind, size: int) -> None:
    octets = bytes(((kind << 4) + size + 1,)) + b"\xfe" + b"\xdc" * (size - 1)
    value, end = tlv.decode(octets, 0)
    assert value == Value(kind, size, int.from_bytes(octets[1:], "big", signed=kind is Kind.SIGNED))
    assert (end, tlv.encode(value)) == (len(octets), octets)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("01", None),
        ("42 00", Value(Kind.BOOLEAN, 1, False)),
        ("42 01", Value(Kind.BOOLEAN, 1, True)),
        ("42 7f", Value(Kind.BOOLEAN, 1, True)),
        ("53 8b 28", tlv.signed(-29912, 2)),
        ("54 fe cb fd", tlv.signed(-78851, 3)),
        ("64 1c 79 04", tlv.unsigned(0x1C7904, 3)),
        ("56 00 00 00 00 2a", tlv.signed(42, 5)),
        ("70", tlv.sequence()),
        ("72 01 62 05", tlv.sequence(None, tlv.unsigned(5, 1))),
        ("83 02" + "ab" * 48, tlv.octets(b"\xab" * 48)),
        ("f1 00" + "01" * 16, tlv.sequence(*[None] * 16)),
        ("f1 70" + "01" * 16, tlv.sequence(*[None] * 16)),
        ("f1 79" + "01" * 25, tlv.sequence(*[None] * 25)),  # Hager
        ("f0 71 01", tlv.sequence(None)),
        ("f1 f0 70" + "01" * 256, tlv.sequence(*[None] * 256)),
        ("83 12" + "ab" * 48, tlv.octets(b"\xab" * 48)),
        ("e0 66 00 00 00 2a", tlv.unsigned(42, 4)),
    ],
)
def test_octets_as_meters_send_them_are_read(octets: str, value: Value | None) -> None:
    raw = bytes.fromhex(octets)
    assert tlv.decode(raw, 0) == (value, len(raw))


@pytest.mark.parametrize("size", [1, 13, 14, 15, 16, 252, 253, 254, 255, 4091, 4092, 4093, 4094])
def test_the_length_of_a_string_counts_its_type_length_octets(size: int) -> None:
    octets = tlv.encode(tlv.octets(bytes(size)))
    assert tlv.decode(octets, 0) == (tlv.octets(bytes(size)), len(octets))


@pytest.mark.parametrize("elements", [0, 1, 14, 15, 16, 17, 255, 256, 257])
def test_the_length_of_a_list_counts_its_elements(elements: int) -> None:
    octets = tlv.encode(tlv.sequence(*[None] * elements))
    assert tlv.decode(octets, 0) == (tlv.sequence(*[None] * elements), len(octets))


@pytest.mark.parametrize(
    "octets",
    ["", "00", "05 01", "12 00", "22 00", "32 00", "40", "41", "43 00 00", "50", "51", "60", "61", "6a" + "00" * 9,
     "5a" + "00" * 9, "80", "83", "83 12", "81 00", "72 01", "ff ff ff ff", "8f 0f 0f 0f 0f 0f 0f", "ff 0f 01"],
)  # fmt: skip
def test_octets_that_are_no_value_are_refused(octets: str) -> None:
    with pytest.raises(TlvError):
        tlv.decode(bytes.fromhex(octets), 0)


def test_lists_nested_deeper_than_anything_real_are_refused() -> None:
    assert tlv.decode(b"\x71" * tlv.MAX_DEPTH + b"\x01", 0)[1] == tlv.MAX_DEPTH + 1
    with pytest.raises(TlvError, match="nested too deep"):
        tlv.decode(b"\x71" * (tlv.MAX_DEPTH + 1) + b"\x01", 0)


@pytest.mark.parametrize("octets", [b"\x71" * 200_000, b"\xff" * 200_000, b"\x80" * 200_000, b"\xf8\x00" * 100_000])
def test_hostile_octets_are_refused_with_little_work(octets: bytes) -> None:
    def read() -> None:
        with pytest.raises(TlvError):
            tlv.decode(octets, 0)

    assert work(read, 10 * len(octets))


@pytest.mark.parametrize("value", [tlv.unsigned(256, 1), tlv.unsigned(-1, 4), tlv.signed(128, 1), tlv.signed(-129, 1)])
def test_a_number_that_does_not_fit_is_our_callers_error(value: Value) -> None:
    with pytest.raises(LocalProtocolError, match="does not fit"):
        tlv.encode(value)


def test_an_empty_string_is_written_as_absent_since_the_wire_cannot_tell_them_apart() -> None:
    assert tlv.encode(tlv.octets(b"")) == b"\x01"
