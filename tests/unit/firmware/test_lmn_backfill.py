"""Load profiles fetched by the reader between its polls, from smgw's own SML server on a TCP socket and on a pty."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures_made import BOOT, DEVICE
from line_meter import Head, Inbox, PolledMeter, driver, running, until
from memory_line import FakeTime, MemoryPort
from profiled_model import QUARTER, ProfiledModel
from smgw.cosem import ClockState, DeviceId, MeterTimeKind, Obis, ObjectName, Reading, Stamp
from smgw.lmn.contract import Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.sml import load_profile as sml_profile
from smgw.lmn.sml.session import SmlSession
from smgw.metering.history import HistoryKeeper
from smgw.profiles.meter import MeterProfile
from smgw.sml.messages import Time
from smgw.sml.profiles import LOAD_PROFILE, LoadProfile
from smgw.sml.server import Reply, Server
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfilePiece
from stored import keeper

NAME = ProfileName("house", DEVICE, LOAD_PROFILE)
LAST_VALUE = Obis.parse("1-0:2.8.0")
NOW = 1_792_900_000  # Unix seconds, between two quarter hours
LAST = NOW - NOW % QUARTER
SECOND = 1_000_000


class At:
    """A clock that stands at NOW."""

    def __init__(self, state: ClockState = ClockState.SYNCHRONISED) -> None:
        self.state = state

    def stamp(self) -> Stamp:
        return Stamp(BOOT, time.monotonic_ns(), NOW * SECOND, 5000, self.state)


def quarters(hours: float, last: int = LAST) -> list[int]:
    return list(range(last - int(hours * 3600) + QUARTER, last + 1, QUARTER))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    (tmp_path / "lmn").mkdir()
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as opened:
        yield opened


def kept(tmp_path: Path, name: ProfileName = NAME) -> list[int]:
    """The target times of the kept rows; each tells its time as a value, too."""
    with LmnView.open(tmp_path / "lmn") as view:
        rows = view.profile_rows(name, Range(0, 2**62), 100_000)
    for one in rows:
        assert one.target_time_us == one.readings[0].value.value * SECOND  # type: ignore[operator]
    return [one.readings[0].value.value for one in rows]  # type: ignore[misc]


def reader(url: str, inbox: Inbox, store: LmnStore, clock: At | None = None, **changes: object) -> Driver:
    settings = {
        "interval": 1, "timeout": 1, "retries": 1, "load_profile": (LOAD_PROFILE,), "load_profile_days": 2, **changes
    }  # fmt: skip
    profile = MeterProfile(name="house", protocol="sml-poll", port=url, **settings)  # type: ignore[arg-type]
    clock = clock or At()
    return driver(profile, inbox=inbox, clock=clock, keeper=keeper(store, clock))


def test_a_load_profile_is_fetched_while_the_meter_is_polled(store: LmnStore, tmp_path: Path) -> None:
    inbox = Inbox()
    with (
        PolledMeter(ProfiledModel(quarters(30))) as meter,
        running(reader(meter.url, inbox, store, interval=0.1)),
    ):
        until(lambda: len(kept(tmp_path)) == 120 and len(inbox.captures) > 3)
    assert kept(tmp_path) == quarters(30)
    ranges = store.profile_ranges(NAME)
    assert ranges == [Range((NOW - 2 * 86_400) * SECOND, LAST * SECOND)]


def test_over_a_serial_line_it_is_fetched_in_pieces_that_leave_polls_their_turn(
    store: LmnStore, tmp_path: Path
) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    model = ProfiledModel(quarters(6))
    with (
        PolledMeter(model, master=head.master) as meter,
        running(reader(str(head.link), inbox, store, interval=0.04, baudrate=300, load_profile_days=1)),
    ):
        meter.answer = lambda octets: [0.05, octets]
        until(lambda: len(kept(tmp_path)) == 24, 60)
    head.unplug()
    assert kept(tmp_path) == quarters(6)
    assert all(last - first <= 3600 for first, last in model.asked)
    order = "".join("p" if one == "profile" else "v" for one in meter.requests)
    assert "ppp" not in order  # a piece longer than the time to the next poll comes alone


def test_what_is_kept_is_not_asked_again_after_a_restart(store: LmnStore, tmp_path: Path) -> None:
    model = ProfiledModel(quarters(10))
    for _ in range(2):
        inbox = Inbox()
        with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
            until(lambda: len(kept(tmp_path)) == 40)
            until(lambda model=model: model.asked[-1][1] == NOW)
    first = model.asked.index((LAST + 1, NOW))
    assert all(begin > LAST for begin, _ in model.asked[first:])
    assert kept(tmp_path) == quarters(10)


def test_after_a_break_it_goes_on_where_it_stood(store: LmnStore, tmp_path: Path) -> None:
    inbox, model = Inbox(), ProfiledModel(quarters(40), most=10)
    with PolledMeter(model) as meter:
        broken = threading.Event()

        def breaks(octets: bytes) -> list[bytes | float | None]:
            if len(model.asked) == 4 and not broken.is_set():
                broken.set()
                return [octets[:40], None]
            return [octets]

        meter.answer = breaks
        with running(reader(meter.url, inbox, store, interval=0.1)):
            until(lambda: len(kept(tmp_path)) == 160, 30)
    assert broken.is_set()
    assert kept(tmp_path) == quarters(40)
    begins = [begin for begin, _ in model.asked]
    assert begins.count(begins[0]) == 1  # not from the start again


def test_a_gap_is_asked_and_stays_a_gap(store: LmnStore, tmp_path: Path) -> None:
    there = [one for one in quarters(47) if not LAST - 40 * 3600 < one < LAST - 6 * 3600]
    inbox, model = Inbox(), ProfiledModel(there)
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(kept(tmp_path)) == len(there))
    assert kept(tmp_path) == there
    assert len(store.profile_ranges(NAME)) == 1


def test_where_nothing_came_lately_it_is_asked_again_later(store: LmnStore, tmp_path: Path) -> None:
    """The meter's clock may be behind ours: the row is still to be written."""
    inbox, model = Inbox(), ProfiledModel(quarters(10, LAST - 3600))
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: model.asked and model.asked[-1] == (LAST - 3599, NOW) and len(inbox.captures) > 1)
    assert store.profile_ranges(NAME)[-1].until == (LAST - 3600) * SECOND


def test_a_clock_that_is_not_sure_takes_no_silence_for_the_end(store: LmnStore, tmp_path: Path) -> None:
    inbox, model = Inbox(), ProfiledModel([])
    clock = At(ClockState.INVALID)
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store, clock)):
        until(lambda: model.asked and model.asked[-1][1] == NOW)
    assert store.profile_ranges(NAME) == []
    model = ProfiledModel([])
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(inbox.captures) > 2)
    assert [one.until >= (NOW - 86_400) * SECOND for one in store.profile_ranges(NAME)] == [True]


def test_a_meter_without_that_profile_is_told_once_and_read_on(
    store: LmnStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    daily = Obis.parse("1-0:99.2.0")
    with (
        PolledMeter(ProfiledModel(quarters(2))) as meter,
        running(reader(meter.url, inbox, store, interval=0.1, load_profile=(daily, LOAD_PROFILE))),
    ):
        until(lambda: len(inbox.captures) > 3 and "99.2.0" in caplog.text)
    told = [one for one in caplog.records if "load profile" in one.getMessage() and one.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "99.2.0" in told[0].getMessage()


def test_a_full_disk_leaves_the_rows_with_the_meter(store: LmnStore, tmp_path: Path) -> None:
    inbox, model = Inbox(), ProfiledModel(quarters(10))
    full = threading.Event()

    class Full(HistoryKeeper):
        def keep(self, name: ProfileName, piece: ProfilePiece, stopping: object = None) -> int:
            if not full.is_set():
                full.set()
                raise StoreError(tmp_path, "is full")
            return super().keep(name, piece)

    def made(url: str) -> Driver:
        profile = MeterProfile(name="house", protocol="sml-poll", port=url, interval=1, load_profile=(LOAD_PROFILE,))
        return driver(profile, inbox=inbox, clock=At(), keeper=keeper(store, At(), Full))

    with PolledMeter(model) as meter, running(made(meter.url)):
        until(lambda: full.is_set() and len(inbox.captures) > 1)
    assert kept(tmp_path) == []
    with PolledMeter(model) as meter, running(made(meter.url)):
        until(lambda: kept(tmp_path))
    assert kept(tmp_path) == quarters(10)


@pytest.mark.parametrize("known", [(LOAD_PROFILE,), (bytes.fromhex("0007010100630100ff0000"),)])
def test_a_profile_is_found_by_its_code_or_as_an_object(
    store: LmnStore, tmp_path: Path, known: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sml_profile.parameter_name(ObjectName(7, 1, LOAD_PROFILE))

    class Named(ProfiledModel):
        def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
            if path != ((LOAD_PROFILE,) if len(known[0]) == 6 else (names,)):
                return None
            return super().profile((LOAD_PROFILE,), begin, end)

    inbox = Inbox()
    with PolledMeter(Named(quarters(2))) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(kept(tmp_path)) == 8)
    assert kept(tmp_path) == quarters(2)


def test_a_row_keeps_its_status_its_scaler_and_the_time_as_the_meter_told_it(store: LmnStore, tmp_path: Path) -> None:
    inbox = Inbox()
    with PolledMeter(ProfiledModel(quarters(1), choice=3)) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(kept(tmp_path)) == 4)
    with LmnView.open(tmp_path / "lmn") as view:
        first = view.profile_rows(NAME, Range(0, 2**62), 1)[0]
    assert first.meter_time is not None
    assert (first.meter_time.kind, first.meter_time.seconds) == (MeterTimeKind.TIMESTAMP, quarters(1)[0])
    assert [(one.scaler, one.unit, one.status and one.status.value) for one in first.readings] == [(-1, 30, 4)] * 2
    assert first.stamp.utc_us == NOW * SECOND


def test_rows_get_the_corrections_of_the_profile(store: LmnStore, tmp_path: Path) -> None:
    def first() -> list[Reading]:
        with LmnView.open(tmp_path / "lmn") as view:
            return [one for row in view.profile_rows(NAME, Range(0, 2**62), 1) for one in row.readings]

    changes = {"scalers": ((LAST_VALUE, 2),), "units": ((LAST_VALUE, 32),), "factors": ((LAST_VALUE, 40),)}
    with PolledMeter(ProfiledModel(quarters(1))) as meter, running(reader(meter.url, Inbox(), store, **changes)):
        until(first)
    corrected = next(one for one in first() if one.obis == LAST_VALUE)
    assert corrected.raw is not None
    assert isinstance(corrected.raw.value, int)
    assert (corrected.value.value, corrected.scaler, corrected.unit) == (40 * corrected.raw.value, 2, 32)


def test_another_device_behind_the_port_has_a_profile_of_its_own(store: LmnStore, tmp_path: Path) -> None:
    other = DeviceId.parse("1ISK0071234567")
    inbox, model = Inbox(), ProfiledModel(quarters(2))
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(kept(tmp_path)) == 8)
    model.server_id = other
    with PolledMeter(model) as meter, running(reader(meter.url, inbox, store)):
        until(lambda: len(kept(tmp_path, NAME._replace(device=other))) == 8)
    assert kept(tmp_path) == quarters(2)


def test_an_answer_that_keeps_coming_is_waited_for() -> None:
    """The time-out is for silence: an answer of 300 octets takes 10 s at 300 Bd."""
    time, server = FakeTime(), Server(ProfiledModel(quarters(1)))
    port: Any = MemoryPort(time)

    def answer(octets: bytes) -> bytes:
        whole = b"".join(one.octets for one in server.receive(octets) if isinstance(one, Reply))
        for place in range(0, len(whole), 8):
            port.say(whole[place : place + 8], place / 32)
        return b""

    port.peers = [answer]
    profile = MeterProfile(name="house", protocol="sml-poll", port="/dev/null", retries=0, timeout=2)
    session = SmlSession(profile, None, Surroundings(time, now=time))
    answers = session.ask(port, [session.client.get_list()])
    assert answers.bodies[0] is not None
    assert time.passed > 2 * profile.timeout
