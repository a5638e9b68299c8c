"""Meters that are lost and come back, and values that are missing, enter the log books; each change once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, capture, energy
from line_meter import Clock
from smgw.cosem import Data, DataType
from smgw.cosem.status_word import FnnStatus
from smgw.metering.meter_events import MeterEvents
from smgw.metering.registrar import Registrar
from smgw.store.file.log_book import Level
from smgw.store.file.log_books import NUMBERS
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition, MeterState, Origin, Record


class Told:
    """The events, by a time that the test sets."""

    def __init__(self, newest: dict[str, str] | None = None) -> None:
        self.seconds = 0.0
        self.events = MeterEvents(lambda *_: newest or {}, lambda: self.seconds)

    def states(self, *states: Condition, device: bool = True) -> list[str]:
        for state in states:
            self.events.state(MeterState("house", DEVICE if device else None, state, 0))
        return [entry.event for entry in self.events.take()]

    def rows(self, *origins: Origin) -> list[str]:
        for origin in origins:
            self.events.written(Record(capture(MIDNIGHT), MIDNIGHT, origin=origin))
        return [entry.event for entry in self.events.take()]


def test_a_meter_that_is_lost_and_back_is_told_once_each() -> None:
    told = Told()
    assert told.states(Condition.WAITING, Condition.READING, Condition.READING) == []
    assert told.states(Condition.SILENT) == ["meter-lost"]
    assert told.states(Condition.SILENT, Condition.ABSENT) == []
    told.seconds = 900.0
    assert told.states(Condition.READING) == ["meter-back"]


def test_a_meter_that_changes_to_and_fro_is_told_rarely_and_what_holds_is_told() -> None:
    told = Told()
    found = []
    for _ in range(50):
        told.seconds += 10
        found += told.states(Condition.SILENT)
        found += told.states(Condition.READING)
    assert found == ["meter-lost"]
    told.seconds += 900
    assert told.states() == ["meter-back"]


def test_a_meter_without_a_device_is_back_when_one_comes() -> None:
    told = Told()
    assert told.states(Condition.ABSENT, device=False) == ["meter-lost"]
    told.seconds = 900.0
    assert told.states(Condition.READING) == ["meter-back"]


def test_the_log_book_knows_what_was_told_before_a_restart() -> None:
    told = Told({"house": "meter-lost"})
    assert told.states(Condition.SILENT) == []
    assert told.states(Condition.READING) == ["meter-back"]


def test_missing_values_are_told_when_they_begin_and_when_they_end() -> None:
    told = Told()
    assert told.rows(Origin.MEASURED, Origin.MISSING, Origin.MISSING) == ["values-missing"]
    assert told.rows(Origin.HISTORY) == []
    told.seconds = 900.0
    assert told.rows(Origin.MEASURED) == ["values-complete"]


@pytest.mark.parametrize(
    ("bit", "raised", "cleared"),
    [
        (FnnStatus.MAGNETIC_TAMPER, "magnet-found", "magnet-gone"),
        (FnnStatus.MECHANICAL_TAMPER, "tamper-found", "tamper-gone"),
        (FnnStatus.ROTATION_WRONG, "phase-order-wrong", "phase-order-right"),
    ],
)
def test_a_fault_that_the_meter_reports_is_told_when_it_is_raised_and_cleared(
    bit: FnnStatus, raised: str, cleared: str
) -> None:
    told = Told()
    found = []
    for status in (0, bit, bit, 0):
        word = Data(DataType.DOUBLE_LONG_UNSIGNED, int(status | FnnStatus.BASIC_METER))
        told.events.written(Record(capture(MIDNIGHT, energy(5)._replace(status=word)), MIDNIGHT))
        found += [entry.event for entry in told.events.take()]
        told.seconds += 900
    assert found == [raised, cleared]
    assert {raised, cleared} <= NUMBERS.keys()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def test_the_consumers_of_a_meter_get_its_events(store: LmnStore, tmp_path: Path) -> None:
    registrar = Registrar(store, Clock(), {"house": 900})
    registrar.consumers = {"house": ("anna",), "yard": ("bert",)}
    registrar.state(MeterState("house", DEVICE, Condition.READING, 0))
    registrar.state(MeterState("house", DEVICE, Condition.SILENT, 0))
    registrar.run_once(0)
    registrar.event("case-opened", Level.WARNING, "the case was opened")
    registrar.run_once(0)
    with LmnView.open(tmp_path) as view:
        books = {name: [entry.event for entry in view.log_entries(9, name)] for name in view.books()}
    assert books == {
        "system": ["meter-lost", "case-opened"],
        "calibration": ["case-opened"],
        "consumer anna": ["meter-lost", "case-opened"],
        "consumer bert": ["case-opened"],
    }


def test_the_store_knows_the_newest_event_of_each_meter(store: LmnStore) -> None:
    stamp = Clock().stamp()
    for event, meter in (("meter-lost", "house"), ("meter-back", "house"), ("meter-lost", "yard")):
        store.log(event, Level.INFO, event, stamp, identity=meter)
    assert store.newest_about("meter-lost", "meter-back") == {"house": "meter-back", "yard": "meter-lost"}
