"""Messages and files: every body written and read back; lenient where real meters are, strict elsewhere."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import MeterTime, MeterTimeKind
from smgw.sml import tlv
from smgw.sml.file import FileError, decode_messages, encode_messages, find_messages
from smgw.sml.layouts import LAYOUTS, write_body
from smgw.sml.messages import (
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    Message,
    OpenRequest,
    OtherBody,
    Time,
)
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.wire import Crc, Refused
from sml_strategies import bodies, messages, times, values
from telegrams import entries, file_messages, framed, message, read_content, resent, sealed, unsealed
from work import is_linear

CLOSE = message(b"\x63\x02\x01", b"\x71\x01", b"\x02\x03")


@pytest.mark.parametrize("kind", bodies, ids=lambda kind: kind.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_a_body_written_and_read_is_the_same(kind: type[Any], data: st.DataObject) -> None:
    body = data.draw(bodies[kind])
    assert resent(body) == body


@settings(max_examples=50)
@given(st.lists(messages, min_size=1, max_size=3), st.sampled_from(Crc))
def test_a_file_written_and_read_is_the_same(file: list[Message], crc: Crc) -> None:
    payload = encode_messages(file, crc)
    assert decode_messages(payload, crc) == file
    assert decode_messages(payload + bytes(3), crc) == file


@settings(max_examples=50)
@given(st.lists(messages, min_size=1, max_size=2), st.sampled_from(Crc))
def test_messages_without_a_transport_are_found_between_other_octets(file: list[Message], crc: Crc) -> None:
    octets = bytes(7) + b"\x76\x76" + encode_messages(file, crc) + b"\x76\x05"
    assert [found.body for found, _ in find_messages(octets)] == [sent.body for sent in file]


@given(st.binary(max_size=300))
def test_random_octets_are_no_file(octets: bytes) -> None:
    with pytest.raises(FileError):
        decode_messages(octets, Crc.X25)


@given(st.sampled_from([tag for tag, _ in LAYOUTS.values()]), st.none() | values)
def test_a_body_of_any_shape_is_read_or_kept_as_it_came(tag: int, content: tlv.Value | None) -> None:
    body = read_content(tag, content)
    if isinstance(body, OtherBody):
        assert (body.tag, body.content) == (tag, content)
        assert body.reason


def read(octets: bytes) -> Telegram:
    (event,) = TelegramReader().receive(octets)
    assert isinstance(event, Telegram), event
    return event


def entry(
    status: str = "01", moment: str = "01", unit: str = "62 1e", scaler: str = "52 ff", value: str = "62 2a"
) -> str:
    return f"77 07 01 00 01 08 00 ff {status} {moment} {unit} {scaler} {value} 01"


def listed(*rows: str, server: str = "03 31 32", moment: str = "01", tag: str = "63 07 01") -> bytes:
    body = f"77 01 {server} 01 {moment} {0x70 + len(rows):02x} {' '.join(rows)} 01 01"
    return framed(message(bytes.fromhex(tag), bytes.fromhex(body)), CLOSE)


@pytest.mark.parametrize("tag", ["63 07 01", "65 00 00 07 01", "64 00 07 01"])
def test_a_tag_of_two_three_or_four_octets_is_the_same(tag: str) -> None:
    assert read(listed(entry(), tag=tag)).lists[0].server_id == b"12"


def test_a_tag_whose_high_octets_are_not_zero_is_another_tag() -> None:
    telegram = read(listed(entry(), tag="65 00 01 07 01"))
    assert not telegram.lists
    assert telegram.unread[0].tag == 0x10701


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("72 62 01 65 00 00 00 2a", Time(1, 42)),
        ("72 62 02 65 5f 00 00 00", Time(2, 0x5F000000)),
        ("72 62 03 73 65 5f 00 00 00 53 00 3c 53 00 3c", Time(3, 0x5F000000, 60, 60)),
        ("72 62 03 73 65 5f 00 00 00 53 ff c4 52 00", Time(3, 0x5F000000, -60, 0)),
        ("65 00 00 00 2a", Time(1, 42)),  # Holley: a bare number
        ("72 62 01 62 2a", Time(1, 42)),
        ("72 62 01 63 01 2a", Time(1, 298)),
    ],
)
def test_every_form_of_a_time_is_read(octets: str, expected: Time) -> None:
    telegram = read(listed(entry(moment=octets), moment=octets))
    assert telegram.lists[0].sensor_time == expected
    assert telegram.lists[0].entries[0].val_time == expected


@pytest.mark.parametrize(
    "octets",
    ["72 62 01 66 01 00 00 00 00", "72 62 01 05 01 02 03 04", "72 62 01 52 ff", "71 62 01", "72 01 01", "42 01",
     "72 62 03 72 62 01 62 01", "72 62 03 73 65 00 00 00 01 55 00 01 00 00 62 00", "05 01 02 03 04"],
)  # fmt: skip
def test_a_time_that_is_none_makes_its_list_unread_but_not_the_frame(octets: str) -> None:
    telegram = read(listed(entry(), moment=octets))
    assert not telegram.lists
    assert telegram.unread[0].tag == 0x0701
    assert isinstance(telegram.messages[1].body, CloseResponse)


@given(times)
def test_a_time_of_a_message_is_the_data_models_with_the_octets_of_the_wire(moment: Time) -> None:
    meter_time = moment.meter_time()
    assert meter_time.kind == moment.choice
    assert meter_time.seconds == moment.seconds
    assert len(meter_time.octets) == (8 if moment.choice == 3 else 4)


def test_a_local_time_keeps_both_offsets() -> None:
    octets = bytes.fromhex("5f000000 ffc4 003c")
    assert Time(3, 0x5F000000, -60, 60).meter_time() == MeterTime(MeterTimeKind.LOCAL_TIMESTAMP, octets)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("01", None),
        ("54 fe cb fd", tlv.signed(-78851, 3)),
        ("56 ff ff ff ff ff", tlv.signed(-1, 5)),
        ("67 01 00 00 00 00 00", tlv.unsigned(1 << 40, 6)),
        ("58 80 00 00 00 00 00 00", tlv.signed(-(1 << 55), 7)),
        ("42 01", tlv.Value(tlv.Kind.BOOLEAN, 1, True)),
        ("72 62 01 72 62 02 65 00 00 00 05", tlv.sequence(
            tlv.unsigned(1, 1), tlv.sequence(tlv.unsigned(2, 1), tlv.unsigned(5, 4)))),
        ("83 02" + "cd" * 48, tlv.octets(b"\xcd" * 48)),
    ],
)  # fmt: skip
def test_every_form_of_a_value_is_kept_as_it_came(octets: str, value: tlv.Value | None) -> None:
    assert read(listed(entry(value=octets))).lists[0].entries[0].value == value


@pytest.mark.parametrize(
    "field", [{"scaler": "53 00 80"}, {"scaler": "53 7f ff"}, {"unit": "63 01 00"}, {"unit": "52 ff"}]
)
def test_a_scaler_or_unit_beyond_one_octet_makes_its_list_unread(field: dict[str, str]) -> None:
    telegram = read(listed(entry(**field)))
    assert not telegram.lists
    assert "belongs" in telegram.unread[0].reason


def test_a_server_id_beyond_64_octets_makes_its_list_unread() -> None:
    assert read(listed(entry(), server="84 02" + "41" * 64)).lists[0].server_id == b"A" * 64
    assert not read(listed(entry(), server="84 03" + "41" * 65)).lists


def test_unknown_message_types_stand_beside_a_good_list() -> None:
    unknown = message(b"\x63\x08\x01", bytes.fromhex("72 62 01 03 61 62"), b"\x02\x02")
    absent = message(b"\x65\x00\x00\x0a\x01", b"\x01", b"\x02\x04")
    good = message(b"\x63\x07\x01", bytes.fromhex(f"77 01 03 31 32 01 01 71 {entry()} 01 01"))
    telegram = read(framed(unknown, good, absent, CLOSE))
    assert [body.tag for body in telegram.unread] == [0x0801, 0x0A01]
    assert telegram.lists[0].entries[0].value == tlv.unsigned(42, 1)


def test_a_body_with_a_field_more_than_known_is_read() -> None:
    body = bytes.fromhex(f"78 01 03 31 32 01 01 71 {entry()} 01 01 62 05")
    assert read(framed(message(b"\x63\x07\x01", body))).lists


def test_a_check_sum_field_of_one_octet_is_a_number_whose_leading_zero_was_cut() -> None:
    parts = [part for number in range(2000) for part in unsealed(encode_messages(file_messages(entries(number))))[1:2]]
    short = next(part for part in parts if Crc.X25.wire(part) < 0x100)
    (found,) = decode_messages(sealed(short, Crc.X25, 1), Crc.X25)
    assert isinstance(found.body, GetListResponse)


@pytest.mark.parametrize("check", ["01", "64 00 00 00", "03 12 34", "42 01", "53 12 34", "71 01"])
def test_a_check_sum_that_is_no_number_of_two_octets_is_refused(check: str) -> None:
    with pytest.raises(FileError, match=r"check sum|list where none may stand"):
        decode_messages(CLOSE + bytes.fromhex(check) + b"\x00", Crc.X25)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00\x00", b"\x75", sealed(CLOSE, Crc.X25) + b"\x00\x01", sealed(CLOSE, Crc.X25)[:-1] + b"\x01",
     sealed(CLOSE, Crc.X25) + b"\x76", sealed(message(b"\x01", b"\x71\x01"), Crc.X25),
     sealed(message(b"\x53\x02\x01", b"\x71\x01"), Crc.X25)],
)  # fmt: skip
def test_a_payload_that_is_no_file_is_refused(payload: bytes) -> None:
    with pytest.raises(FileError):
        decode_messages(payload, Crc.X25)


@pytest.mark.parametrize("unit", [b"\x76", b"\x76\x01", b"\x76\x05\x01", b"\x76\x80"])
def test_hostile_octets_without_a_transport_are_searched_with_linear_work(unit: bytes) -> None:
    def search(size: int) -> None:
        assert list(find_messages(unit * (size // len(unit)))) == []

    assert is_linear(search, 6000)


SECRET = b"hunter2-secret"


@pytest.mark.parametrize(
    "body",
    [
        OpenRequest(b"c", b"f", username=SECRET, password=SECRET),
        GetListRequest(b"c", username=SECRET, password=SECRET),
        GetProcParameterRequest((b"p",), username=SECRET, password=SECRET),
        OtherBody(0x0600, tlv.sequence(None, tlv.octets(SECRET)), "message type 0600 has no layout here"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_no_credential_is_in_the_repr_of_a_request(body: Any) -> None:
    shown = repr(Message(b"t", body)) + repr(Telegram([Message(b"t", body)], Crc.X25)) + str([body])
    assert "secret" not in shown
    assert SECRET.hex() not in shown


def test_no_credential_is_in_the_reason_why_a_request_was_not_read() -> None:
    _, content = write_body(OpenRequest(b"c", b"f", username=SECRET, password=SECRET))
    assert content is not None
    assert isinstance(content.value, tuple)
    broken = read_content(0x0100, tlv.sequence(*content.value[:1], None, *content.value[2:]))
    assert isinstance(broken, OtherBody)
    assert "secret" not in repr(broken)


def test_a_refused_frame_says_where_and_why() -> None:
    (event,) = TelegramReader().receive(framed(b"\x76\x02\x01\x62\x00\x62\x00\x72\x01\x71\x01"))
    assert isinstance(event, Refused)
    assert event.reason.startswith("octet 0: ")
