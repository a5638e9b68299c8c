"""Names of M-Bus values by medium, and who the meter is."""

import pytest
from mbus_captures import mbus_capture
from smgw.cosem import DataType
from smgw.cosem.date_time import DateTime
from smgw.cosem.media import REGISTERS
from smgw.iec62056.data_sets import DataSet
from smgw.iec62056.p1.devices import devices
from smgw.iec62056.p1.telegram import Check
from smgw.iec62056.p1.telegram import Telegram as P1Telegram
from smgw.mbus.readings import clock_of, device_of, name_of, readings
from smgw.mbus.records import read_records
from smgw.mbus.telegram import Identity, Telegram, read_telegram

ELECTRICITY, GAS, HEAT, WARM_WATER, WATER, HCA, COOLING, BOTH, OTHER = 2, 3, 4, 6, 7, 8, 10, 13, 0


def telegram(octets: str) -> Telegram:
    return Telegram(None, None, 0, 0, read_records(bytes.fromhex(octets)).records)


def named(octets: str, medium: int) -> str:
    """The name of one record; "" if it has none."""
    (record,) = telegram(octets).records
    name = name_of(record.head, medium)
    return "" if name is None else str(name)


@pytest.mark.parametrize(
    ("octets", "medium", "name"),
    [
        ("0403 00000000", ELECTRICITY, "1-0:1.8.0*255"),
        ("8410 03 00000000", ELECTRICITY, "1-0:1.8.1*255"),
        ("8450 03 00000000", ELECTRICITY, "1-1:1.8.1*255"),
        ("4403 00000000", ELECTRICITY, "1-0:1.8.0*1"),
        ("0483 3c 00000000", ELECTRICITY, "1-0:2.8.0*255"),
        ("04fb82 75 00000000", ELECTRICITY, "1-0:3.8.0*255"),
        ("04fb82 3c 00000000", ELECTRICITY, "1-0:4.8.0*255"),
        ("042b 00000000", ELECTRICITY, "1-0:1.7.0*255"),
        ("142b 00000000", ELECTRICITY, "1-0:1.6.0*255"),
        ("04ab fc01 00000000", ELECTRICITY, "1-0:21.7.0*255"),
        ("02fdc7 fc03 0000", ELECTRICITY, "1-0:72.7.0*255"),
        ("02fdd9 fc02 0000", ELECTRICITY, "1-0:51.7.0*255"),
        ("02fdd9 fc04 0000", ELECTRICITY, "1-0:91.7.0*255"),
        ("02fb2d 0000", ELECTRICITY, "1-0:14.7.0*255"),
        ("04ab fc05 00000000", ELECTRICITY, ""),
        ("0413 00000000", GAS, "7-0:3.0.0*255"),
        ("0493 3e 00000000", GAS, "7-0:3.2.0*255"),
        ("0493 3a 00000000", GAS, "7-0:3.0.0*255"),
        ("0406 00000000", HEAT, "6-0:1.0.0*255"),
        ("0414 00000000", HEAT, "6-0:2.0.0*255"),
        ("043b 00000000", HEAT, "6-0:9.0.0*255"),
        ("143b 00000000", HEAT, "6-0:9.5.0*255"),
        ("025b 0000", HEAT, "6-0:10.0.0*255"),
        ("025f 0000", HEAT, "6-0:11.0.0*255"),
        ("0261 0000", HEAT, "6-0:12.0.0*255"),
        ("8410 06 00000000", HEAT, "6-0:1.0.1*255"),
        ("c404 06 00000000", HEAT, "6-0:1.0.0*9"),
        ("0486 3c 00000000", BOTH, "5-0:1.0.0*255"),
        ("0406 00000000", COOLING, "5-0:1.0.0*255"),
        ("0413 00000000", WATER, "8-0:1.0.0*255"),
        ("0413 00000000", WARM_WATER, "9-0:1.0.0*255"),
        ("046e 00000000", HCA, "4-0:1.0.0*255"),
        ("0265 0000", OTHER, "0-0:96.9.0*255"),
        ("02fd17 0000", OTHER, "0-0:97.97.0*255"),
        ("02fd971d 0000", WATER, "0-0:97.97.0*255"),
        ("0493 1e 00000000", WATER, ""),
        ("0413 00000000", OTHER, ""),
        ("3413 00000000", WATER, ""),
        ("0493 22 00000000", WATER, ""),
        ("0493 7e 00000000", WATER, ""),
        ("0493 ff 01 00000000", WATER, ""),
        ("0450 00000000", HEAT, ""),
        ("026c 0000", WATER, ""),
        ("84c040 13 00000000", WATER, "8-3:1.0.0*255"),
        ("c4 8f 03 13 00000000", WATER, ""),
    ],
)  # fmt: skip
def test_a_record_is_named_by_its_medium(octets: str, medium: int, name: str) -> None:
    assert named(octets, medium) == name


@pytest.mark.parametrize("medium", REGISTERS)
def test_a_sub_meter_of_p1_has_the_name_that_it_has_on_the_bus(medium: int) -> None:
    sets = (DataSet("0-1:24.1.0", (f"{medium:03d}",)), DataSet("0-1:96.1.0", ("4D",)))
    unit = "kWh" if medium in (ELECTRICITY, HEAT, COOLING, 11, 12, BOTH) else "m3"
    sets += (DataSet("0-1:24.2.3" if medium == GAS else "0-1:24.2.1", ("260101120000W", f"00001.000*{unit}")),)
    (device,) = devices(P1Telegram("XXX5TEST", sets, Check.CRC, 0), 60)
    if medium == HCA:
        assert named("046e 00000000", medium) == str(device.readings[0].obis)
    else:
        assert named("0406 00000000" if unit == "kWh" else "0413 00000000", medium) == str(device.readings[0].obis)


def test_a_name_is_given_once_and_only_wanted_ones_are() -> None:
    found = telegram("0413 01000000 0413 02000000 4413 03000000")
    assert [one.value.value for one in readings(found, WATER)] == [1, 3]
    wanted = frozenset((bytes(REGISTERS[WATER]),))
    assert [one.value.value for one in readings(found, WATER, wanted)] == [1]


def test_a_float_stays_the_octets_that_were_sent() -> None:
    (reading, *_) = readings(telegram("055b 2b4bac41"), HEAT)
    assert reading.value.type is DataType.FLOAT32
    assert reading.value.value == bytes.fromhex("41ac4b2b")


def test_an_invalid_value_has_no_reading() -> None:
    assert not readings(telegram("0c13 a5310000"), WATER)


def test_the_meters_own_time_is_that_of_now() -> None:
    found = clock_of(read_telegram(mbus_capture("minol_minocal_c2").frame))
    assert found is not None
    assert str(DateTime.read(found)) == "2012-01-13 11:53:00"
    assert clock_of(telegram("446d 240a611c")) is None


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (Identity("14839120", "KAM", 1, ELECTRICITY), "1KAM0114839120"),
        (Identity("66660205", "LUG", 7, HEAT), "6LUG0766660205"),
        (Identity("00291104", "LSZ", 0x29, 0x20), "ELSZ2900291104"),
    ],
)
def test_a_whole_identity_is_a_device_id_of_din_43863_5(identity: Identity, text: str) -> None:
    assert str(device_of(identity)) == text


def test_an_identity_with_letters_for_digits_is_stored_as_sent() -> None:
    assert device_of(Identity("050002E5", "0000", 0x12, 2)).hex() == "e502000500001202"


def test_a_meter_of_the_fixed_form_has_its_number_as_id() -> None:
    telegram = read_telegram(mbus_capture("sen_pollusonic_2").frame)
    assert telegram.identity is not None
    assert device_of(telegram.identity) == b"90919293"
    assert [(str(one.obis), one.value.value, one.scaler) for one in readings(telegram, telegram.identity.medium)] == [
        ("6-0:1.0.0*255", 6531, 3),
        ("6-0:2.0.0*255", 69, -3),
    ]
