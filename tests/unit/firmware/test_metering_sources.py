"""Two devices behind one meter profile: each has its own grid, its own gaps and its own state."""

from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, POWER, SECOND, capture, energy
from registering import Clock
from smgw.cosem import Data, DataType, DeviceId, GatewayStatus, Obis, Reading
from smgw.metering.registrar import Registrar
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import DEVICES_PER_METER, Condition, MeterState, Origin, Source, StoredRecord

GAS = DeviceId.parse("7ELS0012345678")
SOURCE = Source("house", GAS)
VOLUME = Obis.parse("7-0:3.0.0")
QUARTER = 900 * SECOND


def rows(directory: Path, source: Source = HOUSE) -> list[StoredRecord]:
    with LmnView.open(directory) as view:
        return view.records(source, 0, 100_000)


def targets(found: list[StoredRecord], origin: Origin) -> list[int]:
    """Quarter hours since midnight that were decided so."""
    return [((row.target_time_us or 0) - MIDNIGHT) // QUARTER for row in found if row.origin is origin]


def volume(value: int) -> Reading:
    return Reading(VOLUME, Data(DataType.DOUBLE_LONG_UNSIGNED, value), -2, 13)


def telegram(registrar: Registrar, quarter: int, *, gas: bool = True) -> None:
    """One telegram with two devices: electricity, and gas if its radio was heard."""
    moment = MIDNIGHT + quarter * QUARTER
    registrar.capture(capture(moment, energy(quarter)))
    if gas:
        registrar.capture(capture(moment, volume(quarter), device=GAS))


def test_two_devices_of_one_telegram_have_a_grid_each(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    for quarter in range(4):
        telegram(registrar, quarter)
    registrar.run_once(0)
    for source, register in ((HOUSE, energy(0).obis), (SOURCE, VOLUME)):
        found = rows(tmp_path, source)
        assert targets(found, Origin.MEASURED) == [0, 1, 2, 3]
        assert {reading.obis for row in found for reading in row.readings} == {register}
    assert "refused_grid" not in store.counts()


def test_a_gap_is_of_the_device_that_was_silent(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    for quarter in range(6):
        telegram(registrar, quarter, gas=quarter not in (2, 3))
    registrar.run_once(0)
    assert targets(rows(tmp_path), Origin.MISSING) == []
    found = rows(tmp_path, SOURCE)
    assert (targets(found, Origin.MEASURED), targets(found, Origin.MISSING)) == ([0, 1, 4, 5], [2, 3])
    for row in found:
        if row.origin is Origin.MISSING:
            assert [(one.obis, one.value.value) for one in row.readings] == [(VOLUME, None)]
            assert row.gateway_status & GatewayStatus.NO_VALUE_IN_WINDOW


def test_a_device_that_falls_silent_has_gaps_while_the_other_is_read(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    telegram(registrar, 0)
    telegram(registrar, 1, gas=False)
    clock.now_us = MIDNIGHT + 2 * QUARTER + 60 * SECOND
    registrar.run_once(0)
    assert targets(rows(tmp_path, SOURCE), Origin.MISSING) == [1, 2]
    assert targets(rows(tmp_path), Origin.MISSING) == [2]


def test_two_devices_keep_their_grids_apart_over_a_restart(tmp_path: Path, clock: Clock) -> None:
    for quarters in (range(3), range(3, 6)):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            registrar = Registrar(store, clock, {"house": 900})
            for quarter in quarters:
                telegram(registrar, quarter, gas=quarter < 2 or quarter > 4)
            registrar.drain()
    assert targets(rows(tmp_path), Origin.MEASURED) == [0, 1, 2, 3, 4, 5]
    found = rows(tmp_path, SOURCE)
    assert (targets(found, Origin.MEASURED), targets(found, Origin.MISSING)) == ([0, 1, 5], [2, 3, 4])


def test_a_device_that_left_has_no_gaps_any_more_and_no_state(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    for device in (DEVICE, GAS):
        registrar.state(MeterState("house", device, Condition.READING, MIDNIGHT))
    telegram(registrar, 0)
    clock.now_us = MIDNIGHT + QUARTER + 60 * SECOND
    registrar.left("house", GAS)
    registrar.run_once(0)
    clock.now_us = MIDNIGHT + 4 * QUARTER + 60 * SECOND
    registrar.run_once(0)
    assert targets(rows(tmp_path, SOURCE), Origin.MISSING) == [1]  # it was over when the device left
    assert targets(rows(tmp_path), Origin.MISSING) == [1, 2, 3, 4]
    with LmnView.open(tmp_path) as view:
        assert [state.device for state in view.meter_states()] == [DEVICE]


def test_a_device_that_comes_back_goes_on_behind_its_last_target(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    telegram(registrar, 0)
    registrar.run_once(0)
    registrar.left("house", GAS)
    telegram(registrar, 2)
    registrar.run_once(0)
    assert targets(rows(tmp_path, SOURCE), Origin.MISSING) == [1]
    assert targets(rows(tmp_path, SOURCE), Origin.MEASURED) == [0, 2]


def test_of_a_meter_read_anew_a_device_that_comes_no_more_has_no_gaps(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    telegram(registrar, 0)
    registrar.configure({"house": 900}, {"house"})
    registrar.configure({"house": 900, "pv": 0})  # another change
    telegram(registrar, 2, gas=False)
    clock.now_us = MIDNIGHT + 3 * QUARTER + 60 * SECOND
    registrar.run_once(0)
    assert targets(rows(tmp_path), Origin.MISSING) == [1, 3], "the device that came again"
    assert targets(rows(tmp_path, SOURCE), Origin.MISSING) == []


def test_another_period_holds_for_what_comes_after_it(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900, "pv": 0})
    for second in range(3):
        registrar.capture(capture(MIDNIGHT + second * SECOND))
    registrar.configure({"house": 0, "pv": 0})
    for second in range(3, 6):
        registrar.capture(capture(MIDNIGHT + second * SECOND))
    registrar.configure({"house": 900, "pv": 0})
    registrar.capture(capture(MIDNIGHT + QUARTER))
    registrar.run_once(0)
    found = rows(tmp_path)
    assert [row.target_time_us for row in found] == [MIDNIGHT, None, None, None, MIDNIGHT + QUARTER]


def test_a_meter_that_makes_up_devices_makes_no_more_grids_than_rows(
    store: LmnStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Source] = []
    monkeypatch.setattr(store, "last_target_us", asked.append)
    registrar = Registrar(store, clock, {"house": 900})
    for number in range(200):
        device = DeviceId(b"made up %d" % number)
        registrar.capture(capture(MIDNIGHT + number * SECOND, device=device))
    registrar.run_once(0)
    assert len(asked) == 200
    assert len(registrar._grids._entries) == DEVICES_PER_METER


def test_a_store_that_cannot_tell_the_last_target_costs_no_capture(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Source) -> int:
        raise StoreError(tmp_path, "disk I/O error")

    registrar = Registrar(store, clock, {"house": 900})
    registrar.capture(capture(MIDNIGHT))
    with monkeypatch.context() as patch:
        patch.setattr(registrar._grids, "_last_target_us", fails)
        with pytest.raises(StoreError):
            registrar.run_once(0)
    registrar.run_once(0)
    assert targets(rows(tmp_path), Origin.MEASURED) == [0]


def test_a_signature_stays_with_its_value_and_a_gap_has_none(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 900})
    signed = Reading(POWER, Data(DataType.LONG, 5), 0, 27, signature=b"of the value")
    for quarter in (0, 2):
        registrar.capture(capture(MIDNIGHT + quarter * QUARTER, signed)._replace(signature=b"of the list"))
    registrar.run_once(0)
    found = [(row.origin, row.signature, row.readings[0].signature) for row in rows(tmp_path)]
    assert found == [
        (Origin.MEASURED, b"of the list", b"of the value"),
        (Origin.MISSING, None, None),
        (Origin.MEASURED, b"of the list", b"of the value"),
    ]
