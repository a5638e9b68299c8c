"""The LMN process's main, without the process: real ptys, a real store."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import ENERGY
from line_meter import Head, telegram, until
from many_captures import make_many
from smgw.clock import TimeSample
from smgw.cosem import DeviceId
from smgw.metering.gathering import Gathering
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.evaluation import EvaluationProfile, Limit
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.profiles.meter import MeterProfile
from smgw.services.daemon import Daemon
from smgw.services.lmn import LmnService
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore
from soon import LIMIT


class Asked:
    """Stands for `process.Signals`, which belongs to a main thread."""

    def __init__(self) -> None:
        self.stop = False
        self.drain = False
        self.reload = False
        self._told = threading.Event()

    def wait(self, seconds: float) -> None:
        self._told.wait(seconds)

    def end(self) -> None:
        self.stop = True
        self._told.set()


@contextlib.contextmanager
def serving(state: Path, head: Head, *evaluations: EvaluationProfile) -> Iterator[LmnService]:
    meter = MeterProfile(name="house", protocol="sml-push", port=str(head.link), registration_period=0)
    gateway = GatewayProfile(device_id=DeviceId.parse("ESMG0000000001"))
    service = LmnService(Configuration(gateway=gateway, meters=(meter,), evaluations=evaluations), state)
    daemon = Daemon(lambda: service._configuration, lambda _: service)
    asked = Asked()
    thread = threading.Thread(target=daemon.run, args=(asked,))
    thread.start()
    try:
        # Not is_ready: it waits 3 s for a port, and what is sent before the port is open is lost.
        until(lambda: service._lines.members and all(line.tried for line in service._lines.members.values()))
        yield service
    finally:
        asked.end()
        thread.join(LIMIT)
    assert not thread.is_alive()


def read(service: LmnService) -> int:
    """Good telegrams."""
    return sum(watch.count[0] for driver in service._lines.members.values() for watch in driver.watches.values())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


def values(state: Path) -> list[object]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        return [record.readings[0].value.value for source in view.sources() for record in view.records(source, 0, 1000)]


def test_a_stop_during_a_slow_commit_writes_every_capture_once(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head(tmp_path / "head")
    with serving(state, head) as service:
        append = service._store.append
        begun = threading.Event()

        def slowly(records: object) -> object:
            begun.set()
            service._stopping.wait(LIMIT)  # a card that stalls until after the stop
            return append(records)

        monkeypatch.setattr(service._store, "append", slowly)
        for number in range(1, 6):
            head.send(telegram(number))
        until(lambda: read(service) == 5)
        assert begun.wait(LIMIT)
    head.unplug()
    assert sorted(values(state)) == [1, 2, 3, 4, 5]


def test_what_was_read_before_a_stop_is_on_the_disk_after_it(state: Path, tmp_path: Path) -> None:
    head = Head(tmp_path / "head")
    with serving(state, head) as service:
        for number in range(20):
            head.send(telegram(number))
            until(lambda number=number: read(service) == number + 1)
    head.unplug()
    assert values(state) == list(range(20))


def test_nonsense_in_the_other_process_s_file_stops_no_reading(
    state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = Head(tmp_path / "head")
    wan = WanStore.open(paths.wan_directory(state))
    wan.add_time_sample(TimeSample("no boot", "soon", 0.5, "wide", b"\0"))  # type: ignore[arg-type]
    with serving(state, head) as service:
        head.send(telegram(7))
        until(lambda: values(state) == [7])
        assert service._clock.stamp().utc_us > 0
    wan.close()
    head.unplug()


def test_a_time_sample_of_the_wan_process_synchronises_the_clock(state: Path, tmp_path: Path) -> None:
    head = Head(tmp_path / "head")
    wan = WanStore.open(paths.wan_directory(state))
    with serving(state, head) as service:
        now = service._clock.stamp()
        offset = now.utc_us - now.boottime_ns // 1000
        wan.add_time_sample(TimeSample(now.boot_id, now.boottime_ns, offset, 1000, "system clock"))
        until(lambda: service._clock.state.name == "SYNCHRONISED")
    wan.close()
    head.unplug()
    with LmnView.open(paths.lmn_directory(state)) as view:
        assert "clock-synchronised" in [entry.event for entry in view.log_entries(10)]


@pytest.mark.parametrize(
    ("loss", "forwards", "gathering"),
    [
        (5, (), Gathering(0.5, 5)),
        (5, (5, 60), Gathering(0.5, 5)),
        (60, (60, 300), Gathering(0.5, 60)),
        (60, (60, 2), Gathering(0.5, 2)),  # no longer than the EMP itself gathers
        (60, (5, 0), Gathering(pause=0.5)),
    ],
)
def test_rows_are_gathered_as_the_power_cut_and_the_emps_allow(
    state: Path, loss: int, forwards: tuple[int, ...], gathering: Gathering
) -> None:
    emps = tuple(
        CommunicationProfile(name=f"emp{place}", url="http://127.0.0.1:1", forward=forward)
        for place, forward in enumerate(forwards)
    )
    gateway = GatewayProfile(device_id=DeviceId.parse("ESMG0000000001"), power_cut_loss=loss)
    service = LmnService(Configuration(gateway=gateway, meters=(), emps=emps), state)
    assert service._registrar.gathering == gathering
    service._close()


def test_readers_that_have_tried_their_ports_make_it_ready_and_the_status_names_absent_meters(state: Path) -> None:
    meters = tuple(MeterProfile(name=name, protocol="sml-push", port=f"/nowhere/{name}") for name in ("house", "roof"))
    gateway = GatewayProfile(device_id=DeviceId.parse("ESMG0000000001"))
    service = LmnService(Configuration(gateway=gateway, meters=meters), state)
    service.start()
    until(service.is_ready)
    assert service.ready_text().startswith("2 meters, store ")
    assert service.status() == "2 meters: 2 absent (house, roof); 0 telegrams, 0 refused; time not synchronised"
    assert [worker.name for worker in service.workers()] == [
        "registrar", "housekeeping", "line of house", "line of roof", "push lines",
    ]  # fmt: skip
    assert service.stop() == []


def test_the_status_tells_how_far_the_salvage_of_a_damaged_store_is(state: Path, tmp_path: Path) -> None:
    directory = paths.lmn_directory(state)
    make_many(directory, 1000, registers=2)
    with (directory / "lmn.db").open("r+b") as file:
        file.write(bytes(4096))
    meter = MeterProfile(name="house", protocol="sml-push", port=str(tmp_path / "none"), registration_period=0)
    gateway = GatewayProfile(device_id=DeviceId.parse("ESMG0000000001"))
    service = LmnService(Configuration(gateway=gateway, meters=(meter,)), state)
    before = service.status()
    service.start()
    until(lambda: service._store.salvage is None)
    after = service.status()
    service.stop()
    assert "; lmn.db.corrupt-1 is copied: 0 captures, page " in before
    assert before.endswith("; newer records are delivered after its records")
    assert "corrupt" not in after


def test_an_evaluation_of_the_configuration_has_rows_and_ends_when_it_is_left_out(state: Path, tmp_path: Path) -> None:
    profile = EvaluationProfile("grid", 14, ("house",), objects=(ENERGY,), interval=0, limits=(Limit(ENERGY, 0, 1),))
    head = Head(tmp_path / "head")
    with serving(state, head, profile) as service:
        for number, value in enumerate((0, 10**6, 2 * 10**6, 0)):
            head.send(telegram(value))
            until(lambda number=number: read(service) == number + 1)
        evaluations = service._evaluations
        assert evaluations is not None
        until(lambda: not evaluations._live["grid"].outside)  # the last telegram was evaluated
        service.take(service._configuration._replace(evaluations=()))
        head.send(telegram(10**6))
        until(lambda: read(service) == 5)
    head.unplug()
    with LmnView.open(paths.lmn_directory(state)) as view:
        (source,) = [source for source in view.sources() if source.meter == "grid"]
        assert [row.readings[0].value.value for row in view.records(source, 0, 9)] == [10**6, 0]
        events = [entry.event for entry in view.log_entries(100, "system") if entry.identity == "grid"]
    assert events == ["profile-installed", "profile-ended"]
