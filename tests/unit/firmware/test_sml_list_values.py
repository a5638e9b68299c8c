"""Lists where a value may stand: three kinds have a meaning, the others stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import ScalerUnit
from smgw.sml import tlv
from smgw.sml.list_values import ListValue, TimestampedValue, read_list_value, write_list_value
from smgw.sml.messages import Time
from sml_strategies import times, unsigned, values

list_values = (
    times
    | st.builds(TimestampedValue, times, st.none() | unsigned(), st.none() | values)
    | st.builds(ScalerUnit, st.integers(-128, 127), st.integers(0, 255))
)


@given(list_values)
def test_a_list_value_written_and_read_is_the_same(value: ListValue) -> None:
    assert read_list_value(write_list_value(value)) == value


@given(values)
def test_a_value_of_any_shape_is_read_or_left_alone(value: tlv.Value) -> None:
    found = read_list_value(value)
    assert found is None or isinstance(found, Time | TimestampedValue | ScalerUnit)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("72 62 01 72 62 02 65 5f 00 00 00", Time(2, 0x5F000000)),
        ("72 62 02 73 72 62 01 65 00 00 00 2a 62 04 65 00 00 00 07",
         TimestampedValue(Time(1, 42), tlv.unsigned(4, 1), tlv.unsigned(7, 4))),
        ("72 62 03 72 62 01 72 52 ff 62 1e", ScalerUnit(-1, 30)),
        ("72 62 03 72 62 02 72 52 ff 62 1e", None),  # a CosemValue of a kind that is not known
        ("72 62 03 72 62 01 72 53 ff 00 62 1e", None),  # a scaler of -256
        ("72 62 04 62 01", None),
        ("72 62 02 73 01 01 01", None),
        ("72 01 01", None),
        ("62 01", None),
    ],
)  # fmt: skip
def test_the_wire_forms(octets: str, expected: ListValue | None) -> None:
    value, _ = tlv.decode(bytes.fromhex(octets), 0)
    assert value is not None
    assert read_list_value(value) == expected
