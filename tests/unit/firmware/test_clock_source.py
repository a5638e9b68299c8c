"""The kernel's clocks and boot id."""

import time
from pathlib import Path

import pytest
from smgw.clock import source
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.source import ClockSourceError, SystemSource
from smgw.cosem.reading import ClockState


def test_the_boot_id_is_the_kernels() -> None:
    assert SystemSource().boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_boottime_runs() -> None:
    first = SystemSource().boottime_ns()
    assert first <= SystemSource().boottime_ns()


@pytest.mark.parametrize("text", [None, "\n"])
def test_a_system_without_boot_id_is_told_what_is_missing(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "boot_id"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(source, "BOOT_ID_FILE", file)
    with pytest.raises(ClockSourceError, match=r"boot_id: .*needs a Linux with /proc"):
        _ = SystemSource().boot_id


def test_a_clock_on_the_systems_source_tells_the_systems_time_until_a_sample_comes() -> None:
    clock = GatewayClock()
    assert clock.state is ClockState.INVALID
    assert abs(clock.stamp().utc_us / 1_000_000 - time.time()) < 1
