"""Turns stored records into documents."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from smgw.cosem import NULL, DeviceId, GatewayStatus, Obis, StatusWord, meter_status
from smgw.cosemxml.data import carried
from smgw.cosemxml.document import Document, Register, Row
from smgw.store.records import StoredRecord

_Column = tuple[Obis, int, int]  # OBIS code, class, attribute


class Part(NamedTuple):
    """Records in order, and the document that contains them."""

    records: tuple[StoredRecord, ...]
    document: Document


def parts(gateway: DeviceId, delivered: DeviceId, records: Sequence[StoredRecord]) -> Iterator[Part]:
    """Documents for the records of one feed, in order, made as they are asked for.

    A document has one store, and one scaler and unit for each register. Where one of these changes, the next document
    begins. `delivered` is the name of the device in the document.
    """
    for store_id, run in groupby(records, key=lambda record: record.store_id):
        pending: list[StoredRecord] = []
        columns: dict[_Column, Register] = {}
        for record in run:
            own = {_column(register): register for register in _registers(record)}
            if any(columns.get(column, register) != register for column, register in own.items()):
                yield _part(gateway, store_id, delivered, pending, columns)
                pending, columns = [], {}
            columns.update(own)
            pending.append(record)
        yield _part(gateway, store_id, delivered, pending, columns)


def _registers(record: StoredRecord) -> list[Register]:
    return [
        Register(reading.obis, reading.scaler, reading.unit, reading.class_id, reading.attribute)
        for reading in record.readings
    ]


def _column(register: Register) -> _Column:
    return register.obis, register.class_id, register.attribute


def _part(
    gateway: DeviceId,
    store_id: str,
    device: DeviceId,
    records: Sequence[StoredRecord],
    columns: dict[_Column, Register],
) -> Part:
    document = Document(
        gateway, store_id, device, tuple(columns.values()), tuple(_row(record, tuple(columns)) for record in records)
    )
    return Part(tuple(records), document)


def _row(record: StoredRecord, columns: Sequence[_Column]) -> Row:
    values = {
        (reading.obis, reading.class_id, reading.attribute): carried(reading.value) for reading in record.readings
    }
    return Row(
        record.record_number,
        record.stamp.utc_us,
        record.target_time_us,
        not record.gateway_status & GatewayStatus.TIME_INVALID,  # of a load profile's row: by the meter's clock
        StatusWord(record.gateway_status, meter_status(record.readings)),
        tuple(values.get(column, NULL) for column in columns),
    )
