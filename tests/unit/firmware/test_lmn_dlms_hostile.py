"""Meters that mean ill, or are broken: what they say costs a poll at most, never a thread or the readings of others."""

from pathlib import Path

import pytest
from line_meter import Clock
from smgw.cosem import Capture, Data, DataType, DeviceId, Obis, Reading, octet_string
from smgw.dlms.axdr import encode
from smgw.dlms.notify import DataNotification
from smgw.dlms.push_list import PushListError, read_push
from smgw.dlms.selection import CaptureObject, SelectionError
from smgw.metering.registrar import Registrar
from smgw.store.lmn import LmnStore

ENERGY = Obis.parse("1-0:1.8.0")


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def u64(value: int) -> Data:
    return Data(DataType.LONG64_UNSIGNED, value)


@pytest.mark.parametrize(("scaler", "unit"), [(1 << 63, 30), (0, 1 << 63), (128, 30), (0, 256)])
def test_a_push_with_a_scaler_or_unit_that_cosem_has_not_is_refused(scaler: int, unit: int) -> None:
    body = Data(DataType.ARRAY, (structure(octet_string(ENERGY), u64(1), structure(u64(scaler), u64(unit))),))
    with pytest.raises(PushListError):
        read_push(DataNotification(1, b"", encode(body)))


@pytest.mark.parametrize(
    ("class_id", "attribute", "index"), [(1 << 16, 2, 0), (3, 128, 0), (3, 2, 1 << 16), (1 << 63, 2, 0)]
)
def test_a_column_with_a_class_or_attribute_that_cosem_has_not_is_none(
    class_id: int, attribute: int, index: int
) -> None:
    with pytest.raises(SelectionError):
        CaptureObject.of(structure(u64(class_id), octet_string(ENERGY), u64(attribute), u64(index)))


def test_a_capture_that_no_column_holds_costs_no_other_meters(tmp_path: Path) -> None:
    """One capture of this kind would hold up the registrar, and all meters with it, until its memory is full."""
    clock = Clock()
    with LmnStore.open(tmp_path) as store:
        registrar = Registrar(store, clock, {})
        for name, scaler in (("good", 0), ("ill", 1 << 63), ("good", 0)):
            reading = Reading(ENERGY, u64(1), scaler)
            registrar.capture(Capture(name, DeviceId(b"x"), clock.stamp(), None, (reading,)))
        registrar.run_once(0.1)
        counts = store.counts()
        rows = store._read("SELECT count(*) FROM capture")
    assert rows == [(2,)]
    assert counts["lost_unstorable"] == 1
