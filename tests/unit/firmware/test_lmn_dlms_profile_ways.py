"""Load profiles of meters that know no ranges, or that tell time in a form of their own, on a line in memory."""

import logging
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from dlms_line_meter import LOAD_PROFILE, QUARTER, SECOND, Model, _Station
from memory_line import START_US, FakeTime, MemoryPort
from smgw.cosem import AttributeName, CaptureObject, Data, DataType, MeterTimeKind, Obis, octet_string
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.selection import read_selection
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.hdlc import Address, Link, LinkParameters
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.errors import PollError
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range
from smgw.store.records import ProfilePiece

NOW = START_US // SECOND
DAYS = 5
ROWS = list(range(NOW - DAYS * 86_400 + QUARTER, NOW + 1, QUARTER))
SINCE, UNTIL = NOW - 2 * 86_400, NOW - 86_400
WANTED = [row for row in ROWS if SINCE <= row <= UNTIL]
DENIED = DataAccessResult.OBJECT_UNAVAILABLE


class Bench:
    """One meter, asked for a day of its load profile."""

    def __init__(self, model: Model, **dlms: Any) -> None:
        self.model = model
        time = FakeTime()
        meter: Any = SimpleNamespace(links=0, ended=0, admissions={16: Admission(max_pdu_size=0xFFFF)})
        link = Link.server(Address(1), LinkParameters.of(2030, 7), clients=meter.admissions, inactivity=None)
        self.port: Any = MemoryPort(time, [_Station(meter, link, model).carry])
        profile = MeterProfile(
            name="flat", protocol="dlms", port="/dev/ttyUSB0", timeout=5, options=DlmsProfile(**dlms)
        )  # fmt: skip
        surroundings = Surroundings(time, now=time, stopping=threading.Event().is_set)
        self.meter = DlmsPoll(profile, Secrets(), surroundings)

    def pieces(self, since: int = SINCE, until: int = UNTIL) -> Iterator[ProfilePiece]:
        self.meter.identify(self.port)
        source = self.meter.load_profile(LOAD_PROFILE, Range(since * SECOND, until * SECOND))
        while not source.done:
            yield source.step(self.port)

    def rows(self, since: int = SINCE, until: int = UNTIL) -> list[int]:
        """Target times in seconds; the pieces must follow one another and cover the whole range."""
        found, at = [], since * SECOND
        for piece in self.pieces(since, until):
            assert piece.since_us == at
            at = piece.until_us + 1
            found += [row.target_time_us // SECOND for row in piece.rows]
        assert at > until * SECOND
        return found


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("refusal", [DENIED, DataAccessResult.TYPE_UNMATCHED, DataAccessResult.OTHER_REASON])
def test_a_meter_that_refuses_ranges_is_asked_by_entries(refusal: DataAccessResult, newest_first: bool) -> None:
    model = Model(ROWS)
    model.refused, model.newest_first = {1: refusal}, newest_first
    bench = Bench(model)
    assert bench.rows() == WANTED
    assert all(last - first < 100 for first, last in model.entries), "in pieces, so that polls have their turn"
    assert len(model.entries) < 30, "and not row by row"


def test_what_a_meter_refused_is_not_tried_again_in_its_next_range() -> None:
    model = Model(ROWS)
    model.refused = {1: DENIED}
    bench = Bench(model)
    bench.rows()
    model.refused = {1: DataAccessResult.HARDWARE_FAULT}
    assert bench.rows(NOW - 3600, NOW) == ROWS[-5:]


def test_a_meter_that_refuses_entries_too_gives_its_whole_buffer() -> None:
    model = Model(ROWS)
    model.refused = {1: DENIED, 2: DENIED}
    assert Bench(model).rows() == WANTED


def test_a_buffer_that_is_refused_as_a_whole_is_told(caplog: pytest.LogCaptureFixture) -> None:
    model = Model(ROWS)
    model.extra[AttributeName(7, LOAD_PROFILE, 2)] = DENIED
    with pytest.raises(PollError, match=r"buffer of load profile 1-0:99\.1\.0\*255: object-unavailable"):
        Bench(model).rows()


def test_a_temporary_refusal_is_no_reason_to_ask_in_another_way() -> None:
    model = Model(ROWS)
    model.refused = {1: DataAccessResult.TEMPORARY_FAILURE}
    bench = Bench(model)
    with pytest.raises(PollError, match="temporary-failure"):
        bench.rows()
    assert not model.entries


def test_a_full_buffer_that_shifts_its_numbers_loses_no_row() -> None:
    """Each capture drops the oldest row, so that every number stands for another row."""
    model = Model(ROWS)
    model.refused = {1: DENIED}
    bench = Bench(model)
    found: list[int] = []
    for piece in bench.pieces():
        found += [row.target_time_us // SECOND for row in piece.rows]
        model.rows = [*model.rows[3:], *(model.rows[-1] + QUARTER * place for place in (1, 2, 3))]
    assert found == WANTED


@pytest.mark.parametrize("rows", [[], ROWS[:10], ROWS[-10:]])
def test_entries_that_hold_nothing_of_the_range_are_an_empty_answer(rows: list[int]) -> None:
    model = Model(rows)
    model.refused = {1: DENIED}
    assert Bench(model).rows() == []


# Clocks.

DATE, TIME = Obis.parse("1-0:0.9.2"), Obis.parse("1-0:0.9.1")
CLOCK = Obis.parse("0-0:1.0.0")
ENERGY = Obis.parse("1-0:1.8.0")


def long(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


class Clocked(Model):
    """Its clock and the times of its rows have another form."""

    columns: tuple[CaptureObject, ...]

    def __init__(self, rows: list[int]) -> None:
        super().__init__(rows)
        self.extra[AttributeName(7, LOAD_PROFILE, 3)] = encode(
            Data(DataType.ARRAY, tuple(column.data() for column in self.columns))
        )
        self.bounds: list[Any] = []

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> bytes | DataAccessResult:
        if attribute == AttributeName(8, CLOCK, 2):
            return encode(Data(DataType.STRUCTURE, times) if len(times := self.times(NOW)) > 1 else times[0])
        return super().read(client, attribute, selection)

    def buffer(self, selection: Selection | None) -> bytes | DataAccessResult:
        assert selection is not None
        chosen = read_selection(selection)
        self.bounds.append(chosen[1:3])
        first, last = (self.moment(bound) for bound in chosen[1:3])
        rows = [row for row in self.rows if first <= row <= last]
        return encode(Data(DataType.ARRAY, tuple(map(self.cells, rows))))

    def cells(self, seconds: int) -> Data:
        return Data(DataType.STRUCTURE, (*self.times(seconds), long(seconds)))

    def times(self, seconds: int) -> tuple[Data, ...]:
        raise NotImplementedError

    def moment(self, bound: Any) -> int:
        raise NotImplementedError


class UnixTime(Clocked):
    columns = (CaptureObject(8, CLOCK, 2), CaptureObject(3, ENERGY, 2))

    def times(self, seconds: int) -> tuple[Data, ...]:
        return (long(seconds),)

    def moment(self, bound: Any) -> int:
        assert bound.type is DataType.DOUBLE_LONG_UNSIGNED
        return int(bound.value)


class DateAndTime(Clocked):
    columns = (CaptureObject(1, DATE, 2), CaptureObject(1, TIME, 2), CaptureObject(3, ENERGY, 2))

    def times(self, seconds: int) -> tuple[Data, ...]:
        octets = self.time(seconds)
        return (octet_string(octets[:5]), octet_string(octets[5:9]))

    def moment(self, bound: Any) -> int:
        from datetime import datetime

        assert len(bound.value) == 5
        day = datetime(int.from_bytes(bound.value[:2], "big"), bound.value[2], bound.value[3], tzinfo=self.zone)
        return int(day.timestamp())


class DateOnly(DateAndTime):
    columns = (CaptureObject(8, CLOCK, 2), CaptureObject(3, ENERGY, 2))

    def times(self, seconds: int) -> tuple[Data, ...]:
        return (Data(DataType.DATE, self.time(seconds)[:5]),)


def test_rows_with_unix_times_are_asked_by_unix_times_and_keep_them() -> None:
    bench = Bench(UnixTime(ROWS))
    assert bench.rows() == WANTED
    (piece, *_) = bench.pieces()
    assert piece.rows[0].meter_time.kind is MeterTimeKind.TIMESTAMP
    assert piece.rows[0].meter_time.seconds == SINCE


def test_a_unix_time_that_is_left_away_is_a_period_later() -> None:
    class Sparse(UnixTime):
        def buffer(self, selection: Selection | None) -> bytes | DataAccessResult:
            later = Data(DataType.STRUCTURE, (Data(DataType.NULL_DATA, None), long(1)))
            rows = [self.cells(SINCE), later, later]
            return encode(Data(DataType.ARRAY, tuple(rows)))

    assert Bench(Sparse(ROWS)).rows(SINCE, SINCE + 1800) == [SINCE, SINCE + QUARTER, SINCE + 2 * QUARTER]


def test_a_date_and_a_time_beside_it_are_a_moment_in_the_zone_of_the_meter() -> None:
    bench = Bench(DateAndTime(ROWS), time_zone="Europe/Berlin")
    assert bench.rows() == WANTED
    (piece, *_) = bench.pieces()
    assert [reading.obis for reading in piece.rows[0].readings] == [ENERGY], "date and time are no values"


def test_a_date_alone_is_the_beginning_of_its_day() -> None:
    midnights = [NOW - 3600 - 86_400 * day for day in range(4, 0, -1)]
    bench = Bench(DateOnly(midnights), time_zone="Europe/Berlin")
    assert bench.rows() == [one for one in midnights if SINCE <= one <= UNTIL]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (UnixTime, MeterTimeKind.TIMESTAMP),
        (DateAndTime, MeterTimeKind.DLMS_DATE_TIME),
        (DateOnly, MeterTimeKind.DLMS_DATE_TIME),
    ],
)
def test_a_poll_takes_the_clock_in_its_form(
    model: type[Clocked], kind: MeterTimeKind, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(model(ROWS), time_zone="Europe/Berlin")
    with caplog.at_level(logging.WARNING):
        ((values,),) = bench.meter.poll(bench.port)  # type: ignore[misc]
    assert values.meter_time is not None
    assert values.meter_time.kind is kind
    assert not values.remark, "a date alone says nothing about the clock"
