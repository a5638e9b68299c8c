"""APDUs: each written and read back, read as they were seen on wires, and everything else refused."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from dlms_strategies import apdus
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import AttributeName, MethodName, Obis
from smgw.dlms.apdus.action import ActionRequest, ActionResponse, ActionResponseWithList, Outcome
from smgw.dlms.apdus.apdu import Apdu, decode_apdu, read_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.cursor import ApduError, Cursor
from smgw.dlms.apdus.descriptors import Block, Selection
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import (
    GetRequest,
    GetRequestNext,
    GetRequestWithList,
    GetResponse,
    GetResponseBlock,
    GetResponseWithList,
    encode_results,
    read_results,
)
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.set import SetRequest, SetResponse
from work import work

ENERGY = AttributeName(3, Obis.parse("1.8.0"), 2)
PROFILE = AttributeName(7, Obis.parse("1.0.99.1.0.255"), 2)
ENTRIES = bytes.fromhex("02040600000002060000000312 0001120000")
TAGS = (
    0x01,
    0x05,
    0x06,
    0x08,
    0x0C,
    0x0D,
    0x0E,
    0x0F,
    0xC0,
    0xC1,
    0xC2,
    0xC3,
    0xC4,
    0xC5,
    0xC7,
    0xC8,
    0xD8,
    0xDB,
    0xE0,
)
TIME = bytes.fromhex("07e60b160210251eff800000")


@given(apdus)
def test_an_apdu_written_and_read_is_the_same(apdu: Apdu) -> None:
    octets = apdu.encode()
    assert decode_apdu(octets) == apdu
    assert type(decode_apdu(octets)) is type(apdu)


@given(apdus, st.data())
def test_an_apdu_cut_short_is_refused_or_another(apdu: Apdu, draw: st.DataObject) -> None:
    """Another: what only an octet left away makes of an answer, since an APDU does not say how long it is."""
    octets = apdu.encode()
    short = octets[: draw.draw(st.integers(0, len(octets) - 1))]
    try:
        found = decode_apdu(short)
    except ApduError:
        return
    assert isinstance(found, GetResponse | ActionResponse | ActionResponseWithList | ExceptionResponse)


@given(apdus, st.binary(min_size=1, max_size=9))
def test_octets_behind_an_apdu_are_refused_or_belong_to_it(apdu: Apdu, behind: bytes) -> None:
    try:
        found = decode_apdu(apdu.encode() + behind)
    except ApduError:
        return
    stray = isinstance(found, GetResponseBlock) and found.stray == len(behind)
    assert stray or isinstance(found, GetResponse | ExceptionResponse)


@given(st.sampled_from(TAGS), st.integers(0, 7), st.binary(max_size=200))
def test_random_octets_are_an_apdu_or_refused(tag: int, choice: int, octets: bytes) -> None:
    for attempt in (octets, bytes((tag,)) + octets, bytes((tag, choice)) + octets):
        try:
            decode_apdu(attempt).encode()
        except ApduError:
            continue


@given(apdus, st.data())
def test_octets_changed_anywhere_are_an_apdu_or_refused(apdu: Apdu, draw: st.DataObject) -> None:
    octets = bytearray(apdu.encode())
    octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    try:
        decode_apdu(bytes(octets)).encode()
    except ApduError:
        return


@pytest.mark.parametrize(
    ("octets", "apdu"),
    [
        ("c001c1 0003 0100010800ff 02 00", GetRequest(0xC1, ENERGY)),
        (
            "c001c1 0007 0100630100ff 02 01 02 0204060000000206000000031200 01120000",
            GetRequest(0xC1, PROFILE, Selection(2, ENTRIES)),
        ),
        ("c002c1 00000002", GetRequestNext(0xC1, 2)),
        ("c003c1 02 00030100010800ff0200 00070100630100ff0200",
         GetRequestWithList(0xC1, ((ENERGY, None), (PROFILE, None)))),
        ("c401c1 00 06000012ab", GetResponse(0xC1, bytes.fromhex("06000012ab"))),
        ("c401c1 01 03", GetResponse(0xC1, DataAccessResult.READ_WRITE_DENIED)),
        ("c402c1 01 00000003 00 02 abcd", GetResponseBlock(0xC1, True, 3, b"\xab\xcd")),
        ("c402c1 00 00000001 01 0f", GetResponseBlock(0xC1, False, 1, DataAccessResult.LONG_GET_ABORTED)),
        ("c403c1 02 00 1105 01 04",
         GetResponseWithList(0xC1, (b"\x11\x05", DataAccessResult.OBJECT_UNDEFINED))),
        ("c101c1 0003 0100010800ff 02 00 1105", SetRequest(0xC1, ENERGY, b"\x11\x05")),
        ("c501c1 00", SetResponse(0xC1, DataAccessResult.SUCCESS)),
        ("c301c1 000f 0000280000ff 01 01 090100",
         ActionRequest(0xC1, MethodName(15, Obis.parse("0.0.40.0.0.255"), 1), b"\x09\x01\x00")),
        ("c701c1 00 01 00 090100",
         ActionResponse(0xC1, Outcome(ActionResult.SUCCESS, b"\x09\x01\x00"))),
        ("c701c1 00 00", ActionResponse(0xC1, Outcome(ActionResult.SUCCESS))),
        ("d801 06 000001f7",
         ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 0x1F7)),
        ("d80101", ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)),
        ("0e010602", ConfirmedServiceError(1, 6, 2)),
        ("0f 00 03b533 0c 07e60b160210251eff800000 1105", DataNotification(0x03B533, TIME, b"\x11\x05")),
        ("0f 40000000 00 1105", DataNotification(0x40000000, b"", b"\x11\x05")),
        ("0f 40000000 09 0c 07e60b160210251eff800000 1105",
         DataNotification(0x40000000, TIME, b"\x11\x05", tagged=True)),
        ("c2 00 0003 0100010800ff 02 1105", EventNotification(None, ENERGY, b"\x11\x05")),
        ("e0 c0 0003 0001 02 abcd", GeneralBlock(True, True, 0, 3, 1, b"\xab\xcd")),
        ("c8 06 30 0000012f ab", Ciphered(0xC8, bytes.fromhex("300000012fab"))),
        ("db 08 4c475a6773781fd0 06 30 0000012f ab",
         Ciphered(0xDB, bytes.fromhex("300000012fab"), bytes.fromhex("4c475a6773781fd0"))),
        ("01 00 00 00 06 5f1f 04 00 007e1f ffff", InitiateRequest(Conformance(0x007E1F), 0xFFFF)),
        ("08 00 06 5f1f 04 00 00501f 01f4 0007", InitiateResponse(Conformance(0x00501F), 500)),
    ],
)  # fmt: skip
def test_octets_as_they_are_on_the_wire_are_read_and_written(octets: str, apdu: Apdu) -> None:
    raw = bytes.fromhex(octets)
    assert decode_apdu(raw) == apdu
    assert apdu.encode() == raw


@pytest.mark.parametrize(
    ("octets", "apdu"),
    [
        ("c701c1 00", ActionResponse(0xC1, Outcome(ActionResult.SUCCESS))),
        ("08 00 06 5f 04 00 00501f 01f4 0007", InitiateResponse(Conformance(0x00501F), 500)),
        ("d80106", ExceptionResponse(StateError(1), ServiceError.INVOCATION_COUNTER_ERROR)),
    ],
)
def test_what_some_meters_leave_away_is_not_missed(octets: str, apdu: Apdu) -> None:
    assert decode_apdu(bytes.fromhex(octets)) == apdu


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "octet 0: cut off"),
        ("60 00", "octet 0: no APDU known here begins with 60"),
        ("c0 09", "octet 1: an APDU c0 has no form 09"),
        ("c4 01 c1 02 00", "octet 3: 02 where 00 or 01 stands"),
        ("c4 03 c1 05 00 11", "octet 3: a length of 5 with 2 octets left"),
        ("c4 02 c1 00 0000", "octet 4: 4 octets wanted, 2 left"),
        ("0f 00000000 05 0102030405 00", "octet 5: a date-time of 5 octets; it has 12 or none"),
        ("c5 01 c1 00 00", "octet 4: 1 octets behind the APDU"),
        ("c8 04 30 000000", "octet 1: 4 octets are no ciphered APDU; header and counter have 5"),
        ("c104c1 00 01 1105", "octet 4: 1 values for 0 attributes"),
        ("c303c1 00 01 1105", "octet 4: 1 parameters for 0 methods"),
        ("c101c1 0003 0100010800ff 02 00 08", "octet 13: no data type has the tag 08"),
    ],
)
def test_what_is_no_apdu_is_refused_with_its_place(octets: str, reason: str) -> None:
    with pytest.raises(ApduError) as refused:
        decode_apdu(bytes.fromhex(octets))
    assert str(refused.value) == reason


def test_octets_behind_the_data_of_an_answer_are_kept() -> None:
    """R15: some meters declare a row less than they send, and the rows before must not be lost."""
    assert decode_apdu(bytes.fromhex("c401c1 00 0101 1105 1106")) == GetResponse(0xC1, bytes.fromhex("0101 1105 1106"))


def test_apdus_one_behind_the_other_are_read_one_by_one() -> None:
    cursor = Cursor(bytes.fromhex("0f 00000001 00 1105 0f 00000002 00 1106"))
    assert [read_apdu(cursor), read_apdu(cursor)] == [
        DataNotification(1, b"", b"\x11\x05"),
        DataNotification(2, b"", b"\x11\x06"),
    ]
    cursor.finish()


def test_the_results_of_a_list_are_read_from_blocks_too() -> None:
    results = (b"\x06\x00\x00\x00\x01", DataAccessResult.OBJECT_UNDEFINED)
    assert read_results(Cursor(encode_results(results))) == results


def test_a_code_that_the_standard_lacks_is_kept() -> None:
    found = decode_apdu(b"\xc4\x01\xc1\x01\xc8")
    assert found == GetResponse(0xC1, DataAccessResult(0xC8))
    assert found.encode() == b"\xc4\x01\xc1\x01\xc8"
    assert DataAccessResult(0xC8).words == "code-200"
    assert DataAccessResult.READ_WRITE_DENIED.words == "read-write-denied"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfirmedServiceError(1, 6, 2), "initiate: incompatible-conformance"),
        (ConfirmedServiceError(5, 0, 6), "application-reference: deciphering-error"),
        (ConfirmedServiceError(5, 77, 6), "error 77: 6"),
        (ConfirmedServiceError(5, 5, 77), "access: 77"),
    ],
)
def test_a_service_error_is_said_in_words(error: ConfirmedServiceError, words: str) -> None:
    assert error.words == words


@pytest.mark.parametrize(
    "apdu",
    [
        SetRequest(0xC1, ENERGY, b"\x09\x06secret"),
        ActionRequest(0xC1, MethodName(*ENERGY), b"\x09\x06secret"),
        InitiateRequest(Conformance(0), 0, b"secret-secret-16"),
    ],
)
def test_what_is_written_to_a_meter_does_not_show(apdu: Any) -> None:
    assert "secret" not in repr(apdu)
    assert "secret" not in str(apdu)


def test_a_block_of_a_list_is_said_to_be_the_last() -> None:
    assert Block(True, 3, b"ab").encode() == bytes.fromhex("01 00000003 02 6162")


@pytest.mark.parametrize(
    "octets",
    [
        b"\xc4\x03\xc1\x82\xff\xff" + b"\x00\x00" * 20_000,
        b"\xc4\x03\xc1\x82\xff\xff" + b"\x00\x09\x84\xff\xff\xff\xff" * 20_000,
        b"\xc1\x04\xc1\x82\x3f\xff" + b"\x00" * 100_000,
        b"\xdb\x84\xff\xff\xff\xff" + bytes(100_000),
    ],
)
def test_hostile_apdus_take_little_work(octets: bytes) -> None:
    def read() -> None:
        with contextlib.suppress(ApduError):
            decode_apdu(octets)

    assert work(read, 10 * len(octets))


@given(st.binary(max_size=4).map(b"\xc4\x01".__add__), st.binary(max_size=20))
def test_one_value_by_the_short_way_is_the_value_that_the_reader_of_fields_gives(head: bytes, tail: bytes) -> None:
    def read(octets: bytes) -> Apdu:
        cursor = Cursor(octets)
        apdu = read_apdu(cursor)
        cursor.finish()
        return apdu

    def outcome(decode: Callable[[bytes], Apdu], octets: bytes) -> object:
        try:
            apdu = decode(octets)
        except (ApduError, ValueError) as error:
            return type(error), str(error)
        return type(apdu), apdu

    for octets in (head, head[:3] + b"\0" + tail, head + tail):
        assert outcome(decode_apdu, octets) == outcome(read, octets)
