"""A meter's time in each form."""

import pytest
from smgw.cosem import Data, DataType, MeterTime, MeterTimeKind, octet_string
from smgw.cosem.told import Form, Told

WHOLE = bytes.fromhex("07ea0101040c1e0f00ffc400")
DATE, TIME = WHOLE[:5], WHOLE[5:9]
LOCAL = DATE + TIME + b"\x80\x00\xff"
UTC_US = 1_767_267_015_000_000


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


@pytest.mark.parametrize(
    ("values", "form", "octets"),
    [
        ((octet_string(WHOLE),), Form.DATE_TIME, WHOLE),
        ((Data(DataType.DATE_TIME, WHOLE),), Form.DATE_TIME, WHOLE),
        ((octet_string(DATE), octet_string(TIME)), Form.DATE, LOCAL),
        ((Data(DataType.TIME, TIME), Data(DataType.DATE, DATE)), Form.DATE, LOCAL),
        ((structure(octet_string(DATE), octet_string(TIME)),), Form.DATE, LOCAL),
        ((octet_string(DATE),), Form.DATE, DATE + bytes(4) + b"\x80\x00\xff"),
    ],
)
def test_a_time_is_kept_as_twelve_octets(values: tuple[Data, ...], form: Form, octets: bytes) -> None:
    told = Told.of(values)
    assert told is not None
    assert (told.form, told.meter_time) == (form, MeterTime(MeterTimeKind.DLMS_DATE_TIME, octets))


@pytest.mark.parametrize("kind", [DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED, DataType.DOUBLE_LONG])
def test_a_unix_time_is_a_moment_in_utc(kind: DataType) -> None:
    told = Told.of((Data(kind, UTC_US // 1_000_000),))
    assert told is not None
    assert told.time.utc_us() == UTC_US
    assert told.meter_time == MeterTime(MeterTimeKind.TIMESTAMP, (UTC_US // 1_000_000).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "value",
    [
        octet_string(TIME),
        octet_string(b""),
        Data(DataType.UNSIGNED, 17),
        Data(DataType.DOUBLE_LONG_UNSIGNED, 0),
        Data(DataType.LONG64_UNSIGNED, 1 << 40),
        Data(DataType.NULL_DATA, None),
    ],
)
def test_what_is_no_moment_is_none(value: Data) -> None:
    assert Told.of((value,)) is None


def test_a_date_alone_is_not_exact() -> None:
    told, exact = Told.of((octet_string(DATE),)), Told.of((octet_string(DATE), octet_string(TIME)))
    assert told is not None
    assert exact is not None
    assert (told.exact, exact.exact) == (False, True)
