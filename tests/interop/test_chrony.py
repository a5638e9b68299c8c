"""Our NTP client against chronyd, of the Debian package chrony, which is unpacked if it is not installed."""

import time
from pathlib import Path

import pytest
from chrony import chronyd
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.cosem.reading import ClockState
from smgw.wan.time_samples import NtpSampler


def ask(server: str) -> list[TimeSample]:
    return NtpSampler([server], SystemSource(), lambda _: None).poll_once()


def test_a_sample_of_a_synchronised_server_is_right_within_milliseconds_and_within_its_dispersion(
    tmp_path: Path,
) -> None:
    source = SystemSource()
    with chronyd(tmp_path, "local stratum 5") as server:
        (sample,) = ask(server)
    error_us = (source.realtime_ns() - source.boottime_ns()) // 1000 - sample.offset_us
    print(f"offset off by {error_us} us, dispersion {sample.dispersion_us} us")
    assert abs(error_us) <= sample.dispersion_us
    assert sample.dispersion_us < 5_000


def test_a_gateway_clock_fed_by_it_tells_the_systems_time(tmp_path: Path) -> None:
    clock = GatewayClock()
    with chronyd(tmp_path, "local stratum 5") as server:
        for sample in ask(server):
            assert clock.feed(sample) is not None
    stamp = clock.stamp()
    assert stamp.state is ClockState.SYNCHRONISED
    assert abs(stamp.utc_us - time.time_ns() // 1000) < 10_000


def test_a_server_whose_clock_is_not_synchronised_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with chronyd(tmp_path) as server:
        assert ask(server) == []
    assert "its own clock is not synchronised" in caplog.text


def test_a_server_that_was_stopped_raises_nothing(tmp_path: Path) -> None:
    with chronyd(tmp_path, "local stratum 5") as server:
        assert len(ask(server)) == 1
    assert ask(server) == []
