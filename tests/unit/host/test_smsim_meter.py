"""The telegram of a simulated meter, read back by the gateway's own codec."""

from smgw.cosem import DeviceId, MeterTime, MeterTimeKind
from smgw.sml.file import decode_messages
from smgw.sml.messages import CloseResponse, GetListResponse, Message, OpenResponse
from smgw.sml.tlv import Kind
from smgw.sml.transport import Frame, FrameDecoder
from smgw.wire import Crc
from smsim.load.timelapse import TimeLapse
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.style import DEVICE_ID, EDL_STATUS, MANUFACTURER

NEW_YEAR = 1_767_222_000
SPEC = MeterSpec("m", DeviceId.parse("1UTB0000000001"))


def messages_of(telegram: bytes, crc: Crc = Crc.X25) -> list[Message]:
    (frame,) = FrameDecoder().receive(telegram)
    assert isinstance(frame, Frame)
    assert frame.crc is crc
    return decode_messages(frame.payload, crc)


def list_of(telegram: bytes) -> GetListResponse:
    body = messages_of(telegram)[1].body
    assert isinstance(body, GetListResponse)
    return body


def test_a_telegram_is_open_list_close_in_group_0() -> None:
    messages = messages_of(Meter(SPEC, TimeLapse(NEW_YEAR), lambda: 0).telegram())
    assert [type(message.body) for message in messages] == [OpenResponse, GetListResponse, CloseResponse]
    assert {message.group for message in messages} == {0}


def test_no_two_messages_have_the_same_transaction() -> None:
    meter = Meter(SPEC, TimeLapse(NEW_YEAR), lambda: 0)
    ids = [message.transaction_id for _ in range(5) for message in messages_of(meter.telegram())]
    assert len(set(ids)) == 15


def test_the_list_names_maker_device_and_the_papers_registers() -> None:
    entries = list_of(Meter(SPEC, TimeLapse(NEW_YEAR), lambda: 9_000).telegram()).entries
    names = [f"{entry.obj_name[2]}.{entry.obj_name[3]}.{entry.obj_name[4]}" for entry in entries[2:]]
    assert [entry.obj_name for entry in entries[:2]] == [MANUFACTURER, DEVICE_ID]
    assert entries[0].value is not None
    assert entries[0].value.value == b"UTB"
    assert entries[1].value is not None
    assert entries[1].value.value == SPEC.device
    assert names == ["1.8.0", "1.8.1", "1.8.2", "2.8.0", "16.7.0"]


def test_only_the_import_register_has_a_status() -> None:
    entries = list_of(Meter(SPEC, TimeLapse(NEW_YEAR), lambda: 0).telegram()).entries
    assert [entry.status.value if entry.status else None for entry in entries[2:]] == [EDL_STATUS, *[None] * 4]


def test_the_status_says_export_while_power_flows_out() -> None:
    spec = SPEC._replace(generation_kwh=8000)
    noon_in_june = 1_781_517_600
    entries = list_of(Meter(spec, TimeLapse(noon_in_june), lambda: 0).telegram()).entries
    assert entries[2].status is not None
    assert entries[2].status.value == EDL_STATUS | 0x20
    assert entries[-1].value is not None
    assert entries[-1].value.kind is Kind.SIGNED
    assert int.from_bytes(int(str(entries[-1].value.value)).to_bytes(8, "big", signed=True), "big", signed=True) < 0


def test_the_sensor_time_counts_seconds_of_the_pc_not_of_the_calendar() -> None:
    body = list_of(Meter(SPEC, TimeLapse(NEW_YEAR), lambda: 61_900).telegram())
    assert body.sensor_time is not None
    assert body.sensor_time.meter_time() == MeterTime(MeterTimeKind.SEC_INDEX, (61).to_bytes(4, "big"))


def test_a_meter_may_use_the_kermit_family() -> None:
    meter = Meter(SPEC._replace(crc=Crc.KERMIT), TimeLapse(NEW_YEAR), lambda: 0)
    assert len(messages_of(meter.telegram(), Crc.KERMIT)) == 3


def test_a_foreign_id_goes_out_as_its_octets() -> None:
    device = DeviceId.parse("0649534b0102030405")
    body = list_of(Meter(MeterSpec("m", device), TimeLapse(NEW_YEAR), lambda: 0).telegram())
    assert body.server_id == device
