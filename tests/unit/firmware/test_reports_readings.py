"""Readings as people and programs see them."""

import json

import pytest
from captures_made import ENERGY
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import Data, DataType, MeterTime, MeterTimeKind, Reading
from smgw.cosem.printable import printable
from smgw.reports.readings import meter_time_text, reading_object, text_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ISK 0071", "ISK 0071"),
        ("Zähler №1", "Zähler №1"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc", "a\\rb\\nc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_and_not_sent(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(some.text())
def test_every_text_becomes_printable_and_can_be_encoded(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (Data(DataType.LONG64_UNSIGNED, 86_038_387), "8603838.7 Wh"),
        (Data(DataType.NULL_DATA, None), "missing"),
        (Data(DataType.OCTET_STRING, b"\x0a\xff"), "0aff"),
        (Data(DataType.VISIBLE_STRING, "\x1b[2J"), "\\x1b[2J"),
        (Data(DataType.BOOLEAN, 1), "1"),
        (
            Data(DataType.STRUCTURE, (Data(DataType.OCTET_STRING, b"\xff"), Data(DataType.UTF8_STRING, "\x07"))),
            "ff, \\x07",
        ),
    ],
)
def test_a_value_is_shown_in_its_unit(data: Data, text: str) -> None:
    assert text_of(Reading(ENERGY, data, -1, 30)) == text


def test_a_structure_with_octets_is_json() -> None:
    nested = Data(DataType.STRUCTURE, (Data(DataType.OCTET_STRING, b"\xff"), Data(DataType.LONG64_UNSIGNED, 2**64 - 1)))
    found = json.loads(json.dumps(reading_object(Reading(ENERGY, nested, raw=Data(DataType.OCTET_STRING, b"\1")))))
    assert (found["value"], found["raw"]) == (["ff", 2**64 - 1], "01")


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (None, ""),
        (MeterTime(MeterTimeKind.SEC_INDEX, bytes.fromhex("00001267")), "4711 s"),
        (MeterTime(MeterTimeKind.TIMESTAMP, (1_772_323_200).to_bytes(4)), "2026-03-01T00:00:00Z"),
        (MeterTime(MeterTimeKind.LOCAL_TIMESTAMP, (1_772_323_200).to_bytes(4) + bytes(4)), "2026-03-01T00:00:00Z"),
        (
            MeterTime(MeterTimeKind.DLMS_DATE_TIME, bytes.fromhex("07ea0301ff000000ff800000")),
            "2026-03-01 00:00:00",
        ),
        (MeterTime(MeterTimeKind.DLMS_DATE_TIME, bytes.fromhex("07eaff01ff000000ff8000")), "07eaff01ff000000ff8000"),
    ],
)
def test_a_meter_s_time_is_shown_as_it_tells_it(time: MeterTime | None, text: str) -> None:
    assert meter_time_text(time) == text
