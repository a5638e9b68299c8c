"""Turns stored records into documents."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from smgw.cosem import NULL, DeviceId, GatewayStatus, Obis, Reading, StatusWord, meter_status
from smgw.cosemxml.data import carried
from smgw.cosemxml.document import Document, Register, Row
from smgw.store.records import StoredRecord

_Column = tuple[Obis, int, int]  # OBIS code, class, attribute
#: Most cells of a document. A cell of a number has at most 70 octets in XML: EMPs take 4 MiB and 250,000 elements.
_MOST_CELLS = 20_000
_FIXED_CELLS = 4
_FIELDS = Reading._fields
#: Of a reading: OBIS code, scaler, unit, class, attribute, as a Register has them.
_register_of = itemgetter(*map(_FIELDS.index, Register._fields))
_column_of = itemgetter(*map(_FIELDS.index, ("obis", "class_id", "attribute")))
_value_of = itemgetter(_FIELDS.index("value"))


class Part(NamedTuple):
    """Records in order, and the document that contains them."""

    records: tuple[StoredRecord, ...]
    document: Document


def parts(gateway: DeviceId, delivered: DeviceId, records: Sequence[StoredRecord]) -> Iterator[Part]:
    """Documents for the records of one feed, in order, made as they are asked for.

    A document has one store, and one scaler and unit for each register. Where one of these changes, the next document
    begins, and after so many cells. `delivered` is the name of the device in the document.
    """
    for store_id, run in groupby(records, key=lambda record: record.store_id):
        pending: list[StoredRecord] = []
        columns: dict[_Column, Register] = {}
        before: tuple[Any, ...] | None = None  # the registers of the record before: most have the same
        room = 0
        for record in run:
            shape = tuple(map(_register_of, record.readings))
            if shape != before or len(pending) >= room:
                before, own = shape, {(register[0], *register[3:]): Register(*register) for register in shape}
                width = _FIXED_CELLS + len(columns.keys() | own.keys())
                if pending and (
                    any(columns.get(column, register) != register for column, register in own.items())
                    or (len(pending) + 1) * width > _MOST_CELLS
                ):
                    yield _part(gateway, store_id, delivered, pending, columns)
                    pending, columns = [], {}
                columns.update(own)
                room = _MOST_CELLS // (_FIXED_CELLS + len(columns))
            pending.append(record)
        yield _part(gateway, store_id, delivered, pending, columns)


def _part(
    gateway: DeviceId,
    store_id: str,
    device: DeviceId,
    records: Sequence[StoredRecord],
    columns: dict[_Column, Register],
) -> Part:
    names = tuple(columns)
    rows = tuple([_row(record, names) for record in records])
    return Part(tuple(records), Document(gateway, store_id, device, tuple(columns.values()), rows))


def _row(record: StoredRecord, columns: tuple[_Column, ...]) -> Row:
    readings = record.readings
    values = tuple(map(carried, map(_value_of, readings)))
    found = tuple(map(_column_of, readings))
    if found != columns:
        cells = dict(zip(found, values, strict=True))
        values = tuple([cells.get(column, NULL) for column in columns])
    return Row(
        record.record_number,
        record.stamp.utc_us,
        record.target_time_us,
        not record.gateway_status & GatewayStatus.TIME_INVALID,  # of a load profile's row: by the meter's clock
        StatusWord(record.gateway_status, meter_status(record.readings)),
        values,
    )
