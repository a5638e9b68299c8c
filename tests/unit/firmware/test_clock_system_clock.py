"""The system's clock as a source of time: the kernel's word about it, and the sign of systemd-timesyncd."""

import logging
import os
from pathlib import Path
from threading import Event

import pytest
from smgw.clock import GatewayClock, SystemSource, TimeSample
from smgw.clock.source import Source
from smgw.clock.system_clock import TIMESYNCD_ERROR_US, SystemTime, kernel_time, system_sample
from smgw.cosem import ClockState
from smgw.wan.system_clock import SystemClockSampler

SECOND_NS = 1_000_000_000
BOOTED_NS = 1_772_323_200 * SECOND_NS


class Board:
    """Time stands still, 100 s after the start."""

    boot_id = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"

    def boottime_ns(self) -> int:
        return 100 * SECOND_NS

    def realtime_ns(self) -> int:
        return BOOTED_NS + self.boottime_ns()


def refused() -> SystemTime:
    raise PermissionError(1, "Operation not permitted")


def sign(folder: Path, age_s: float) -> Path:
    file = folder / "synchronized"
    file.touch()
    touched_ns = Board().realtime_ns() - round(age_s * SECOND_NS)
    os.utime(file, ns=(touched_ns, touched_ns))
    return file


def test_the_kernel_tells_what_it_knows_of_the_clock() -> None:
    found = kernel_time()
    assert found.error_us >= 0
    assert found.synchronised or found.error_us >= 16_000_000  # the kernel's own bound


def test_a_clock_that_a_service_keeps_is_a_sample_with_the_kernels_error(tmp_path: Path) -> None:
    sample = system_sample(Board(), lambda: SystemTime(synchronised=True, error_us=1500), tmp_path / "none")
    assert sample is not None
    assert sample[:4] == (Board.boot_id, 100 * SECOND_NS, BOOTED_NS // 1000, 1501)
    assert sample.source.startswith("system clock")


def test_a_clock_that_nobody_keeps_is_none_although_timesyncd_ran(tmp_path: Path) -> None:
    assert system_sample(Board(), lambda: SystemTime(synchronised=False, error_us=9), sign(tmp_path, 1)) is None


def test_of_timesyncd_the_error_includes_what_its_server_may_have(tmp_path: Path) -> None:
    sample = system_sample(Board(), lambda: SystemTime(synchronised=True, error_us=70), sign(tmp_path, 1))
    assert sample is not None
    assert (sample.source, sample.dispersion_us) == ("system clock (systemd-timesyncd)", TIMESYNCD_ERROR_US + 71)


@pytest.mark.parametrize(("age_s", "error_us"), [(0, 400_001), (2048, 1_424_001), (31_199, 15_999_501)])
def test_where_the_kernel_may_not_be_asked_timesyncds_sign_tells_how_old_its_time_is(
    tmp_path: Path, age_s: float, error_us: int
) -> None:
    sample = system_sample(Board(), refused, sign(tmp_path, age_s))
    assert sample is not None
    assert sample.dispersion_us == TIMESYNCD_ERROR_US + error_us


@pytest.mark.parametrize("age_s", [-1, 31_201])
def test_a_sign_of_the_future_or_of_long_ago_is_none(tmp_path: Path, age_s: float) -> None:
    assert system_sample(Board(), refused, sign(tmp_path, age_s)) is None


def test_where_nobody_may_tell_an_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        system_sample(Board(), refused, tmp_path / "none")


def test_the_gateways_clock_is_synchronised_by_it(tmp_path: Path) -> None:
    clock = GatewayClock(source=Board())
    sample = system_sample(Board(), lambda: SystemTime(synchronised=True, error_us=70), sign(tmp_path, 1))
    assert sample is not None
    assert clock.feed(sample) is not None
    assert (clock.state, clock.stamp().utc_us) == (ClockState.SYNCHRONISED, Board().realtime_ns() // 1000)


def test_own_samples_win_because_they_are_more_precise(tmp_path: Path) -> None:
    clock = GatewayClock(source=Board())
    sample = system_sample(Board(), refused, sign(tmp_path, 1))
    assert sample is not None
    for one in (sample, sample._replace(dispersion_us=20_000, offset_us=sample.offset_us + 7, source="ntp.example")):
        clock.feed(one)
    assert clock.stamp().dispersion_us < 30_000


class Answers:
    """What the sampler is told, one after the other."""

    def __init__(self, *answers: TimeSample | OSError | None) -> None:
        self.answers = list(answers)

    def __call__(self, _: Source) -> TimeSample | None:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


def test_the_sampler_passes_samples_on_and_logs_each_change_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sample = TimeSample("boot", 1, 2, 3, "system clock")
    taken: list[TimeSample] = []
    answers = Answers(PermissionError(1, "Operation not permitted"), None, None, sample, sample, None)
    sampler = SystemClockSampler(SystemSource(), taken.append, answers)
    while answers.answers:
        sampler.poll_once()
    assert taken == [sample, sample]
    events = [(record.__dict__["event"], record.levelno) for record in caplog.records]
    refused, answered = ("time-server-refused", logging.WARNING), ("time-server-answers", logging.INFO)
    assert events == [refused, refused, answered, refused]
    assert "[Errno" not in caplog.text


def test_a_stop_ends_the_sampler() -> None:
    stop = Event()
    sample = TimeSample("boot", 1, 2, 3, "system clock")
    SystemClockSampler(SystemSource(), lambda _: stop.set(), Answers(sample)).run(stop)
