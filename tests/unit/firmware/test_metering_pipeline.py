"""Rows that are no telegram go into the store by the same way: of load profiles, derived and counted ones."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from line_meter import until
from registering import Clock
from smgw.cosem import (
    ClockState,
    Data,
    DataType,
    DeviceId,
    GatewayStatus,
    MeterTime,
    MeterTimeKind,
    Obis,
    Reading,
)
from smgw.errors import LocalProtocolError
from smgw.metering.gathering import Gathering
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.metering.ticket import NotWrittenError, Ticket
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import (
    Covered,
    ListKind,
    Origin,
    Outcome,
    OutcomeKind,
    ProfileName,
    ProfilePiece,
    ProfileRow,
    Record,
    Source,
)
from smgw.wan.cosem_xml.documents import parts

QUARTER = 900 * SECOND
EVALUATION = DeviceId(b"evaluation")
DOUBLE = Obis.parse("1-1:1.8.0")
NAME = ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0"))


def doubled(record: Record) -> Sequence[Record]:
    """A made evaluation: twice the energy of what was measured, for a device of its own."""
    value = record.capture.readings[0].value.value
    if not isinstance(value, int):
        return ()
    reading = Reading(DOUBLE, Data(DataType.LONG64_UNSIGNED, 2 * value), -1, 30)
    made = record.capture._replace(device=EVALUATION, readings=(reading,))
    return (Record(made, record.target_time_us, list=ListKind.DERIVED),)


def values(directory: Path, device: DeviceId = DEVICE) -> list[object]:
    with LmnView.open(directory) as view:
        return [row.readings[0].value.value for row in view.records(Source("house", device), 0, 9999)]


def piece(first: int, last: int) -> ProfilePiece:
    rows = tuple(
        ProfileRow(MIDNIGHT + place * QUARTER, None, (energy(place),), b"row %d" % place)
        for place in range(first, last + 1)
    )
    return ProfilePiece(rows, MIDNIGHT + first * QUARTER, MIDNIGHT + last * QUARTER)


def kept(directory: Path) -> list[object]:
    with LmnView.open(directory) as view:
        return [row.readings[0].value.value for row in view.profile_rows(NAME, Range(0, 2**62), 9999)]


class Failing:
    """Stands before a store whose next commits fail."""

    def __init__(self, store: LmnStore, *errors: Exception) -> None:
        self.store = store
        self.errors = list(errors)

    def append(self, records: Sequence[Record], covered: Covered | None = None) -> list[Outcome]:
        if self.errors:
            raise self.errors.pop(0)
        return self.store.append(records, covered)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_derived_rows_are_written_with_the_reading_they_come_from(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    commits: list[int] = []
    registrar = Registrar(store, clock, {"house": 900}, commits.append, derive=(doubled,))
    for quarter in range(3):
        registrar.capture(capture(MIDNIGHT + quarter * QUARTER, energy(quarter)))
    registrar.run_once(0)
    assert (values(tmp_path), values(tmp_path, EVALUATION)) == ([0, 1, 2], [0, 2, 4])
    assert commits == [3]
    with LmnView.open(tmp_path) as view:
        (first,) = view.records(Source("house", EVALUATION), 0, 1)
    assert (first.list, first.target_time_us, first.record_number) == (ListKind.DERIVED, MIDNIGHT, 2)


def test_derived_rows_are_lost_and_written_again_with_their_reading(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    failing = Failing(store, StoreError(tmp_path, "disk I/O error"))
    registrar = Registrar(failing, clock, {"house": 0}, derive=(doubled,))  # type: ignore[arg-type]
    registrar.capture(capture(MIDNIGHT, energy(1)))
    with pytest.raises(StoreError):
        registrar.run_once(0)
    assert values(tmp_path) == values(tmp_path, EVALUATION) == []
    registrar.run_once(0)
    assert (values(tmp_path), values(tmp_path, EVALUATION)) == ([1], [2])


def test_of_a_reading_whose_slot_is_taken_nothing_is_derived_for_that_slot(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    """It is kept as a live-rate row, and so is what is derived from that."""
    store.append([Record(capture(MIDNIGHT, energy(7)), MIDNIGHT)])
    registrar = Registrar(store, clock, {"house": 900}, derive=(doubled,))
    registrar._grids._last_target_us = lambda _: None
    registrar.capture(capture(MIDNIGHT, energy(8)))
    registrar.run_once(0)
    with LmnView.open(tmp_path) as view:
        rows = [row for source in view.sources() for row in view.records(source, 0, 9)]
    assert [(row.device, row.readings[0].value.value, row.target_time_us) for row in rows] == [
        (DEVICE, 7, MIDNIGHT),
        (DEVICE, 8, None),
        (EVALUATION, 16, None),
    ]


def test_an_evaluation_that_fails_costs_no_reading(
    store: LmnStore, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Record) -> Sequence[Record]:
        raise ArithmeticError("no tariff")

    def wrong(record: Record) -> Sequence[Record]:
        (made,) = doubled(record)
        reading = made.capture.readings[0]._replace(value=Data(DataType.LONG64_UNSIGNED, -1))
        return (made._replace(capture=made.capture._replace(readings=(reading,))),)

    registrar = Registrar(store, clock, {"house": 0}, derive=(fails, wrong, doubled))
    registrar.capture(capture(MIDNIGHT, energy(1)))
    registrar.run_once(0)
    assert (values(tmp_path), values(tmp_path, EVALUATION)) == ([1], [2])
    assert store.counts() == {"lost_derived": 1, "lost_unstorable": 1}
    assert "no tariff" in caplog.text


def test_counted_rows_go_the_same_way_and_their_ticket_tells_their_numbers(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    registrar = Registrar(store, clock, {"house": 900}, derive=(doubled,))
    registrar.capture(capture(MIDNIGHT, energy(1)))
    counted = Record(capture(MIDNIGHT, energy(17), device=DeviceId(b"pulses")), MIDNIGHT + QUARTER)
    ticket = registrar.append([counted, counted])
    assert not ticket.over
    registrar.run_once(0)
    assert ticket.wait() == [Outcome(OutcomeKind.WRITTEN, 3), Outcome(OutcomeKind.SLOT_TAKEN)]
    assert (values(tmp_path, DeviceId(b"pulses")), values(tmp_path, EVALUATION)) == ([17], [2, 34])


def test_a_load_profile_is_kept_by_the_registrars_thread(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {"house": 0}, gathering=Gathering(60.0))
    stop, keeper = threading.Event(), HistoryKeeper(registrar, store)
    writers: list[str] = []

    def register() -> None:
        while not stop.is_set():
            registrar.run_once(0.05)
            writers.append(threading.current_thread().name)

    thread = threading.Thread(target=register, name="registrar")
    thread.start()
    try:
        assert keeper.keep(NAME, piece(1, 4), threading.Event().is_set) == 4  # although other rows linger
        assert keeper.keep(NAME, piece(3, 6), threading.Event().is_set) == 2
    finally:
        stop.set()
        thread.join(60)
    assert kept(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert keeper.missing(NAME, Range(MIDNIGHT, MIDNIGHT + 6 * QUARTER)) == [Range(MIDNIGHT, MIDNIGHT + QUARTER - 1)]
    with LmnView.open(tmp_path) as view:
        rows = view.profile_rows(NAME, Range(0, 2**62), 2)
    assert [(row.origin, row.signature) for row in rows] == [(Origin.HISTORY, b"row 1"), (Origin.HISTORY, b"row 2")]


GOOD_TIME, DOUBTED_TIME, INVALID_TIME = (
    bytes.fromhex(f"07ea0301070000000080{status}") for status in ("0000", "0002", "0001")
)
UNSPECIFIED = GOOD_TIME[:-1] + b"\xff"


@pytest.mark.parametrize(
    ("octets", "status", "flagged"),
    [
        (GOOD_TIME, None, False),
        (UNSPECIFIED, None, False),
        (INVALID_TIME, None, True),
        (DOUBTED_TIME, None, True),
        (GOOD_TIME, Data(DataType.UNSIGNED, 0x00), False),
        (GOOD_TIME, Data(DataType.UNSIGNED, 0x28), False),
        (GOOD_TIME, Data(DataType.UNSIGNED, 0x02), True),
        (GOOD_TIME, Data(DataType.DOUBLE_LONG_UNSIGNED, 0x182), False),  # an EDL word does not speak of the clock
    ],
)
@pytest.mark.parametrize("state", list(ClockState))
def test_a_row_of_a_load_profile_has_the_quality_of_the_meters_clock(
    store: LmnStore, tmp_path: Path, octets: bytes, status: Data | None, flagged: bool, state: ClockState
) -> None:
    clock = Clock(state)
    registrar = Registrar(store, clock, {})
    row = ProfileRow(MIDNIGHT, MeterTime(MeterTimeKind.DLMS_DATE_TIME, octets), (energy(1)._replace(status=status),))
    HistoryKeeper(registrar, store, registrar.drain).keep(NAME, ProfilePiece((row,), MIDNIGHT, MIDNIGHT))
    with LmnView.open(tmp_path) as view:
        (found,) = view.profile_rows(NAME, Range(0, 2**62), 9)
    assert bool(found.gateway_status & GatewayStatus.TIME_INVALID) is flagged
    assert found.stamp.state is state  # when it was fetched, the gateway's clock says
    ((part,),) = [list(parts(DeviceId(b"gateway"), DEVICE, [found]))]
    assert part.document.rows[0].time_valid is not flagged


def test_without_a_registrar_of_its_own_the_caller_drives_it(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {})
    assert HistoryKeeper(registrar, store, registrar.drain).keep(NAME, piece(1, 3)) == 3
    assert kept(tmp_path) == [1, 2, 3]


def test_what_keeps_a_load_profile_out_is_raised_where_it_is_waited_for(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    failing = Failing(store, StoreError(tmp_path, "is full"))
    registrar = Registrar(failing, clock, {})  # type: ignore[arg-type]
    keeper = HistoryKeeper(registrar, store, registrar.drain)
    with pytest.raises(StoreError, match="is full"):
        keeper.keep(NAME, piece(1, 3))
    assert kept(tmp_path) == []
    assert store.profile_ranges(NAME) == []
    assert keeper.keep(NAME, piece(1, 3)) == 3


def test_rows_that_wait_behind_a_store_that_fails_are_given_back_at_once(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    """Whoever waits has a meter to read. What was given back is not written later, too."""
    failing = Failing(store, *[StoreError(tmp_path, "disk I/O error")] * 2)
    registrar = Registrar(failing, clock, {"house": 0})  # type: ignore[arg-type]
    registrar.capture(capture(MIDNIGHT, energy(1)))
    tickets = [registrar.append([Record(capture(MIDNIGHT, energy(2)))])]
    for _ in range(2):
        with pytest.raises(StoreError):
            registrar.run_once(0)
        tickets.append(registrar.append([Record(capture(MIDNIGHT, energy(3)))]))
    registrar.drain()
    for ticket in tickets[:2]:
        with pytest.raises(StoreError, match="I/O error"):
            ticket.wait()
    assert [outcome.kind for outcome in tickets[2].wait()] == [OutcomeKind.WRITTEN]
    assert values(tmp_path) == [1, 3]


def test_a_fault_of_ours_does_not_leave_anybody_waiting(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    failing = Failing(store, RuntimeError("a fault"))
    registrar = Registrar(failing, clock, {})  # type: ignore[arg-type]
    ticket = registrar.append([Record(capture(MIDNIGHT))])
    with pytest.raises(RuntimeError):
        registrar.run_once(0)
    with pytest.raises(NotWrittenError, match="a fault"):
        ticket.wait()


def test_a_stop_ends_the_wait(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    keeper, stop = HistoryKeeper(Registrar(store, clock, {}), store), threading.Event()
    raised: list[Exception] = []

    def fetch() -> None:
        try:
            keeper.keep(NAME, piece(1, 3), stop.is_set)
        except NotWrittenError as error:
            raised.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    stop.set()
    until(lambda: raised)
    thread.join(5)


def test_rows_that_do_not_suit_their_load_profile_are_refused(store: LmnStore, clock: Clock) -> None:
    registrar = Registrar(store, clock, {})
    row = Record(capture(MIDNIGHT), MIDNIGHT, origin=Origin.HISTORY, profile=NAME.profile)
    covered = Covered(NAME, Range(0, MIDNIGHT))
    for wrong in (row._replace(origin=Origin.MEASURED), row._replace(profile=None), row._replace(profile=DOUBLE)):
        ticket = registrar.append([wrong], covered)
        registrar.run_once(0)
        with pytest.raises(LocalProtocolError):
            ticket.wait()
    assert store.counts() == {}


def test_a_row_of_a_load_profile_may_stand_among_others(store: LmnStore, clock: Clock, tmp_path: Path) -> None:
    registrar = Registrar(store, clock, {})
    past = Record(capture(MIDNIGHT, energy(5)), MIDNIGHT, origin=Origin.HISTORY, profile=NAME.profile)
    ticket = registrar.append([Record(capture(MIDNIGHT, energy(1))), past, past])
    again = registrar.append([past])
    registrar.run_once(0)
    kinds = [outcome.kind for outcome in (*ticket.wait(), *again.wait())]
    assert kinds == [OutcomeKind.WRITTEN, OutcomeKind.WRITTEN, OutcomeKind.WRITTEN, OutcomeKind.KNOWN]
    assert values(tmp_path) == [1, 5, 5]
    assert store.profile_ranges(NAME) == []


def test_a_ticket_is_settled_once_and_waits_no_longer() -> None:
    ticket = Ticket()
    ticket.settle([Outcome(OutcomeKind.WRITTEN, 1)])
    stopped = threading.Event()
    stopped.set()
    assert ticket.wait(stopped) == [Outcome(OutcomeKind.WRITTEN, 1)]
