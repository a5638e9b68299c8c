"""Rows that a head-end gives back: the load profile as one object, with gateway and store in each row.

columns    record number, capture time, target time, status word, source, then registers; behind a register its
           scaler_unit (attribute 3), where that may differ from row to row
source     0-0:94.49.240*3, attribute 2: structure {gateway id, store id}
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from smgw.cosem import date_time
from smgw.cosem.data import Data, DataError, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject, ScalerUnit, capture_objects
from smgw.cosem.status_word import StatusWord
from smgw.cosem.units import NO_UNIT
from smgw.cosemxml.columns import (
    BUFFER,
    CAPTURE_OBJECTS,
    CAPTURE_TIME,
    PROFILE,
    PROFILE_CLASS,
    RECORD_NUMBER,
    SCALED_CLASSES,
    SCALER_UNIT,
    SOURCE,
    STATUS_WORD,
    TARGET_TIME,
)
from smgw.cosemxml.document import DocumentError, Register
from smgw.cosemxml.resources import Object

_FIXED = (RECORD_NUMBER, CAPTURE_TIME, TARGET_TIME, STATUS_WORD, SOURCE)


class ExportedRow(NamedTuple):
    """A row with its registers, as the gateway recorded it."""

    gateway: DeviceId
    record_number: int
    capture_time_us: int | None
    status: StatusWord
    cells: tuple[tuple[Register, Data], ...]


def is_export(resource: object) -> bool:
    """True for the object that has rows."""
    return isinstance(resource, Object) and (resource.class_id, resource.logical_name) == (PROFILE_CLASS, PROFILE)


def exported_rows(profile: Object) -> Iterator[ExportedRow]:
    """The rows of the object; DocumentError if columns are missing that say where they come from, or for nonsense."""
    attributes = {one.id: one.value for one in profile.attributes.members} if profile.attributes else {}
    buffer, captured = attributes.get(BUFFER), attributes.get(CAPTURE_OBJECTS)
    if buffer is None or captured is None or not isinstance(buffer.value, tuple):
        raise DocumentError("the load profile has no rows or no columns; export it whole")
    try:
        columns = capture_objects(captured)
        if missing := set(_FIXED) - set(columns):
            raise DocumentError(f"columns are missing, such as {min(missing).obis}; export all columns")
        for row in buffer.value:
            if not isinstance(row.value, tuple) or len(row.value) != len(columns):
                raise DocumentError("a row has another number of cells than there are columns")
            yield _row(columns, row.value)
    except (DataError, ValueError) as error:
        raise error if isinstance(error, DocumentError) else DocumentError(str(error)) from None


def _row(columns: Sequence[CaptureObject], values: Sequence[Data]) -> ExportedRow:
    cells = dict(zip(columns, values, strict=True))
    number, capture, status, source = (
        cells[column].value for column in (RECORD_NUMBER, CAPTURE_TIME, STATUS_WORD, SOURCE)
    )
    if not isinstance(number, int) or not isinstance(status, bytes) or not isinstance(source, tuple) or not source:
        raise DocumentError("record number, status word or source of a row make no sense")
    gateway = source[0].value
    if not isinstance(gateway, bytes):
        raise DocumentError("the source of a row names no gateway")
    capture_us = date_time.decode_utc(capture)[0] if isinstance(capture, bytes) else None
    return ExportedRow(
        DeviceId(gateway),
        number,
        capture_us,
        StatusWord.from_msb0(status.hex()),
        tuple(_cells(cells)),
    )


def _cells(cells: dict[CaptureObject, Data]) -> Iterator[tuple[Register, Data]]:
    for column, value in cells.items():
        scaled = column.class_id in SCALED_CLASSES
        if column in _FIXED or value.type is DataType.NULL_DATA or (scaled and column.attribute == SCALER_UNIT):
            continue
        scaler_unit = ScalerUnit(0, NO_UNIT)
        if scaled:
            companion = cells.get(column._replace(attribute=SCALER_UNIT))
            if companion is None:
                raise DocumentError(f"{column.obis} has no column with its scaler and unit, so it cannot be checked")
            scaler_unit = ScalerUnit.of(companion)
        yield Register(column.obis, *scaler_unit, column.class_id, column.attribute), value
