"""`smgw clock accept`: a person allows what the gateway's clock does not do by itself."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import SECOND, capture
from line_meter import until
from smgw.cli import main
from smgw.clock import SystemSource, TimeSample
from smgw.cosem import ClockState
from smgw.cosem.device_id import DeviceId
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.services.lmn import LmnService
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Record
from smgw.store.wan.store import WanStore

DAY = 86_400 * SECOND
CONFIGURATION = Configuration(GatewayProfile(device_id=DeviceId.parse("ESMG0000000001")), meters=())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The newest value was stored a day from now: somebody lied before."""
    made = tmp_path / "state"
    made.mkdir()
    with LmnStore.open(paths.lmn_directory(made)) as store:
        store.append([Record(capture(time.time_ns() // 1000 + DAY)), Record(capture(SECOND, synchronised=False))])
    return made


@contextlib.contextmanager
def gateway(state: Path) -> Iterator[LmnService]:
    service = LmnService(CONFIGURATION, state)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def tell_the_time(state: Path) -> None:
    source = SystemSource()
    with WanStore.open(paths.wan_directory(state)) as wan:
        offset_us = (source.realtime_ns() - source.boottime_ns()) // 1000
        wan.add_time_sample(TimeSample(source.boot_id, source.boottime_ns(), offset_us, 1000, "system clock (chrony)"))


def accept(state: Path, *arguments: str) -> int:
    return main(["clock", "accept", "--state", str(state), *arguments])


def test_a_time_before_the_newest_value_waits_for_a_person(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(state) as service:
        tell_the_time(state)
        until(lambda: service._clock.refused)
        assert service._clock.state is ClockState.INVALID
        assert accept(state) == 0
        assert service._clock.state is ClockState.SYNCHRONISED
    assert capsys.readouterr().out.startswith("accepted: the time is synchronised, ")


def test_where_no_step_waits_nothing_is_accepted_for_later(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(state) as service:
        assert accept(state, "--seconds", "1") == 1
        tell_the_time(state)
        until(lambda: service._clock.refused)
        service._discipline()
        assert service._clock.state is ClockState.INVALID
    assert "no step waits" in capsys.readouterr().out


def test_without_a_gateway_nothing_is_accepted(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(state) == 1
    assert "the gateway does not run" in capsys.readouterr().out
