"""Pushes: blocks, ciphers, lists of every make, and what is none."""

import pytest
from captures import field_case
from dlms_strategies import encoded, encoded_apdus
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import AttributeName, CaptureObject, Data, DataType, MeterTimeKind, Obis, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.get import GetRequest
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.push.lists import Description, PushListError, Way, read_push
from smgw.dlms.push.reader import Push, PushReader
from smgw.dlms.push.tables import Column
from smgw.errors import RemoteProtocolError
from smgw.wire import Refused

TIME = bytes.fromhex("07e60b160210251eff800000")
POWER = Obis.parse("1.7.0")
ENERGY = Obis.parse("1.8.0")
SETUP = CaptureObject(40, Obis.parse("0-8:25.9.0"), 2)


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def notification(*members: Data, tagged: bool = False) -> DataNotification:
    return DataNotification(1, TIME, axdr.encode(structure(*members)), tagged)


def u32(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def text(value: str) -> Data:
    return Data(DataType.VISIBLE_STRING, value)


def name(obis: Obis) -> Data:
    return octet_string(bytes(obis))


def scaler_unit(scaler: int, unit: int) -> Data:
    return structure(Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit))


def blocks(octets: bytes, size: int = 9) -> list[bytes]:
    pieces = [octets[begin : begin + size] for begin in range(0, len(octets), size)]
    return [
        GeneralBlock(number == len(pieces), True, 0, number, 0, piece).encode()
        for number, piece in enumerate(pieces, 1)
    ]


PLAIN = notification(name(POWER), u32(280))


def test_a_push_in_blocks_is_put_together() -> None:
    reader = PushReader()
    *first, last = blocks(PLAIN.encode())
    assert [reader.receive(block) for block in first] == [[] for _ in first]
    assert reader.receiving
    assert reader.receive(last) == [Push(PLAIN)]
    assert not reader.receiving


def test_pushes_of_several_meters_in_blocks_are_kept_apart() -> None:
    reader = PushReader()
    other = notification(name(ENERGY), u32(281))
    found = []
    for one, another in zip(blocks(PLAIN.encode()), blocks(other.encode()), strict=True):
        found += reader.receive(one, "first") + reader.receive(another, "second")
    assert found == [Push(PLAIN), Push(other)]


@given(st.integers(0, 2), st.integers(0, 3))
def test_a_block_lost_loses_its_push_and_no_other(lost: int, behind: int) -> None:
    reader = PushReader()
    sent = blocks(PLAIN.encode())
    del sent[lost]
    events = [event for block in sent for event in reader.receive(block)]
    events += reader.finish() if behind % 2 else []
    assert not [event for event in events if isinstance(event, Push)]
    again = [event for block in blocks(PLAIN.encode()) for event in reader.receive(block)]
    assert [event for event in again if isinstance(event, Push)] == [Push(PLAIN)]


def test_a_block_sent_twice_loses_its_push() -> None:
    """It might be the block of another push: the numbers do not say."""
    reader = PushReader()
    first, second, *_ = blocks(PLAIN.encode())
    assert reader.receive(first) + reader.receive(second) == []
    assert reader.receive(second) == [Refused("block 2 of an APDU where block 3 was to come", len(second))]
    assert not reader.receiving


def test_blocks_without_an_end_are_given_up() -> None:
    """R28."""
    reader = PushReader()
    piece = bytes(2000)
    reasons = [
        event.reason
        for number in range(1, 40)
        for event in reader.receive(GeneralBlock(False, True, 0, number, 0, piece).encode())
        if isinstance(event, Refused)
    ]
    assert reasons[0] == "an APDU of more than 65535 octets in blocks"
    assert not reader.receiving


def test_blocks_that_wait_when_the_line_is_silent_are_given_up() -> None:
    reader = PushReader()
    first, *_ = blocks(PLAIN.encode())
    reader.receive(first)
    assert reader.finish() == [Refused("the last blocks of a push did not come", 9)]
    assert reader.finish() == []


def test_a_ciphered_push_is_opened_by_the_callers_key() -> None:
    ciphered = Ciphered(GENERAL_GLO, b"\x30" + bytes(20), b"LGZgsx\x1f\xd0")
    assert PushReader(lambda _: PLAIN.encode()).receive(ciphered.encode()) == [Push(PLAIN, ciphered)]


def test_a_ciphered_push_without_a_key_is_refused_and_the_meter_named() -> None:
    ciphered = Ciphered(GENERAL_GLO, b"\x30" + bytes(20), b"LGZgsx\x1f\xd0")
    (refused,) = PushReader().receive(ciphered.encode())
    assert refused == Refused(
        "a push ciphered by the meter 4c475a6773781fd0, and no key is given to open it", len(ciphered.encode())
    )


def test_what_a_key_opens_may_be_wrong_too() -> None:
    def wrong(_: Ciphered) -> bytes:
        raise RemoteProtocolError("wrong key")

    ciphered = Ciphered(GENERAL_GLO, b"\x30" + bytes(20), b"LGZgsx\x1f\xd0").encode()
    assert PushReader(wrong).receive(ciphered) == [Refused("wrong key", len(ciphered))]
    assert isinstance(PushReader(lambda _: b"\xff").receive(ciphered)[0], Refused)
    request = GetRequest(1, AttributeName(3, POWER, 2)).encode()
    assert PushReader(lambda _: request).receive(ciphered) == [Refused("GetRequest is no notification", len(ciphered))]


@settings(max_examples=50)
@given(st.lists(st.one_of(encoded_apdus, st.binary(max_size=40)), max_size=3))
def test_any_apdus_are_pushes_or_refused_with_a_reason(some: list[bytes]) -> None:
    reader = PushReader(lambda ciphered: ciphered.octets[5:])
    for apdu in some:
        for event in reader.receive(apdu):
            if isinstance(event, Refused):
                assert event.reason
                continue
            try:
                found = read_push(event.notification)
            except PushListError:
                continue
            found.readings()
            found.device()


@given(encoded, st.booleans())
def test_any_body_is_a_list_or_refused(body: bytes, tagged: bool) -> None:
    try:
        read_push(DataNotification(1, TIME, body, tagged))
    except PushListError:
        return


@pytest.mark.parametrize(
    ("named", "device"),
    [
        ({"0-0:96.1.0": b"4711\0\0\0\0"}, b"4711"),
        ({"0-0:42.0.0": b"\0\0", "0-0:96.1.0": b"4711"}, b"4711"),
        ({"0-1:96.1.0": b"gas", "0-0:96.1.0": b"4711"}, b"4711"),
        ({"0-0:96.1.0": b"4711", "0-1:96.1.0": b"gas"}, b"4711"),
        ({"0-1:96.1.0": b"gas", "0-2:96.1.0": b"water"}, None),
        ({"1-1:0.0.5": b"4711"}, b"4711"),
    ],
)
def test_a_device_is_its_own_name_without_padding(named: dict[str, bytes], device: bytes | None) -> None:
    """0-n:96.1.0 is the name of another meter, on M-Bus channel n."""
    members = [one for obis, value in named.items() for one in (name(Obis.parse(obis)), octet_string(value))]
    assert read_push(notification(*members)).device() == device


def test_the_serial_that_a_norwegian_meter_pads_with_nul() -> None:
    push = decode_apdu(field_case("dlms/embriq_serial_nul"))
    assert isinstance(push, DataNotification)
    assert read_push(push).device() == b"00000000"


def test_structures_and_pairs_may_be_mixed() -> None:
    clock = Obis.parse("0-0:1.0.0")
    found = read_push(
        notification(
            name(clock),
            octet_string(TIME),
            structure(name(POWER), u32(280), scaler_unit(0, 27)),
            name(ENERGY),
            u32(5),
            scaler_unit(3, 30),
            structure(name(Obis.parse("0-0:96.1.0")), text("4711")),
        )
    )
    assert [(one.obis, one.scaler, one.unit, one.class_id) for one in found.values] == [
        (clock, None, None, 8),
        (POWER, 0, 27, 3),
        (ENERGY, 3, 30, 3),
        (Obis.parse("0-0:96.1.0"), None, None, 1),
    ]
    assert found.device() == b"4711"
    assert [(one.obis, one.scaler, one.unit) for one in found.readings()] == [(POWER, 0, 27), (ENERGY, 3, 30)]


def test_a_value_that_nobody_scales_is_the_number_that_the_meter_sent() -> None:
    """R16."""
    (reading,) = read_push(notification(name(POWER), u32(280))).readings()
    assert (reading.value.value, reading.scaler, reading.unit) == (280, 0, 255)


def test_an_object_listed_twice_gives_one_reading() -> None:
    found = read_push(notification(name(POWER), u32(280), name(POWER), u32(281)))
    assert [reading.value.value for reading in found.readings()] == [280]


def test_only_what_is_wanted_is_read_texts_too() -> None:
    serial = Obis.parse("0-0:96.1.0")
    found = read_push(notification(name(POWER), u32(280), name(serial), text("4711")))
    assert [reading.obis for reading in found.readings(frozenset({bytes(serial)}))] == [serial]


def test_a_kamstrup_meter_behind_transformers_counts_in_milliamperes() -> None:
    current, make = Obis.parse("1-1:31.7.0"), Obis.parse("1-1:96.1.1")
    found = read_push(notification(text("Kamstrup_V0001"), name(make), text("6851111"), name(current), u32(896)))
    assert found.find(current) is not None
    assert [(one.scaler, one.unit) for one in found.readings()] == [(-3, 33)]


def object_list(*objects: CaptureObject) -> Data:
    return Data(DataType.ARRAY, tuple(one.data() for one in objects))


def test_scalers_that_a_list_of_objects_sends_are_taken() -> None:
    objects = (SETUP, CaptureObject(3, ENERGY, 2), CaptureObject(3, ENERGY, 3))
    found = read_push(notification(object_list(*objects), u32(5), scaler_unit(3, 30)))
    assert [(one.obis, one.scaler, one.unit) for one in found.readings()] == [(ENERGY, 3, 30)]


def test_the_values_of_an_unknown_makers_list_of_objects_have_no_scaler() -> None:
    objects = (CaptureObject(40, Obis.parse("0-1:25.9.0"), 2), CaptureObject(3, ENERGY, 2))
    found = read_push(notification(object_list(*objects), u32(5)))
    assert [(one.scaler, one.unit) for one in found.values] == [(None, None)]


def test_values_without_a_list_are_named_by_the_columns_given() -> None:
    columns = ("clock", Column(ENERGY, -1, 30), "skip", Column(POWER, 0), "device-id")
    members = (octet_string(TIME), u32(5), text("x"), u32(280), octet_string(b"4711\0"))
    found = read_push(DataNotification(1, b"", axdr.encode(structure(*members))), Description(columns))
    assert found.way is Way.PLACES
    assert found.meter_time is not None
    assert found.meter_time.octets == TIME
    assert found.device() == b"4711"
    assert [(one.obis, one.value.value, one.scaler, one.unit) for one in found.readings()] == [
        (ENERGY, 5, -1, 30), (POWER, 280, 0, 27),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "kind"),
    [(u32(1_767_267_015), MeterTimeKind.TIMESTAMP), (octet_string(TIME[:5]), MeterTimeKind.DLMS_DATE_TIME)],
)
def test_a_clock_may_be_a_unix_time_or_a_date(clock: Data, kind: MeterTimeKind) -> None:
    objects = (
        CaptureObject(40, Obis.parse("0-0:25.9.0"), 2),
        CaptureObject(8, Obis.parse("0-0:1.0.0"), 2),
        CaptureObject(3, ENERGY, 2),
    )
    body = structure(object_list(*objects), clock, u32(5))
    found = read_push(DataNotification(1, b"", axdr.encode(body)))
    assert found.meter_time is not None
    assert found.meter_time.kind is kind


def test_an_event_notification_is_a_list_of_one() -> None:
    found = read_push(EventNotification(TIME, AttributeName(3, ENERGY, 2), b"\x11\x05"))
    assert [(one.obis, one.value.value) for one in found.readings()] == [(ENERGY, 5)]
    assert found.meter_time is not None


@pytest.mark.parametrize(
    ("push", "reason"),
    [
        (DataNotification(1, b"", b"\x11\x05"), "the body of a push is UNSIGNED"),
        (DataNotification(1, b"", b"\x02\x00"), "the body of a push is STRUCTURE"),
        (DataNotification(1, b"", b"\x08"), "no data type has the tag 08"),
        (notification(u32(5)), "a push of 1 value without names: 1 5; write push_list"),
        (notification(name(POWER)), "a push of 1 value without names"),
        (notification(name(POWER), u32(1), u32(2)), "a push of 3 values without names: 1 0100010700ff, 2 1, 3 2"),
        (notification(structure(name(POWER), u32(1), u32(2))), "element 1 of a push"),
        (notification(object_list(SETUP), u32(1)), "2 values of 1 objects"),
    ],
)
def test_a_body_that_lists_nothing_is_refused(push: DataNotification, reason: str) -> None:
    with pytest.raises(PushListError, match=reason):
        read_push(push)
