"""The registrar with a real store."""

import logging
import sqlite3
import threading
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, POWER, SECOND, capture, energy
from registering import Clock
from smgw.cosem import NULL, ClockState, Data, DataType, GatewayStatus, Reading
from smgw.metering import registrar as registrar_module
from smgw.metering.gathering import Gathering
from smgw.metering.registrar import GATHERED, Registrar
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import (
    CacheKind,
    Condition,
    Covered,
    MeterState,
    Origin,
    Outcome,
    OutcomeKind,
    Record,
    Source,
    StoredRecord,
)
from soon import LIMIT, soon

DAY = 86_400 * SECOND
QUARTER = 900 * SECOND


def stored(directory: Path, meter: str = "house") -> list[StoredRecord]:
    with LmnView.open(directory) as view:
        return view.records(Source(meter, DEVICE), 0, 100_000)


def values(records: list[StoredRecord]) -> list[object]:
    return [record.readings[0].value.value for record in records]


def test_every_telegram_is_registered_where_the_period_is_0(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    commits: list[int] = []
    registrar = Registrar(store, clock, {"house": 0, "pv": 0}, on_commit=commits.append)
    for second in range(10):
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(second)))
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(100 + second), meter="pv"))
    assert registrar.run_once(1) == 20
    assert commits == [20]
    assert values(stored(tmp_path)) == list(range(10))
    assert values(stored(tmp_path, "pv")) == list(range(100, 110))
    assert {record.target_time_us for record in stored(tmp_path)} == {None}


def test_what_comes_while_the_first_lingers_is_in_one_commit_with_it_and_hurry_ends_the_wait(
    store: LmnStore, clock: Clock
) -> None:
    commits: list[int] = []
    registrar = Registrar(store, clock, {"house": 0}, on_commit=commits.append, gathering=Gathering(60.0))
    thread = threading.Thread(target=registrar.run_once, args=(60.0,))
    thread.start()
    for second in range(5):
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(second)))
    assert commits == []
    registrar.hurry()
    thread.join(10)
    assert commits == [5]


def test_nothing_lingers_where_there_is_nothing_to_wait_for(store: LmnStore, clock: Clock) -> None:
    commits: list[int] = []
    registrar = Registrar(store, clock, {"house": 0}, on_commit=commits.append, gathering=Gathering(60.0))
    registrar.capture(capture(MIDNIGHT, energy(1)))
    assert registrar.drain() == 1
    registrar.gathering = Gathering()
    registrar.capture(capture(MIDNIGHT + SECOND, energy(2)))
    assert registrar.run_once(60.0) == 1
    assert commits == [1, 1]


def _fail() -> None:
    raise StoreError(Path("lmn.db"), "disk I/O error")


class Moments:
    """A monotonic clock that only the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def gathering(store: LmnStore, clock: Clock, how: Gathering, **periods: int) -> tuple[Registrar, Moments, list[int]]:
    moments, commits = Moments(), list[int]()
    return Registrar(store, clock, periods, commits.append, gathering=how, monotonic=moments), moments, commits


def test_live_rate_rows_wait_for_others_until_the_power_cut_would_cost_too_much(store: LmnStore, clock: Clock) -> None:
    registrar, moments, commits = gathering(store, clock, Gathering(live=5.0), house=0)
    for second in range(10):
        moments.now = float(second)
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(second)))
        registrar.run_once(0.01)
    assert commits == [5]
    moments.now = 11.0
    registrar.run_once(0.01)
    assert commits == [5, 5]


def test_the_wait_of_all_rows_is_a_part_of_what_a_power_cut_may_cost(store: LmnStore, clock: Clock) -> None:
    registrar, moments, commits = gathering(store, clock, Gathering(0.5, 5.0), house=0)
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0.01)
    moments.now = 4.5  # half a second before the end: another wait may just have begun
    registrar.run_once(0.01)
    assert commits == [1]


def test_a_grid_value_takes_waiting_live_rate_rows_along(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar, _, commits = gathering(store, clock, Gathering(live=5.0), house=0, pv=900)
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0.01)
    assert stored(tmp_path) == commits == []
    registrar.capture(capture(MIDNIGHT, energy(2), meter="pv"))
    registrar.run_once(0.01)
    assert commits == [2]


def test_rows_with_a_ticket_and_log_entries_take_waiting_live_rate_rows_along(store: LmnStore, clock: Clock) -> None:
    registrar, _, commits = gathering(store, clock, Gathering(live=5.0), house=0)
    for number, hand_over in enumerate(
        (
            lambda: registrar.append([Record(capture(MIDNIGHT, energy(9), meter="pv"))]),
            lambda: registrar.event("tested", Level.INFO, "a log entry"),
        )
    ):
        registrar.capture(capture(MIDNIGHT + number * SECOND, energy(number)))
        registrar.run_once(0.01)
        hand_over()
        registrar.run_once(0.01)
    assert commits == [1, 1, 1]


def test_a_flood_of_live_rate_rows_does_not_wait(store: LmnStore, clock: Clock) -> None:
    registrar, _, commits = gathering(store, clock, Gathering(live=5.0), **{f"m{meter}": 0 for meter in range(64)})
    for number in range(GATHERED):
        registrar.capture(capture(MIDNIGHT + number, energy(number), meter=f"m{number % 64}"))
    registrar.run_once(0.01)
    assert commits == [GATHERED]


def test_hurry_writes_what_was_gathered(store: LmnStore, clock: Clock) -> None:
    registrar, _, commits = gathering(store, clock, Gathering(live=5.0), house=0)
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0.01)
    registrar.hurry()
    registrar.run_once(0.01)
    assert commits == [1]


def test_a_drain_writes_what_was_gathered(store: LmnStore, clock: Clock) -> None:
    registrar, _, commits = gathering(store, clock, Gathering(live=5.0), house=0)
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0.01)
    registrar.drain()
    assert commits == [1]


def test_with_a_pause_the_first_record_goes_at_once_and_the_next_ones_together(store: LmnStore, clock: Clock) -> None:
    registrar, moments, commits = gathering(store, clock, Gathering(pause=60.0), house=0)
    registrar.capture(capture(MIDNIGHT, energy(0)))
    registrar.run_once(60.0)
    assert commits == [1]
    thread = threading.Thread(target=registrar.run_once, args=(60.0,))
    thread.start()
    for second in range(1, 5):
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(second)))
    assert commits == [1]
    registrar.hurry()
    thread.join(60)
    assert commits == [1, 4]
    moments.now = 120.0
    registrar.capture(capture(MIDNIGHT + 5 * SECOND, energy(5)))
    registrar.run_once(60.0)
    assert commits == [1, 4, 1]


def test_what_the_store_could_not_write_while_it_was_gathered_is_written_by_the_next_call(
    store: LmnStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registrar, moments, commits = gathering(store, clock, Gathering(live=5.0), house=0)
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0.01)
    moments.now = 5.0
    with monkeypatch.context() as broken:
        broken.setattr(store, "append", lambda _: _fail())
        with pytest.raises(StoreError):
            registrar.run_once(0.01)
    registrar.run_once(0.01)
    assert commits == [1]


def test_on_the_grid_only_the_nearest_values_and_the_gaps_are_registered(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    registrar = Registrar(store, clock, {"house": 60})
    for second in (1, 59, 61, 62, 200, 239.5):
        registrar.capture(
            capture(MIDNIGHT + round(second * SECOND), energy(round(second)), Reading(POWER, energy(1).value))
        )
    clock.now_us = MIDNIGHT + 240 * SECOND
    registrar.run_once(1)
    registrar.capture(capture(MIDNIGHT + 241 * SECOND, energy(241), Reading(POWER, energy(1).value)))
    registrar.run_once(1)
    records = stored(tmp_path)
    assert [(record.target_time_us or 0) - MIDNIGHT for record in records] == [
        s * SECOND for s in (0, 60, 120, 180, 240)
    ]
    assert values(records) == [1, 59, None, None, 240]
    missing = records[2]
    assert missing.origin is Origin.MISSING
    assert [reading.obis for reading in missing.readings] == [energy(0).obis, POWER]
    assert missing.gateway_status & GatewayStatus.NO_VALUE_IN_WINDOW
    assert not records[1].gateway_status & (GatewayStatus.NO_VALUE_IN_WINDOW | GatewayStatus.TIME_INVALID)


def test_a_value_with_an_invalid_time_is_flagged_and_not_dropped(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 0})
    registrar.capture(capture(MIDNIGHT, synchronised=False))
    registrar.run_once(1)
    assert stored(tmp_path)[0].gateway_status & GatewayStatus.TIME_INVALID


def test_a_tampered_meter_is_flagged(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 0})
    status = Data(DataType.DOUBLE_LONG_UNSIGNED, 1 << 2 | 1 << 9)
    registrar.capture(capture(MIDNIGHT, energy(1)._replace(status=status)))
    registrar.run_once(1)
    assert stored(tmp_path)[0].gateway_status & GatewayStatus.METER_TAMPER


def test_a_silent_meter_is_told_by_time_alone(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 60})
    registrar.capture(capture(MIDNIGHT + 5 * SECOND))
    registrar.run_once(1)
    clock.now_us = MIDNIGHT + 200 * SECOND
    registrar.run_once(0)
    assert [record.origin for record in stored(tmp_path)] == [Origin.MISSING] * 3


def test_values_of_a_clock_set_back_a_day_are_kept_as_live_rate_rows(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    clock.state = ClockState.INVALID
    registrar = Registrar(store, clock, {"house": 900})
    first = [capture(MIDNIGHT + step * QUARTER, energy(step), synchronised=False) for step in range(4)]
    again = [capture(MIDNIGHT + step * QUARTER + 1, energy(10 + step), synchronised=False) for step in range(4)]
    between = capture(MIDNIGHT - DAY, energy(99), synchronised=False)
    for one in (*first, between, *again):
        registrar.capture(one)
    registrar.run_once(1)
    records = stored(tmp_path)
    on_grid = [record for record in records if record.target_time_us is not None]
    live = [record for record in records if record.target_time_us is None]
    assert values(on_grid) == [0, 1, 2, 3, 99]
    assert values(live) == [10, 11, 12, 13]
    assert store.counts()["refused_grid"] == 4


def test_a_missing_value_never_takes_the_place_of_one(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "last_target_us", lambda _: MIDNIGHT + QUARTER)
    registrar = Registrar(store, clock, {"house": 900})
    registrar.capture(capture(MIDNIGHT + 2 * QUARTER, energy(2)))
    registrar.run_once(1)
    monkeypatch.setattr(store, "last_target_us", lambda _: MIDNIGHT)
    late = Registrar(store, clock, {"house": 900})
    late.capture(capture(MIDNIGHT + 3 * QUARTER, energy(3)))
    late.run_once(1)
    assert [(record.origin, values([record])[0]) for record in stored(tmp_path)] == [
        (Origin.MEASURED, 2),
        (Origin.MISSING, None),
        (Origin.MEASURED, 3),
    ]


def test_a_gap_is_written_and_flagged_without_a_synchronised_clock_too(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    clock.state = ClockState.INVALID
    registrar = Registrar(store, clock, {"house": 900})
    registrar.capture(capture(MIDNIGHT, energy(1), synchronised=False))
    registrar.run_once(1)
    clock.now_us = MIDNIGHT + 920 * SECOND
    registrar.run_once(0)
    record, gap = stored(tmp_path)
    assert (gap.origin, gap.target_time_us, gap.stamp) == (Origin.MISSING, MIDNIGHT + QUARTER, clock.stamp())
    assert gap.gateway_status == record.gateway_status | GatewayStatus.NO_VALUE_IN_WINDOW
    assert gap.gateway_status & GatewayStatus.TIME_INVALID


def gap(target_us: int, *, synchronised: bool) -> Record:
    """The row of a gap as the grid makes it."""
    empty = energy(0)._replace(value=NULL)
    return Record(capture(target_us, empty, synchronised=synchronised), target_us, origin=Origin.MISSING)


def value(target_us: int, *, synchronised: bool) -> Record:
    return Record(capture(target_us, energy(7), synchronised=synchronised), target_us)


def lied(record: Record) -> Record:
    """The same capture time by a clock that was six hours ahead."""
    stamp = record.capture.stamp
    early = stamp._replace(boottime_ns=stamp.boottime_ns - 6 * 3600 * SECOND * 1000)
    return record._replace(capture=record.capture._replace(stamp=early))


def of_another_boot(record: Record) -> Record:
    return record._replace(
        capture=record.capture._replace(stamp=record.capture.stamp._replace(boot_id="before the last start"))
    )


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (gap(MIDNIGHT, synchronised=False), value(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
        (gap(MIDNIGHT, synchronised=False), value(MIDNIGHT, synchronised=False), OutcomeKind.WRITTEN),
        (gap(MIDNIGHT, synchronised=False), gap(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
        (gap(MIDNIGHT, synchronised=True), value(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
        (gap(MIDNIGHT, synchronised=False), gap(MIDNIGHT, synchronised=False), OutcomeKind.SLOT_TAKEN),
        (gap(MIDNIGHT, synchronised=True), gap(MIDNIGHT, synchronised=True), OutcomeKind.SLOT_TAKEN),
        (gap(MIDNIGHT, synchronised=True), value(MIDNIGHT, synchronised=False), OutcomeKind.SLOT_TAKEN),
        (value(MIDNIGHT, synchronised=False), gap(MIDNIGHT, synchronised=True), OutcomeKind.SLOT_TAKEN),
        (value(MIDNIGHT, synchronised=False), value(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
        (value(MIDNIGHT, synchronised=True), value(MIDNIGHT, synchronised=True), OutcomeKind.SLOT_TAKEN),
        (value(MIDNIGHT, synchronised=True), value(MIDNIGHT, synchronised=False), OutcomeKind.SLOT_TAKEN),
        (lied(value(MIDNIGHT, synchronised=True)), value(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
        (lied(value(MIDNIGHT, synchronised=True)), value(MIDNIGHT, synchronised=False), OutcomeKind.SLOT_TAKEN),
        (lied(value(MIDNIGHT, synchronised=True)), gap(MIDNIGHT, synchronised=True), OutcomeKind.SLOT_TAKEN),
        (of_another_boot(value(MIDNIGHT, synchronised=True)), value(MIDNIGHT, synchronised=True), OutcomeKind.WRITTEN),
    ],
)
def test_a_row_leaves_its_slot_to_what_is_worth_more_and_stays(
    store: LmnStore, tmp_path: Path, first: Record, second: Record, kind: OutcomeKind
) -> None:
    store.append([first])
    (outcome,) = store.append([second])
    assert outcome.kind is kind
    written = [first, second] if kind is OutcomeKind.WRITTEN else [first]
    assert [(row.origin, row.target_time_us) for row in stored(tmp_path)] == [
        (record.origin, MIDNIGHT) for record in written
    ]
    (third,) = store.append([second])
    assert third.kind is OutcomeKind.SLOT_TAKEN


def test_a_value_takes_the_slot_of_a_gap_that_a_wrong_clock_told_of(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    """The clock was 30 minutes ahead when the meter was silent; the true half hour comes later."""
    clock.state = ClockState.INVALID
    registrar = Registrar(store, clock, {"house": 900})
    registrar.capture(capture(MIDNIGHT + 2 * QUARTER + SECOND, energy(1), synchronised=False))
    registrar.run_once(1)
    clock.now_us = MIDNIGHT + 4 * QUARTER + 20 * SECOND
    registrar.run_once(0)  # gaps of the third and the fourth quarter hour
    for quarter in (2, 3, 4):
        registrar.capture(capture(MIDNIGHT + quarter * QUARTER, energy(quarter)))
    clock.state, clock.now_us = ClockState.SYNCHRONISED, MIDNIGHT + 4 * QUARTER
    registrar.run_once(1)
    true = [row for row in stored(tmp_path) if row.origin is Origin.MEASURED and row.stamp.state]
    assert [(row.target_time_us - MIDNIGHT) // QUARTER for row in true if row.target_time_us] == [2, 3, 4]


def test_after_a_lie_of_six_hours_that_was_called_valid_the_true_values_enter_the_grid(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    """True until 0:30; then an hour of a valid lie; then true until 8:00. A value every quarter hour."""
    registrar = Registrar(store, clock, {"house": 900})
    ahead = 24 * QUARTER
    for quarter in range(1, 33):
        true_us = MIDNIGHT + quarter * QUARTER
        clock.ahead_us = ahead if 3 <= quarter <= 6 else 0
        clock.now_us = true_us + clock.ahead_us
        registrar.capture(capture(clock.now_us, energy(quarter))._replace(stamp=clock.stamp()))
        registrar.run_once(1)
    true = {row.target_time_us: values([row])[0] for row in stored(tmp_path) if row.origin is Origin.MEASURED}
    own = [quarter for quarter in range(1, 33) if not 3 <= quarter <= 6]
    assert [true.get(MIDNIGHT + quarter * QUARTER) for quarter in own] == own


def test_a_restart_registers_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    moments = [MIDNIGHT + second * SECOND for second in range(0, 600, 7)]
    for cut in (moments[:20], moments[20:50], moments[50:]):
        with LmnStore.open(tmp_path, ballast_bytes=0) as store:
            registrar = Registrar(store, clock, {"house": 60})
            for moment in cut:
                registrar.capture(capture(moment))
            registrar.drain()
            assert "refused_grid" not in store.counts()
    targets = [(record.target_time_us or 0) - MIDNIGHT for record in stored(tmp_path)]
    assert targets == [second * SECOND for second in range(0, 600, 60)]


def test_states_logs_and_object_lists_reach_the_store(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {})
    state = MeterState("house", DEVICE, Condition.READING, MIDNIGHT, good=3)
    registrar.state(state._replace(good=1))
    registrar.state(state)
    registrar.event("lmn-started", Level.INFO, "1 meters")
    registrar.cache(CacheKind.OBJECT_LIST, DEVICE, b"fw", b"[]")
    assert registrar.run_once(1) == 0
    store.flush(now=True)
    assert store.cached(CacheKind.OBJECT_LIST, DEVICE, b"fw") == b"[]"
    with LmnView.open(tmp_path) as view:
        assert view.meter_states() == [state]
        assert "lmn-started" in [entry.event for entry in view.log_entries(5)]


def test_more_than_a_batch_is_drained(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrar_module, "_BATCH", 10)
    commits: list[int] = []
    registrar = Registrar(store, clock, {"house": 0}, on_commit=commits.append)
    for second in range(35):
        registrar.capture(capture(MIDNIGHT + second * SECOND, energy(second)))
    assert registrar.drain() == 35
    assert commits == [10, 10, 10, 5]
    assert values(stored(tmp_path)) == list(range(35))


def test_what_waits_in_the_inbox_is_not_missing(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrar_module, "_BATCH", 10)
    registrar = Registrar(store, clock, {"house": 60})
    for second in range(5, 305, 5):
        registrar.capture(capture(MIDNIGHT + second * SECOND))
    clock.now_us = MIDNIGHT + 301 * SECOND
    registrar.drain()
    assert [record.origin for record in stored(tmp_path)] == [Origin.MEASURED] * 5


class Failing:
    """Stands before a store and fails as a dying card does."""

    def __init__(self, store: LmnStore) -> None:
        self.store = store
        self.failures = 0

    def append(self, records: list[Record], covered: Covered | None = None) -> list[Outcome]:
        if self.failures:
            self.failures -= 1
            raise StoreError(Path("lmn.db"), "disk I/O error")
        return self.store.append(records, covered)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_what_could_not_be_written_is_written_later(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    failing = Failing(store)
    registrar = Registrar(failing, clock, {"house": 60})  # type: ignore[arg-type]
    failing.failures = 2
    registrar.capture(capture(MIDNIGHT, energy(0)))
    for _ in range(2):
        with pytest.raises(StoreError):
            registrar.run_once(0)
    registrar.capture(capture(MIDNIGHT + 60 * SECOND, energy(60)))
    registrar.drain()
    assert values(stored(tmp_path)) == [0, 60]


def test_a_store_that_takes_nothing_costs_the_oldest_captures_and_says_so_once(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registrar_module, "INBOX_BOUND", 20)
    failing = Failing(store)
    registrar = Registrar(failing, clock, {"house": 0})  # type: ignore[arg-type]
    registrar.capture(capture(MIDNIGHT, energy(0)))
    failing.failures = 3
    for turn in range(3):
        registrar.cache(CacheKind.OBJECT_LIST, DEVICE, b"fw", b"[%d]" % turn)
        for second in range(1, 26):
            registrar.capture(capture(MIDNIGHT + second * SECOND, energy(100 * turn + second)))
        with pytest.raises(StoreError):
            registrar.run_once(0)
    assert registrar.dropped > 0
    registrar.drain()
    found = values(stored(tmp_path))
    assert found[-1] == 225
    assert len(found) == 76 - registrar.dropped
    assert store.cached(CacheKind.OBJECT_LIST, DEVICE, b"fw") == b"[2]"
    with LmnView.open(tmp_path) as view:
        assert [entry.event for entry in view.log_entries(9)].count("captures-dropped") == 1
    assert sum("oldest are dropped" in record.message for record in caplog.records) == 1


def test_a_value_that_does_not_suit_its_type_costs_only_its_own_capture(
    store: LmnStore, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registrar = Registrar(store, clock, {"house": 0})
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.capture(capture(MIDNIGHT, energy(1)._replace(value=Data(DataType.LONG64_UNSIGNED, -5))))
    registrar.capture(capture(MIDNIGHT, energy(2)))
    registrar.run_once(1)
    assert values(stored(tmp_path)) == [1, 2]
    assert "cannot be stored" in caplog.text


def test_an_object_list_that_cannot_be_kept_costs_no_reading(
    store: LmnStore, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise StoreError(Path("lmn.db"), "the file system is full")

    monkeypatch.setattr(store, "cache", full)
    registrar = Registrar(store, clock, {"house": 0})
    registrar.cache(CacheKind.OBJECT_LIST, DEVICE, b"fw", b"[]")
    registrar.capture(capture(MIDNIGHT, energy(1)))
    assert registrar.run_once(1) == 1
    assert values(stored(tmp_path)) == [1]
    assert "asked again" in caplog.text


def test_a_year_of_gap_is_written_in_short_transactions(
    store: LmnStore, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    commits: list[int] = []
    store.append([Record(capture(MIDNIGHT - 5000 * QUARTER), MIDNIGHT - 5000 * QUARTER)])
    registrar = Registrar(store, clock, {"house": 900}, commits.append)
    registrar.capture(capture(MIDNIGHT))
    registrar.run_once(1)
    assert sum(commits) == 5000
    assert max(commits) <= 1000
    with sqlite3.connect(f"file:{tmp_path / 'lmn.db'}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM capture WHERE origin = 3").fetchone()[0] == 4999
    connection.close()


def test_readers_never_wait_for_the_registrar(store: LmnStore, clock: Clock) -> None:
    """They hand over captures while a commit is under way, which ends only after them."""
    under_way, go_on = threading.Event(), threading.Event()

    class Slow(Failing):
        def append(self, records: object) -> object:
            under_way.set()
            assert go_on.wait(LIMIT)
            return self.store.append(records)  # type: ignore[arg-type]

    registrar = Registrar(Slow(store), clock, {"house": 0})  # type: ignore[arg-type]
    registrar.capture(capture(MIDNIGHT))
    thread = threading.Thread(target=lambda: registrar.run_once(0), daemon=True)
    thread.start()
    assert under_way.wait(LIMIT)
    for second in range(1, 500):
        soon(lambda second=second: registrar.capture(capture(MIDNIGHT + second * SECOND)))
    assert thread.is_alive()
    go_on.set()
    thread.join(LIMIT)
    registrar.drain()
    assert not thread.is_alive()
