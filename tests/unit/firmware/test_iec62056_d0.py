"""Read-outs of D0: check value, parity, what meters send around them, and their values."""

import json

import pytest
from captures import ABSENT, OWN, SHARED
from d0_made import BODY, EASYMETER, HEAD, framed
from smgw.cosem import DeviceId
from smgw.cosem.date_time import DateTime
from smgw.iec62056.d0.check import Check, bcc
from smgw.iec62056.d0.read_out import MAX_OCTETS, ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smgw.iec62056.data_sets import data_sets
from smgw.iec62056.seven_bit import with_parity
from smgw.wire import Refused


def read(octets: bytes, *, ignore_bcc: bool = False) -> list[ReadOut | Refused]:
    reader = ReadOutReader(ignore_bcc=ignore_bcc)
    return [*reader.receive(octets), *reader.finish()]


def test_an_asked_read_out_is_protected_by_its_check_value() -> None:
    (found,) = read(framed())
    assert isinstance(found, ReadOut)
    assert found.check is Check.BCC
    assert found.identification == "LGZ4ZMF100AC.M26"
    assert [one.code for one in found.sets[:3]] == ["F.F", "0.0", "C.1.0"]


@pytest.mark.parametrize("octets", [framed(), with_parity(EASYMETER), EASYMETER])
def test_a_read_out_octet_by_octet_is_the_same(octets: bytes) -> None:
    reader = ReadOutReader()
    events = [event for octet in octets for event in reader.receive(bytes((octet,)))]
    assert events == read(octets)
    assert not reader.receiving


@pytest.mark.parametrize("octets", [framed(), with_parity(EASYMETER)])
def test_a_flipped_bit_never_gives_another_value(octets: bytes) -> None:
    (right,) = read(octets)
    assert isinstance(right, ReadOut)
    for place in range(8 * len(octets)):
        damaged = bytearray(octets)
        damaged[place // 8] ^= 1 << place % 8
        for event in read(bytes(damaged)):
            assert isinstance(event, Refused) or event.sets == right.sets


def test_a_bridge_that_strips_parity_leaves_a_pushed_read_out_unchecked() -> None:
    stripped, parity = read(EASYMETER), read(with_parity(EASYMETER))
    assert [one.check for one in (*stripped, *parity) if isinstance(one, ReadOut)] == [Check.NONE, Check.PARITY]


def test_the_check_value_still_counts_where_parity_is_stripped_or_set() -> None:
    octets = framed()
    for other in (bytes(one & 0x7F for one in octets), bytes(one | 0x80 for one in octets)):
        (found,) = read(other)
        assert isinstance(found, ReadOut)
        assert found.check is Check.BCC


@pytest.mark.parametrize("before", [b"", b"\0\0\0", b"\x03\x01", b"!?*1.8.0(12", HEAD + b"\x021.8.0(0000", b"/LG"])
def test_a_read_out_is_found_behind_anything(before: bytes) -> None:
    found = [one for one in read(with_parity(before) + framed()) if isinstance(one, ReadOut)]
    assert len(found) == 1


@pytest.mark.parametrize("behind", [b"\0", b"\r\n!\r\n", b"\x03\x55"])
def test_what_stands_behind_a_read_out_costs_nothing(behind: bytes) -> None:
    reader = ReadOutReader()
    assert sum(isinstance(one, ReadOut) for one in reader.receive((framed() + behind) * 3)) == 3


def test_a_question_mark_before_the_start_is_dropped() -> None:
    octets = with_parity(HEAD + b"?\x02" + BODY + b"\x03" + bytes((bcc(BODY + b"\x03"),)))
    (found,) = read(octets)
    assert isinstance(found, ReadOut)


def test_a_wrong_check_value_is_refused_or_marked_where_the_profile_says_so() -> None:
    octets = framed()[:-1] + with_parity(b"!")
    (refused,) = read(octets)
    assert isinstance(refused, Refused)
    assert "BCC" in refused.reason
    (marked,) = read(octets, ignore_bcc=True)
    assert isinstance(marked, ReadOut)
    assert marked.check is Check.NONE
    assert marked.wrong_bcc


def test_after_a_check_value_a_read_out_without_one_is_refused() -> None:
    events = read(framed() + with_parity(EASYMETER))
    assert isinstance(events[0], ReadOut)
    assert isinstance(events[1], Refused)


def test_a_telegram_with_a_check_sum_is_told_to_be_p1() -> None:
    (refused,) = read(b"/XXX5TEST\r\n\r\n1-0:1.7.0(000005*W)\r\n!1234\r\n")
    assert isinstance(refused, Refused)
    assert "dsmr-p1" in refused.reason


def test_a_read_out_without_end_is_bounded_and_the_next_is_read() -> None:
    reader = ReadOutReader()
    events = reader.receive(with_parity(HEAD + b"\x02" + b"1.8.0(1)\r\n" * (MAX_OCTETS // 10)))
    events += reader.receive(with_parity(b"1.8.0(1)\r\n" * 20))
    assert [type(one) for one in events] == [Refused]
    assert isinstance(reader.receive(framed())[-1], ReadOut)


def test_an_exclamation_mark_at_the_end_of_a_recording_is_enough() -> None:
    (found,) = read(b"/HAG5eHZ010C_EHZ1vA02\r\n1-0:1.8.0*255(000001.2963)\r\n!")
    assert isinstance(found, ReadOut)


def registers(text: bytes, medium: int = 1, *wanted: bytes) -> dict[str, tuple[object, int, int]]:
    found = values(data_sets(text), medium, frozenset(wanted))
    return {str(one.obis): (one.value.value, one.scaler, one.unit) for one in found.readings}


def test_live_registers_are_read_and_history_is_left_out() -> None:
    found = registers(BODY[:-3])
    assert found["1-0:1.8.0*255"] == (61561289, 0, 30)
    assert found["1-0:32.7.0*255"] == (241, 0, 35)
    assert found["0-0:97.97.0*255"] == ("00", 0, 255)
    assert not [name for name in found if not name.endswith("*255")]


def test_history_is_read_where_its_name_is_wanted() -> None:
    found = registers(BODY[:-3], 1, b"\1\0\1\x08\0\1", b"\1\0\1\x08\0\2")
    assert found == {"1-0:1.8.0*1": (60_000_000, 0, 30), "1-0:1.8.0*2": (50_000_000, 0, 30)}


def test_short_codes_have_the_medium_of_the_profile() -> None:
    found = registers(b"6.8(0029.055*MWh)6.26(01589.28*m3)9.4(088*C&082*C)6.8.1()", 6)
    assert found == {
        "6-0:6.8.0*255": (29055, 3, 30),
        "6-0:6.26.0*255": (158928, -2, 13),
        "6-0:9.4.0*255": ("088*C&082*C", 0, 255),
    }


def test_a_decimal_comma_is_read() -> None:
    assert registers(b"1.8.0(000007,4*kWh)") == {"1-0:1.8.0*255": (74, 2, 30)}


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (b"0.0(00010213)C.1.0(13647123)", b"13647123"),
        (b"1-0:0.0.0*255(0273033000044)0-0:96.1.255*255(1ESY1334001444)", bytes(DeviceId.parse("1ESY1334001444"))),
        (b"0.0(   120858)", b"120858"),
        (b"C.1.0(    )0.0.0(47)", b"47"),
        (b"1.8.0(1*kWh)", b""),
    ],
)
def test_the_identity_is_the_best_that_the_meter_sends(text: bytes, device: bytes) -> None:
    assert values(data_sets(text), 1).id == device


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"0.9.1(135004)0.9.2(230513)", "2023-05-13 13:50:04"),
        (b"0.9.1(1185411)0.9.2(1230513)", "2023-05-13 18:54:11 daylight-saving"),
        (b"0.9.1(13:50:04)0.9.2(23-05-13)", "2023-05-13 13:50:04"),
    ],
)
def test_time_and_date_are_read_in_every_form(text: bytes, time: str) -> None:
    found = values(data_sets(text), 1).time
    assert found is not None
    assert str(DateTime.read(found)) == time


@pytest.mark.parametrize("text", [b"0.9.1(135004)", b"0.9.2(991301)", b"0.9.2(text)"])
def test_no_date_is_no_time(text: bytes) -> None:
    assert values(data_sets(text), 1).time is None


def test_free_captures_of_pushes_are_read() -> None:
    octets = (OWN / "d0" / "smartmeter-obis" / "testSerialResponseD0FastSend.txt").read_bytes()
    found = [values(one.sets, 1) for one in read(octets) if isinstance(one, ReadOut)]
    assert [one.readings[1].value.value for one in found] == [329420231, 329420234]
    assert {one.id for one in found} == {b"331200-5009810"}


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
def test_each_shared_capture_of_one_meter_is_read() -> None:
    for path in sorted((SHARED / "d0" / "readme-telegrams").glob("*")):
        (found,) = read(path.read_bytes())
        assert isinstance(found, ReadOut), (path, found)
        assert values(found.sets, 1).id


CAPTURES = OWN / "d0" / "smartmeter-obis"
GOLDEN = json.loads((OWN / "d0" / "golden.json").read_text())


@pytest.mark.parametrize(
    "name", ["testSerialRequestResponseD0WithAck", "testSerialRequestResponseD0ModeE", "testSerialResponseD0FastSend"]
)
def test_the_sets_of_a_free_capture_are_those_that_another_reader_found(name: str) -> None:
    found = [one for one in read((CAPTURES / f"{name}.txt").read_bytes()) if isinstance(one, ReadOut)]
    expected = [sets for _, sets in GOLDEN[f"smartmeter-obis/{name}.txt"]["sets"]]
    assert [[[each.code, list(each.groups)] for each in one.sets] for one in found] == expected


def test_a_capture_with_a_wrong_check_value_is_refused() -> None:
    octets = (CAPTURES / "testSerialRequestResponseD0End.txt").read_bytes()
    assert [type(one) for one in read(octets)] == [Refused]


@pytest.mark.parametrize("name", ["testSerialRequestResponseD0End", "testSerialRequestResponseD0ModeE"])
def test_a_capture_with_a_wrong_or_missing_check_value_is_unchecked_where_that_is_ignored(name: str) -> None:
    (found,) = read((CAPTURES / f"{name}.txt").read_bytes(), ignore_bcc=True)
    assert isinstance(found, ReadOut)
    assert found.check is Check.NONE
    expected = [sets for _, sets in GOLDEN[f"smartmeter-obis/{name}.txt"]["sets"]]
    assert [[each.code, list(each.groups)] for each in found.sets] == expected[0]
