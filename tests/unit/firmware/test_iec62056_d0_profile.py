"""P.01: headers, rows, times; and the messages of programming mode."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from smgw.cosem import Obis
from smgw.errors import RemoteProtocolError
from smgw.iec62056.codes import read_code, write_code
from smgw.iec62056.d0.blocks import MAX_OCTETS, BlockReader, Control, Message
from smgw.iec62056.d0.profile import NoRowsError, bound, read_time, rows_of
from smgw.iec62056.seven_bit import without_parity
from smgw.wire import Refused

BERLIN = ZoneInfo("Europe/Berlin")
TWO_COLUMNS = b"(15)(2)(1.5)(kW)(2.5)(kW)\r\n"


def times(text: bytes) -> list[str]:
    rows, _ = rows_of(text, 1, BERLIN)
    return [f"{datetime.fromtimestamp(row.utc_us // 1_000_000, UTC):%y-%m-%d %H:%M}" for row in rows]


def test_a_header_names_the_columns_and_the_time_of_its_first_row() -> None:
    text = b"P.01(0230115121500)(08)" + TWO_COLUMNS + b"(0.100)(0.000)\r\n(0.200)(0.001)\r\n"
    rows, period = rows_of(text, 1, BERLIN)
    assert period == 900
    assert times(text) == ["23-01-15 11:15", "23-01-15 11:30"]
    assert [(str(one.obis), one.value.value, one.scaler, one.unit) for one in rows[1].readings] == [
        ("1-0:1.5.0*255", 200, 0, 27),
        ("1-0:2.5.0*255", 1, 0, 27),
    ]
    assert rows[0].readings[0].status is not None
    assert rows[0].readings[0].status.value == 8
    assert str(rows[1].time) == "2023-01-15 12:30:00 +01:00"


def test_a_new_header_begins_anew_after_a_gap() -> None:
    first = b"P.01(02301151215)(00000000)" + TWO_COLUMNS + b"(1)(2)\r\n(3)(4)\r\n"
    second = b"P.01(02301152000)(########)" + TWO_COLUMNS + b"(5)(6)\r\n"
    assert times(first + second) == ["23-01-15 11:15", "23-01-15 11:30", "23-01-15 19:00"]
    rows, _ = rows_of(first + second, 1, BERLIN)
    assert rows[2].readings[0].status is None


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("0230115121500", "23-01-15 11:15"),
        ("02301151215", "23-01-15 11:15"),
        ("1230715121500", "23-07-15 10:15"),
        ("0230715121500", "23-07-15 11:15"),  # normal time all year
        ("2230715121500", "23-07-15 12:15"),
        ("230715121500", "23-07-15 10:15"),  # no season: the zone's own
        ("2301151215", "23-01-15 11:15"),
        ("1231029023000", "23-10-29 00:30"),
        ("0231029023000", "23-10-29 01:30"),
    ],
)
def test_a_time_is_read_in_every_form(text: str, utc: str) -> None:
    assert times(f"P.01({text})(0)(15)(1)(1.5)(kW)(1)".encode()) == [utc]


@pytest.mark.parametrize("text", ["", "x230115121500", "3230115121500", "0231315121500", "02301151", "1" * 14])
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text, BERLIN) is None


def test_without_a_season_the_order_parts_the_hour_that_comes_twice() -> None:
    headers = [b"P.01(23102902%02d00)(0)(15)(1)(1.5)(kW)(1)\r\n" % minute for minute in (15, 30, 45, 15, 30)]
    assert times(b"".join(headers)) == [
        "23-10-29 00:15", "23-10-29 00:30", "23-10-29 00:45", "23-10-29 01:15", "23-10-29 01:30",
    ]  # fmt: skip


def test_a_missing_value_is_left_out_and_others_keep_their_columns() -> None:
    rows, _ = rows_of(b"P.01(0230115121500)(08)" + TWO_COLUMNS + b"()(0.5)", 1, BERLIN)
    assert [str(one.obis) for one in rows[0].readings] == ["1-0:2.5.0*255"]


def test_a_header_without_rows_is_none() -> None:
    assert rows_of(b"P.01(0230115121500)(08)" + TWO_COLUMNS, 1, BERLIN) == ([], 900)


def test_a_log_has_no_period() -> None:
    text = b"P.98(0230115121500)(40)()(1)(F.F)()(00)\r\nP.98(0230115121501)(80)()(1)(F.F)()(01)\r\n"
    rows, period = rows_of(text, 1, BERLIN)
    assert (len(rows), period) == (2, 0)


def test_error_means_no_rows() -> None:
    with pytest.raises(NoRowsError):
        rows_of(b"P.01(ERROR)", 1, BERLIN)


def test_an_error_with_a_number_says_nothing_about_rows() -> None:
    with pytest.raises(RemoteProtocolError, match="ER07") as caught:
        rows_of(b"(ER07)", 1, BERLIN)
    assert not isinstance(caught.value, NoRowsError)


@pytest.mark.parametrize(
    "text",
    [
        b"P.01(0230115121500)(08)(15)(2)(1.5)(kW)(2.5)(kW)(1)",
        b"P.01(0230115121500)(08)(15)(99)(1.5)(kW)",
        b"P.01(0239915121500)(08)(15)(1)(1.5)(kW)(1)",
        b"P.01(0230115121500)(08)(x)(1)(1.5)(kW)(1)",
        b"P.01(1)",
    ],
)
def test_a_damaged_header_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        rows_of(text, 1, BERLIN)


def test_a_bound_is_in_normal_time() -> None:
    assert bound(int(datetime(2023, 7, 15, 10, 15, tzinfo=UTC).timestamp()), BERLIN) == "02307151115"


@pytest.mark.parametrize("text", ["1.8.0", "C.1.0", "F.F", "P.01", "P.98", "1.8.0*01", "32.7.0"])
def test_a_short_code_is_written_as_it_is_read(text: str) -> None:
    code = read_code(text)
    assert code is not None
    obis = code.obis if code.live else Obis(bytes(code.obis)[:5] + bytes((code.history,)))
    assert write_code(obis) == text


def test_a_long_code_has_all_groups() -> None:
    assert write_code(Obis.parse("1-0:1.8.0"), long=True) == "1-0:1.8.0*255"


# Messages.

MESSAGES = [Message("", b"1.8.0(1*kWh)"), Message("R5", b"1.8.0()"), Message("B0", b""), Message("", b"(1)", more=True)]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_are_read_as_they_are_written(size: int) -> None:
    octets = b"".join(one.encode() for one in MESSAGES) + b"\x06"
    reader = BlockReader()
    found = [event for place in range(0, len(octets), size) for event in reader.receive(octets[place : place + size])]
    assert found == [*MESSAGES, Control.ACK]
    assert not reader.receiving


def test_a_break_is_that_of_the_standard() -> None:
    assert without_parity(Message("B0", b"").encode()) == b"\x01B0\x03\x71"


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_with_a_flipped_bit_is_never_another(message: Message) -> None:
    octets = message.encode()
    for place in range(8 * len(octets)):
        damaged = bytearray(octets)
        damaged[place // 8] ^= 1 << place % 8
        events = BlockReader().receive(bytes(damaged))
        assert not [event for event in events if isinstance(event, Message) and event != message]


def test_a_message_without_end_is_bounded() -> None:
    reader = BlockReader()
    events = reader.receive(b"\x02" + b"0" * (MAX_OCTETS + 1))
    assert [type(one) for one in events] == [Refused]
    assert not reader.receiving
