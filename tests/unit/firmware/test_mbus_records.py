"""Records of M-Bus: every value of the captures as libmbus has it, and what bad records cost."""

import struct
from fractions import Fraction

import pytest
from captures import OWN
from mbus_captures import MBusCapture, mbus_capture, mbus_captures
from smgw.cosem import Data, DataType, plain
from smgw.cosem.date_time import DateTime
from smgw.errors import RemoteProtocolError
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.records import Function, Record, read_records
from smgw.mbus.telegram import ApplicationError, Identity, maker_name, maker_octets, medium_name, read_telegram
from work import is_linear

FRAMES = mbus_captures("test-frames")
ERRORS = mbus_captures("error-frames")

#: Where libmbus and we differ, record by record, and why we believe ourselves.
EXCEPTIONS = {
    ("ACW_Itron-BM-plus-m", 2): "00 00 is no date; libmbus prints 2000-00-00",
    ("itron_bm_+m", 2): "00 00 is no date; libmbus prints 2000-00-00",
    ("siemens_wfh21", 3): "00 00 is no date; libmbus prints 2000-00-00",
    ("REL-Relay-Padpuls2", 1): "the meter marks its time as invalid; libmbus prints 1900-01-01",
    ("landis+gyr_ultraheat_t230", 19): "VIFE 6F: the moment of a maximum, here none; libmbus takes it for the maximum",
    ("landis+gyr_ultraheat_t230", 20): "VIFE 6F: the moment of a maximum, here none; libmbus takes it for the maximum",
    ("landis+gyr_ultraheat_t230", 21): "VIFE 6F: the moment of a maximum; libmbus takes it for the maximum",
    ("landis+gyr_ultraheat_t230", 22): "VIFE 6F: the moment of a maximum; libmbus takes it for the maximum",
}  # fmt: skip
FUNCTIONS = {
    "Instantaneous value": Function.NOW, "Actual value": Function.NOW, "Maximum value": Function.MAXIMUM,
    "Minimum value": Function.MINIMUM, "Value during error state": Function.IN_ERROR,
}  # fmt: skip
QUANTITIES = {
    "Energy": "energy", "Power": "power", "Volume": "volume", "Time point (date)": "date",
    "Volume flow": "volume flow", "Time point (date & time)": "time", "Voltage": "voltage",
    "Return temperature": "return temperature", "Flow temperature": "flow temperature", "Current": "current",
    "Fabrication No": "fabrication number", "Operating time": "operating time", "On time": "on time",
    "Temperature difference": "temperature difference", "Error flags": "error flags",
    "External temperature": "external temperature", "Software version": "software version",
    "Firmware version": "firmware version", "H.C.A.": "heat cost", "%RH": "%RH", "cust. ID": "cust. ID",
    "Averaging Duration": "averaging duration", "bat. time": "bat. time", "Reset counter": "reset counter",
    "Parameter set identification": "parameter set", "Model / Version": "model or version",
    "Customer location": "customer location", "Digital Input": "digital input", "C": "C", "c": "c",
    "Actuality Duration": "actuality duration", "Manufacturer specific": "maker's own",
}  # fmt: skip
#: Units of libmbus -> symbol and factor of ours.
UNITS = {
    "m^3": ("m³", 1), "m^3/h": ("m³/h", 1), "Â°C": ("°C", 1), "°C": ("°C", 1), "kWh": ("Wh", 1000),
    "l": ("m³", Fraction(1, 1000)), "-": ("", 1), "Units for H.C.A.": ("", 1),
}  # fmt: skip
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_SAME_AS_OTHER = "reserved but historic"
_NO_RECORD = ("Manufacturer specific", "More records follow")

VALUES = [
    pytest.param(capture, place, id=f"{capture.name}-{place}")
    for capture in FRAMES
    for place, told in enumerate(capture.records)
    if told["Function"] not in _NO_RECORD
]


def number(record: Record) -> Fraction:
    """The value in its unit, exactly."""
    assert record.value is not None
    value = record.value.value
    exact = Fraction(struct.unpack(">f", value)[0]) if isinstance(value, bytes) else Fraction(value)  # type: ignore[arg-type]
    return exact * Fraction(10) ** record.head.meaning.scaler


def text(record: Record) -> str:
    """A value that is no number, as libmbus writes it."""
    assert record.value is not None
    value = record.value.value
    if record.value.type is DataType.DATE_TIME:
        assert isinstance(value, bytes)
        one = DateTime.read(value)
        day = f"{one.year:04d}-{one.month:02d}-{one.day:02d}"
        return day if one.hour is None else f"{day}T{one.hour:02d}:{one.minute:02d}:{one.second:02d}Z"
    return str(value)


@pytest.mark.parametrize(("capture", "place"), VALUES)
def test_a_value_is_that_of_libmbus(capture: MBusCapture, place: int) -> None:
    record, told = read_telegram(capture.frame).records[place], capture.records[place]
    assert record.head.function is FUNCTIONS[told["Function"]]
    if "StorageNumber" in told:
        assert (record.head.storage, record.head.tariff, record.head.subunit) == (
            int(told["StorageNumber"]), int(told.get("Tariff", 0)), int(told.get("Device", 0)),
        )  # fmt: skip
    if (capture.name, place) in EXCEPTIONS:
        assert record.value is None or text(record) != told["Value"]
        return
    if told.get("Quantity", "") in QUANTITIES:
        assert record.head.meaning.quantity == QUANTITIES[told["Quantity"]]
    assert record.value is not None
    if record.value.type in (DataType.DATE_TIME, DataType.VISIBLE_STRING):
        assert text(record) == told["Value"]
        return
    unit, factor = UNITS.get(told["Unit"], (told["Unit"], 1))
    if unit == _SAME_AS_OTHER:  # the litres of the other counter
        unit, factor = "m³", Fraction(1, 1000)
    symbol, seconds = record.head.meaning.symbol, 1
    if unit == "s":
        symbol, seconds = "s", SECONDS[symbol]
    if unit not in ("Reserved",):
        assert symbol == unit
    try:
        expected = Fraction(told["Value"]) * factor
    except ValueError:
        assert bytes.fromhex(told["Value"]) == record.octets
        return
    difference = abs(number(record) * seconds - expected)
    assert difference <= Fraction(1, 1_000_000) * max(1, abs(expected)), "libmbus prints six decimals of a double"


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_a_telegram_has_the_records_and_the_identity_of_libmbus(capture: MBusCapture) -> None:
    telegram = read_telegram(capture.frame)
    told = [one["Function"] for one in capture.records]
    assert len(telegram.records) == sum(one not in _NO_RECORD for one in told)
    assert telegram.more == ("More records follow" in told)
    assert not telegram.fault
    assert telegram.identity is not None
    assert int(telegram.identity.id, 16) == int(capture.slave["Id"], 16)
    assert f"{telegram.status:02X}" == capture.slave["Status"]
    assert telegram.access == int(capture.slave["AccessNumber"])
    maker = capture.slave.get("Manufacturer", "")
    assert telegram.identity.maker == ("0000" if maker == "@@@" else maker)


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_a_frame_comes_whole_octet_by_octet_and_behind_noise(capture: MBusCapture) -> None:
    decoder = FrameDecoder()
    found = [event for octet in b"\xfc\xfd\xfe\x00" + capture.octets for event in decoder.receive(bytes((octet,)))]
    assert [one for one in found if isinstance(one, Frame)] == [capture.frame]


@pytest.mark.parametrize("capture", FRAMES, ids=lambda one: one.name)
def test_no_flipped_bit_gives_another_value(capture: MBusCapture) -> None:
    for place in range(len(capture.octets)):
        for bit in range(8):
            octets = bytearray(capture.octets)
            octets[place] ^= 1 << bit
            decoder = FrameDecoder()
            events = [*decoder.receive(bytes(octets)), *decoder.finish()]
            assert not any(isinstance(event, Frame) for event in events), (place, bit)


@pytest.mark.parametrize("capture", [one for one in ERRORS if "Error" in one.slave], ids=lambda one: one.name)
def test_an_error_of_the_application_is_an_error(capture: MBusCapture) -> None:
    with pytest.raises(ApplicationError, match="the meter refuses: "):
        read_telegram(capture.frame)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("premature_end_of_data1", 2),
        ("premature_end_of_dif1", 2),
        ("premature_end_of_vif1", 2),
        ("too_long_var_vif", 3),
    ],
)
def test_a_record_that_is_cut_off_costs_none_before_it(name: str, whole: int) -> None:
    telegram = read_telegram(mbus_capture(name, "error-frames").frame)
    assert len(telegram.records) == whole
    assert "cut off" in telegram.fault
    assert telegram.rest


GOOD = bytes.fromhex("0c13 15310000")  # 3.115 m³
BAD = {
    "a letter among the digits": "0c13 a5310000",
    "eleven DIFE": "8c" + "80" * 10 + "00 13 15310000",
    "twelve VIFE": "0c93" + "ba" * 11 + "3a 15310000",
    "a date that is none": "026c ffff",
    "an invalid time": "046d 80 0d 73 23",
    "an error that the meter reports": "0c93 18 15310000",
    "no data": "0013",
    "a selection": "0813",
    "a reserved VIF": "0c6f 15310000",
    "a maker's VIF": "0cff 05 15310000",
    "a number of more than 64 bits": "0d13 e9 010000000000000001",
    "a float in feet": "05fb21 00000000",
    "a letter in a long number": "0d13 c2 1b00",
}


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_a_bad_record_costs_none_behind_it(octets: str) -> None:
    found = read_records(GOOD + bytes.fromhex(octets) + GOOD)
    assert [one.value for one in (found.records[0], found.records[-1])] == [
        Data(DataType.DOUBLE_LONG_UNSIGNED, 3115)
    ] * 2
    assert len(found.records) == 3
    assert not found.fault


@pytest.mark.parametrize("octets", ["0d13 fa 00", "3f", "4f"])
def test_where_nobody_knows_the_next_record_the_ones_before_stay(octets: str) -> None:
    found = read_records(GOOD + bytes.fromhex(octets) + GOOD)
    assert len(found.records) == 1
    assert "reserved" in found.fault
    assert found.rest == bytes.fromhex(octets) + GOOD


def value(octets: str) -> tuple[int | None, str, int, str]:
    """Number, quantity, scaler and symbol of one record."""
    (record,) = read_records(bytes.fromhex(octets)).records
    shown = record.value.value if record.value else None
    meaning = record.head.meaning
    assert shown is None or isinstance(shown, int)
    return shown, meaning.quantity, meaning.scaler, meaning.symbol


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("0c13 153100f0", (-3115, "volume", -3, "m³")),
        ("0413 ffffffff", (-1, "volume", -3, "m³")),
        ("0313 ffff7f", (8_388_607, "volume", -3, "m³")),
        ("0613 ffffffffff7f", (140_737_488_355_327, "volume", -3, "m³")),
        ("0713 0000000000000080", (-(1 << 63), "volume", -3, "m³")),
        ("0d13 c2 1234", (3412, "volume", -3, "m³")),
        ("0d13 d2 1234", (-3412, "volume", -3, "m³")),
        ("0d13 e2 ffff", (-1, "volume", -3, "m³")),
        ("0143 02", (120, "volume flow", -4, "m³/h")),
        ("014b 02", (7200, "volume flow", -6, "m³/h")),
        ("01fb01 02", (2, "energy", 6, "Wh")),
        ("01fb09 02", (2, "energy", 9, "J")),
        ("01fb0f 02", (2 * 41_868, "energy", 4, "J")),
        ("01fb21 02", (2 * 28_316_846_592, "volume", -13, "m³")),
        ("01fb19 02", (2, "mass", 6, "kg")),
        ("01fd48 02", (2, "voltage", -1, "V")),
        ("01fd59 02", (2, "current", -3, "A")),
        ("0193 70 02", (2, "volume", -9, "m³")),
        ("0193 7d 02", (2, "volume", 0, "m³")),
        ("0193 f4 7d 02", (2, "volume", -2, "m³")),
        ("0193 79 02", (12, "volume", -3, "m³")),
        ("01fdc8 75 02", (2, "voltage", -2, "V")),
        ("01fc 03 48 52 25 74 02", (2, "%RH", -2, "")),
        ("017c 03 48 52 25 02", (2, "%RH", 0, "")),
    ],
)  # fmt: skip
def test_a_code_has_its_quantity_power_and_unit(octets: str, expected: tuple[int, str, int, str]) -> None:
    assert value(octets) == expected


def test_the_text_of_a_unit_may_stand_behind_the_vife_too() -> None:
    assert value("02fc 74 03 48 52 25 d411") == (4564, "%RH", -2, "")


def test_storage_tariff_and_subunit_grow_with_each_dife() -> None:
    (record,) = read_records(bytes.fromhex("c4 ff 71 13 00000000")).records
    head = record.head
    assert (head.storage, head.tariff, head.subunit) == (1 + 2 * 0xF + 32 * 1, 3 + 4 * 3, 1 + 2)


def test_behind_a_makers_vife_nothing_is_interpreted() -> None:
    (record,) = read_records(bytes.fromhex("01 93 ff 70 02")).records
    assert record.head.meaning.modifiers == ("maker's own",)
    assert record.head.meaning.scaler == -3


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("026c 5f1c", "2010-12-31"),
        ("046d 240a611c", "2011-12-01T10:36:00Z"),
        ("066d 0e 24 0a 61 1c 00", "2011-12-01T10:36:14Z"),
        ("046d 00 40 41 11", "2110-01-01T00:00:00Z"),
    ],
)
def test_dates_of_each_type(octets: str, expected: str) -> None:
    (record,) = read_records(bytes.fromhex(octets)).records
    assert text(record) == expected


def test_a_time_of_day_has_no_date() -> None:
    (record,) = read_records(bytes.fromhex("036d 0e240a")).records
    assert record.value is not None
    assert isinstance(record.value.value, bytes)
    assert DateTime.read(record.value.value)[3:7] == (None, 10, 36, 14)


@pytest.mark.parametrize("name", ["LUG", "KAM", "AAA", "ZZZ"])
def test_a_makers_name_is_two_octets(name: str) -> None:
    assert maker_name(maker_octets(name)) == name


def test_an_identity_is_eight_octets_of_a_secondary_address() -> None:
    assert Identity("12345678", "KAM", 1, 2).octets.hex() == "785634122d2c0102"
    assert medium_name(2) == "electricity"


@pytest.mark.parametrize(("information", "words"), [(0x76, "high octet comes first"), (0x51, "no answer of a meter")])
def test_another_form_is_refused_with_a_word(information: int, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        read_telegram(Frame(8, 1, information, bytes(16)))


@pytest.mark.parametrize("information", [0x72, 0x7A, 0x73])
def test_a_header_that_is_cut_off_is_refused(information: int) -> None:
    with pytest.raises(RemoteProtocolError, match="cut off"):
        read_telegram(Frame(8, 1, information, b"\1\2\3"))


@pytest.mark.parametrize("octet", [0x80, 0x2F, 0xFC, 0x13, 0x0D], ids=hex)
def test_the_cost_of_senseless_octets_is_linear(octet: int) -> None:
    assert is_linear(lambda size: read_records(bytes((octet,)) * size), 1000)


def test_the_room_sensor_of_pymeterbus_has_its_values() -> None:
    """Its error flags have VIFE 1D, which says that they are as the standard has them."""
    octets = (OWN / "mbus" / "pyMeterBus" / "test-frames" / "WEP-indoor.blob").read_bytes()
    (frame,) = FrameDecoder().receive(octets)
    assert isinstance(frame, Frame)
    telegram = read_telegram(frame)
    assert str(telegram.identity) == "00000021 WEP 021b"
    found = [
        (
            record.head.meaning.quantity,
            plain(record.value.value, record.head.meaning.scaler),
            record.head.meaning.symbol,
        )
        for record in telegram.records
        if record.value is not None and isinstance(record.value.value, int)
    ]
    assert found == [
        ("fabrication number", "64000449", ""), ("actuality duration", "10", "min"), ("signal strength", "30", "dBm"),
        ("external temperature", "22.0", "°C"), ("relative humidity", "53.1", "%"), ("error flags", "0", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["13", "1e", "1f"])
def test_a_compact_profile_is_no_error_of_its_record(code: str) -> None:
    (record,) = read_records(bytes.fromhex(f"0d93 {code} 04 01020304")).records
    assert not record.fault
    assert "compact profile" in record.head.meaning.modifiers[0]
