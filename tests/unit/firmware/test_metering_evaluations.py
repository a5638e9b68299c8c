"""Derived registers in the database: written with their reading, the same after a restart, anew for another profile."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from registering import Clock
from smgw.cosem import ClockState, Data, DataType, DeviceId, GatewayStatus, Obis
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.quantity import quantities
from smgw.metering.evaluation.boundaries import boundaries
from smgw.metering.evaluation.state import State
from smgw.metering.evaluations import Evaluations
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.profiles.calendar import Calendar, DayProfile, MonthDay, Season, Switch
from smgw.profiles.evaluation import EvaluationProfile, Limit
from smgw.profiles.use_cases import USE_CASES
from smgw.store.errors import StoreFull
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import ListKind, ProfileName, ProfilePiece, ProfileRow, Source, StoredRecord

QUARTER = 900 * SECOND
SEASON = Season("year", MonthDay(1, 1), MonthDay(12, 31), ("day",) * 7)
#: By UTC, so that the test's midnight is one of the calendar's.
CALENDAR = Calendar("UTC", (DayProfile("day", (Switch(0, 2), Switch(120, 1))),), (SEASON,))
PROFILE = EvaluationProfile("day-night", 2, ("house",), calendar=CALENDAR, zone="UTC", consumer="anna")
POWER = Obis.parse("1-0:16.7.0")


class Gateway:
    """Store, registrar and evaluations, as the LMN process has them."""

    def __init__(self, directory: Path, *profiles: EvaluationProfile, with_history: Sequence[str] = ()) -> None:
        self.directory = directory
        self.clock = Clock()
        self.store = LmnStore.open(directory, ballast_bytes=0)
        self.evaluations = Evaluations(self.store, self.clock.stamp)
        self.configure(*profiles, with_history=with_history)
        self.registrar = Registrar(self.store, self.clock, {"house": 900, "shed": 900})
        self.registrar.live = self.evaluations.live

    def configure(self, *profiles: EvaluationProfile, with_history: Sequence[str] = ()) -> None:
        self.evaluations.configure(profiles, with_history)
        self.store.evaluate_with(self.evaluations)

    def read(self, *places: int, meter: str = "house", device: DeviceId = DEVICE) -> None:
        """Quarter hours since midnight; each adds 10 to the value."""
        for place in places:
            self.clock.now_us = MIDNIGHT + place * QUARTER
            one = capture(place * QUARTER, energy(10 * place))
            self.registrar.capture(one._replace(meter=meter, device=device, stamp=self.clock.stamp()))
            self.registrar.run_once(0)

    def fetch(self, piece: ProfilePiece) -> None:
        """Store a piece of the load profile of house."""
        keeper = HistoryKeeper(self.registrar, self.store, lambda: self.registrar.run_once(0))
        keeper.keep(ProfileName("house", DEVICE, Obis.parse("1-0:99.1.0")), piece)

    def rows(self, name: str = "day-night", kind: ListKind = ListKind.DERIVED) -> list[StoredRecord]:
        self.store.flush(now=True)
        with LmnView.open(self.directory) as view:
            sources = [source for source in view.sources() if source.meter == name]
            found = [row for source in sources for row in view.records(source, 0, 10_000)]
        return [row for row in found if row.list is kind]

    def registers(self, name: str = "day-night") -> dict[int, int]:
        return registers(self.rows(name)[-1])

    def log(self, book: str = "system") -> list[str]:
        self.store.flush(now=True)
        with LmnView.open(self.directory) as view:
            return [entry.event for entry in view.log_entries(100, book)]


def registers(row: StoredRecord) -> dict[int, int]:
    return {one.obis[4]: one.value.value for one in row.readings if isinstance(one.value.value, int)}


def facts(row: StoredRecord) -> list[EvaluationFacts | None]:
    return [EvaluationFacts.of(one.value) for one in row.readings if one.obis == FACTS.obis]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, PROFILE)
    yield made
    made.store.close()


def test_each_quarter_hour_has_a_row_of_derived_registers(gateway: Gateway) -> None:
    gateway.read(*range(13))
    rows = gateway.rows()
    assert [row.target_time_us for row in rows] == [MIDNIGHT + place * QUARTER for place in range(13)]
    assert registers(rows[-1]) == {0: 120, 1: 40, 2: 80, 63: 0}
    assert (rows[-1].readings[0].scaler, rows[-1].readings[0].unit) == (energy(0).scaler, energy(0).unit)


def test_an_evaluation_is_a_device_with_an_id_of_its_own(gateway: Gateway) -> None:
    gateway.read(0, 1)
    (device,) = {row.device for row in gateway.rows()}
    assert device.taf == 2
    assert str(device).startswith("taf2-")
    assert DeviceId.parse(str(device)) == device


def test_a_derived_row_is_not_there_without_its_reading(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.read(0, 1)

    def fail(*_: object) -> None:
        raise StoreFull(gateway.directory)

    with monkeypatch.context() as patch:
        patch.setattr("smgw.store.lmn.evaluating.write", fail)
        with pytest.raises(StoreFull):
            gateway.store._commit(lambda connection: gateway.store._insert(_batch(gateway, 2), None, connection))
    gateway.read(2, 3)
    assert registers(gateway.rows()[-1])[0] == 30
    assert len(gateway.rows()) == 4


def _batch(gateway: Gateway, place: int) -> list[object]:
    from smgw.store.lmn.rows import Row
    from smgw.store.records import Record

    gateway.clock.now_us = MIDNIGHT + place * QUARTER
    one = capture(place * QUARTER, energy(10 * place))
    return [Row.of(Record(one, MIDNIGHT + place * QUARTER))]


def test_a_restart_goes_on_with_the_same_registers(tmp_path: Path) -> None:
    whole = Gateway(tmp_path / "whole", PROFILE)
    whole.read(*range(13))
    for place in range(0, 13, 3):
        gateway = Gateway(tmp_path / "parts", PROFILE)
        gateway.read(*range(place, min(place + 3, 13)))
        found, device = gateway.registers(), gateway.rows()[-1].device
        gateway.store.close()
        assert device.taf == 2
    assert found == whole.registers()
    whole.store.close()


def test_a_gap_goes_to_the_error_register(gateway: Gateway) -> None:
    gateway.read(0, 5, 12)
    assert gateway.registers() == {0: 120, 1: 0, 2: 50, 63: 70}


def test_a_value_with_an_invalid_time_does_not_count(gateway: Gateway) -> None:
    gateway.read(0, 1)
    gateway.clock.state = ClockState.INVALID
    gateway.read(2)
    gateway.clock.state = ClockState.SYNCHRONISED
    gateway.read(3)
    assert [row.target_time_us for row in gateway.rows()] == [MIDNIGHT + place * QUARTER for place in (0, 1, 3)]


def test_a_changed_profile_begins_with_new_registers_and_the_old_ones_stay(gateway: Gateway) -> None:
    gateway.read(*range(5))
    old = gateway.rows()[-1]
    changed = PROFILE._replace(registration_period=1800)
    gateway.configure(changed)
    gateway.read(6, 8)
    new = gateway.rows()[-1]
    assert (registers(old)[0], registers(new)[0]) == (40, 20)
    assert old.device != new.device
    assert gateway.log()[:3] == ["profile-installed", "evaluation-begun", "profile-changed"]


def test_a_period_end_says_which_evaluation_it_is_of(gateway: Gateway) -> None:
    gateway.configure(PROFILE._replace(usage_point="DE1"))
    gateway.read(0, 1)
    (begin,) = gateway.rows(kind=ListKind.PERIOD_END)
    assert facts(begin) == [EvaluationFacts("day-night", "DE1", "UTC", 1)]
    assert [facts(row) for row in gateway.rows()] == [[], []]


def test_a_row_under_a_pseudonym_does_not_say_it(gateway: Gateway) -> None:
    gateway.read(0)
    (begin,) = gateway.rows(kind=ListKind.PERIOD_END)
    left = quantities(begin.readings)
    assert FACTS.obis not in [one.obis for one in left]
    assert len(left) == len(begin.readings) - 1


def test_the_last_row_of_an_ended_version_says_it_too(gateway: Gateway) -> None:
    gateway.configure(PROFILE._replace(usage_point="DE1"))
    gateway.read(0, 1)
    gateway.configure()
    assert facts(gateway.rows(kind=ListKind.PERIOD_END)[-1]) == [EvaluationFacts("day-night", "DE1", "UTC", 1)]


@pytest.mark.parametrize("taf", sorted(number for number, case in USE_CASES.items() if not case.missing))
def test_a_version_of_each_use_case_can_end(tmp_path: Path, taf: int) -> None:
    profile = PROFILE._replace(taf=taf, calendar=CALENDAR if taf == 2 else None)
    gateway = Gateway(tmp_path, profile)
    try:
        gateway.read(0, 1)
        gateway.configure()
        assert ("profile-ended" in gateway.log()) is not profile.use_case.originals
    finally:
        gateway.store.close()


def test_a_changed_profile_closes_the_registers_of_the_old_one(gateway: Gateway) -> None:
    gateway.read(*range(5))
    old = gateway.rows()[-1]
    gateway.configure(PROFILE._replace(registration_period=1800))
    begin, final = gateway.rows(kind=ListKind.PERIOD_END)
    assert (begin.device, final.device) == (old.device, old.device)
    assert (final.target_time_us, registers(final)) == (old.target_time_us, registers(old))


def test_an_evaluation_that_is_left_out_closes_its_registers(gateway: Gateway) -> None:
    gateway.read(*range(5))
    gateway.configure()
    gateway.configure()
    assert [registers(row)[0] for row in gateway.rows(kind=ListKind.PERIOD_END)] == [0, 40]


def test_a_profile_that_comes_back_is_another_device(gateway: Gateway) -> None:
    gateway.read(0, 1)
    first = gateway.rows()[-1].device
    gateway.configure()
    gateway.read(2)
    gateway.configure(PROFILE)
    gateway.read(3, 4)
    assert len(gateway.rows()) == 4
    assert gateway.rows()[-1].device != first
    assert gateway.registers()[0] == 10
    assert "profile-ended" in gateway.log()


def test_the_consumers_log_has_the_events_of_the_evaluation(gateway: Gateway) -> None:
    gateway.read(0, 1)
    assert gateway.log("consumer anna") == ["profile-installed", "evaluation-begun"]


def test_a_period_end_is_a_row_of_its_own_list(gateway: Gateway) -> None:
    gateway.read(0, 1)
    assert [row.target_time_us for row in gateway.rows(kind=ListKind.PERIOD_END)] == [MIDNIGHT]


def test_two_meters_are_added_by_registration_time(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, PROFILE._replace(meters=("house", "shed")))
    for place in range(3):
        gateway.read(place)
        gateway.read(place, meter="shed", device=DeviceId.parse("1ISK0071234567"))
    assert gateway.registers()[0] == 40
    gateway.store.close()


def test_a_row_of_the_load_profile_fills_a_gap_before_it_is_judged(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, PROFILE._replace(begin=MIDNIGHT // SECOND), with_history=["house"])
    gateway.read(0, 7, 9)
    assert len(gateway.rows()) == 1
    rows = tuple(ProfileRow(MIDNIGHT + place * QUARTER, None, (energy(10 * place),)) for place in range(1, 9))
    gateway.fetch(ProfilePiece(rows, MIDNIGHT, MIDNIGHT + 8 * QUARTER))
    assert gateway.registers() == {0: 90, 1: 10, 2: 80, 63: 0}
    gateway.store.close()


def test_a_bill_waits_for_the_load_profile_of_an_outage_also_over_restarts(tmp_path: Path) -> None:
    begin = MIDNIGHT // SECOND
    profile = PROFILE._replace(begin=begin)
    end = boundaries("UTC", 1).after(begin)
    ends, back = (end - begin) // 900, (end - begin) // 900 + 5 * 96
    gateway = Gateway(tmp_path, profile, with_history=["house"])
    gateway.read(0, 1)
    gateway.store.close()
    gateway = Gateway(tmp_path, profile, with_history=["house"])
    gateway.read(back)
    for first in range(2, back, 500):
        gateway.store.close()
        gateway = Gateway(tmp_path, profile, with_history=["house"])
        gateway.clock.now_us = MIDNIGHT + back * QUARTER
        places = range(first, min(first + 500, back))
        rows = tuple(ProfileRow(MIDNIGHT + place * QUARTER, None, (energy(10 * place),)) for place in places)
        piece = ProfilePiece(rows, rows[0].target_time_us, rows[-1].target_time_us)
        gateway.fetch(piece)
    bills = gateway.rows(kind=ListKind.PERIOD_END)
    assert [registers(row)[0] for row in bills] == [0, 10 * ends]
    assert registers(bills[-1])[63] == 0
    assert "period-incomplete" not in gateway.log()
    gateway.store.close()


def test_a_damaged_state_begins_anew_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway(tmp_path, PROFILE)
    gateway.read(0, 1)
    gateway.store.save_evaluations([state._replace(octets=b"[1") for state in gateway.store.evaluation_states()])
    gateway.configure(PROFILE)
    assert "its state is unreadable" in caplog.text
    gateway.store.close()


def test_an_evaluation_that_fails_costs_no_reading(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> State:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("smgw.metering.evaluations.evaluate", fail)
    gateway.read(0, 1)
    with LmnView.open(gateway.directory) as view:
        assert len(view.records(Source("house", DEVICE), 0, 10)) == 2
    assert gateway.store.counts()["lost_derived"] == 2


def _live(gateway: Gateway, second: int, watts: int) -> None:
    gateway.clock.now_us = MIDNIGHT + second * SECOND
    power = energy(0)._replace(obis=POWER, value=Data(DataType.LONG64, watts), scaler=0, unit=27)
    one = capture(0)._replace(stamp=gateway.clock.stamp(), readings=(power, energy(5)))
    gateway.registrar.capture(one)
    gateway.registrar.run_once(0)


@pytest.mark.parametrize("taf", [9, 10, 14])
def test_a_telegram_gives_a_row_at_each_interval(tmp_path: Path, taf: int) -> None:
    gateway = Gateway(tmp_path, EvaluationProfile("grid", taf, ("house",), objects=(POWER,), interval=60))
    for second in range(0, 180, 20):
        _live(gateway, second + 5, 100 + second)
    rows = gateway.rows("grid")
    assert [row.readings[0].value.value for row in rows] == [100, 160, 220]
    assert {len(row.readings) for row in rows} == {1}
    assert {row.target_time_us for row in rows} == {None}
    assert rows[0].device.taf == taf
    gateway.store.close()


def test_a_value_that_leaves_or_enters_its_limits_gives_a_row(tmp_path: Path) -> None:
    limits = (Limit(POWER, -5000, 5000),)
    profile = EvaluationProfile("grid", 10, ("house",), objects=(POWER,), interval=0, limits=limits)
    gateway = Gateway(tmp_path, profile)
    for second, watts in enumerate((100, 5001, 6000, 4000, 3000, -5001)):
        _live(gateway, second + 5, watts)
    rows = gateway.rows("grid")
    assert [row.readings[0].value.value for row in rows] == [5001, 4000, -5001]
    assert all(row.gateway_status & GatewayStatus.THRESHOLD_EXCEEDED for row in rows)
    gateway.store.close()
