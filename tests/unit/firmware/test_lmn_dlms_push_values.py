"""From pushed octets to the values of a device: columns of the profile, floats, transformers, what cannot be true."""

import logging
import struct

import pytest
from pushing_meter import reader, refusals, values
from smgw.cosem import Data, DataType, DeviceId, Obis, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.notify import DataNotification
from smgw.profiles.dlms import DlmsProfile

ENERGY, VOLTS, CURRENT = (Obis.parse(text) for text in ("1-0:1.8.0", "1-0:32.7.0", "1-1:31.7.0"))


def u32(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def push(*members: Data) -> bytes:
    return DataNotification(1, b"", axdr.encode(Data(DataType.STRUCTURE, members))).encode()


def named(obis: Obis, value: Data) -> Data:
    return Data(DataType.STRUCTURE, (octet_string(bytes(obis)), value))


def test_the_columns_of_the_profile_name_bare_values() -> None:
    columns = ("device-id", (ENERGY, -1, None))
    found = values(push(octet_string(b"4711"), u32(5)), made=reader(DlmsProfile(columns=columns)))
    assert found.device == DeviceId(b"4711")
    assert [(one.obis, one.value.value, one.scaler, one.unit) for one in found.readings] == [(ENERGY, 5, -1, 30)]


def test_an_unknown_list_is_refused_with_its_places_and_the_key() -> None:
    (reason,) = refusals(push(octet_string(b"4711"), u32(5)))
    assert "1 '4711', 2 5" in reason
    assert "columns" in reason


def test_a_list_that_is_a_guess_takes_its_name() -> None:
    guess = push(octet_string(b"ISK1030000000001"), *map(u32, range(1, 9)))
    assert refusals(guess)
    found = values(guess, made=reader(DlmsProfile(push_list="slovenia")))
    assert (found.readings[0].obis, found.readings[0].value.value) == (Obis.parse("1-0:1.7.0"), 1)


def test_a_float_is_an_exact_integer_and_its_octets_stand_beside() -> None:
    sent = Data(DataType.FLOAT32, struct.pack(">f", 230.5))
    (one,) = values(push(named(VOLTS, sent))).readings
    assert (one.value, one.scaler, one.raw) == (Data(DataType.DOUBLE_LONG, 2305), -1, sent)


def test_a_float_without_a_value_is_told_once_and_costs_no_other_value(caplog: pytest.LogCaptureFixture) -> None:
    nan = Data(DataType.FLOAT32, struct.pack(">f", float("nan")))
    made, octets = reader(), push(named(VOLTS, nan), named(ENERGY, u32(5)))
    for _ in range(3):
        found = values(octets, made=made)
        assert [one.obis for one in found.readings] == [ENERGY]
        assert "not a number (NaN)" in found.remark
    assert [record.levelno for record in caplog.records if "NaN" in record.getMessage()] == [logging.WARNING]


def kamstrup(current: int) -> bytes:
    version = Data(DataType.VISIBLE_STRING, "Kamstrup_V0001")
    serial = named(Obis.parse("1-1:0.0.5"), Data(DataType.VISIBLE_STRING, "5706"))
    return push(version, serial, named(CURRENT, u32(current)))


def test_a_meter_behind_transformers_stays_so_while_its_currents_are_small() -> None:
    made = reader()
    assert values(kamstrup(5000), made=made).readings[0].scaler == -2
    assert values(kamstrup(90_999), made=made).readings[0].scaler == -3
    assert values(kamstrup(5000), made=made).readings[0].scaler == -3
