"""From stored records to documents."""

from collections.abc import Sequence

import pytest
from captures_made import BOOT, DEVICE, ENERGY, MIDNIGHT, POWER, SECOND, energy
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import NULL, ClockState, Data, DataType, DeviceId, GatewayStatus, Obis, Reading, Stamp, StatusWord
from smgw.cosemxml.document import Register, decode, encode
from smgw.store.records import ListKind, Origin, StoredRecord
from smgw.wan.cosem_xml.documents import Part, parts

GATEWAY = DeviceId.parse("EXYZ0012345678")
STORE, OLDER = "ab" * 16, "cd" * 16
OTHER = DeviceId.parse("1ISK0071234567")


def power(value: int, scaler: int = 0) -> Reading:
    return Reading(POWER, Data(DataType.DOUBLE_LONG, value), scaler, 27)


def record(
    number: int,
    *readings: Reading,
    store: str = STORE,
    device: DeviceId = DEVICE,
    state: ClockState = ClockState.SYNCHRONISED,
    target: int | None = None,
    status: int = GatewayStatus.FIXED,
) -> StoredRecord:
    stamp = Stamp(BOOT, number * 10**9, MIDNIGHT + number * SECOND, 5000, state)
    return StoredRecord(
        number,
        store,
        number,
        "house",
        device,
        stamp,
        None,
        target,
        status,
        ListKind.ORIGINAL,
        Origin.MEASURED,
        readings,
    )


def made(records: Sequence[StoredRecord], delivered: DeviceId = DEVICE) -> list[Part]:
    return list(parts(GATEWAY, delivered, records))


def test_records_of_one_shape_make_one_document() -> None:
    (part,) = made([record(1, energy(10), power(5)), record(2, energy(11), power(6))])
    document = part.document
    assert (document.gateway, document.store_id, document.device) == (GATEWAY, STORE, DEVICE)
    assert document.registers == (Register(ENERGY, -1, 30), Register(POWER, 0, 27))
    assert [row.record_number for row in document.rows] == [1, 2]
    assert [[value.value for value in row.values] for row in document.rows] == [[10, 5], [11, 6]]
    assert decode(encode(document)) == document


def test_no_records_make_no_document() -> None:
    assert made([]) == []


def test_a_row_tells_its_times_and_its_status() -> None:
    status = Data(DataType.DOUBLE_LONG_UNSIGNED, 0x00010104)
    invalid = GatewayStatus.FIXED | GatewayStatus.TIME_INVALID
    (part,) = made(
        [
            record(1, energy(1)._replace(status=status), target=MIDNIGHT),
            record(2, energy(1), state=ClockState.INVALID, status=invalid),
        ]
    )
    first, second = part.document.rows
    assert (first.capture_time_us, first.target_time_us, first.time_valid) == (MIDNIGHT + SECOND, MIDNIGHT, True)
    assert first.status == StatusWord(GatewayStatus.FIXED, 0x00010104)
    assert (second.target_time_us, second.time_valid, second.status.gateway) == (None, False, invalid)


def test_a_register_that_a_record_lacks_is_null_there() -> None:
    (part,) = made([record(1, energy(1)), record(2, power(2)), record(3, energy(3), power(3))])
    assert [row.values for row in part.document.rows] == [
        (energy(1).value, NULL),
        (NULL, power(2).value),
        (energy(3).value, power(3).value),
    ]


def test_a_change_of_the_scaler_begins_another_document() -> None:
    found = made([record(1, energy(1)), record(2, energy(2)), record(3, energy(3, 0)), record(4, energy(4))])
    assert [[one.record_number for one in part.records] for part in found] == [[1, 2], [3], [4]]
    assert [part.document.registers[0].scaler for part in found] == [-1, 0, -1]


def test_another_store_begins_another_document() -> None:
    found = made([record(1, energy(1), store=OLDER), record(2, energy(1))])
    assert [(part.document.store_id, part.document.device) for part in found] == [(OLDER, DEVICE), (STORE, DEVICE)]


def test_a_document_names_the_device_as_it_is_delivered() -> None:
    (part,) = made([record(1, energy(1), device=DeviceId(b"\x09\x01foreign"))], OTHER)
    assert part.document.device == OTHER


def test_a_capture_without_any_reading_can_be_delivered() -> None:
    (part,) = made([record(1), record(2)])
    assert decode(encode(part.document)).rows == part.document.rows


shapes = st.lists(
    st.tuples(
        st.sampled_from([STORE, OLDER]),
        st.lists(
            st.sampled_from([energy(1), energy(1, 0), power(1), power(1, -1)]), max_size=2, unique_by=lambda r: r.obis
        ),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(shapes)
def test_every_record_is_in_one_document_in_order_and_every_document_can_be_written(
    drawn: list[tuple[str, list[Reading]]],
) -> None:
    records = [record(n, *readings, store=store) for n, (store, readings) in enumerate(drawn, 1)]
    found = made(records)
    assert [one for part in found for one in part.records] == records
    for part in found:
        assert decode(encode(part.document)).rows == part.document.rows
        assert [row.record_number for row in part.document.rows] == [one.record_number for one in part.records]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Data(DataType.VISIBLE_STRING, "a\x1b\xe9"), Data(DataType.OCTET_STRING, b"a\x1b\xe9")),
        (Data(DataType.UTF8_STRING, "a\x00\xe9"), Data(DataType.OCTET_STRING, b"a\x00\xc3\xa9")),
        (Data(DataType.UTF8_STRING, "a\ud800"), Data(DataType.OCTET_STRING, b"a\xed\xa0\x80")),
        (Data(DataType.UTF8_STRING, "a\uffff"), Data(DataType.OCTET_STRING, b"a\xef\xbf\xbf")),
        (
            Data(DataType.STRUCTURE, (Data(DataType.ARRAY, (Data(DataType.VISIBLE_STRING, "\x07"),)), NULL)),
            Data(DataType.STRUCTURE, (Data(DataType.ARRAY, (Data(DataType.OCTET_STRING, b"\x07"),)), NULL)),
        ),
        (Data(DataType.VISIBLE_STRING, "tab\tline\r\n"), Data(DataType.VISIBLE_STRING, "tab\tline\r\n")),
    ],
)
def test_a_text_that_xml_cannot_carry_is_sent_as_its_octets_and_its_row_arrives(value: Data, sent: Data) -> None:
    (part,) = made([record(1, energy(10), Reading(POWER, value))])
    assert decode(encode(part.document)).rows[0].values == (energy(10).value, sent)


def test_a_document_of_many_registers_has_fewer_rows() -> None:
    many = tuple(
        Reading(Obis(bytes((1, 0, at // 100, at % 100, 0, 255))), Data(DataType.LONG64, -(2**63)), -1, 30)
        for at in range(400)
    )
    found = made([record(number, *many) for number in range(1, 101)])
    assert [len(part.records) for part in found] == [49, 49, 2]
    assert max(len(encode(part.document)) for part in found) < 2 * 2**20
