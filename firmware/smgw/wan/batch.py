"""From stored records to documents."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from smgw.cosem import NULL, ClockState, DeviceId, Obis, StatusWord, meter_status
from smgw.cosemxml.document import Document, Register, Row
from smgw.store.records import StoredRecord

_Column = tuple[Obis, int, int]  # OBIS code, class, attribute


class Batch(NamedTuple):
    """Records in order, and the document that carries them."""

    records: tuple[StoredRecord, ...]
    document: Document


def batches(gateway: DeviceId, delivered_as: DeviceId | None, records: Sequence[StoredRecord]) -> Iterator[Batch]:
    """Documents for the records of one meter, in order.

    A document has one store, one device, and one scaler and unit a register; where any of these changes, another
    begins. `delivered_as` is the id under which a meter with a foreign id is delivered.
    """
    for (store_id, device), run in groupby(records, key=lambda record: (record.store_id, record.device)):
        name = device if delivered_as is None or device.is_din else delivered_as
        pending: list[StoredRecord] = []
        columns: dict[_Column, Register] = {}
        for record in run:
            own = {_column(register): register for register in _registers(record)}
            if any(columns.get(column, register) != register for column, register in own.items()):
                yield _batch(gateway, store_id, name, pending, columns)
                pending, columns = [], {}
            columns.update(own)
            pending.append(record)
        yield _batch(gateway, store_id, name, pending, columns)


def _registers(record: StoredRecord) -> list[Register]:
    return [
        Register(reading.obis, reading.scaler, reading.unit, reading.class_id, reading.attribute)
        for reading in record.readings
    ]


def _column(register: Register) -> _Column:
    return register.obis, register.class_id, register.attribute


def _batch(
    gateway: DeviceId,
    store_id: str,
    device: DeviceId,
    records: Sequence[StoredRecord],
    columns: dict[_Column, Register],
) -> Batch:
    document = Document(
        gateway, store_id, device, tuple(columns.values()), tuple(_row(record, tuple(columns)) for record in records)
    )
    return Batch(tuple(records), document)


def _row(record: StoredRecord, columns: Sequence[_Column]) -> Row:
    values = {(reading.obis, reading.class_id, reading.attribute): reading.value for reading in record.readings}
    return Row(
        record.record_number,
        record.stamp.utc_us,
        record.target_time_us,
        record.stamp.state is ClockState.SYNCHRONISED,
        StatusWord(record.gateway_status, meter_status(record.readings)),
        tuple(values.get(column, NULL) for column in columns),
    )
