"""Load profiles of DLMS meters: by range, each row once, whatever habits the meter has."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from captures_made import BOOT
from dlms_line_meter import ENERGY, EXPORT, LOAD_PROFILE, NAME, QUARTER, DlmsMeter, Model
from line_meter import Head, Inbox, driver, running, until
from smgw.cosem import AttributeName, ClockState, Data, DataType, DeviceId, Stamp, octet_string
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.selection import Range as RowRange
from smgw.dlms.apdus.selection import read_selection
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.lmn.dlms.objects import CLOCK_TIME
from smgw.lmn.driver import Driver
from smgw.profiles.dlms import DlmsProfile, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName
from stored import keeper

NAMED = ProfileName("flat", DeviceId(NAME), LOAD_PROFILE)
SECOND = 1_000_000
NOW = int(time.time())
LAST = NOW - NOW % QUARTER


class At:
    """A clock that stands at NOW."""

    def stamp(self) -> Stamp:
        return Stamp(BOOT, time.monotonic_ns(), NOW * SECOND, 5000, ClockState.SYNCHRONISED)


def quarters(hours: float, last: int = LAST) -> list[int]:
    return list(range(last - int(hours * 3600) + QUARTER, last + 1, QUARTER))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as opened:
        yield opened


def kept(tmp_path: Path, name: ProfileName = NAMED) -> list[int]:
    """The target times of the kept rows; each tells its time as a value, too."""
    with LmnView.open(tmp_path / "lmn") as view:
        rows = view.profile_rows(name, Range(0, 2**62), 100_000)
    for one in rows:
        assert one.target_time_us == one.readings[0].value.value * SECOND  # type: ignore[operator]
    return [one.readings[0].value.value for one in rows]  # type: ignore[misc]


def profile_of(url: str, **changes: object) -> MeterProfile:
    physical = changes.pop("physical", None)
    name = str(changes.pop("name", "flat"))
    quirks = changes.pop("quirks", ())
    zone = changes.pop("time_zone", None)
    settings = {"interval": 1, "timeout": 1, "retries": 1, "load_profile_days": 2, **changes}
    return MeterProfile(
        name=name, protocol="dlms", port=url, load_profile=(LOAD_PROFILE,),
        options=DlmsProfile(quirks=quirks, time_zone=zone, physical=physical), **settings,  # type: ignore[arg-type]
    )  # fmt: skip


def reader(url: str, store: LmnStore, inbox: Inbox | None = None, **changes: object) -> Driver:
    profile = profile_of(url, **changes)
    return driver(profile, inbox=inbox or Inbox(), clock=At(), keeper=keeper(store, At()))


def test_a_load_profile_is_fetched_by_range_in_pieces(store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(47))
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 188)
    assert kept(tmp_path) == quarters(47)
    assert len(model.ranges) >= 2
    assert all(last - first <= 100 * QUARTER + 2 * 3600 for first, last in model.ranges)


def test_over_a_slow_line_pieces_are_small(store: LmnStore, tmp_path: Path) -> None:
    head, model = Head(tmp_path / "head"), Model(quarters(3))
    with (
        DlmsMeter(model, master=head.master),
        running(reader(str(head.link), store, baudrate=300, interval=0.1, load_profile_days=1)),
    ):
        until(lambda: len(kept(tmp_path)) == 12, 30)
    head.unplug()
    assert all(last - first <= 4 * QUARTER + 2 * 3600 for first, last in model.ranges)


def test_values_have_their_scalers_and_the_status_of_their_row(store: LmnStore, tmp_path: Path) -> None:
    with DlmsMeter(Model(quarters(1))) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 4)
    with LmnView.open(tmp_path / "lmn") as view:
        first = view.profile_rows(NAMED, Range(0, 2**62), 1)[0]
    assert [(one.obis, one.scaler, one.unit, one.status and one.status.value) for one in first.readings] == [
        (ENERGY, -1, 30, 8),
        (EXPORT, -1, 30, 8),
    ]


def test_what_is_kept_is_not_asked_again_after_a_restart(store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(20))
    for _ in range(2):
        inbox = Inbox()
        with DlmsMeter(model) as meter, running(reader(meter.url, store, inbox)):
            until(lambda inbox=inbox: len(kept(tmp_path)) == 80 and len(inbox.captures) > 1)  # type: ignore[misc]
    assert kept(tmp_path) == quarters(20)
    assert model.ranges[-1][0] == LAST - 3600  # an hour wider than what lacks


def test_a_break_in_the_middle_costs_nothing(store: LmnStore, tmp_path: Path) -> None:
    model, broken = Model(quarters(47)), threading.Event()
    with DlmsMeter(model) as meter:

        def breaks(octets: bytes) -> list[bytes | float | None]:
            if len(model.ranges) == 2 and not broken.is_set():
                broken.set()
                return [octets[: len(octets) // 2], None]
            return [octets]

        meter.spoil = breaks
        with running(reader(meter.url, store, interval=0.1)):
            until(lambda: len(kept(tmp_path)) == 188, 30)
    assert broken.is_set()
    assert kept(tmp_path) == quarters(47)
    assert model.ranges.count(model.ranges[0]) == 1


def test_times_that_are_left_away_are_counted_on(store: LmnStore, tmp_path: Path) -> None:
    """R15."""
    model = Model(quarters(10))
    model.nulls = True
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 40)
    assert kept(tmp_path) == quarters(10)


@pytest.mark.parametrize("hours", [-5, 1, 2, 9])
def test_any_zone_of_the_meter_gives_the_same_rows(hours: int, store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(10))
    model.zone = timezone(timedelta(hours=hours))
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 40)
    assert kept(tmp_path) == quarters(10)


def test_the_opposite_sign_of_the_deviation_gives_the_same_rows(store: LmnStore, tmp_path: Path) -> None:
    """R13."""
    model = Model(quarters(10))
    model.opposite = True
    with DlmsMeter(model) as meter, running(reader(meter.url, store, quirks=(Quirk.OPPOSITE_DEVIATION,))):
        until(lambda: len(kept(tmp_path)) == 40)
    assert kept(tmp_path) == quarters(10)


def test_bounds_may_be_of_the_type_date_time(store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(10))
    with DlmsMeter(model) as meter, running(reader(meter.url, store, quirks=(Quirk.DATE_TIME_BOUNDS,))):
        until(lambda: len(kept(tmp_path)) == 40)


def test_octets_behind_the_rows_cost_none_of_them(store: LmnStore, tmp_path: Path) -> None:
    """R15: a meter that declares a row less than it sends."""
    model = Model()
    octets = Model(quarters(1)).buffer(None)
    model.extra[AttributeName(7, LOAD_PROFILE, 2)] = octets + b"\x02\x01"
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 4)


def test_a_meter_without_selective_access_gives_all_and_what_is_asked_is_kept(store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(24 * 4))
    admission = Admission(conformance=Conformance.GET | Conformance.BLOCK_GET)
    inbox = Inbox()
    with DlmsMeter(model, admissions={16: admission}) as meter, running(reader(meter.url, store, inbox)):
        until(lambda: len(inbox.captures) > 1 and kept(tmp_path))
    assert kept(tmp_path) == [one for one in quarters(24 * 4) if one >= NOW - 2 * 86_400]


def test_a_profile_that_is_not_there_is_told_and_the_meter_read_on(
    store: LmnStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, model = Inbox(), Model()
    for number in (2, 3, 4):
        from smgw.dlms.apdus.results import DataAccessResult

        model.extra[AttributeName(7, LOAD_PROFILE, number)] = DataAccessResult.OBJECT_UNDEFINED
    with DlmsMeter(model) as meter, running(reader(meter.url, store, inbox, interval=0.1)):
        until(lambda: len(inbox.captures) > 3)
    assert caplog.text.count("load profile 1-0:99.1.0*255: capture_objects of load profile") == 1


class Local(Model):
    """Tells local time alone, and takes the bounds of a range for the same, whatever deviation they carry."""

    def time(self, seconds: float) -> bytes:
        octets = super().time(seconds)
        return octets[:9] + b"\x80\x00" + octets[11:]

    def buffer(self, selection: Selection | None) -> bytes:
        assert selection is not None
        chosen = read_selection(selection)
        assert isinstance(chosen, RowRange)
        octets = [bound.value for bound in chosen[1:3] if isinstance(bound.value, bytes)]
        first, last = (octet[:9] + b"\x80\x00" for octet in octets)
        rows = [row for row in self.rows if first[:4] + first[5:9] <= self._digits(row) <= last[:4] + last[5:9]]
        return encode(Data(DataType.ARRAY, tuple(self.row(row, place) for place, row in enumerate(rows))))

    def _digits(self, row: int) -> bytes:
        octets = self.time(row)
        return octets[:4] + octets[5:9]


def test_a_meter_that_knows_local_time_alone_loses_no_rows(store: LmnStore, tmp_path: Path) -> None:
    model = Local(quarters(47))
    model.zone = timezone(timedelta(hours=9))
    with DlmsMeter(model) as meter, running(reader(meter.url, store, time_zone="Asia/Tokyo")):
        until(lambda: len(kept(tmp_path)) == 188)
    assert kept(tmp_path) == quarters(47)


def test_rows_whose_time_is_not_understood_are_not_said_to_be_kept(
    store: LmnStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a time_zone in the configuration they will be."""
    model = Local(quarters(40, LAST - 3600))
    with DlmsMeter(model) as meter:
        with running(reader(meter.url, store)):
            until(lambda: "without a time" in caplog.text)
        assert store.profile_ranges(NAMED) == []
        model.zone = timezone(timedelta(hours=9))
        with running(reader(meter.url, store, time_zone="Asia/Tokyo")):
            until(lambda: len(kept(tmp_path)) == 160)


class Broken(Model):
    """The rows at one time come damaged."""

    spoilt = LAST - 5 * QUARTER

    def row(self, seconds: int, place: int) -> Data:
        return Data(DataType.NULL_DATA, None) if seconds == self.spoilt else super().row(seconds, place)


def test_rows_behind_one_that_is_none_are_asked_again(
    store: LmnStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Broken(quarters(5))
    with DlmsMeter(model) as meter:
        with running(reader(meter.url, store)):
            until(lambda: "tried again later" in caplog.text)
        assert kept(tmp_path) == [one for one in quarters(5) if one < model.spoilt]
        assert all(one.until < model.spoilt * SECOND for one in store.profile_ranges(NAMED))
        model.spoilt = 0
        with running(reader(meter.url, store)):
            until(lambda: len(kept(tmp_path)) == 20)


@pytest.mark.parametrize("period", [-5, 0, 1 << 62])
def test_any_capture_period_comes_to_an_end(period: int, store: LmnStore, tmp_path: Path) -> None:
    model = Model(quarters(5))
    model.extra[AttributeName(7, LOAD_PROFILE, 4)] = encode(Data(DataType.LONG64, period))
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 20)


def test_a_clock_that_tells_an_impossible_deviation_ends_nothing(
    store: LmnStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(quarters(5))
    model.extra[CLOCK_TIME] = encode(octet_string(Model().time(NOW)[:9] + b"\x7f\xff\x00"))
    with DlmsMeter(model) as meter, running(reader(meter.url, store)):
        until(lambda: len(kept(tmp_path)) == 20)


def test_meters_that_share_a_bus_have_their_profiles_fetched_in_turns(store: LmnStore, tmp_path: Path) -> None:
    head = Head(tmp_path / "bus")
    models = {place: Model(quarters(40), name=b"UTB%013d" % place) for place in (17, 18)}
    names = [ProfileName(f"m{place}", DeviceId(model.name), LOAD_PROFILE) for place, model in models.items()]
    line = [profile_of(str(head.link), name=f"m{place}", physical=place) for place in models]
    with (
        DlmsMeter(models, master=head.master),
        running(driver(*line, inbox=Inbox(), clock=At(), keeper=keeper(store, At()))),
    ):
        until(lambda: all(len(kept(tmp_path, name)) == 160 for name in names), 30)
    head.unplug()
    assert [kept(tmp_path, name) for name in names] == [quarters(40)] * 2
